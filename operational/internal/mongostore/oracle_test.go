package mongostore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
)

// oracle is a warehouse that answers by looking at every row, as naively as possible.
type oracle struct {
	days     []dayDoc
	answers  []factDoc
	profiles map[string]row // customer → parameter → value
}

// row is a row's fields as definitions name them; an absent field is not in it.
type row map[string]any

var _ metric.Warehouse = oracle{}

func within(s metric.Span, d contract.Day) bool { return d >= s.From && d < s.Until }

// history is what a customer did before the end of the window; nil if nothing.
func (o oracle) history(customer string, window, before metric.Span) row {
	h := row{"customer": customer, "orders": int64(0), "purchase_days": int64(0), "revenue": int64(0), "units": int64(0), "active": false, "active_before": false}
	var first contract.Day
	for _, d := range o.days {
		if string(d.Customer) != customer || d.Day >= window.Until {
			continue
		}
		for name, n := range map[string]int64{"orders": d.Orders, "purchase_days": 1, "revenue": d.Revenue, "units": d.Units} {
			h[name] = h[name].(int64) + n
		}
		if first == "" || d.Day < first {
			first = d.Day
		}
		h["active"] = h["active"].(bool) || within(window, d.Day)
		h["active_before"] = h["active_before"].(bool) || within(before, d.Day)
	}
	if first == "" {
		return nil
	}
	h["new"], h["new_before"], h["first"] = first >= window.From, within(before, first), first
	return h
}

// rows are an entity's rows in a frame, by customer.
func (o oracle) rows(e contract.Entity, f metric.Frame) map[string][]row {
	out := map[string][]row{}
	switch e {
	case contract.CustomerDay:
		for _, d := range o.days {
			if within(f.Window, d.Day) {
				out[string(d.Customer)] = append(out[string(d.Customer)], row{"customer": string(d.Customer), "orders": d.Orders, "revenue": d.Revenue, "units": d.Units, "zero_orders": d.Zero, "day": d.Day})
			}
		}
	case contract.Answer:
		for _, a := range o.answers {
			if within(f.Window, a.Day) {
				out[string(a.Customer)] = append(out[string(a.Customer)], row{"customer": string(a.Customer), "score": *a.Score, "day": a.Day})
			}
		}
	case contract.Customer:
		for _, d := range o.days {
			if h := o.history(string(d.Customer), f.Window, f.Before); h != nil {
				out[string(d.Customer)] = []row{h}
			}
		}
	case contract.Profile:
		for c, p := range o.profiles {
			out[c] = []row{p}
		}
	}
	return out
}

// customers are all that the query may look at: those in its scope.
func (o oracle) customers(q metric.Query) []string {
	all := map[string]bool{}
	for _, d := range o.days {
		all[string(d.Customer)] = all[string(d.Customer)] || q.Entity != contract.Customer || d.Day < q.Window.Until
	}
	for _, a := range o.answers {
		all[string(a.Customer)] = all[string(a.Customer)] || q.Entity != contract.Customer
	}
	if q.Entity == contract.Profile {
		clear(all)
		for c := range o.profiles {
			all[c] = true
		}
	}
	maps.DeleteFunc(all, func(c string, in bool) bool { return !in || !o.selects(q.Scope, c, q.Window, q.Before) })
	return slices.Sorted(maps.Keys(all))
}

// selects reports whether a customer is in the scope.
func (o oracle) selects(scope *contract.Condition, customer string, window, before metric.Span) bool {
	if scope == nil {
		return true
	}
	known := maps.Clone(o.profiles[customer])
	if known == nil {
		known = row{}
	}
	maps.Copy(known, o.history(customer, window, before))
	return known.matches(scope)
}

func (r row) matches(c *contract.Condition) bool {
	switch {
	case c == nil:
		return true
	case len(c.All) > 0:
		return !slices.ContainsFunc(c.All, func(o contract.Condition) bool { return !r.matches(&o) })
	case len(c.Any) > 0:
		return slices.ContainsFunc(c.Any, func(o contract.Condition) bool { return r.matches(&o) })
	case c.Not != nil:
		return !r.matches(c.Not)
	}
	v, ok := r[c.Field]
	switch c.Op {
	case contract.Exists:
		return ok == (c.Value == nil || c.Value == true)
	case contract.In:
		list, _ := c.List()
		return ok && slices.ContainsFunc(list, func(w any) bool { return equal(v, w) })
	case contract.Eq:
		return ok && equal(v, c.Value)
	case contract.Ne:
		return !ok || !equal(v, c.Value)
	}
	order, same := compare(v, c.Value)
	if !ok || !same {
		return false
	}
	return map[contract.Operator]bool{contract.Gt: order > 0, contract.Gte: order >= 0, contract.Lt: order < 0, contract.Lte: order <= 0}[c.Op]
}

