package metric

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"

	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/shared/contract"
)

// Subject is all that the warehouse holds of one customer. A person with several linked identities is one subject: see
// [Merge].
type Subject struct {
	Customer identity.Key
	Days     []fact.CustomerDay // ascending by day, one a day
	Answers  []SubjectAnswer    // ascending by day
	Profile  map[contract.ParameterName]json.RawMessage
}

// SubjectAnswer is one answer to a survey.
type SubjectAnswer struct {
	Day   contract.Day
	Score float64
}

// Contribution returns what one customer adds to each of the program's measures in a window: the vector z that [Query]
// speaks of; their key of the metric's dimension, empty if it has none; and whether they are in scope. It is what the
// warehouse's pipelines sum: the sum of z over all customers in scope gives the metric's value exactly. Of an order
// statistic and of a model, which need more than sums, z is empty: see [Program.Values] and [Program.Summary].
func (p *Program) Contribution(s *Subject, at Span) (z []float64, key string, in bool) {
	q := p.query(at, p.c.Metric.Dimension)
	z, key, in = contribute(s, &q)
	if p.order != nil || p.c.Metric.Model != nil {
		z = nil
	}
	return z, key, in
}

// Values returns what one customer adds to an order statistic in a window: numbers for a percentile, and whatever is
// counted for the number of different values (text, numbers as float64, booleans). It is nil if they are out of scope.
func (p *Program) Values(s *Subject, at Span) []any {
	if p.order == nil {
		return nil
	}
	q := p.query(at, "")
	out := values(s, &q)
	if !p.order.Distinct {
		out = slices.DeleteFunc(out, func(v any) bool { _, ok := v.(float64); return !ok })
	}
	return out
}

// contribute evaluates a query over one customer.
func contribute(s *Subject, q *Query) (z []float64, key string, in bool) {
	z = make([]float64, len(q.Measures))
	past := pastOf(s, Frame{q.Window, q.Before})
	if !selects(s, past, q) {
		return z, "", false
	}
	if q.Convert != nil {
		s.converts(q, z)
		return z, keyOf(s, q, past), true
	}
	for i := range q.Measures {
		z[i] = s.sum(q, &q.Measures[i])
	}
	return z, keyOf(s, q, past), true
}

// sum adds up a measure over the customer's rows.
func (s *Subject) sum(q *Query, m *Measure) (sum float64) {
	for _, r := range s.rows(q.Entity, q.Frame(m)) {
		if !r.matches(m.Filter) {
			continue
		}
		v := 1.0
		if m.Field != "" {
			v, _ = r.number(m.Field)
		}
		if m.Once {
			sum = max(sum, v)
		} else {
			sum += v
		}
	}
	return sum
}

// converts sets z for a query of conversions.
func (s *Subject) converts(q *Query, z []float64) {
	first := s.firstMatch(q.Entity, q.Window, q.Convert.Base)
	if first == "" {
		return
	}
	z[1] = 1
	if s.firstMatch(q.Convert.Into, Span{first, first.Add(q.Convert.Days + 1)}, q.Convert.Then) != "" {
		z[0] = 1
	}
}

// firstMatch returns the first day of a span with a row that matches, or "".
func (s *Subject) firstMatch(e contract.Entity, in Span, c *contract.Condition) contract.Day {
	for i := range s.Days {
		if d := &s.Days[i]; e == contract.CustomerDay && in.Has(d.Day) && dayRecord(s.Customer, d).matches(c) {
			return d.Day
		}
	}
	for _, a := range s.Answers {
		if e == contract.Answer && in.Has(a.Day) && answerRecord(s.Customer, a).matches(c) {
			return a.Day
		}
	}
	return ""
}

func values(s *Subject, q *Query) []any {
	if !selects(s, pastOf(s, Frame{q.Window, q.Before}), q) {
		return nil
	}
	var out []any
	m := &q.Measures[0]
	for _, r := range s.rows(q.Entity, q.Frame(m)) {
		if v := r(m.Field); v != nil && v != (other{}) && r.matches(m.Filter) {
			out = append(out, v)
		}
	}
	return out
}

// selects reports whether there is anything to look at, and the scope takes the customer in.
func selects(s *Subject, past *past, q *Query) bool {
	switch {
	case q.Entity == contract.Customer && past == nil, q.Entity == contract.Profile && s.Profile == nil:
		return false
	case q.Scope == nil:
		return true
	}
	return record(func(name string) any {
		if _, ok := contract.FieldOf(contract.Customer, name); ok {
			return past.field(name)
		}
		return s.known(name)
	}).matches(q.Scope)
}

