package metric

import (
	"encoding/json"

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

// Values returns the numbers that one customer adds to an order statistic in a window; nil if they are out of scope.
func (p *Program) Values(s *Subject, at Span) []float64 {
	if p.order == nil {
		return nil
	}
	q := p.query(at, "")
	return values(s, &q)
}

// contribute evaluates a query over one customer.
func contribute(s *Subject, q *Query) (z []float64, key string, in bool) {
	z = make([]float64, len(q.Measures))
	past := pastOf(s, q.Window, q.Before)
	if !selects(s, past, q) {
		return z, "", false
	}
	for _, r := range rowsOf(s, q, past) {
		for i, m := range q.Measures {
			if !r.matches(m.Filter) {
				continue
			}
			v := 1.0
			if m.Field != "" {
				v, _ = r.number(m.Field)
			}
			if m.Once {
				z[i] = max(z[i], v)
			} else {
				z[i] += v
			}
		}
	}
	return z, keyOf(q, past), true
}

func values(s *Subject, q *Query) []float64 {
	past := pastOf(s, q.Window, q.Before)
	if !selects(s, past, q) {
		return nil
	}
	var out []float64
	m := q.Measures[0]
	for _, r := range rowsOf(s, q, past) {
		if v, ok := r.number(m.Field); ok && r.matches(m.Filter) {
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

// rowsOf returns the customer's rows of the query's entity.
func rowsOf(s *Subject, q *Query, past *past) []record {
	var out []record
	switch q.Entity {
	case contract.Customer:
		return []record{past.field}
	case contract.Profile:
		return []record{s.known}
	case contract.CustomerDay:
		for i := range s.Days {
			if q.Window.Has(s.Days[i].Day) {
				out = append(out, dayRecord(s.Customer, &s.Days[i]))
			}
		}
	case contract.Answer:
		for _, a := range s.Answers {
			if q.Window.Has(a.Day) {
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
	window                       Span
	before                       bool // active in the window before
}

// pastOf returns the history, nil if there is none.
func pastOf(s *Subject, window, before Span) *past {
	p := &past{customer: s.Customer, window: window}
	for i := range s.Days {
		d := &s.Days[i]
		if d.Day >= window.Until {
			break
		}
		if p.first == "" {
			p.first = d.Day
		}
		p.last = d.Day
		p.orders, p.days, p.revenue, p.units = p.orders+d.Orders, p.days+1, p.revenue+d.Revenue, p.units+d.Units
		p.before = p.before || before.Has(d.Day)
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
		return p.first >= p.window.From
	case "active":
		return p.last >= p.window.From
	case "active_before":
		return p.before
	}
	return nil
}

// keyOf returns the key of the query's dimension.
func keyOf(q *Query, p *past) string {
	switch {
	case p == nil:
		return ""
	case q.By == ByCohort:
		return string(p.first[:7])
	case q.By == ByTenure && p.first >= q.Before.From:
		return "newcomers"
	case q.By == ByTenure:
		return "established"
	case q.By == ByBuyerKind && p.days > 1:
		return "repeat"
	case q.By == ByBuyerKind:
		return "one_time"
	}
	return ""
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
