package metric

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

// TestCoverageOfWhatIsRead: a measurement says of how many customers the parameters are known that it reads of profiles and answers, so
// that a coverage that is required of them is not passed by none being told; what an order has, or somebody does next, is no such thing.
func TestCoverageOfWhatIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "nps_month", "answered_after_purchase_30d", "revenue_month")
	vip := contract.Definition{ID: "vips", Version: "1.0.0", Type: contract.Simple, Unit: contract.Count, Parameters: []contract.ParameterName{"customer_id", "vip", "city", "age"},
		Measures: []contract.Measure{{Name: "vips", Agg: contract.SumBoolean, Entity: contract.Profile, Field: "vip",
			Filter: &contract.Condition{Not: &contract.Condition{Field: "city", Op: contract.Eq, Value: "wien"}}}}}
	w.orders[0].Compute = append(w.orders[0].Compute, contract.Computation{Metric: vip, Grain: contract.GrainMonth, Until: "1998-12-31"})
	w.complete = time.Date(1997, 4, 1, 0, 0, 0, 0, time.UTC)
	if err := w.engine.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := map[contract.MetricID]map[contract.ParameterName]float64{
		"nps_month":                   {"customer_id": 1, "nps": .2},
		"answered_after_purchase_30d": {"customer_id": 1, "order_time": 1},
		"revenue_month":               {"customer_id": 1, "order_time": 1, "order_amount": 0},
		"vips":                        {"customer_id": 1, "vip": .2, "city": .2},
	}
	for _, p := range w.puts {
		if d := cmp.Diff(want[p.m.Metric], p.m.Quality.Coverage); d != "" {
			t.Errorf("%s (-want +got):\n%s", p.m.Metric, d)
		}
	}
	if len(w.puts) < len(want) {
		t.Errorf("%d measurements", len(w.puts))
	}
}
