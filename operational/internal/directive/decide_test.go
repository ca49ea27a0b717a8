package directive

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/operational/internal/job"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func at(minutes int) Turn {
	return Turn{Now: now.Add(time.Duration(minutes) * time.Minute), Trace: "trace"}
}

func order(revision int64, change ...func(*contract.OperationalDirective)) *contract.OperationalDirective {
	collect := func(name contract.ParameterName, required bool) contract.Collection {
		return contract.Collection{Required: required, Parameter: contract.Parameter{Name: name, Purpose: "retention_analysis", DataType: contract.Transactional, Coverage: .8}}
	}
	d := &contract.OperationalDirective{
		Order:     contract.Order{ID: "od-1", Revision: revision, Standing: contract.InForce, ValidFrom: now.Add(-time.Hour), Expires: now.Add(time.Hour)},
		Strategic: "sd-1", Goal: "g-1", Part: "marketing",
		Collect: []contract.Collection{collect("order_time", true), collect("email", true), collect("order_cost", false)},
		Compute: []contract.Computation{{Metric: contract.Definition{ID: "repeat_rate", Parameters: []contract.ParameterName{"order_time"}}, Required: true},
			{Metric: contract.Definition{ID: "margin", Parameters: []contract.ParameterName{"order_cost"}}}},
	}
	for _, c := range change {
		c(d)
	}
	return d
}

func standing(s contract.Standing) func(*contract.OperationalDirective) {
	return func(d *contract.OperationalDirective) { d.Standing = s }
}

// offering is a world in which a shop offers parameters and every metric compiles whose data somebody offers.
func offering(names ...contract.ParameterName) World {
	offers := func(p contract.ParameterName) []contract.SourceID {
		if slices.Contains(names, p) {
			return []contract.SourceID{"shop"}
		}
		return nil
	}
	return World{Offers: offers, Compiles: func(c *contract.Computation) *contract.Reason {
		if lack := job.Lacking(&c.Metric, offers); len(lack) > 0 {
			return &contract.Reason{Code: fault.NoSource, Item: string(lack[0])}
		}
		return nil
	}}
}

var (
	everything = offering("order_time", "email", "order_cost")
	allowed    = Verdict{Allowed: true, Decision: contract.Decision{ID: "d-1", Rule: "operational.directive", Bundle: "b.1"}}
)

func received(t *testing.T, d *contract.OperationalDirective, v Verdict, w World) *Record {
	t.Helper()
	r := &Record{}
	if err := Received(r, d, v, w, at(0)); err != nil {
		t.Fatal(err)
	}
	return r
}

func trail(r *Record) (states []contract.State) {
	for _, s := range r.Answer.History {
		states = append(states, s.State)
	}
	return states
}

func want(t *testing.T, what string, r *Record, states []contract.State, reasons ...contract.Reason) {
	t.Helper()
	if d := cmp.Diff(states, trail(r)); d != "" {
		t.Errorf("%s: the trail differs (-want +got):\n%s", what, d)
	}
	if d := cmp.Diff(reasons, r.Answer.Reasons); d != "" && len(reasons)+len(r.Answer.Reasons) > 0 {
		t.Errorf("%s: the reasons differ (-want +got):\n%s", what, d)
	}
	if r.Answer.State != states[len(states)-1] || r.Answer.AckRevision < now.UnixMilli() || r.Answer.Check() != nil {
		t.Errorf("%s: the answer is %+v", what, r.Answer)
	}
}

