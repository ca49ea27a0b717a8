package prediction

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/strata-crm/strata/operational/internal/churn"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/export"
	"github.com/strata-crm/strata/shared/fault"
)

// Stated is a value that is known of somebody.
type Stated struct {
	Value    any // string, bool, int64 or float64; anything else says nothing
	At       time.Time
	Purposes []contract.Purpose // for which it was collected
}

// Known is what is known of one person.
type Known struct {
	Customer string
	Values   map[contract.ParameterName]Stated
}

// Profiles reads what is known of customers.
type Profiles interface {
	// Known returns, by person, those of the named values that had been stated before an instant and have not been
	// replaced since; identities that belong together are one person, of whose values the latest counts.
	Known(ctx context.Context, names []contract.ParameterName, before time.Time) ([]Known, error)
}

// Collected returns the parameters that directives in force have collected.
type Collected func() []contract.Parameter

// mostLevels is how many different texts an attribute may have to count as a closed list; names and addresses have more.
const mostLevels = 20

// byAttributes tells how likely customers are to leave, by what is known of them, learnt from those of whom the label says whether
// they left. What was stated after the label is not looked at: it may follow from it. The main figure is the probability of
// leaving.
func (s *Service) byAttributes(ctx context.Context, r Request, asOf purchase.Day) (Set, error) {
	asked, err := s.asked(r)
	if err != nil {
		return Set{}, err
	}
	names := []contract.ParameterName{r.Label}
	for _, p := range asked {
		names = append(names, p.Name)
	}
	known, err := s.o.Profiles.Known(ctx, names, r.AsOf.End(s.o.Zone))
	if err != nil {
		return Set{}, fmt.Errorf("what is known of customers: %w", err)
	}
	e := encoding{label: r.Label, purpose: r.Purpose, zone: s.o.Zone, day: asOf}
	e.choose(asked, known)
	if len(e.attributes) == 0 {
		return Set{}, fault.New(fault.Conflict, fault.NoSource, "nothing that could tell who leaves is known: besides %s, collect numbers, truth values or texts from a closed list, for %s", r.Label, r.Purpose)
	}
	m, err := churn.Fit(e.table(known), churn.DefaultSettings())
	if err != nil {
		return Set{}, err
	}
	return s.leaving(m, e, known)
}

