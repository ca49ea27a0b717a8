// Package prediction answers what is expected of each customer, or in which group they are, as of a day: it reads the
// histories of purchases once, has a model of the packages rfm, churn and btyd judge them, and makes one table of it. The
// table has a row per person and is for those who may see people; the summary tells of groups of ten and more only. It
// owns no model and no data.
package prediction

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/strata-crm/strata/operational/internal/predict"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/export"
	"github.com/strata-crm/strata/shared/fault"
)

// Kind of a prediction.
type Kind string

// The kinds.
const (
	RFM   Kind = "rfm"   // recency, frequency, monetary: scores and a named segment
	Value Kind = "value" // purchases and revenue to come, BG/NBD and Gamma-Gamma
	Alive Kind = "alive" // the chance that this is still a customer, and when they buy next, MBG/NBD
	Churn Kind = "churn" // whether they have left, by their own gaps, and why
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{RFM, Value, Alive, Churn} }

// Request says what is wanted.
type Request struct {
	Kind  Kind
	AsOf  contract.Day // purchases after it are not looked at
	Weeks float64      // ahead, for value; 0 means 52
}

// Group is customers whom a set tells to be alike.
type Group struct {
	Key       string   `json:"key"`
	Customers *int64   `json:"customers"` // nil: too few to tell
	Share     *float64 `json:"share"`     // of all customers
	Mean      *float64 `json:"mean"`      // of the set's main figure, in Unit
}

// Summary is what a set tells without telling of anybody.
type Summary struct {
	Kind   Kind          `json:"kind"`
	AsOf   contract.Day  `json:"asOf"`
	Weeks  float64       `json:"weeks,omitempty"` // ahead
	N      int64         `json:"n"`               // customers
	Mean   *float64      `json:"mean"`            // of the main figure; nil for scores
	Unit   contract.Unit `json:"unit"`            // of the main figure; money in minor units
	Groups []Group       `json:"groups"`
	Model  predict.Model `json:"model"`
}

// Set is a prediction of every customer who had bought by the day.
type Set struct {
	Summary Summary
	Columns []export.Column // the first is the customer's key
	Rows    [][]any         // by customer
}

// Histories reads purchases.
type Histories interface {
	// Histories returns the purchases of every person up to a day, that day included, by person: identities that belong
	// together are one.
	Histories(ctx context.Context, until contract.Day) ([]purchase.History, error)
}

// Service makes sets.
type Service struct {
	histories Histories
	minor     float64 // minor units in a unit of the currency
	smallest  int64
}

// New returns a service. minor is how many minor units the tenant's currency has in one, smallest the fewest customers that
// a summary may tell of, at least 10.
func New(h Histories, minor float64, smallest int) (*Service, error) {
	if h == nil || !(minor >= 1) {
		return nil, errors.New("prediction: histories and the currency's minor units are required")
	}
	return &Service{h, minor, int64(max(smallest, leastGroup))}, nil
}

const (
	leastGroup   = 10
	defaultWeeks = 52
	maxWeeks     = 5 * 52
)

// Make returns the set. It fails with fault.Invalid on a kind, day or horizon that cannot be; with fault.Conflict, code
// no_data_yet, without customers; and with fault.Conflict, code model_not_identified or low_sample, where the data cannot
// carry the model.
func (s *Service) Make(ctx context.Context, r Request) (Set, error) {
	if r.Weeks == 0 {
		r.Weeks = defaultWeeks
	}
	asOf, err := r.check()
	if err != nil {
		return Set{}, err
	}
	all, err := s.histories.Histories(ctx, r.AsOf)
	if err != nil {
		return Set{}, fmt.Errorf("histories of purchases: %w", err)
	}
	if len(all) == 0 {
		return Set{}, fault.New(fault.Conflict, fault.NoData, "nobody had bought anything by %s", r.AsOf)
	}
	var set Set
	switch r.Kind {
	case RFM:
		set, err = s.scores(all, asOf)
	case Value:
		set, err = s.value(all, asOf, r.Weeks)
	case Alive:
		set, err = s.alive(all, asOf)
	default:
		set, err = s.churn(all, asOf)
	}
	if err != nil {
		return Set{}, fmt.Errorf("%s as of %s: %w", r.Kind, r.AsOf, err)
	}
	set.Summary.Kind, set.Summary.AsOf, set.Summary.N = r.Kind, r.AsOf, int64(len(set.Rows))
	return set, nil
}

func (r Request) check() (purchase.Day, error) {
	if !slices.Contains(Kinds(), r.Kind) {
		return 0, fault.New(fault.Invalid, fault.BadRequest, "the prediction %q is not known: choose one of %v", r.Kind, Kinds())
	}
	if !(r.Weeks > 0 && r.Weeks <= maxWeeks) {
		return 0, fault.New(fault.Invalid, fault.BadRequest, "weeks must lie between 0 and %d", maxWeeks)
	}
	day, err := DayOf(r.AsOf)
	if err != nil {
		return 0, fault.New(fault.Invalid, fault.BadRequest, "asOf must be a day such as 1998-06-30")
	}
	return day, nil
}

// DayOf returns a day as the models count it.
func DayOf(d contract.Day) (purchase.Day, error) {
	if _, err := contract.ParseDay(string(d)); err != nil {
		return 0, err
	}
	return purchase.Day(d.Sub("1970-01-01")), nil
}

// tally counts customers by group, in the order in which the keys were named.
type tally struct {
	keys []string
	n    map[string]int64
	sum  map[string]float64
}

func newTally(keys ...string) *tally {
	return &tally{keys: keys, n: map[string]int64{}, sum: map[string]float64{}}
}

func (t *tally) add(key string, figure float64) {
	if !slices.Contains(t.keys, key) {
		t.keys = append(t.keys, key)
	}
	t.n[key]++
	t.sum[key] += figure
}

// groups returns what may be told: no group of 1 to smallest-1, and then not the next smallest either, since whoever knows the
// whole could work it out.
func (t *tally) groups(of int64, smallest int64, means bool) []Group {
	hidden := map[string]bool{}
	few := 0
	for _, k := range t.keys {
		if n := t.n[k]; n > 0 && n < smallest {
			hidden[k] = true
			few++
		}
	}
	if few == 1 {
		if next := t.smallestOf(hidden); next != "" {
			hidden[next] = true
		}
	}
	var out []Group
	for _, k := range t.keys {
		g := Group{Key: k}
		if n := t.n[k]; !hidden[k] {
			share := float64(n) / float64(of)
			g.Customers, g.Share = &n, &share
			if means && n > 0 {
				mean := t.sum[k] / float64(n)
				g.Mean = &mean
			}
		}
		out = append(out, g)
	}
	return out
}

func (t *tally) smallestOf(hidden map[string]bool) string {
	best := ""
	for _, k := range t.keys {
		if t.n[k] > 0 && !hidden[k] && (best == "" || t.n[k] < t.n[best]) {
			best = k
		}
	}
	return best
}