func TestReceived(t *testing.T) {
	t.Parallel()
	accepted := []contract.State{contract.Received, contract.Accepted, contract.Executing}
	refused := []contract.State{contract.Received, contract.Refused}
	noCost := contract.Reason{Code: fault.NoSource, Item: "order_cost", Optional: true}
	for name, c := range map[string]struct {
		d       *contract.OperationalDirective
		v       Verdict
		w       World
		states  []contract.State
		reasons []contract.Reason
	}{
		"all there":              {order(1), allowed, everything, accepted, nil},
		"a wish cannot be had":   {order(1), allowed, offering("order_time", "email"), accepted, []contract.Reason{noCost}},
		"nobody offers the need": {order(1), allowed, offering("order_time", "order_cost"), refused, []contract.Reason{{Code: fault.NoSource, Item: "email"}}},
		"the metric's data, told once": {order(1), allowed, offering("email", "order_cost"), refused,
			[]contract.Reason{{Code: fault.NoSource, Item: "order_time"}}},
		"a purpose is not allowed": {order(1), Verdict{Purposes: []contract.Purpose{"advertising"}}, everything, refused,
			[]contract.Reason{{Code: fault.PurposeNotAllowed, Item: "advertising"}}},
		"policy objects": {order(1), Verdict{Decision: allowed.Decision}, everything, refused, []contract.Reason{{Code: fault.PolicyDenied, Item: "operational.directive"}}},
		"an unknown feature": {order(1, func(d *contract.OperationalDirective) {
			d.Requires = []contract.Feature{"x.y", contract.FeaturePurposes}
		}), allowed, everything,
			refused, []contract.Reason{{Code: fault.UnsupportedFeature, Item: "x.y"}}},
		"a tombstone of something unknown": {order(1, standing(contract.WithdrawnEnd)), allowed, everything, []contract.State{contract.Received, contract.Withdrawn}, nil},
		"superseded before it was seen":    {order(1, standing(contract.SupersededEnd)), allowed, everything, []contract.State{contract.Received, contract.Withdrawn}, nil},
		"expired on arrival": {order(1, func(d *contract.OperationalDirective) { d.Expires = now }), allowed, everything,
			[]contract.State{contract.Received, contract.Expired}, nil},
	} {
		r := received(t, c.d, c.v, c.w)
		want(t, name, r, c.states, c.reasons...)
		if running := r.Answer.State == contract.Executing; r.Running() != running {
			t.Errorf("%s: running is %v", name, r.Running())
		}
		for _, j := range r.Answer.Jobs {
			if (j.State == string(job.Stopped)) == r.Running() {
				t.Errorf("%s: job %s is %s", name, j.Item, j.State)
			}
		}
	}
	r := received(t, order(1), allowed, offering("order_time", "email"))
	states := map[string]string{}
	for _, j := range r.Answer.Jobs {
		states[j.Kind+" "+j.Item] = j.State
	}
	if d := cmp.Diff(map[string]string{"collect order_time": "running", "collect email": "running", "collect order_cost": "waiting",
		"compute repeat_rate": "running", "compute margin": "waiting"}, states); d != "" {
		t.Errorf("jobs (-want +got):\n%s", d)
	}
	if h := r.Answer.History; h[1].Decision == nil || h[1].Decision.ID != "d-1" || h[0].Trace != "trace" {
		t.Errorf("the trail names neither decision nor trace: %+v", h)
	}
}

func TestStaleRevisions(t *testing.T) {
	t.Parallel()
	r := received(t, order(5), allowed, everything)
	before := r.Answer.AckRevision
	for _, revision := range []int64{4, 5} {
		if err := Received(r, order(revision, standing(contract.WithdrawnEnd)), allowed, everything, at(1)); err != nil {
			t.Fatal(err)
		}
	}
	if r.Answer.AckRevision != before || !r.Running() {
		t.Errorf("a stale revision changed the answer to %+v", r.Answer)
	}
}

// TestEveryStateTakesEveryRevision: wherever a directive stands, a newer revision is answered, with the revision named.
func TestEveryStateTakesEveryRevision(t *testing.T) {
	t.Parallel()
	for from := range Transitions {
		for _, s := range []contract.Standing{contract.InForce, contract.WithdrawnEnd, contract.SupersededEnd, contract.ExpiredEnd} {
			r := &Record{}
			if from != "" {
				r.Order = order(1)
				r.Answer = contract.Acknowledgement{Directive: "od-1", DirectiveRevision: 1, AckRevision: 1, State: from, History: []contract.Step{{State: from}}}
			}
			if err := Received(r, order(2, standing(s)), allowed, everything, at(0)); err != nil {
				t.Errorf("from %q by %s: %v", from, s, err)
				continue
			}
			end := map[contract.Standing]contract.State{contract.InForce: contract.Executing, contract.WithdrawnEnd: contract.Withdrawn,
				contract.SupersededEnd: contract.Withdrawn, contract.ExpiredEnd: contract.Expired}[s]
			if r.Answer.State != end || r.Answer.DirectiveRevision != 2 || r.Answer.AckRevision <= 1 {
				t.Errorf("from %q by %s: %s of revision %d, want %s of 2", from, s, r.Answer.State, r.Answer.DirectiveRevision, end)
			}
		}
	}
}

