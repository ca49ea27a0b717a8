package mongostore

import (
	"math"
	"testing"
	"time"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

// fixture is one month's row of the reference values: see docs on CDNOW in the design's reference-values.
type fixture struct {
	first           contract.Day
	again, before   float64 // month-on-month retention
	repeat          float64
	value, valueErr float64 // predicted 52-week value in dollars; 0: refused; an error of 0 is not stated
}

var months = []fixture{
	{"1997-01-01", 0, 0, .0960, 0, 0}, {"1997-02-01", 1157, 7846, .1506, 0, 0}, {"1997-03-01", 1681, 9633, .2055, 0, 0},
	{"1997-04-01", 1773, 9524, .2702, 41.56, 0}, {"1997-05-01", 852, 2822, .3053, 35.43, 0}, {"1997-06-01", 747, 2214, .3403, 37.57, 1.6},
	{"1997-07-01", 746, 2339, .3675, 38.94, 0}, {"1997-08-01", 604, 2180, .3850, 35.40, 0}, {"1997-09-01", 528, 1772, .4010, 34.51, 1.3},
	{"1997-10-01", 532, 1739, .4167, 34.62, 0}, {"1997-11-01", 624, 1839, .4332, 36.67, 0}, {"1997-12-01", 632, 2028, .4451, 36.23, 1.0},
	{"1998-01-01", 512, 1864, .4535, 35.45, 0}, {"1998-02-01", 472, 1537, .4619, 35.76, 0}, {"1998-03-01", 571, 1551, .4728, 38.07, 1.3},
	{"1998-04-01", 518, 2060, .4790, 36.70, 0}, {"1998-05-01", 459, 1437, .4846, 35.50, 0}, {"1998-06-01", 446, 1488, .4886, 35.11, 0},
}

// active customers by months since the first purchase.
var cohorts = map[string][]float64{
	"1997-01": {7846, 1157, 964, 810, 679, 736, 720, 582, 559, 594, 673, 634, 528, 511, 664, 472, 497, 498},
	"1997-02": {8476, 1312, 980, 783, 847, 786, 626, 619, 666, 721, 661, 545, 568, 718, 545, 548, 551},
	"1997-03": {7248, 1032, 752, 756, 674, 564, 561, 579, 634, 569, 464, 472, 678, 420, 443, 457},
}

// bench measures shipped metrics over the CDNOW customer-days.
type bench struct {
	t     *testing.T
	store *Metrics
	defs  map[contract.MetricID]contract.Definition
}

func (b bench) measure(m contract.MetricID, first contract.Day) metric.Result {
	b.t.Helper()
	cal := metric.Calendar{WeekStart: time.Monday}
	p, why := metric.Compile(&contract.Computation{Metric: b.defs[m], Grain: contract.GrainMonth}, cal)
	if why != nil {
		b.t.Fatalf("%s: %+v", m, why)
	}
	r, err := p.Measure(b.t.Context(), b.store, cal.Of(contract.GrainMonth, first), btyd.DefaultGates(), metric.SmallestGroup)
	if err != nil {
		b.t.Fatalf("%s of %s: %v", m, first, err)
	}
	return r
}

func (b bench) near(what string, got *float64, want, within float64) {
	b.t.Helper()
	if got == nil || math.Abs(*got-want) > within {
		b.t.Errorf("%s is %v, want %v ± %v", what, show(got), want, within)
	}
}

func show(f *float64) any {
	if f == nil {
		return "nothing"
	}
	return *f
}

func TestCDNOW(t *testing.T) {
	if testing.Short() {
		t.Skip("15 months of models over 23,570 customers take half a minute")
	}
	t.Parallel()
	b := bench{t, NewMetrics(tenant, warehouse(t, cdnow(t), nil, nil)), shipped(t)}
	if first, err := b.store.FirstDay(t.Context()); err != nil || first != "1997-01-01" {
		t.Fatalf("the first day is %s, %v", first, err)
	}
	totals := map[contract.MetricID]float64{}
	for i, m := range months {
		b.simple(m, totals)
		b.retention(m)
		b.cohorts(i, m)
		b.timed(i, m, totals)
		b.value(m)
	}
	for id, want := range map[contract.MetricID]float64{"orders_month": 69659, "revenue_month": 250031563, "new_customers_month": 23570} {
		if totals[id] != want {
			t.Errorf("%s over all months is %v, want %v", id, totals[id], want)
		}
	}
	alive := b.measure("share_alive", "1998-06-01")
	b.near("share alive at the end", alive.Value, .414, .0005)
	if alive.Model.Customers != 23570 || alive.Model.Repeaters != 11516 || math.Abs(alive.Model.LogLikelihood+173294.4) > .1 {
		t.Errorf("the MBG/NBD fit is %+v, want 23,570 customers, 11,516 repeaters, log-likelihood −173,294.4", alive.Model)
	}
}

// simple sums what adds up over months, and checks what each month's must be.
func (b bench) simple(m fixture, totals map[contract.MetricID]float64) {
	b.t.Helper()
	for _, id := range []contract.MetricID{"orders_month", "revenue_month", "new_customers_month"} {
		totals[id] += *b.measure(id, m.first).Value
	}
	orders, revenue, customers := b.measure("orders_month", m.first), b.measure("revenue_month", m.first), b.measure("active_customers_month", m.first)
	aov, often := b.measure("average_order_value_month", m.first), b.measure("purchase_frequency_month", m.first)
	b.near("average order value", aov.Value, *revenue.Value / *orders.Value, 1e-9)
	b.near("purchase frequency", often.Value, *orders.Value / *customers.Value, 1e-12)
	if aov.N != int64(*customers.Value) || aov.Median == nil || aov.P90 == nil || *aov.Median > *aov.P90 {
		b.t.Errorf("average order value of %s rests on %d customers with median %v and p90 %v", m.first, aov.N, show(aov.Median), show(aov.P90))
	}
	b.near("repeat rate "+string(m.first), b.measure("repeat_rate", m.first).Value, m.repeat, .00005)
}

func (b bench) retention(m fixture) {
	b.t.Helper()
	r := b.measure("month_on_month_retention", m.first)
	if m.before == 0 {
		if r.Value != nil || r.Reason.Code != fault.ZeroDenominator || r.Smallest != 0 {
			b.t.Errorf("retention before anybody bought is %+v, want zero_denominator about nobody", r)
		}
		return
	}
	if *r.Numerator != m.again || *r.Denominator != m.before || r.N != int64(m.before) {
		b.t.Errorf("retention of %s is %v/%v, want %v/%v", m.first, *r.Numerator, *r.Denominator, m.again, m.before)
	}
	p := m.again / m.before
	b.near("its standard error", r.StdErr, math.Sqrt(p*(1-p)/m.before), 1e-9)
	if m.first >= "1997-05-01" {
		b.near("its standard error "+string(m.first), r.StdErr, .011, .25*.011)
	}
	var n int64
	var back float64
	for _, part := range r.Parts {
		n += part.N
		back += part.Value * float64(part.N)
	}
	if n != r.N || math.Abs(back-m.again) > 1e-6 {
		b.t.Errorf("the parts of %s have %d customers of whom %v came back, want %d and %v: %+v", m.first, n, back, r.N, m.again, r.Parts)
	}
}

func (b bench) cohorts(at int, m fixture) {
	b.t.Helper()
	r := b.measure("monthly_cohort_retention", m.first)
	for _, part := range r.Parts {
		want := cohorts[part.Key]
		age := at - map[string]int{"1997-01": 0, "1997-02": 1, "1997-03": 2}[part.Key]
		if part.N != int64(want[0]) || math.Abs(part.Value*float64(part.N)-want[age]) > 1e-6 {
			b.t.Errorf("cohort %s in %s: %v of %d, want %v of %v", part.Key, m.first, part.Value*float64(part.N), part.N, want[age], want[0])
		}
	}
	if want := min(at, 3); len(r.Parts) != want {
		b.t.Errorf("%s has %d cohorts, want %d", m.first, len(r.Parts), want)
	}
}

// timed checks what looks back against what other months say by themselves.
func (b bench) timed(at int, m fixture, totals map[contract.MetricID]float64) {
	b.t.Helper()
	if cohort := cohorts[string(m.first.Add(-80))[:7]]; at >= 3 && at <= 5 {
		r := b.measure("cohort_retention_3m", m.first)
		b.near("customers back after three months, "+string(m.first), r.Numerator, cohort[3], 0)
		b.near("their cohort", r.Denominator, cohort[0], 0)
	}
	if m.first == "1997-12-01" { // until now all months are of one year
		b.near("revenue of the year", b.measure("revenue_year_to_date", m.first).Value, totals["revenue_month"], 0)
	}
	if at == 0 {
		return
	}
	this, before := b.measure("revenue_month", m.first), b.measure("revenue_month", months[at-1].first)
	b.near("growth", b.measure("revenue_growth_month", m.first).Value, *this.Value / *before.Value - 1, 1e-12)
	if at >= 12 {
		earlier := b.measure("revenue_month", months[at-12].first)
		r := b.measure("revenue_on_year", m.first)
		b.near("on the year", r.Value, *this.Value / *earlier.Value, 1e-12)
		if r.Smallest < earlier.N && r.Smallest < this.N {
			b.t.Errorf("%s: the smallest group is %d, want the fewer of %d and %d customers", m.first, r.Smallest, this.N, earlier.N)
		}
	}
}

func (b bench) value(m fixture) {
	b.t.Helper()
	r := b.measure("predicted_value_52w", m.first)
	if m.value == 0 {
		if r.Value != nil || r.Reason.Code != fault.ModelNotIdentified {
			b.t.Errorf("predicted value of %s is %v, want it refused: under 13 weeks", m.first, show(r.Value))
		}
		return
	}
	b.near("predicted value of "+string(m.first)+" in cents", r.Value, 100*m.value, .6)
	if m.valueErr > 0 {
		b.near("its standard error "+string(m.first), r.StdErr, 100*m.valueErr, 25*m.valueErr)
	}
	if len(r.Parts) != 2 || r.Parts[0].N+r.Parts[1].N != r.N || r.Median == nil || r.P90 == nil {
		b.t.Errorf("predicted value of %s has parts %+v, median %v, p90 %v", m.first, r.Parts, show(r.Median), show(r.P90))
	}
}

// BenchmarkMonth measures one month's set of every shipped metric: what happens right after a month was declared complete.
func BenchmarkMonth(b *testing.B) {
	db := warehouse(b, cdnow(b), nil, nil)
	for _, set := range []struct {
		name   string
		models bool
	}{{"simple", false}, {"models", true}} {
		b.Run(set.name, func(b *testing.B) {
			for b.Loop() {
				measureMonth(b, db, set.models)
			}
		})
	}
}

func measureMonth(b *testing.B, db *mongodb.DB, models bool) {
	cal := metric.Calendar{WeekStart: time.Monday}
	for _, d := range shipped(b) {
		if (d.Model != nil) != models {
			continue
		}
		p, _ := metric.Compile(&contract.Computation{Metric: d, Grain: contract.GrainMonth}, cal)
		at := time.Now()
		if _, err := p.Measure(b.Context(), NewMetrics(tenant, db), cal.Of(contract.GrainMonth, "1998-06-01"), btyd.DefaultGates(), metric.SmallestGroup); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(at).Milliseconds()), string(d.ID)+"-ms")
	}
}