func equal(a, b any) bool { order, same := compare(a, b); return same && order == 0 }

func compare(a, b any) (order int, same bool) {
	if x, ok := float(a); ok {
		y, ok := float(b)
		return cmp.Compare(x, y), ok
	}
	switch x := a.(type) {
	case string:
		y, ok := b.(string)
		return cmp.Compare(x, y), ok
	case bool:
		y, ok := b.(bool)
		if x == y {
			return 0, ok
		}
		return map[bool]int{true: 1, false: -1}[x], ok
	}
	return 0, false
}

func float(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case int:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// vectorOf is what a customer's rows contribute to the measures.
func (o oracle) vectorOf(q metric.Query, customer string) []float64 {
	out := make([]float64, len(q.Measures))
	if q.Convert != nil {
		return o.converts(q, customer, out)
	}
	for i, m := range q.Measures {
		for _, r := range o.rows(q.Entity, q.Frame(&m))[customer] {
			if !r.matches(m.Filter) {
				continue
			}
			v := 1.0
			if m.Field != "" {
				v, _ = float(r[m.Field])
			}
			if m.Once {
				out[i] = max(out[i], v)
			} else {
				out[i] += v
			}
		}
	}
	return out
}

// converts compares every row of the base with every row that may count.
func (o oracle) converts(q metric.Query, customer string, out []float64) []float64 {
	first := contract.Day("9999-12-31")
	for _, r := range o.rows(q.Entity, metric.Frame{Window: q.Window})[customer] {
		if r.matches(q.Convert.Base) {
			first, out[1] = min(first, r["day"].(contract.Day)), 1
		}
	}
	for _, r := range o.rows(q.Convert.Into, metric.Frame{Window: metric.Span{Until: "9999-12-31"}})[customer] {
		if d := r["day"].(contract.Day); out[1] == 1 && d >= first && d.Sub(first) <= q.Convert.Days && r.matches(q.Convert.Then) {
			out[0] = 1
		}
	}
	return out
}

func (o oracle) Settle(context.Context) error { return nil }

func (o oracle) Stirred(context.Context, []metric.Span, map[int]int64, int64) (int64, error) {
	return 0, nil
}

func (o oracle) FirstDay(context.Context) (contract.Day, error) {
	var first contract.Day
	for _, d := range o.days {
		if first == "" || d.Day < first {
			first = d.Day
		}
	}
	return first, nil
}

func (o oracle) Moments(_ context.Context, q metric.Query) ([]metric.Group, error) {
	groups, own := map[string]*metric.Group{}, []float64{}
	if q.By == "" {
		g := empty(len(q.Measures))
		groups[""] = &g
	}
	for _, c := range o.customers(q) {
		key, vector := o.keyOf(q, c), o.vectorOf(q, c)
		if groups[key] == nil {
			g := empty(len(q.Measures))
			g.Key = key
			groups[key] = &g
		}
		gather(groups[key], vector)
		if q.Spread && vector[1] != 0 {
			own = append(own, vector[0]/vector[1])
		}
	}
	var out []metric.Group
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		out = append(out, *groups[key])
	}
	if q.Spread {
		out[0].Median, out[0].P90 = rank(own, .5), rank(own, .9)
	}
	return out, nil
}

func gather(g *metric.Group, z []float64) {
	if z[len(z)-1] != 0 {
		g.N++
	}
	if z[0] != 0 {
		g.Having++
	}
	for i := range z {
		g.Sums[i] += z[i]
		for j := range z {
			g.Products[i][j] += z[i] * z[j]
		}
	}
}

