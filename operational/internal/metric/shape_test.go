package metric

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/shared/contract"
)

func TestShape(t *testing.T) {
	t.Parallel()
	defs := map[contract.MetricID]contract.Definition{}
	for _, d := range shipped(t) {
		defs[d.ID] = d
	}
	derived := func(expression string) contract.Definition {
		d := defs["nps_month"]
		d.Expression, d.Unit = expression, contract.Count
		return d
	}
	for name, c := range map[string]struct {
		d    contract.Definition
		want Shape
	}{
		"a sum":     {defs["revenue_month"], Shape{Form: Total, Width: 1, Num: []float64{1}, Scale: 1}},
		"a ratio":   {defs["average_order_value_month"], Shape{Form: Quotient, Width: 2, Num: []float64{1, 0}, Den: []float64{0, 1}, Scale: 1}},
		"a share":   {defs["month_on_month_retention"], Shape{Form: Quotient, Width: 2, Num: []float64{1, 0}, Den: []float64{0, 1}, Scale: 1, Bounded: true}},
		"a score":   {defs["nps_month"], Shape{Form: Quotient, Width: 3, Num: []float64{1, -1, 0}, Den: []float64{0, 0, 1}, Scale: 100, Bounded: true}},
		"a model":   {defs["share_alive"], Shape{Form: Model, Scale: 1, Bounded: true}},
		"weights":   {derived("(promoters * 2 - -detractors) / 4"), Shape{Form: Total, Width: 3, Num: []float64{1, .5, 0}, Scale: .5}},
		"over both": {derived("promoters / (promoters + detractors)"), Shape{Form: Quotient, Width: 3, Num: []float64{1, 0, 0}, Den: []float64{1, 1, 0}, Scale: 1}},
		"shares":    {derived("promoters / answers - detractors / answers"), Shape{Form: Quotient, Width: 3, Num: []float64{1, -1, 0}, Den: []float64{0, 0, 1}, Scale: 1}},
		"growth":    {derived("promoters / answers - 1"), Shape{Form: Quotient, Width: 3, Num: []float64{1, 0, -1}, Den: []float64{0, 0, 1}, Scale: 1}},
		"decline":   {derived("1 - promoters / answers"), Shape{Form: Quotient, Width: 3, Num: []float64{-1, 0, 1}, Den: []float64{0, 0, 1}, Scale: 1}},
		"two kinds": {derived("promoters / answers + answers / promoters"), Shape{Form: Smooth, Width: 3, Scale: 1}},
		"curved":    {derived("promoters * detractors"), Shape{Form: Smooth, Width: 3, Scale: 1}},
		"offset":    {derived("promoters / (answers + 1)"), Shape{Form: Smooth, Width: 3, Scale: 1}},
	} {
		p, why := Compile(monthly(c.d), Calendar{time.Monday})
		if why != nil {
			t.Fatalf("%s: %+v", name, *why)
		}
		if diff := cmp.Diff(c.want, p.Shape()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(c.want, p.Shape()); diff != "" {
			t.Errorf("%s, asked again (-want +got):\n%s", name, diff)
		}
	}
}
