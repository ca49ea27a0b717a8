// Package prediction answers what is expected of each customer, or in which group they are, as of a day: it reads the
// histories of purchases or what is known of customers once, has a model of the packages rfm, churn, btyd, nextpurchase,
// segment and survival judge them, and makes one table of it. The table has a row per person and is for those who may see
// people; the summary tells of groups of ten and more only. Two kinds, survival and cohorts, tell of nobody and are a
// summary alone. It owns no model and no data.
package prediction

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/strata-crm/strata/operational/internal/model"
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
	Alive Kind = "alive" // the chance that this is still a customer, MBG/NBD
	Churn Kind = "churn" // whether they have left, by their own gaps, and why

	NextPurchase    Kind = "next_purchase"    // whether and when they buy again
	Segments        Kind = "segments"         // groups found in what they bought, in plain words
	Survival        Kind = "survival"         // the time to the second purchase; of nobody in particular
	Cohorts         Kind = "cohorts"          // the retention grid by month of the first purchase; of nobody in particular
	ChurnAttributes Kind = "churn_attributes" // how likely they are to leave by what is known of them, and why
)

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{RFM, Value, Alive, Churn, NextPurchase, Segments, Survival, Cohorts, ChurnAttributes}
}

// OfPeople reports whether the kind tells of each customer; the others are a summary alone.
func (k Kind) OfPeople() bool { return k != Survival && k != Cohorts }

// Request says what is wanted.
type Request struct {
	Kind  Kind
	AsOf  contract.Day // purchases after it are not looked at
	Weeks float64      // ahead: for value, where 0 means 52, and for next_purchase, where it means 26

	// Label is, for churn_attributes, the parameter that says of a customer whether they left; Purpose that for which the
	// values are used: those collected for another are not looked at.
	Label   contract.ParameterName
	Purpose contract.Purpose
}

// Group is customers whom a set tells to be alike.
type Group struct {
	Key       string   `json:"key"`
	Text      string   `json:"text,omitempty"` // in plain words, where the key does not say it
	Customers *int64   `json:"customers"`      // nil: too few to tell
	Share     *float64 `json:"share"`          // of all customers
	Mean      *float64 `json:"mean"`           // of the set's main figure, in Unit
}

