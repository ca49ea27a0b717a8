package directive

import (
	"slices"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/strategic/internal/goal"
	"github.com/strata-crm/strata/strategic/internal/lifecycle"
	"github.com/strata-crm/strata/strategic/internal/lifecycle/lifecycletest"
	"github.com/strata-crm/strata/strategic/internal/scorecard"
)

func TestLifeCycle(t *testing.T) {
	t.Parallel()
	lifecycletest.Test(t, LifeCycle, Draft, Events(), Withdrawn, Superseded, Expired)
}

// Every state is of one kind: being prepared, sent, or ended; and every end has a standing to tell of.
func TestStates(t *testing.T) {
	t.Parallel()
	for _, s := range LifeCycle.States() {
		prepared := slices.Contains([]State{Draft, Proposed, Approved}, s)
		if n := count(prepared, s.Sent(), s.Ended()); n != 1 {
			t.Errorf("%s is of %d kinds", s, n)
		}
		if _, told := standings[s]; told != s.Ended() {
			t.Errorf("%s: the layer below is told of its end: %v", s, told)
		}
	}
}

func count(bs ...bool) int {
	n := 0
	for _, b := range bs {
		if b {
			n++
		}
	}
	return n
}

var zone = time.UTC

func number(v float64) *float64 { return &v }

func at(day int) lifecycle.Turn {
	return lifecycle.Turn{Now: time.Date(2026, 11, day, 12, 0, 0, 0, zone), By: "eva", Trace: "t", Decision: &contract.Decision{ID: "d", Rule: "strategic.issue"}}
}

// record is an active goal.
func record() Record {
	return Record{Version: 1, Goal: goal.Goal{State: goal.Active, Goal: contract.Goal{
		ID: "g", Revision: 1, Name: "n", Variable: contract.Retention, Metric: "m", Kind: contract.Level, Direction: contract.Up, Unit: contract.Ratio,
		Baseline: contract.Baseline{MeasureUntil: "2026-11-30"}, Target: contract.Target{Relative: number(.15)}, Start: "2026-12-01", Deadline: "2027-06-30",
		Owner: "o", Relevance: "r", Grain: contract.GrainMonth,
	}}}
}

var tenant = Tenant{"main", zone, "USD", time.Monday}

var normal = Weight{Impact: contract.NormalImpact}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func issued(t *testing.T, r *Record, id contract.DirectiveID, w Wish) *Directive {
	t.Helper()
	must(t, r.Drafted(id, w, contract.Constraints{Purposes: []contract.Purpose{"p"}, MinimumGroup: 10, RequiredCoverage: .8}, at(1)),
		r.Proposed(id, normal, at(2)), r.ApprovedBy(id, normal, []string{"executive"}, at(3)), r.IssuedAs(id, normal, tenant, at(4)))
	d, err := r.Directive(id)
	must(t, err)
	return d
}

func TestIssuedOrderIsWhole(t *testing.T) {
	t.Parallel()
	r := record()
	o := issued(t, &r, "a", Wish{}).Order
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	want := time.Date(2027, 8, 1, 0, 0, 0, 0, zone).Add(Lateness) // deadline, one window more, and the lateness
	if !o.Expires.Equal(want) || o.Decision.ID != "d" || o.Goal.ID != "g" || o.Revision <= 1 {
		t.Errorf("%+v", o)
	}
	for _, f := range []contract.Feature{contract.FeatureLevelGoal, contract.FeatureMeasuredBaseline, contract.FeatureRelativeTarget, contract.FeatureCoverage} {
		if !slices.Contains(o.Requires, f) {
			t.Errorf("%s is not required", f)
		}
	}
	if slices.Contains(o.Requires, contract.FeatureBudget) || slices.Contains(o.Requires, contract.FeatureBackTest) {
		t.Errorf("too much is required: %v", o.Requires)
	}
}

func TestOneDirectiveAtATime(t *testing.T) {
	t.Parallel()
	r := record()
	first := issued(t, &r, "a", Wish{}).ID
	if err := r.Drafted("b", Wish{}, contract.Constraints{}, at(5)); fault.CodeOf(err) != fault.IllegalTransition {
		t.Errorf("a second one beside the first: %v", err)
	}
	if err := r.Drafted("b", Wish{Supersedes: "x"}, contract.Constraints{}, at(5)); err == nil {
		t.Error("one that supersedes another goal's")
	}
	second := issued(t, &r, "b", Wish{Supersedes: first})
	old, err := r.Directive(first)
	must(t, err)
	if old.State != Superseded || old.Order.Standing != contract.SupersededEnd || old.Order.Revision <= 1 || second.Order.Supersedes != first {
		t.Errorf("%s %+v", old.State, old.Order)
	}
	if r.Current().ID != second.ID {
		t.Error("the present directive is the one in force")
	}
}