// rows returns the customer's rows of an entity in a frame.
func (s *Subject) rows(e contract.Entity, f Frame) []record {
	var out []record
	switch e {
	case contract.Customer:
		if p := pastOf(s, f); p != nil {
			return []record{p.field}
		}
	case contract.Profile:
		return []record{s.known}
	case contract.CustomerDay:
		for i := range s.Days {
			if f.Window.Has(s.Days[i].Day) {
				out = append(out, dayRecord(s.Customer, &s.Days[i]))
			}
		}
	case contract.Answer:
		for _, a := range s.Answers {
			if f.Window.Has(a.Day) {
				out = append(out, answerRecord(s.Customer, a))
			}
		}
	}
	return out
}

// known returns a value of the profile, nil if there is none.
func (s *Subject) known(name string) any {
	raw, ok := s.Profile[contract.ParameterName(name)]
	if !ok {
		return nil
	}
	var v any
	if json.Unmarshal(raw, &v) != nil || v == nil {
		return other{}
	}
	return v
}

// other is a value that is there and compares with nothing: null, a list or an object.
type other struct{}

// past is a customer's history up to the end of a window, as the customer entity has it.
type past struct {
	customer                     identity.Key
	orders, days, revenue, units int64
	first, last                  contract.Day
	in                           Frame
	before                       bool // active in the window before
}

// pastOf returns the history, nil if there is none.
func pastOf(s *Subject, in Frame) *past {
	p := &past{customer: s.Customer, in: in}
	for i := range s.Days {
		d := &s.Days[i]
		if d.Day >= in.Window.Until {
			break
		}
		if p.first == "" {
			p.first = d.Day
		}
		p.last = d.Day
		p.orders, p.days, p.revenue, p.units = p.orders+d.Orders, p.days+1, p.revenue+d.Revenue, p.units+d.Units
		p.before = p.before || in.Before.Has(d.Day)
	}
	if p.first == "" {
		return nil
	}
	return p
}

// field returns a field of the customer entity; nil where there is no history.
func (p *past) field(name string) any {
	if p == nil {
		return nil
	}
	switch name {
	case "customer":
		return string(p.customer)
	case "orders":
		return float64(p.orders)
	case "purchase_days":
		return float64(p.days)
	case "revenue":
		return float64(p.revenue)
	case "units":
		return float64(p.units)
	case "new":
		return p.first >= p.in.Window.From
	case "active":
		return p.last >= p.in.Window.From
	case "active_before":
		return p.before
	case newBefore:
		return p.in.Before.Has(p.first)
	}
	return nil
}

// keyOf returns the key of the query's dimension.
func keyOf(s *Subject, q *Query, p *past) string {
	switch {
	case q.By == "":
		return ""
	case !slices.Contains(histories, q.By):
		return keyOfValue(s.known(q.By))
	case p == nil:
		return ""
	case q.By == ByCohort:
		return string(p.first[:7])
	case q.By == ByTenure && p.first >= q.Before.From:
		return "newcomers"
	case q.By == ByTenure:
		return "established"
	case p.days > 1:
		return "repeat"
	}
	return "one_time"
}

// MaxKey is how many bytes a text may have to be a key of a dimension.
const MaxKey = 64

// keyOfValue returns the key that a parameter's value makes.
func keyOfValue(v any) string {
	switch v := v.(type) {
	case nil:
		return KeyUnknown
	case string:
		switch {
		case v == "":
			return KeyUnknown
		case len(v) <= MaxKey:
			return v
		}
	case bool:
		return strconv.FormatBool(v)
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return strconv.FormatInt(int64(v), 10)
		}
	}
	return KeyOther
}

func dayRecord(c identity.Key, d *fact.CustomerDay) record {
	return func(name string) any {
		switch name {
		case "customer":
			return string(c)
		case "orders":
			return float64(d.Orders)
		case "revenue":
			return float64(d.Revenue)
		case "units":
			return float64(d.Units)
		case "zero_orders":
			return float64(d.ZeroOrders)
		}
		return nil
	}
}

func answerRecord(c identity.Key, a SubjectAnswer) record {
	return func(name string) any {
		switch name {
		case "customer":
			return string(c)
		case "score":
			return a.Score
		}
		return nil
	}
}