// asked returns what may serve as an attribute: what describes customers or was answered by them, and is collected for the
// purpose. It fails where the label is not collected so, or is no truth value.
func (s *Service) asked(r Request) ([]contract.Parameter, error) {
	var out []contract.Parameter
	label := false
	for _, p := range s.o.Collected() {
		switch {
		case p.Purpose != r.Purpose:
		case p.Name == r.Label && p.Value != contract.Boolean:
			return nil, fault.New(fault.Invalid, fault.WrongType, "%s is %s: a label says true or false", p.Name, p.Value)
		case p.Name == r.Label:
			label = true
		case (p.DataType == contract.Descriptive || p.DataType == contract.Probe) && p.Value != contract.Timestamp:
			if !slices.ContainsFunc(out, func(o contract.Parameter) bool { return o.Name == p.Name }) {
				out = append(out, p)
			}
		}
	}
	if !label {
		return nil, fault.New(fault.Conflict, fault.NoSource, "%s is not collected for %s, so that nobody is known to have left or stayed: have a directive collect it as true or false", r.Label, r.Purpose)
	}
	slices.SortFunc(out, func(a, b contract.Parameter) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return out, nil
}

// encoding is how what is known becomes a table.
type encoding struct {
	label      contract.ParameterName
	purpose    contract.Purpose
	zone       *time.Location
	day        purchase.Day
	attributes []churn.Attribute
}

// choose takes the attributes of which something is known, and of texts those from a closed list.
func (e *encoding) choose(asked []contract.Parameter, known []Known) {
	for _, p := range asked {
		a := churn.Attribute{Name: string(p.Name), Kind: churn.Category}
		if slices.Contains([]contract.ValueType{contract.Integer, contract.Decimal, contract.AmountOf, contract.Score}, p.Value) {
			a.Kind = churn.Number
		}
		levels := map[string]bool{}
		for i := range known {
			if v := e.value(a, &known[i], nil); v.Known {
				levels[v.Text] = true
			}
			if len(levels) > mostLevels {
				break
			}
		}
		if n := len(levels); n > 0 && n <= mostLevels {
			e.attributes = append(e.attributes, a)
		}
	}
}

// value returns what an attribute is known to be of somebody, unless it was stated after an instant.
func (e *encoding) value(a churn.Attribute, k *Known, until *time.Time) churn.Value {
	stated, ok := k.Values[contract.ParameterName(a.Name)]
	if !ok || !slices.Contains(stated.Purposes, e.purpose) || until != nil && stated.At.After(*until) {
		return churn.Value{}
	}
	number := math.NaN()
	switch v := stated.Value.(type) {
	case string:
		if a.Kind == churn.Category {
			return churn.Text(v)
		}
	case bool:
		if a.Kind == churn.Category {
			return churn.Text(strconv.FormatBool(v))
		}
	case int64:
		number = float64(v)
	case float64:
		number = v
	}
	if a.Kind != churn.Number || math.IsNaN(number) || math.IsInf(number, 0) {
		return churn.Value{}
	}
	return churn.Numeric(number)
}

// left returns whether somebody is known to have left, and when that was said.
func (e *encoding) left(k *Known) (left bool, at time.Time, known bool) {
	stated, ok := k.Values[e.label]
	left, ok2 := stated.Value.(bool)
	return left, stated.At, ok && ok2 && slices.Contains(stated.Purposes, e.purpose)
}

func (e *encoding) subject(k *Known, until *time.Time) churn.Subject {
	s := churn.Subject{Customer: k.Customer, Values: make([]churn.Value, len(e.attributes))}
	for i, a := range e.attributes {
		s.Values[i] = e.value(a, k, until)
	}
	return s
}

func (e *encoding) table(known []Known) churn.Table {
	t := churn.Table{Attributes: e.attributes}
	for i := range known {
		left, at, ok := e.left(&known[i])
		if !ok {
			continue
		}
		day, err := DayOf(contract.DayOf(at, e.zone))
		if err != nil {
			day = e.day
		}
		t.Examples = append(t.Examples, churn.Example{Subject: e.subject(&known[i], &at), Churned: left, Day: day})
	}
	return t
}

// leaving is the set of everybody of whom an attribute is known, with the reasons of each.
func (s *Service) leaving(m *churn.Logistic, e encoding, known []Known) (Set, error) {
	set := Set{Columns: []export.Column{
		customerColumn,
		{Name: "left", Type: export.Boolean, Note: "as " + string(e.label) + " says; empty: not known"},
		{Name: "probability", Type: export.Number, Note: "of leaving, calibrated"},
		{Name: "probability_low", Type: export.Number, Note: "95 % interval of the probability: how well the coefficients are known, from"},
		{Name: "probability_high", Type: export.Number, Note: "95 % interval, to"},
		{Name: "because", Type: export.Text, Note: "the strongest reasons, each with what it adds to the probability"},
	}}
	t, sum := newTally("likely_stays", "uncertain", "likely_leaves"), 0.0
	for i := range known {
		subject := e.subject(&known[i], nil)
		left, at, said := e.left(&known[i])
		if said && left { // what became known later is not why they left
			subject = e.subject(&known[i], &at)
		}
		if !slices.ContainsFunc(subject.Values, func(v churn.Value) bool { return v.Known }) {
			continue
		}
		p, err := m.Predict(subject)
		if err != nil {
			return Set{}, err
		}
		row := []any{p.Customer, nil, p.Probability, p.Interval.Low, p.Interval.High, because(p.Reasons)}
		if said {
			row[1] = left
		}
		set.Rows = append(set.Rows, row)
		t.add(risk(p.Probability), p.Probability)
		sum += p.Probability
	}
	mean := sum / float64(len(set.Rows))
	set.Summary = Summary{Mean: &mean, Interval: t.interval(), Unit: contract.Ratio, Groups: t.groups(int64(len(set.Rows)), s.smallest, true), Model: m.Model}
	return set, nil
}

func because(reasons []churn.Reason) string {
	words := make([]string, len(reasons))
	for i, r := range reasons {
		words[i] = r.String()
	}
	return strings.Join(words, "; ")
}

func risk(probability float64) string {
	switch {
	case probability < 1./3:
		return "likely_stays"
	case probability < 2./3:
		return "uncertain"
	}
	return "likely_leaves"
}