func TestAnswersMoveTheState(t *testing.T) {
	t.Parallel()
	r := record()
	d := issued(t, &r, "a", Wish{})
	for i, step := range []struct {
		state contract.State
		want  State
	}{
		{contract.Received, Issued}, {contract.Accepted, InForce}, {contract.Executing, InForce}, {contract.Degraded, Degraded},
		{contract.Executing, InForce}, {contract.Completed, InForce}, {contract.Refused, Refused}, {contract.Executing, InForce},
	} {
		a := contract.Acknowledgement{Directive: "a", AckRevision: int64(i + 1), State: step.state, History: []contract.Step{{State: step.state}}}
		fresh, err := r.Answered(a, zone, at(5))
		must(t, err)
		if !fresh || d.State != step.want {
			t.Errorf("after %s: %s, want %s", step.state, d.State, step.want)
		}
		if again, _ := r.Answered(a, zone, at(5)); again {
			t.Errorf("%s was applied twice", step.state)
		}
	}
	must(t, r.WithdrawnBy("a", at(6)))
	n := len(d.History)
	if fresh, err := r.Answered(contract.Acknowledgement{Directive: "a", AckRevision: 99, State: contract.Withdrawn}, zone, at(7)); !fresh || err != nil || d.State != Withdrawn || len(d.History) != n {
		t.Errorf("the echo of an end changed something: %v %v %s", fresh, err, d.State)
	}
	if _, err := r.Answered(contract.Acknowledgement{Directive: "z"}, zone, at(7)); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

func TestClosingAGoalWithdrawsWhatIsOrdered(t *testing.T) {
	t.Parallel()
	r := record()
	d := issued(t, &r, "a", Wish{})
	before := d.Order.Revision
	must(t, r.ClosedBy(at(6)))
	if d.State != Withdrawn || d.Order.Standing != contract.WithdrawnEnd || d.Order.Revision <= before || r.Goal.State != goal.Closed {
		t.Errorf("%s %+v", d.State, d.Order)
	}
	if err := r.Drafted("b", Wish{}, contract.Constraints{}, at(7)); fault.CodeOf(err) != fault.IllegalTransition {
		t.Errorf("a closed goal was ordered: %v", err)
	}
}

func TestLapse(t *testing.T) {
	t.Parallel()
	r := record()
	expires := at(20).Now
	d := issued(t, &r, "a", Wish{Expires: &expires})
	must(t, r.Lapse(at(19)))
	if d.State != Issued {
		t.Fatal("too early")
	}
	must(t, r.Lapse(at(20)))
	if d.State != Expired || d.Order.Standing != contract.ExpiredEnd {
		t.Errorf("%s", d.State)
	}
	must(t, r.Lapse(at(21)))
	if n := len(d.History); d.History[n-1].Event != string(Expire) || d.History[n-2].Event == string(Expire) {
		t.Error("it expired twice")
	}
}

func information(revision int64, values ...float64) contract.Information {
	i := contract.Information{Goal: "g", Revision: revision, Strategic: "a", Metric: "m", Grain: contract.GrainMonth, Unit: contract.Ratio}
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, zone)
	for n, v := range values {
		w := contract.Window{Start: start.AddDate(0, n, 0), End: start.AddDate(0, n+1, 0)}
		i.Series = append(i.Series, contract.Point{Window: w, Closed: true, Measurement: contract.MeasurementID(w.Start.Format(time.DateOnly)), Revision: revision, Value: number(v), N: 900, StdErr: number(.001)})
	}
	return i
}

func TestWhatIsFrozenStays(t *testing.T) {
	t.Parallel()
	r := record()
	issued(t, &r, "a", Wish{})
	if r.Informed(information(1, .4), zone); r.Frozen.Baseline == nil || r.Frozen.Baseline.Value != .4 {
		t.Fatalf("%+v", r.Frozen)
	}
	if !r.Informed(information(3, .3, .4, .4, .4, .4, .4, .4, .5), zone) {
		t.Fatal("newer information was not applied")
	}
	if r.Informed(information(2, .1), zone) || len(r.Information.Series) != 8 {
		t.Error("older information was applied")
	}
	if r.Frozen.Baseline.Value != .4 || r.Frozen.Decided == nil || r.Frozen.Decided.Status != scorecard.Achieved {
		t.Fatalf("%+v", r.Frozen.Decided)
	}
	r.Informed(information(4, .3, .4, .4, .4, .4, .4, .4, .1), zone)
	s := scorecard.Judge(r.Judging(zone, time.Time{}))
	if s.Status != scorecard.Achieved || !s.Restated || s.Baseline.Value != .4 {
		t.Errorf("a restatement changed what was decided: %s %v", s.Status, s.Baseline)
	}
	other := information(9, .4)
	other.Strategic = "somebody else's"
	if r.Informed(other, zone) {
		t.Error("information of another directive was applied")
	}
}