func (o oracle) keyOf(q metric.Query, customer string) string {
	h := o.history(customer, q.Window, q.Before)
	switch q.By {
	case "":
		return ""
	case metric.ByCohort, metric.ByTenure, metric.ByBuyerKind:
		if h == nil {
			return ""
		}
	}
	switch q.By {
	case metric.ByCohort:
		return string(h["first"].(contract.Day))[:7]
	case metric.ByTenure:
		if h["first"].(contract.Day) >= q.Before.From {
			return "newcomers"
		}
		return "established"
	case metric.ByBuyerKind:
		if h["purchase_days"].(int64) > 1 {
			return "repeat"
		}
		return "one_time"
	}
	v, ok := o.profiles[customer][q.By]
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return "other"
	}
	if !ok {
		return "unknown"
	}
	return fmt.Sprint(v)
}

// rank returns the element at rank ⌈p n⌉.
func rank(values []float64, p float64) *float64 {
	if len(values) == 0 {
		return nil
	}
	slices.Sort(values)
	return &values[max(0, int(math.Ceil(p*float64(len(values))-1e-9))-1)]
}

func (o oracle) Order(_ context.Context, q metric.Order) (metric.Statistic, error) {
	var s metric.Statistic
	var values []float64
	m, whose := &q.Measures[0], map[any]map[string]bool{}
	rows := o.rows(q.Entity, q.Frame(m))
	for _, c := range o.customers(q.Query) {
		before := s.Rows
		for _, r := range rows[c] {
			v, ok := float(r[m.Field])
			if there := r[m.Field] != nil; !r.matches(m.Filter) || !ok && !(q.Distinct && there) {
				continue
			}
			s.Rows++
			values = append(values, v)
			key := r[m.Field]
			if ok {
				key = v
			}
			if whose[key] == nil {
				whose[key] = map[string]bool{}
			}
			whose[key][c] = true
		}
		if s.Rows > before {
			s.Customers++
			s.Squares += (s.Rows - before) * (s.Rows - before)
		}
	}
	if q.Distinct && s.Rows > 0 {
		n := float64(len(whose))
		s.Value = &n
		s.Alone, s.Squares = alone(whose)
		return s, nil
	}
	s.Value = rank(values, q.Percentile)
	if low, high, ok := metric.Ranks(q.Percentile, s.Rows, s.Squares); ok {
		s.Low, s.High = &values[low-1], &values[high-1]
	}
	return s, nil
}

// alone counts the customers who have a value that nobody else has, and adds up the squares of how many they have.
func alone(whose map[any]map[string]bool) (customers, squares int64) {
	own := map[string]int64{}
	for _, who := range whose {
		for c := range who {
			if len(who) == 1 {
				own[c]++
			}
		}
	}
	for _, n := range own {
		customers, squares = customers+1, squares+n*n
	}
	return customers, squares
}

func (o oracle) Summaries(_ context.Context, w metric.Span, scope *contract.Condition) ([]btyd.Summary, error) {
	days := map[string]map[contract.Day]int64{}
	for _, d := range o.days {
		if d.Day < w.Until && o.selects(scope, string(d.Customer), w, metric.Span{}) {
			if days[string(d.Customer)] == nil {
				days[string(d.Customer)] = map[contract.Day]int64{}
			}
			days[string(d.Customer)][d.Day] = d.Revenue
		}
	}
	var out []btyd.Summary
	for _, of := range days {
		sorted := slices.Sorted(maps.Keys(of))
		first, last := sorted[0], sorted[len(sorted)-1]
		s := btyd.Summary{X: float64(len(sorted) - 1), Tx: float64(last.Sub(first)) / 7, T: float64(w.Until.Add(-1).Sub(first)) / 7, Count: 1}
		for _, d := range sorted[1:] {
			s.Spend += float64(of[d]) / s.X
		}
		out = append(out, s)
	}
	return out, nil
}

func (o oracle) Covered(context.Context, contract.ParameterName) (have, of int64, err error) {
	return 0, 0, nil
}

func (o oracle) Quality(_ context.Context, w metric.Span) (metric.Quality, error) {
	var q metric.Quality
	for _, d := range o.days {
		if within(w, d.Day) {
			q.Orders, q.WithAmount, q.WithItems = q.Orders+d.Orders, q.WithAmount+d.WithAmount, q.WithItems+d.WithItems
			q.ZeroAmount, q.Identical = q.ZeroAmount+d.Zero, q.Identical+d.Identical
		}
	}
	return q, nil
}
