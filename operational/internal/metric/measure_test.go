package metric

import (
	"context"
	"testing"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/shared/contract"
)

// twice is a warehouse of 60 customers in two groups; more customers come between the first question and the second.
type twice struct {
	Warehouse
	come int64
}

func (w twice) Moments(_ context.Context, q Query) ([]Group, error) {
	group := func(key string, n int64) Group {
		m := float64(n)
		return Group{Key: key, N: n, Having: n, Sums: []float64{30 * m, m}, Products: [][]float64{{1000 * m, 30 * m}, {30 * m, m}}}
	}
	if q.By != "" {
		return []Group{group("linz", 20), group("wien", 40)}, nil
	}
	g := group("", 60+w.come)
	if q.Spread {
		median, p90 := 25.0, 80.0
		g.Median, g.P90 = &median, &p90
	}
	return []Group{g}, nil
}

// TestMeanByDimension: a mean that is told by groups carries median and 90th percentile of the whole like any other.
func TestMeanByDimension(t *testing.T) {
	t.Parallel()
	d := contract.Definition{ID: "m", Version: "1.0.0", Type: contract.RatioOf, Unit: contract.Count, Numerator: "units", Denominator: "customers", Dimension: "city",
		Measures: []contract.Measure{
			{Name: "units", Agg: contract.Sum, Entity: contract.CustomerDay, Field: "units"},
			{Name: "customers", Agg: contract.CountDistinct, Entity: contract.CustomerDay, Field: "customer"},
		}}
	p, why := Compile(monthly(d), Calendar{})
	if why != nil {
		t.Fatalf("%+v", *why)
	}
	for come, told := range map[int64]bool{0: true, 5: false} {
		r, err := p.Measure(t.Context(), twice{come: come}, Span{"1997-03-01", "1997-04-01"}, btyd.Gates{}, 10)
		if err != nil || r.N != 60 || len(r.Parts) != 2 || *r.Value != 30 {
			t.Fatalf("%+v, %v", r, err)
		}
		if (r.Median != nil) != told {
			t.Errorf("with %d customers more at the second question the median is %v", come, r.Median)
		}
		if told { // beyond the 90th percentile lie 6 of 60: fewer than a group
			near(t, "the median", r.Median, 25, 0)
		}
		if r.P90 != nil {
			t.Error("a percentile tells of six customers")
		}
	}
}