// TestTransitions: step goes where the table says, and nowhere else.
func TestTransitions(t *testing.T) {
	t.Parallel()
	for from, next := range Transitions {
		for to := range Transitions {
			if to == "" {
				continue
			}
			r := &Record{Order: order(1), Answer: contract.Acknowledgement{State: from}}
			err := r.step(to, nil, at(0))
			if may := slices.Contains(next, to); (err == nil) != may || err != nil && fault.CodeOf(err) != fault.IllegalTransition {
				t.Errorf("from %q to %q: %v, want allowed %v", from, to, err, may)
			}
		}
	}
	for from, next := range Transitions {
		if !slices.Contains(next, contract.Received) {
			t.Errorf("%q does not take a newer revision", from)
		}
	}
}

func observe(t *testing.T, r *Record, coverage map[contract.ParameterName]float64, w World) bool {
	t.Helper()
	news, err := Observed(r, Observation{Coverage: coverage}, w, at(1))
	if err != nil {
		t.Fatal(err)
	}
	return news
}

// The directive's coverage is required, too, of all that the goal's own metric needs but of what is sparse: the layer above
// judges by the same rule.
func TestTheDirectivesCoverageIsRequired(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*contract.OperationalDirective)
		need   float64
	}{
		"the directive asks for more": {func(o *contract.OperationalDirective) { o.Constraints.RequiredCoverage = .95 }, .95},
		"the parameter asks for more": {func(o *contract.OperationalDirective) { o.Constraints.RequiredCoverage = .5 }, .8},
		"the parameter is sparse": {func(o *contract.OperationalDirective) {
			o.Constraints.RequiredCoverage = .95
			each(o, func(p *contract.Parameter) { p.Sparse, p.Coverage = true, .15 })
		}, .15},
		"the directive says nothing": {func(*contract.OperationalDirective) {}, .8},
	} {
		r := received(t, order(1, c.change), allowed, everything)
		observe(t, r, map[contract.ParameterName]float64{"email": c.need - .01}, everything)
		if last := r.Answer.Reasons; r.Answer.State != contract.Degraded || *last[0].Need != c.need {
			t.Errorf("%s: %s with %v just below %v", name, r.Answer.State, last, c.need)
		}
		observe(t, r, map[contract.ParameterName]float64{"email": c.need}, everything)
		if r.Answer.State != contract.Executing {
			t.Errorf("%s: %s with what is required", name, r.Answer.State)
		}
	}
}

func each(o *contract.OperationalDirective, change func(*contract.Parameter)) {
	for i := range o.Collect {
		change(&o.Collect[i].Parameter)
	}
}

func TestCoverageFallsAndHeals(t *testing.T) {
	t.Parallel()
	r := received(t, order(1), allowed, everything)
	if observe(t, r, nil, everything) {
		t.Error("nothing changed, and that was news")
	}
	low := contract.Reason{Code: fault.LowCoverage, Item: "email"}.Figures(.38, .8)
	begun := []contract.State{contract.Received, contract.Accepted, contract.Executing}
	if !observe(t, r, map[contract.ParameterName]float64{"email": .38, "order_time": 1, "order_cost": .1}, everything) {
		t.Error("low coverage was no news")
	}
	want(t, "low coverage", r, append(begun, contract.Degraded), low)
	if observe(t, r, map[contract.ParameterName]float64{"email": .3801, "order_time": 1, "order_cost": .1}, everything) {
		t.Error("a hundredth of a percent was news")
	}
	observe(t, r, map[contract.ParameterName]float64{"email": .5}, everything)
	want(t, "better coverage", r, append(begun, contract.Degraded, contract.Degraded), low.Figures(.5, .8))
	observe(t, r, map[contract.ParameterName]float64{"email": .8}, everything)
	want(t, "healed", r, append(begun, contract.Degraded, contract.Degraded, contract.Executing))
	for _, j := range r.Answer.Jobs {
		if j.Item == "email" && (j.Coverage == nil || *j.Coverage != .8) {
			t.Errorf("the job's coverage is %v, want .8", j.Coverage)
		}
	}
}

func TestCostsAreToldByTheTenth(t *testing.T) {
	t.Parallel()
	r := received(t, order(1), allowed, everything)
	for _, c := range []struct {
		events int64
		news   bool
	}{{0, false}, {1, true}, {1, false}, {100, true}, {109, false}, {110, true}, {105, false}, {99, true}} {
		states := len(r.Answer.History)
		news, err := Observed(r, Observation{Held: map[contract.ParameterName]job.Held{"order_time": {Events: c.events, Bytes: 300 * c.events}}}, everything, at(1))
		if err != nil {
			t.Fatal(err)
		}
		if news != c.news || len(r.Answer.History) != states {
			t.Errorf("%d events: news %v, want %v; the state stays", c.events, news, c.news)
		}
		for _, j := range r.Answer.Jobs {
			told := j.Events != nil && *j.Events == c.events && *j.Bytes == 300*c.events
			if j.Item == "order_time" && j.Kind == "collect" && c.news && !told || j.Item != "order_time" && j.Events != nil {
				t.Errorf("%d events: %s tells %v", c.events, j.Item, j.Events)
			}
		}
	}
}

