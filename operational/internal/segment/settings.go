package segment

import (
	"cmp"
	"math"
	"slices"

	"github.com/strata-crm/strata/operational/internal/predict"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/fault"
)

// Settings say how groups are found.
type Settings struct {
	Traits        []Trait // each once
	MinK, MaxK    int     // numbers of groups to try, 2 or more
	Restarts      int     // of k-means for each number; 1 or more
	Seed          uint64
	MinSize       int     // customers that a group must have; 1 or more
	MinCustomers  int     // a gate
	MinSilhouette float64 // a gate: groups that stand apart no better are none
	MinAgreement  float64 // a gate on adjusted_rand: groups that other customers would not have made are none
	MaxFitted     int     // customers that centres are fitted on at most, taken by a hash of their ids
	MaxCompared   int     // of those, customers that the silhouette is taken from; time goes with its square
	Currency      string  // ISO 4217, for words about money
}

// DefaultSettings are those of the product. Two groups are not tried: they only tell who buys more from who buys less, and win
// nearly always. At a silhouette of a quarter or less no structure of substance has been found
// (Kaufman & Rousseeuw 1990, p. 88).
func DefaultSettings(currency string) Settings {
	return Settings{
		Traits: []Trait{Recency, Frequency, MeanSpend}, MinK: 3, MaxK: 8, Restarts: 10, Seed: 1, MinSize: 10, MinCustomers: 100,
		MinSilhouette: .25, MinAgreement: .6, MaxFitted: 20_000, MaxCompared: 2_000, Currency: currency,
	}
}

func (s Settings) check() error {
	if len(s.Traits) == 0 || s.MinK < 2 || s.MaxK < s.MinK || s.Restarts < 1 || s.MinSize < 1 || s.MaxCompared < 2 || s.MaxFitted < s.MaxK {
		return fault.New(fault.Invalid, fault.BadDefinition, "settings of groups %+v: need a trait, two groups or more, a restart, a least size, "+
			"and customers to fit and compare", s)
	}
	seen := map[Trait]bool{}
	for _, t := range s.Traits {
		if _, known := sayings[t]; !known || seen[t] {
			return fault.New(fault.Invalid, fault.BadDefinition, "trait %q is unknown or comes twice", t)
		}
		seen[t] = true
	}
	return nil
}

// Customer is a customer's traits, in the order of the settings'.
type Customer struct {
	ID     string
	Values []float64 // finite; below 0 counts as 0
}

// AsOf returns the traits of the customers who had bought by the day. It fails (Invalid) as [purchase.AsOf] does, and on
// an unknown trait.
func AsOf(histories []purchase.History, day purchase.Day, traits []Trait) ([]Customer, error) {
	cut, err := purchase.AsOf(histories, day)
	if err != nil {
		return nil, err
	}
	out := make([]Customer, len(cut))
	for i, h := range cut {
		out[i] = Customer{h.Customer, make([]float64, len(traits))}
		for j, t := range traits {
			s, known := sayings[t]
			if !known {
				return nil, fault.New(fault.Invalid, fault.BadDefinition, "trait %q is unknown", t)
			}
			out[i].Values[j] = s.of(h, day)
		}
	}
	return out, nil
}

func sorted(customers []Customer, traits int) ([]Customer, error) {
	ids := make([]string, len(customers))
	for i, c := range customers {
		ids[i] = c.ID
		if len(c.Values) != traits || slices.ContainsFunc(c.Values, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }) {
			return nil, fault.New(fault.Invalid, fault.InvalidItem, "customer %q: need %d finite traits, have %v", c.ID, traits, c.Values)
		}
	}
	if _, err := predict.Distinct(ids); err != nil {
		return nil, err
	}
	out := slices.Clone(customers)
	slices.SortFunc(out, func(a, b Customer) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}
