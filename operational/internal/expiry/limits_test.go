package expiry_test

import (
	"testing"
	"time"

	"github.com/strata-crm/strata/operational/internal/directive"
	"github.com/strata-crm/strata/operational/internal/expiry"
	"github.com/strata-crm/strata/shared/contract"
)

func asks(state contract.State, days int, of ...contract.Parameter) directive.Record {
	d := contract.OperationalDirective{Constraints: contract.Constraints{RetentionDays: days}}
	for _, p := range of {
		d.Collect = append(d.Collect, contract.Collection{Parameter: p})
	}
	return directive.Record{Order: &d, Answer: contract.Acknowledgement{State: state}}
}

var (
	amount = contract.Parameter{Name: "order_amount", DataType: contract.Transactional}
	name   = contract.Parameter{Name: "customer_id", DataType: contract.Identification}
	city   = contract.Parameter{Name: "city", DataType: contract.Descriptive}
)

// TestLimits: governance limits each type, those in force narrow it to what the longest of them needs, and nothing widens it.
func TestLimits(t *testing.T) {
	t.Parallel()
	g := &contract.GovernanceDirective{Retention: map[contract.DataType]int{contract.Transactional: 1000, contract.Identification: 800, contract.Descriptive: 400}}
	for title, c := range map[string]struct {
		records []directive.Record
		want    int // of transactional data
	}{
		"nobody asks":                              {nil, 1000},
		"one that needs less":                      {[]directive.Record{asks(contract.Executing, 300, amount)}, 300},
		"one that wants more than it may":          {[]directive.Record{asks(contract.Executing, 5000, amount)}, 1000},
		"two, of which the longer counts":          {[]directive.Record{asks(contract.Executing, 300, amount), asks(contract.Degraded, 500, amount)}, 500},
		"two, of which one does not say":           {[]directive.Record{asks(contract.Executing, 300, amount), asks(contract.Executing, 0, amount)}, 1000},
		"one that is over beside one in force":     {[]directive.Record{asks(contract.Withdrawn, 900, amount), asks(contract.Executing, 300, amount)}, 300},
		"one that was refused, and nothing else":   {[]directive.Record{asks(contract.Refused, 10, amount)}, 1000},
		"one that is over and one refused":         {[]directive.Record{asks(contract.Withdrawn, 200, amount), asks(contract.Refused, 900, amount)}, 200},
		"only such that are over":                  {[]directive.Record{asks(contract.Withdrawn, 200, amount), asks(contract.Expired, 300, amount)}, 300},
		"one that asks for another type":           {[]directive.Record{asks(contract.Executing, 300, city)}, 1000},
		"one that was refused beside one in force": {[]directive.Record{asks(contract.Refused, 900, amount), asks(contract.Executing, 300, amount)}, 300},
	} {
		if days, ok := expiry.LimitsOf(g, c.records).Of(contract.Transactional); !ok || days != c.want {
			t.Errorf("%s: orders are kept for %d days, want %d", title, days, c.want)
		}
	}
}

// TestDue: something is kept as long as the type of its parameters that is kept shortest, from its receipt on.
func TestDue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	l := expiry.LimitsOf(&contract.GovernanceDirective{Retention: map[contract.DataType]int{contract.Transactional: 1000, contract.Identification: 800, contract.Descriptive: 400}},
		[]directive.Record{asks(contract.Executing, 0, amount, name, city)})
	for title, c := range map[string]struct {
		names []contract.ParameterName
		days  int
	}{
		"an amount":                   {[]contract.ParameterName{"order_amount"}, 1000},
		"an amount with its customer": {[]contract.ParameterName{"order_amount", "customer_id"}, 800},
		"what nobody ever asked for":  {[]contract.ParameterName{"shoe_size", "order_amount"}, 400},
		"what says nothing":           {nil, 400},
	} {
		limit := now.AddDate(0, 0, -c.days)
		if !l.Due(c.names, limit, now) || l.Due(c.names, limit.Add(time.Millisecond), now) {
			t.Errorf("%s is not due exactly after %d days", title, c.days)
		}
	}
	if none := expiry.LimitsOf(&contract.GovernanceDirective{}, nil); !none.None() || none.Due([]contract.ParameterName{"order_amount"}, time.Time{}, now) {
		t.Error("without rules something is due")
	}
}

// TestDueOfAParameterOfSeveralTypes: directives that disagree about what a parameter is leave it the strictest limit, in
// whatever order they come.
func TestDueOfAParameterOfSeveralTypes(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	g := &contract.GovernanceDirective{Retention: map[contract.DataType]int{contract.Transactional: 1000, contract.Descriptive: 400, contract.Probe: 100}}
	other := amount
	other.DataType = contract.Descriptive
	one, two := asks(contract.Executing, 0, amount), asks(contract.Executing, 0, other)
	for _, records := range [][]directive.Record{{one, two}, {two, one}} {
		l, limit := expiry.LimitsOf(g, records), now.AddDate(0, 0, -400)
		if names := []contract.ParameterName{amount.Name}; !l.Due(names, limit, now) || l.Due(names, limit.Add(time.Millisecond), now) {
			t.Error("it is not due exactly after 400 days")
		}
	}
}