func TestTimeThatComputingTookAddsUp(t *testing.T) {
	t.Parallel()
	r := received(t, order(1), allowed, everything)
	i := slices.IndexFunc(r.Jobs, func(j job.Job) bool { return j.Kind == job.Compute })
	id := r.Jobs[i].ID
	for _, c := range []struct {
		took time.Duration
		want float64
		news bool
	}{{10 * time.Millisecond, 0, false}, {2 * time.Second, 2, true}, {100 * time.Millisecond, 2, false}, {500 * time.Millisecond, 2.5, true}} {
		news, err := Observed(r, Observation{Spent: map[string]time.Duration{id: c.took}}, everything, at(1))
		if err != nil {
			t.Fatal(err)
		}
		if news != c.news || r.Jobs[i].Seconds != c.want {
			t.Errorf("%s more: news %v and %v seconds, want %v and %v", c.took, news, r.Jobs[i].Seconds, c.news, c.want)
		}
	}
}

// TestWishesNeverDegrade: a wish's source or coverage is told, and the state stays.
func TestWishesNeverDegrade(t *testing.T) {
	t.Parallel()
	r := received(t, order(1), allowed, offering("order_time", "email"))
	if !observe(t, r, map[contract.ParameterName]float64{"order_cost": .01}, everything) {
		t.Error("a new source was no news")
	}
	if r.Answer.State != contract.Executing || len(r.Answer.Reasons) != 0 {
		t.Errorf("with the wish offered it is %s because %+v", r.Answer.State, r.Answer.Reasons)
	}
	observe(t, r, nil, offering("order_time", "email"))
	if r.Answer.State != contract.Executing || len(r.Answer.Reasons) != 1 || !r.Answer.Reasons[0].Optional {
		t.Errorf("without the wish it is %s because %+v", r.Answer.State, r.Answer.Reasons)
	}
}

// TestSourceGoes: a required parameter that nobody offers any more degrades, until somebody does again.
func TestSourceGoes(t *testing.T) {
	t.Parallel()
	r := received(t, order(1), allowed, everything)
	observe(t, r, nil, offering("order_time", "order_cost"))
	if d := cmp.Diff([]contract.Reason{{Code: fault.NoSource, Item: "email"}}, r.Answer.Reasons); r.Answer.State != contract.Degraded || d != "" {
		t.Errorf("it is %s (-want +got):\n%s", r.Answer.State, d)
	}
	observe(t, r, nil, everything)
	if r.Answer.State != contract.Executing {
		t.Errorf("with the source again it is %s", r.Answer.State)
	}
}

func TestOverdue(t *testing.T) {
	t.Parallel()
	r := received(t, order(1), allowed, everything)
	if over, err := Overdue(r, at(59)); over || err != nil {
		t.Errorf("a minute early: %v, %v", over, err)
	}
	if over, err := Overdue(r, at(60)); !over || err != nil || r.Answer.State != contract.Completed || r.Running() {
		t.Errorf("at its end it is %s, %v", r.Answer.State, err)
	}
	low := received(t, order(1), allowed, everything)
	observe(t, low, map[contract.ParameterName]float64{"email": .1}, everything)
	if _, err := Overdue(low, at(60)); err != nil || low.Answer.State != contract.Expired {
		t.Errorf("without everything that was asked for it is %s, %v; want expired", low.Answer.State, err)
	}
	if over, _ := Overdue(r, at(90)); over {
		t.Error("it ended twice")
	}
}

