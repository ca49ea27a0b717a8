package expiry_test

import (
	"testing"
	"time"

	"github.com/strata-crm/strata/operational/internal/directive"
	"github.com/strata-crm/strata/operational/internal/expiry"
	"github.com/strata-crm/strata/shared/contract"
)

// asks is the record of a directive that was carried out, unless it was refused, and has come to a state.
func asks(state contract.State, days int, of ...contract.Parameter) directive.Record {
	if state == contract.Refused {
		return went(days, []contract.State{contract.Received, state}, of...)
	}
	return went(days, []contract.State{contract.Received, contract.Accepted, contract.Executing, state}, of...)
}

// went is the record of a directive that went through some states.
func went(days int, states []contract.State, of ...contract.Parameter) directive.Record {
	a := contract.Acknowledgement{State: states[len(states)-1]}
	for _, s := range states {
		a.History = append(a.History, contract.Step{State: s})
	}
	return directive.Record{Order: order(1, days, of...), Answer: a}
}

func order(revision int64, days int, of ...contract.Parameter) *contract.OperationalDirective {
	d := contract.OperationalDirective{Order: contract.Order{ID: "od-1", Revision: revision, Standing: contract.InForce, Expires: time.Unix(100, 0)},
		Constraints: contract.Constraints{RetentionDays: days}}
	for _, p := range of {
		d.Collect = append(d.Collect, contract.Collection{Parameter: p})
	}
	return &d
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
		"one that ran and was refused then":        {[]directive.Record{went(90, []contract.State{contract.Received, contract.Accepted, contract.Executing, contract.Refused}, amount)}, 90},
		"which was withdrawn after that":           {[]directive.Record{went(90, []contract.State{contract.Received, contract.Accepted, contract.Degraded, contract.Refused, contract.Withdrawn}, amount)}, 90},
		"one that was refused and withdrawn then":  {[]directive.Record{went(10, []contract.State{contract.Received, contract.Refused, contract.Withdrawn}, amount)}, 1000},
		"one that expired before it ran":           {[]directive.Record{went(10, []contract.State{contract.Received, contract.Expired}, amount)}, 1000},
		"one that waits, beside one in force":      {[]directive.Record{went(900, []contract.State{contract.Received}, amount), asks(contract.Executing, 300, amount)}, 300},
	} {
		if days, ok := expiry.LimitsOf(g, c.records).Of(contract.Transactional); !ok || days != c.want {
			t.Errorf("%s: orders are kept for %d days, want %d", title, days, c.want)
		}
	}
}

// TestLimitsOfRevisions: what a revision collected is kept as it said, whatever the revisions after it wanted and came to.
func TestLimitsOfRevisions(t *testing.T) {
	t.Parallel()
	g := &contract.GovernanceDirective{Retention: map[contract.DataType]int{contract.Transactional: 1000, contract.Descriptive: 400, contract.Probe: 100}}
	at := directive.Turn{Now: time.Unix(1, 0)}
	world := directive.World{Offers: func(contract.ParameterName) []contract.SourceID { return []contract.SourceID{"shop"} }}
	yes, no := directive.Verdict{Allowed: true}, directive.Verdict{Purposes: []contract.Purpose{"profiling"}}
	probe := amount
	probe.DataType = contract.Probe
	type revision struct {
		of      *contract.OperationalDirective
		verdict directive.Verdict
	}
	withdrawn := order(3, 900, probe)
	withdrawn.Standing = contract.WithdrawnEnd
	for title, c := range map[string]struct {
		revisions []revision
		days      int // that orders are kept
	}{
		"one":                                   {[]revision{{order(1, 90, amount), yes}}, 90},
		"one that wants it for longer":          {[]revision{{order(1, 90, amount), yes}, {order(2, 300, amount), yes}}, 300},
		"one that was refused":                  {[]revision{{order(1, 90, amount), yes}, {order(2, 900, amount), no}}, 90},
		"one as another type that was refused":  {[]revision{{order(1, 900, amount), yes}, {order(2, 900, probe), no}}, 900},
		"that and its end":                      {[]revision{{order(1, 900, amount), yes}, {order(2, 900, probe), no}, {withdrawn, no}}, 900},
		"one that does not ask for it any more": {[]revision{{order(1, 90, amount), yes}, {order(2, 900, city), yes}}, 90},
		"one that waits for its answer":         {[]revision{{order(1, 90, amount), yes}, {order(2, 900, amount), directive.Verdict{Ungoverned: true}}}, 90},
	} {
		var r directive.Record
		for _, v := range c.revisions {
			if err := directive.Received(&r, v.of, v.verdict, world, at); err != nil {
				t.Fatalf("%s: %v", title, err)
			}
		}
		l := expiry.LimitsOf(g, []directive.Record{r})
		if days, _ := l.Of(contract.Transactional); days != c.days {
			t.Errorf("%s: orders are kept for %d days, want %d", title, days, c.days)
		}
		limit, names := at.Now.AddDate(0, 0, -c.days), []contract.ParameterName{amount.Name}
		if !l.Due(names, limit, at.Now) || l.Due(names, limit.Add(time.Millisecond), at.Now) {
			t.Errorf("%s: an amount is not due exactly after %d days", title, c.days)
		}
	}
}

// TestDueOfWhatWasRefused: one that was refused throughout says nothing of what a parameter is.
func TestDueOfWhatWasRefused(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	g := &contract.GovernanceDirective{Retention: map[contract.DataType]int{contract.Transactional: 1095, contract.Probe: 365}}
	probe := amount
	probe.DataType = contract.Probe
	l := expiry.LimitsOf(g, []directive.Record{asks(contract.Executing, 0, amount), asks(contract.Refused, 0, probe)})
	if names := []contract.ParameterName{amount.Name}; l.Due(names, now.AddDate(0, 0, -365), now) || !l.Due(names, now.AddDate(0, 0, -1095), now) {
		t.Error("an amount is not due after 1,095 days")
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
