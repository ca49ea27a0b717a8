package nextpurchase

import (
	"math"

	"github.com/strata-crm/strata/operational/internal/predict"
	"github.com/strata-crm/strata/operational/internal/purchase"
)

// holdOut fits a horizon earlier and compares with what came since.
func holdOut(customers []purchase.History, asOf purchase.Day, s Settings) predict.HoldOut {
	out := predict.HoldOut{Design: predict.LaterTime, Weeks: s.HorizonWeeks}
	days := purchase.Day(math.Round(7 * s.HorizonWeeks))
	earlier := asOf - days
	then, err := purchase.AsOf(customers, earlier)
	if err != nil {
		return out
	}
	f, err := fit(then, earlier, s)
	if err != nil {
		return out
	}
	var t tally
	for _, h := range customers {
		if h.First() <= earlier {
			next, came := h.NextAfter(earlier)
			t.add(f.predict(h.Until(earlier)), float64(next-earlier), came && next <= earlier+days)
		}
	}
	out.Customers, out.Measures = t.customers, t.measures()
	return out
}

// tally counts predictions that have come true.
type tally struct {
	customers       int
	returned        float64
	expected        float64
	inside, came    map[Basis]float64
	beforeTheMedian float64
}

func (t *tally) add(p Prediction, days float64, returned bool) {
	if t.inside == nil {
		t.inside, t.came = map[Basis]float64{}, map[Basis]float64{}
	}
	t.customers++
	t.expected += p.Returns
	if !returned {
		return
	}
	t.returned++
	t.came[p.Basis]++
	if p.Interval.Contains(days) {
		t.inside[p.Basis]++
	}
	if days < p.Median {
		t.beforeTheMedian++
	}
}

func (t *tally) measures() map[string]float64 {
	if t.customers == 0 {
		return nil
	}
	n := float64(t.customers)
	out := map[string]float64{"returned": t.returned / n, "returns_expected": t.expected / n}
	if t.returned == 0 {
		return out
	}
	out["below_median"] = t.beforeTheMedian / t.returned
	out["coverage"] = (t.inside[OwnGaps] + t.inside[PopulationGaps] + t.inside[AliveModel]) / t.returned
	for _, b := range []Basis{OwnGaps, PopulationGaps, AliveModel} {
		if t.came[b] > 0 {
			out["coverage_"+string(b)] = t.inside[b] / t.came[b]
		}
	}
	return out
}
