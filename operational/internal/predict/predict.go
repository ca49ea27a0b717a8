// Package predict owns what every prediction about a customer states beside its value: which model made it, from how
// many customers, how that model did on data it had not seen, and where in its life it is. It owns no model, and decides
// nothing about its life.
package predict

import (
	"cmp"
	"hash/fnv"
	"slices"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Model is the provenance of a prediction.
type Model struct {
	Name    string  `json:"name"`    // such as churn_logistic
	Version string  `json:"version"` // of the model's own code, major.minor.patch: a new one starts a new series
	N       int     `json:"n"`       // customers it was fitted on
	HoldOut HoldOut `json:"holdOut"`
	// State is where the model is in its life; none of what is no model, such as scores. Fit is the number of its fit where
	// claims of directives rest on it.
	State contract.ModelState `json:"state,omitempty"`
	Fit   int                 `json:"fit,omitempty"`
}

// Design is how the data of a hold-out were kept from the fit.
type Design string

// The designs. Where data has time the hold-out is later than the fit; only where it has none are customers left out
// at random.
const (
	LaterTime       Design = "later_time"
	CrossValidation Design = "cross_validation"
	OtherHalf       Design = "other_half" // fitted on one half of the customers and again on the other
)

// HoldOut is how a model did on data it was not fitted on.
type HoldOut struct {
	Design    Design             `json:"design"`
	Customers int                `json:"customers"`
	Weeks     float64            `json:"weeks,omitempty"` // of later time; 0 where the data has none
	Measures  map[string]float64 `json:"measures"`        // by name: auc, brier, coverage and so on, as the model documents
}

// Interval is a range that should hold the truth with probability Level, in the unit of what it is an interval of.
type Interval struct {
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Level float64 `json:"level"` // in (0, 1)
}

// Contains reports whether v is within the interval, ends included.
func (i Interval) Contains(v float64) bool { return v >= i.Low && v <= i.High }

// Distinct returns the ids sorted. It fails (Invalid) on an empty id and on one that comes twice: results are made to
// depend on the set of customers, never on the order they come in, and a customer counted twice would weigh twice.
func Distinct(ids []string) ([]string, error) {
	sorted := slices.Sorted(slices.Values(ids))
	for i, id := range sorted {
		if id == "" || i > 0 && sorted[i-1] == id {
			return nil, fault.New(fault.Invalid, fault.InvalidItem, "customer id %q is empty or comes twice: give each customer once", id)
		}
	}
	return sorted, nil
}

// Shuffled returns the places of the ids in the order of a hash of them (FNV-1a, then the finaliser of splitmix64, Steele et
// al. 2014). Its beginning is a sample of the customers, whose members do not depend on the order of the ids, nor, but for
// the ones that are pushed out, on which others there are. The ids must be distinct.
func Shuffled(ids []string) []int {
	hash, out := make([]uint64, len(ids)), make([]int, len(ids))
	for i, id := range ids {
		sum := fnv.New64a()
		_, _ = sum.Write([]byte(id)) // never fails
		h := sum.Sum64()
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		hash[i], out[i] = h^h>>31, i
	}
	slices.SortFunc(out, func(a, b int) int { return cmp.Or(cmp.Compare(hash[a], hash[b]), cmp.Compare(ids[a], ids[b])) })
	return out
}