// Summary is what a set tells without telling of anybody.
type Summary struct {
	Kind  Kind         `json:"kind"`
	AsOf  contract.Day `json:"asOf"`
	Weeks float64      `json:"weeks,omitempty"` // ahead
	N     int64        `json:"n"`               // customers
	Mean  *float64     `json:"mean"`            // of the main figure; nil for scores
	// Interval is that of the mean, at 95 %: for value and alive with the error of the model's parameters, else by the spread of
	// the customers' figures alone.
	Interval *predict.Interval `json:"interval,omitempty"`
	Unit     contract.Unit     `json:"unit"`               // of the main figure; money in minor units
	Currency string            `json:"currency,omitempty"` // of money, ISO 4217
	Groups   []Group           `json:"groups"`
	Model    predict.Model     `json:"model"`

	Curve     *Curve     `json:"curve,omitempty"`     // of survival
	Retention *Retention `json:"retention,omitempty"` // of cohorts
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

// Models keeps the fits that a forecast rests on.
type Models interface {
	// Line returns the fits of a model of some customers; none where no directive asks for it.
	Line(ctx context.Context, s model.Subject) (model.Line, error)
}

// Options are what sets are made from. All are required.
type Options struct {
	Histories Histories
	Models    Models
	Profiles  Profiles
	Collected Collected
	Zone      *time.Location // the organisation's: in which a day is one
	Currency  string         // ISO 4217, the tenant's
	Minor     float64        // minor units in one of the currency
	Smallest  int            // the fewest customers that a summary may tell of, at least 10
}

// Service makes sets.
type Service struct {
	o        Options
	minor    float64
	smallest int64
}

// New returns a service, or an error naming what is missing.
func New(o Options) (*Service, error) {
	if o.Histories == nil || o.Models == nil || o.Profiles == nil || o.Collected == nil || o.Zone == nil || o.Currency == "" || !(o.Minor >= 1) {
		return nil, errors.New("prediction: histories, models, profiles, what is collected, the zone, the currency and its minor units are required")
	}
	return &Service{o, o.Minor, int64(max(o.Smallest, leastGroup))}, nil
}

const (
	leastGroup   = 10
	defaultWeeks = 52
	nextWeeks    = 26
	maxWeeks     = 5 * 52
)

// makers is how the kinds that rest on histories of purchases are made.
var makers = map[Kind]func(*Service, []purchase.History, purchase.Day, float64) (Set, error){
	RFM: (*Service).scores, Value: (*Service).value, Alive: (*Service).alive, Churn: (*Service).churn, NextPurchase: (*Service).next,
	Segments: (*Service).segments, Survival: (*Service).survival, Cohorts: (*Service).cohorts,
}

// Make returns the set. It fails with fault.Invalid on a kind, day, horizon, label or purpose that cannot be; with
// fault.Conflict, code no_data_yet, without customers; code no_source, where what is needed is not collected; and code
// model_not_identified or low_sample, where the data cannot carry the model; code validity, where the fit that it would rest
// on has expired.
func (s *Service) Make(ctx context.Context, r Request) (Set, error) {
	if r.Weeks == 0 {
		r.Weeks = map[Kind]float64{NextPurchase: nextWeeks}[r.Kind]
	}
	if r.Weeks == 0 {
		r.Weeks = defaultWeeks
	}
	asOf, err := r.check()
	if err != nil {
		return Set{}, err
	}
	fits, err := s.fits(ctx, r)
	if err != nil {
		return Set{}, err
	}
	var set Set
	if r.Kind == ChurnAttributes {
		set, err = s.byAttributes(ctx, r, asOf)
	} else {
		set, err = s.fromHistories(ctx, r, asOf)
	}
	if err != nil {
		return Set{}, fmt.Errorf("%s as of %s: %w", r.Kind, r.AsOf, err)
	}
	set.Summary.Kind, set.Summary.AsOf = r.Kind, r.AsOf
	if set.Summary.Unit == contract.Money {
		set.Summary.Currency = s.o.Currency
	}
	rest(&set.Summary.Model, fits)
	if r.Kind.OfPeople() {
		set.Summary.N = int64(len(set.Rows))
		if few(set.Summary.N, s.smallest) { // the mean of so few tells of each
			set.Summary.Mean, set.Summary.Interval = nil, nil
		}
	}
	return set, nil
}

func (s *Service) fromHistories(ctx context.Context, r Request, asOf purchase.Day) (Set, error) {
	all, err := s.o.Histories.Histories(ctx, r.AsOf)
	if err != nil {
		return Set{}, fmt.Errorf("histories of purchases: %w", err)
	}
	if len(all) == 0 {
		return Set{}, fault.New(fault.Conflict, fault.NoData, "nobody had bought anything by %s", r.AsOf)
	}
	return makers[r.Kind](s, all, asOf, r.Weeks)
}

func (r Request) check() (purchase.Day, error) {
	if !slices.Contains(Kinds(), r.Kind) {
		return 0, fault.New(fault.Invalid, fault.BadRequest, "the prediction %q is not known: choose one of %v", r.Kind, Kinds())
	}
	if !(r.Weeks > 0 && r.Weeks <= maxWeeks) {
		return 0, fault.New(fault.Invalid, fault.BadRequest, "weeks must lie between 0 and %d", maxWeeks)
	}
	if r.Kind == ChurnAttributes && (r.Label == "" || r.Purpose == "") {
		return 0, fault.New(fault.Invalid, fault.BadRequest, "name the label, a parameter that says whether a customer left, and the purpose for which values are used")
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

// dayOf returns a day of the models as the contract writes it.
func dayOf(d purchase.Day) contract.Day { return contract.Day("1970-01-01").Add(int(d)) }

// tally counts customers by group, in the order in which the keys were named.
type tally struct {
	keys []string
	n    map[string]int64
	sum  map[string]float64

	all     float64 // figures
	total   float64
	squares float64
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
	t.all++
	t.total += figure
	t.squares += figure * figure
}

// interval is the 95 % interval of the mean of the figures by their spread; nil of fewer than two.
func (t *tally) interval() *predict.Interval {
	if t.all < 2 {
		return nil
	}
	mean := t.total / t.all
	return around(mean, math.Sqrt(max(0, t.squares/t.all-mean*mean)/(t.all-1)))
}

// around is the 95 % interval of a mean with a standard error.
func around(mean, stdErr float64) *predict.Interval {
	const z = 1.959963984540054 // the normal distribution's .975 quantile
	return &predict.Interval{Low: mean - z*stdErr, High: mean + z*stdErr, Level: .95}
}

// groups returns what may be told: no group of 1 to smallest-1, and then none of the next smallest either until those that are
// hidden hold smallest customers together, since whoever knows the whole can work out what all of them together are.
func (t *tally) groups(of int64, smallest int64, means bool) []Group {
	hidden := t.hidden(smallest)
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

// hidden are the groups that are not told.
func (t *tally) hidden(smallest int64) map[string]bool {
	hidden, together := map[string]bool{}, int64(0)
	for _, k := range t.keys {
		if n := t.n[k]; few(n, smallest) {
			hidden[k] = true
			together += n
		}
	}
	for few(together, smallest) {
		next := t.smallestOf(hidden)
		if next == "" {
			break
		}
		hidden[next] = true
		together += t.n[next]
	}
	return hidden
}

// smallestOf is the smallest group that is not hidden yet; empty where none is left.
func (t *tally) smallestOf(hidden map[string]bool) string {
	best := ""
	for _, k := range t.keys {
		if t.n[k] > 0 && !hidden[k] && (best == "" || t.n[k] < t.n[best]) {
			best = k
		}
	}
	return best
}
