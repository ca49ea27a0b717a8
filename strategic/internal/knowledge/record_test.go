package knowledge

import (
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/goal"
	"github.com/strata-crm/strata/strategic/internal/lifecycle"
	"github.com/strata-crm/strata/strategic/internal/lifecycle/lifecycletest"
)

func TestLifeCycle(t *testing.T) {
	t.Parallel()
	lifecycletest.Test(t, LifeCycle, Candidate, Events(), Expired)
	for _, s := range LifeCycle.States() {
		if wording.Knowledge(wording.Standing{State: wording.KnowledgeState(s), Since: day(1)}, &contract.Insight{}, time.UTC) == "" {
			t.Errorf("no words for %s", s)
		}
	}
}

func day(n int) time.Time { return time.Date(2026, 5, n, 9, 0, 0, 0, time.UTC) }

func turn(n int) lifecycle.Turn { return lifecycle.Turn{Now: day(n), Trace: "t"} }

var (
	holding = contract.Verdicts{Volume: contract.Holds, Velocity: contract.Holds, Variety: contract.Holds, Variability: contract.Holds, Veracity: contract.Holds}
	yes     = Verdict{Asked: true, Allowed: true, Decision: contract.Decision{ID: "pd-1", Rule: "strategic.knowledge", Bundle: "b1"}, Rules: 7, Bundle: "b1"}
	no      = Verdict{Asked: true, Decision: contract.Decision{ID: "pd-2", Rule: "strategic.knowledge", Bundle: "b1"}, Bundle: "b1"}
)

func insight(revision int64, change ...func(*contract.Insight)) contract.Insight {
	i := contract.Insight{
		ID: "in-1", Revision: revision, Strategic: "d1", Goal: "g1", Metric: "m", State: contract.InsightPublished, Kind: contract.LevelInsight, Unit: contract.Ratio,
		Published: .48, Value: .49, HalfWidth: .02, Tolerance: .05, N: 3318, Of: 23570, AsOf: time.Date(1998, 3, 1, 0, 0, 0, 0, time.UTC), Verdicts: holding, Grain: contract.GrainMonth,
	}
	for _, c := range change {
		c(&i)
	}
	return i
}

func fails(i *contract.Insight) { i.Verdicts.Velocity = contract.Fails }

func ordered(expires time.Time) *directive.Directive {
	return &directive.Directive{ID: "d1", Constraints: contract.Constraints{Tolerance: .1}, Order: &contract.StrategicDirective{Order: contract.Order{Expires: expires}}}
}

func TestAnInsightBecomesKnowledgeAndIsTakenBack(t *testing.T) {
	t.Parallel()
	d := ordered(day(1).AddDate(1, 0, 0))
	var r Record
	step := func(n int, i contract.Insight, v Verdict) {
		t.Helper()
		if !r.Newer(&i) {
			t.Fatalf("revision %d is not newer than %d", i.Revision, r.Insight.Revision)
		}
		if err := r.Lapsed(turn(n)); err != nil {
			t.Fatal(err)
		}
		r.Hear(i, day(n))
		if err := r.Judged(v, d, turn(n)); err != nil {
			t.Fatal(err)
		}
	}
	step(1, insight(1, func(i *contract.Insight) { i.Verdicts.Velocity = contract.NotEnoughData }), no)
	if r.State != Candidate || len(r.History) > 0 || r.Expires != nil {
		t.Fatalf("%+v", r)
	}
	step(3, insight(2), yes)
	if r.State != Known || r.Accepted.Decision.ID != "pd-1" || r.Accepted.N != 3318 || r.Accepted.Rules != 7 || r.Accepted.Verdicts != holding || !r.Accepted.At.Equal(day(3)) {
		t.Fatalf("%+v", r)
	}
	if want := time.Date(2026, 7, 3, 0, 0, 0, 0, time.UTC).Add(directive.Lateness); !r.Expires.Equal(want) {
		t.Errorf("expires %v, want %v", r.Expires, want)
	}
	if r.Newer(&r.Insight) {
		t.Error("the same revision again is newer")
	}
	step(4, insight(3), yes)
	if r.State != Known || r.Confirmed == nil || r.Confirmed.Revision != 3 || r.Accepted.Revision != 2 || len(r.History) != 1 {
		t.Errorf("a confirmation is no change of state: %+v", r)
	}
	step(5, insight(4, fails), no)
	if r.State != TakenBack || r.Expires != nil || r.FellAsOf == nil || r.History[1].Reason != "Velocity failed" || r.History[1].Decision.ID != "pd-2" {
		t.Errorf("%+v", r)
	}
	fell := *r.FellAsOf
	step(6, insight(5, fails, func(i *contract.Insight) { i.AsOf = i.AsOf.AddDate(0, 1, 0) }), no)
	if !r.FellAsOf.Equal(fell) {
		t.Error("it fell when it first did")
	}
	step(7, insight(6, func(i *contract.Insight) { i.State, i.Republished = contract.InsightRepublished, 1 }), yes)
	if r.State != Known || r.FellAsOf != nil || r.Accepted.Republished != 1 || r.Confirmed != nil {
		t.Errorf("published anew: %+v", r)
	}
	step(8, insight(7, func(i *contract.Insight) { i.State = contract.InsightExpired }), Verdict{Bundle: "b1"})
	if r.State != Expired || r.Standing().State != wording.ExpiredKnowledge || !r.Since().Equal(day(8)) {
		t.Errorf("%+v", r)
	}
	step(9, insight(8, func(i *contract.Insight) { i.State = contract.InsightExpired }), Verdict{Bundle: "b1"})
	if len(r.History) != 4 {
		t.Errorf("%+v", r.History)
	}
}