// After one import of many windows all of them are told with what drove them, and what is measured again is split anew.
func TestAllChangesTakeThePlaceOfThoseKept(t *testing.T) {
	t.Parallel()
	r := record()
	issued(t, &r, "a", Wish{})
	told := func(revision int64, values ...float64) {
		i := information(revision, values...)
		for n := 1; n < len(values); n++ {
			i.Changes = append(i.Changes, contract.Change{From: i.Series[n-1].Window, To: i.Series[n].Window, Total: values[n] - values[n-1],
				Drivers: []contract.Driver{{Key: "newcomers", Rate: values[n] - values[n-1]}}})
		}
		if len(i.Changes) > 0 {
			i.Change = &i.Changes[len(i.Changes)-1]
		}
		r.Informed(i, zone)
	}
	drivers := func() (n int) {
		for _, s := range scorecard.History(r.Judging(zone, time.Time{})) {
			if s.Change != nil {
				n++
			}
		}
		return n
	}
	told(1, .4, .41, .43, .42)
	if len(r.Changes) != 3 || drivers() != 3 || r.Information.Changes != nil {
		t.Errorf("%d kept, %d told", len(r.Changes), drivers())
	}
	told(2, .4, .41, .44, .42) // one was measured again, which changes two differences
	if len(r.Changes) != 3 || drivers() != 3 {
		t.Errorf("restated: %d kept, %d told", len(r.Changes), drivers())
	}
	r.Changes[1].Total = .01 // of an older suite, which sent the newest alone
	if drivers() != 2 {
		t.Errorf("%d told, though one is of another difference", drivers())
	}
}

func TestChangesAreKeptByWindow(t *testing.T) {
	t.Parallel()
	r := record()
	issued(t, &r, "a", Wish{})
	for n := 2; n <= 4; n++ {
		i := information(int64(n), []float64{.4, .41, .42, .43}[:n]...)
		i.Change = &contract.Change{From: i.Series[n-2].Window, To: i.Series[n-1].Window, Total: .01}
		r.Informed(i, zone)
		i.Revision, i.Change = i.Revision*100, &contract.Change{To: i.Change.To, Total: .02} // the same window, split anew
		r.Information.Revision = 0
		r.Informed(i, zone)
	}
	if len(r.Changes) != 3 || r.Changes[0].Total != .02 || !r.Changes[0].To.Start.Before(r.Changes[1].To.Start) {
		t.Errorf("%+v", r.Changes)
	}
}

func TestRestoreTakesTheNewest(t *testing.T) {
	t.Parallel()
	source := record()
	d := issued(t, &source, "a", Wish{})
	first := *d.Order
	must(t, source.WithdrawnBy("a", at(6)))
	last := *d.Order
	for name, order := range map[string][]contract.StrategicDirective{"in order": {first, last}, "reordered": {last, first, last}} {
		var r Record
		for _, o := range order {
			r.Restore(o, at(9))
		}
		got, err := r.Directive("a")
		must(t, err)
		if got.State != Withdrawn || r.Goal.State != goal.Closed || got.Order.Revision != last.Revision || r.Goal.Name != "n" {
			t.Errorf("%s: %s %s", name, got.State, r.Goal.State)
		}
	}
	var r Record
	r.Restore(first, at(9))
	if d := r.Current(); d.State != Issued || r.Goal.State != goal.Active {
		t.Errorf("%s %s", d.State, r.Goal.State)
	}
}

func TestTrailIsInOrderOfTime(t *testing.T) {
	t.Parallel()
	r := record()
	issued(t, &r, "a", Wish{})
	a := contract.Acknowledgement{Directive: "a", AckRevision: 1, State: contract.Executing, History: []contract.Step{
		{State: contract.Received, At: at(5).Now, By: "functional", Trace: "t"}, {State: contract.Executing, At: at(7).Now, By: "functional", Trace: "t"},
	}, Plan: &contract.PlanSummary{ID: "p", Operational: []contract.OperationalSummary{{ID: "od", State: contract.Executing, At: at(6).Now, Trace: "t"}}}}
	_, err := r.Answered(a, zone, at(7))
	must(t, err)
	r.Informed(information(1, .4), zone)
	tr, err := r.TrailOf("a", zone)
	must(t, err)
	var steps []string
	for _, s := range tr.Steps {
		steps = append(steps, string(s.Layer)+" "+s.State)
	}
	want := []string{"strategic draft", "strategic proposed", "strategic approved", "strategic issued", "functional received", "operational executing", "functional executing"}
	if !slices.Equal(steps, want) {
		t.Errorf("%q", steps)
	}
	if len(tr.Latest) != 1 || !tr.Latest[0].Own || tr.Plan == nil {
		t.Errorf("%+v", tr.Latest)
	}
	if _, err := r.TrailOf("z", zone); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}