// TestRuled: other rules end what they do not allow, and only that.
func TestRuled(t *testing.T) {
	t.Parallel()
	r := received(t, order(1), allowed, everything)
	next := allowed
	next.Decision.Bundle = "b.2"
	if news, err := Ruled(r, next, at(1)); news || err != nil || r.Bundle != "b.2" || !r.Running() {
		t.Errorf("still allowed: news %v, %v, under %s", news, err, r.Bundle)
	}
	denied := Verdict{Purposes: []contract.Purpose{"retention_analysis"}, Decision: contract.Decision{ID: "d-2", Bundle: "b.3"}}
	if news, err := Ruled(r, denied, at(2)); !news || err != nil {
		t.Errorf("not allowed any more: news %v, %v", news, err)
	}
	want(t, "ruled out", r, []contract.State{contract.Received, contract.Accepted, contract.Executing, contract.Refused},
		contract.Reason{Code: fault.PurposeNotAllowed, Item: "retention_analysis"})
}

// TestWaitsForGovernance: what arrives before the first governance directive is decided when that has come.
func TestWaitsForGovernance(t *testing.T) {
	t.Parallel()
	waiting := contract.Reason{Code: fault.AwaitingApproval, Item: "governance"}
	r := received(t, order(1), Verdict{Ungoverned: true}, everything)
	want(t, "ungoverned", r, []contract.State{contract.Received, contract.Received}, waiting)
	if news, err := Decided(r, Verdict{Ungoverned: true}, everything, at(1)); news || err != nil || r.Running() {
		t.Errorf("still ungoverned: news %v, %v, running %v", news, err, r.Running())
	}
	if news, err := Decided(r, allowed, everything, at(2)); !news || err != nil || r.Bundle != "b.1" {
		t.Errorf("governed: news %v, %v, under %s", news, err, r.Bundle)
	}
	want(t, "governed", r, []contract.State{contract.Received, contract.Received, contract.Accepted, contract.Executing})
	if news, _ := Decided(r, allowed, everything, at(3)); news {
		t.Error("it was decided on twice")
	}
	late := received(t, order(1), Verdict{Ungoverned: true}, everything)
	if news, err := Decided(late, Verdict{Ungoverned: true}, everything, at(60)); !news || err != nil || late.Answer.State != contract.Expired {
		t.Errorf("never governed it ends as %s, %v; want expired", late.Answer.State, err)
	}
}

func governance(revision int64, s contract.Standing) *contract.GovernanceDirective {
	return &contract.GovernanceDirective{Order: contract.Order{ID: "gd-1", Revision: revision, Standing: s}, Version: 1, MinimumGroup: 10}
}

func TestGoverned(t *testing.T) {
	t.Parallel()
	r := &Record{}
	for i, c := range []struct {
		g     *contract.GovernanceDirective
		fresh bool
		state contract.State
	}{{governance(2, contract.InForce), true, contract.Accepted}, {governance(2, contract.InForce), false, contract.Accepted},
		{governance(1, contract.WithdrawnEnd), false, contract.Accepted}, {governance(3, contract.SupersededEnd), true, contract.Withdrawn},
		{governance(4, contract.InForce), true, contract.Accepted}} {
		fresh, err := Governed(r, c.g, at(i))
		if err != nil || fresh != c.fresh || r.Answer.State != c.state {
			t.Errorf("step %d: fresh %v, state %s, %v; want %v, %s", i, fresh, r.Answer.State, err, c.fresh, c.state)
		}
	}
}

// TestRestore: revisions go on growing over a lost database.
func TestRestore(t *testing.T) {
	t.Parallel()
	old := received(t, order(1), allowed, everything).Answer
	old.AckRevision = now.Add(24 * time.Hour).UnixMilli()
	r := &Record{}
	Restore(r, old)
	if r.Running() {
		t.Error("an answer without its directive is carried out")
	}
	older := old
	older.AckRevision--
	Restore(r, older)
	if err := Received(r, order(1), allowed, everything, at(0)); err != nil {
		t.Fatal(err)
	}
	if r.Answer.AckRevision != old.AckRevision+1 || !r.Running() {
		t.Errorf("the answer has revision %d, want %d", r.Answer.AckRevision, old.AckRevision+1)
	}
	before := r.Answer
	Restore(r, contract.Acknowledgement{Directive: "od-1", AckRevision: before.AckRevision + 100})
	if d := cmp.Diff(before, r.Answer); d != "" {
		t.Errorf("an old answer replaced a live one:\n%s", d)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	r := received(t, order(1), allowed, everything)
	for i := range 2 * maxHistory {
		observe(t, r, map[contract.ParameterName]float64{"email": float64(i%2) * .9}, everything)
	}
	if n := len(r.Answer.History); n != maxHistory || r.Answer.History[0].State != contract.Received {
		t.Errorf("the history has %d steps and begins with %s", n, fmt.Sprint(r.Answer.History[0].State))
	}
}