func TestKnowledgeExpires(t *testing.T) {
	t.Parallel()
	half := .5
	march := contract.Window{Start: time.Date(1998, 3, 1, 0, 0, 0, 0, time.UTC), End: time.Date(1998, 4, 1, 0, 0, 0, 0, time.UTC)}
	for name, c := range map[string]struct {
		i    contract.Insight
		d    *directive.Directive
		want time.Time
	}{
		"unexamined for two windows": {insight(1), ordered(day(1).AddDate(1, 0, 0)), time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC).Add(directive.Lateness)},
		"with its directive":         {insight(1), ordered(day(20)), day(20)},
		"at the end of its shelf life": {insight(1, func(i *contract.Insight) { i.ShelfLife, i.Windows = &half, []contract.Shifted{{Window: march}} }),
			ordered(day(1).AddDate(1, 0, 0)), day(1).Add(31 * 12 * time.Hour)},
		"a claim over all history is examined by months": {insight(1, func(i *contract.Insight) { i.Grain = "" }), &directive.Directive{}, time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC).Add(directive.Lateness)},
	} {
		var r Record
		r.Hear(c.i, day(1))
		if err := r.Judged(yes, c.d, turn(1)); err != nil {
			t.Fatal(err)
		}
		if !r.Expires.Equal(c.want) {
			t.Errorf("%s: %v, want %v", name, r.Expires, c.want)
		}
		if err := r.Judged(yes, c.d, turn(3)); err != nil || !r.Expires.Equal(c.want) {
			t.Errorf("%s: deciding anew prolongs it to %v (%v)", name, r.Expires, err)
		}
		early, late := turn(1), turn(1)
		early.Now, late.Now = c.want.Add(-time.Millisecond), c.want
		if err := r.Lapsed(early); err != nil || r.State != Known {
			t.Errorf("%s: %s before its time (%v)", name, r.State, err)
		}
		if err := r.Lapsed(late); err != nil || r.State != TakenBack || r.History[1].By != "clock" {
			t.Errorf("%s: %s at its time (%v)", name, r.State, err)
		}
		if q, _ := r.Ask(c.d, c.want); q.Keep || q.Left > 0 {
			t.Errorf("%s: asked %+v", name, q)
		}
	}
}

func TestWhatPolicyIsAsked(t *testing.T) {
	t.Parallel()
	d := ordered(day(20))
	for name, c := range map[string]struct {
		change func(*contract.Insight)
		share  float64
		asked  bool
	}{
		"a share of the value": {func(*contract.Insight) {}, .05, true},
		"percentage points":    {func(i *contract.Insight) { i.Absolute, i.Tolerance = true, .02 }, .02, true},
		"points":               {func(i *contract.Insight) { i.Absolute, i.Unit, i.Tolerance = true, contract.Points, .07*100 }, .07, true},
		"money, absolutely": {func(i *contract.Insight) {
			i.Absolute, i.Unit, i.Published, i.Tolerance = true, contract.Money, -2000, 100
		}, .05, true},
		"money, absolutely, around nothing": {func(i *contract.Insight) { i.Absolute, i.Unit, i.Published = true, contract.Money, 0 }, 1, true},
		"a candidate":                       {func(i *contract.Insight) { i.State = contract.InsightCandidate }, 0, false},
		"one that has expired":              {func(i *contract.Insight) { i.State = contract.InsightExpired }, 0, false},
	} {
		var r Record
		r.Hear(insight(1, c.change), day(1))
		q, asked := r.Ask(d, day(2))
		if asked != c.asked || q.Tolerance != c.share || asked && (q.Limit != .1 || q.Left != day(20).Sub(day(2))) {
			t.Errorf("%s: %v %+v", name, asked, q)
		}
	}
}

func TestOwn(t *testing.T) {
	t.Parallel()
	scope := &contract.Condition{Field: "country", Op: contract.Eq, Value: "AT"}
	g := &directive.Record{Goal: goal.Goal{Goal: contract.Goal{Metric: "m", Scope: scope}}}
	for name, c := range map[string]struct {
		change func(*contract.Insight)
		want   bool
	}{
		"the level":      {func(i *contract.Insight) { i.Scope = scope }, true},
		"the forecast":   {func(i *contract.Insight) { i.Scope, i.Kind = scope, contract.ForecastInsight }, true},
		"an older suite": {func(i *contract.Insight) { i.Scope, i.Kind = scope, "" }, true},
		"the change":     {func(i *contract.Insight) { i.Scope, i.Kind = scope, contract.ChangeInsight }, false},
		"another metric": {func(i *contract.Insight) { i.Scope, i.Metric = scope, "n" }, false},
		"everybody":      {func(*contract.Insight) {}, false},
	} {
		i := insight(1, c.change)
		if got := Own(g, &i); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
