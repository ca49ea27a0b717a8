package mongostore

import (
	"math"

	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
)

// truth evaluates definitions, not what they are lowered to, over an oracle's world, one customer after another.
type truth struct {
	oracle
	cal metric.Calendar
	c   *contract.Computation
	at  metric.Span
}

// evaluate returns the metric's value; nil where there is none.
func (w truth) evaluate() *float64 {
	d, f := &w.c.Metric, w.frame()
	quotient := func(a, b float64) *float64 {
		if v := a / b; !math.IsNaN(v) && !math.IsInf(v, 0) {
			return &v
		}
		return nil
	}
	switch d.Type {
	case contract.RatioOf:
		return quotient(w.sum(d.Measures[0], f), w.sum(d.Measures[1], f))
	case contract.Derived:
		a, b, c := w.sum(d.Measures[0], f), w.sum(d.Measures[1], f), w.sum(d.Measures[2], f)
		switch d.Expression {
		case "100 * (a - b) / (c + 1)":
			return quotient(100*(a-b), c+1)
		case "100 * (a - b) / c":
			return quotient(100*(a-b), c)
		}
		return quotient(a*b-c, 1)
	case contract.RetentionOf:
		return quotient(w.kept(f))
	case contract.Conversion:
		return quotient(w.converted(f))
	}
	return w.single(d.Measures[0], f)
}

// frame is what the computation's window and the one before it are.
func (w truth) frame() metric.Frame {
	d, last := &w.c.Metric, w.at.Until.Add(-1)
	before := w.cal.Of(w.c.Grain, w.at.From.Add(-1))
	trailing := func(n int) metric.Frame {
		return metric.Frame{Window: metric.Span{From: w.at.Until.Add(-n), Until: w.at.Until}, Before: metric.Span{From: w.at.Until.Add(-2 * n), Until: w.at.Until.Add(-n)}}
	}
	switch r, c := d.Retention, d.Cumulative; {
	case r != nil && r.Days > 0:
		return trailing(r.Days)
	case r != nil && r.Period > 0:
		before = w.at.Back(contract.Offset{Count: r.Period, Grain: contract.GrainMonth})
	case c != nil && c.Days > 0:
		return trailing(c.Days)
	case c != nil && c.ToDate != "":
		from := w.cal.Of(c.ToDate, last).From
		return metric.Frame{Window: metric.Span{From: from, Until: w.at.Until}, Before: w.cal.Of(c.ToDate, from.Add(-1))}
	case d.Type == contract.Cumulative && d.Measures[0].Entity != contract.Customer && d.Measures[0].Entity != contract.Profile:
		return metric.Frame{Window: metric.Span{Until: w.at.Until}}
	}
	return metric.Frame{Window: w.at, Before: before}
}

// people are all customers in the scope.
func (w truth) people() []string {
	all, f := map[string]bool{}, w.frame()
	for _, d := range w.days {
		all[string(d.Customer)] = true
	}
	for _, a := range w.answers {
		all[string(a.Customer)] = true
	}
	for c := range w.profiles {
		all[c] = true
	}
	var in []string
	for _, c := range sorted(all) {
		if w.selects(w.c.Scope, c, f.Window, f.Before) {
			in = append(in, c)
		}
	}
	return in
}

// matching are a measure's rows, by customer in scope.
func (w truth) matching(m contract.Measure, f metric.Frame) map[string][]row {
	if m.Offset != nil {
		f = metric.Frame{Window: f.Window.Back(*m.Offset), Before: f.Before.Back(*m.Offset)}
	}
	out, rows := map[string][]row{}, w.rows(m.Entity, f)
	for _, c := range w.people() {
		for _, r := range rows[c] {
			if r.matches(w.c.Metric.Filter) && r.matches(m.Filter) {
				out[c] = append(out[c], r)
			}
		}
	}
	return out
}

func (w truth) sum(m contract.Measure, f metric.Frame) (sum float64) {
	for _, rows := range w.matching(m, f) {
		for _, r := range rows {
			v, _ := float(r[m.Field])
			switch m.Agg {
			case contract.CountRows:
				v = 1
			case contract.SumBoolean:
				v = 0
				if r[m.Field] == true {
					v = 1
				}
			case contract.CountDistinct: // of customers
				v = 1 / float64(len(rows))
			}
			sum += v
		}
	}
	return sum
}

// single is a metric of one measure.
func (w truth) single(m contract.Measure, f metric.Frame) *float64 {
	switch {
	case m.Agg == contract.CountDistinct && m.Field == "customer":
		n := float64(len(w.matching(m, f)))
		return &n
	case m.Agg != contract.Average && m.Agg != contract.Median && m.Agg != contract.Percentile && m.Agg != contract.CountDistinct:
		v := w.sum(m, f)
		return &v
	}
	var numbers []float64
	n, different := 0., map[any]bool{}
	for _, rows := range w.matching(m, f) {
		for _, r := range rows {
			if v, ok := float(r[m.Field]); ok {
				numbers, different[v] = append(numbers, v), true
			} else if r[m.Field] != nil {
				different[r[m.Field]] = true
			}
			if r[m.Field] != nil {
				n++
			}
		}
	}
	v := 0.0
	switch {
	case n == 0, m.Agg != contract.CountDistinct && m.Agg != contract.Average && len(numbers) == 0:
		return nil
	case m.Agg == contract.CountDistinct:
		v = float64(len(different))
	case m.Agg == contract.Average:
		for _, x := range numbers {
			v += x / n
		}
	case m.Agg == contract.Median:
		return rank(numbers, .5)
	default:
		return rank(numbers, *m.Percentile)
	}
	return &v
}

// kept counts who is in the base of a retention, and who of them was active.
func (w truth) kept(f metric.Frame) (back, base float64) {
	r := w.c.Metric.Retention
	for _, c := range w.people() {
		h := w.history(c, f.Window, f.Before)
		if h == nil || !h.matches(w.c.Metric.Filter) {
			continue
		}
		first := h["first"].(contract.Day)
		in := h["active_before"] == true
		switch {
		case r.Period > 0:
			in = within(f.Before, first)
		case r.Base == "cohort":
			in = first < f.Window.From
		}
		if in {
			base++
		}
		if in && h["active"] == true {
			back++
		}
	}
	return back, base
}

// converted counts who began a conversion in the window, and who of them came through it in time.
func (w truth) converted(f metric.Frame) (through, began float64) {
	c := w.c.Metric.Conversion
	later, of := w.rows(c.Converted.Entity, metric.Frame{Window: metric.Span{Until: "9999-12-31"}}), w.matching(c.Base, f)
	for _, who := range w.people() {
		first := contract.Day("")
		for _, r := range of[who] {
			if d := r["day"].(contract.Day); first == "" || d < first {
				first = d
			}
		}
		if first == "" {
			continue
		}
		began++
		for _, r := range later[who] {
			if d := r["day"].(contract.Day); d >= first && d <= first.Add(c.Days) && r.matches(c.Converted.Filter) {
				through++
				break
			}
		}
	}
	return through, began
}
