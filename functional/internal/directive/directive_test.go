package directive

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/strata-crm/strata/functional/internal/plan"
	"github.com/strata-crm/strata/functional/internal/playbook"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func library(t *testing.T) *playbook.Library {
	t.Helper()
	l, err := playbook.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// at returns the circumstances some minutes after noon.
func at(minutes int) Turn {
	return Turn{Tenant: "main", Now: noon.Add(time.Duration(minutes) * time.Minute), Trace: "4bf92f3577b34da6a3ce929d0e0e4736"}
}

func decided(minutes int) Turn {
	t := at(minutes)
	t.Decision = &contract.Decision{ID: "pd-1", Rule: "functional.plan"}
	return t
}

// strategic returns a directive on lifetime value, whose plan has two parts, marketing (the goal's own) and sales.
func strategic(revision int64) *contract.StrategicDirective {
	ratio := .1
	return &contract.StrategicDirective{
		Order: contract.Order{
			ID: "sd-1", Revision: revision, Standing: contract.InForce, ValidFrom: noon, Expires: noon.AddDate(0, 2, 0), At: noon.Add(time.Duration(revision)),
			Decision: contract.Decision{ID: "pd-0", Rule: "strategic.issue"},
		},
		Goal: contract.Goal{
			ID: "g1", Revision: revision, Variable: contract.LifetimeValue, Metric: "predicted_value_52w", Kind: contract.Level, Direction: contract.Up,
			Scope: &contract.Condition{Field: "country", Op: contract.In, Value: []any{"AT", "DE"}}, Grain: contract.GrainMonth,
			Baseline: contract.Baseline{MeasureUntil: "1997-09-30"}, Target: contract.Target{Relative: &ratio}, Start: "1997-01-01", Deadline: "1998-06-30",
		},
		Constraints: contract.Constraints{Purposes: []contract.Purpose{"value_analysis"}, MinimumGroup: 10, MinimumN: 30, RequiredCoverage: .8, RetentionDays: 365},
		Impact:      contract.NormalImpact, TimeZone: "UTC", Currency: "USD",
	}
}

func received(t *testing.T) *Record {
	t.Helper()
	r := &Record{}
	Received(r, strategic(1), library(t), "plan-1", at(0))
	return r
}

func active(t *testing.T) *Record {
	t.Helper()
	r := received(t)
	if err := Approved(r, plan.ByManager, "mia", decided(1)); err != nil {
		t.Fatal(err)
	}
	return r
}

// ack is an answer to the record's order of the index.
func ack(r *Record, i int, s contract.State, revision int64, why ...contract.Reason) contract.Acknowledgement {
	o := r.Orders[i]
	return contract.Acknowledgement{
		Directive: o.ID, DirectiveRevision: o.Revision, AckRevision: revision, Layer: contract.Operational, State: s, Reasons: why, At: noon,
		History: []contract.Step{{State: s, At: noon, By: "operational"}},
	}
}

func copied(t *testing.T, r *Record) *Record {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var c Record
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	return &c
}

func codes(rs []contract.Reason) []fault.Code {
	var cs []fault.Code
	for _, r := range rs {
		cs = append(cs, r.Code)
	}
	return cs
}

func wantAnswer(t *testing.T, r *Record, s contract.State, why ...fault.Code) {
	t.Helper()
	if d := cmp.Diff(why, codes(r.Answer.Reasons)); r.Answer.State != s || d != "" {
		t.Errorf("answer %s; want %s, reasons (-want +got):\n%s", r.Answer.State, s, d)
	}
	last := r.Answer.History[len(r.Answer.History)-1]
	if last.State != r.Answer.State {
		t.Errorf("the history ends with %s, the answer is %s", last.State, r.Answer.State)
	}
	if err := r.Answer.Check(); err != nil {
		t.Errorf("the answer cannot be sent: %v", err)
	}
}

func TestADirectiveIsReceivedAndPlanned(t *testing.T) {
	t.Parallel()
	r := received(t)
	wantAnswer(t, r, contract.Received, fault.AwaitingApproval)
	if r.Plan == nil || r.Plan.State != plan.Drafted || r.Orders != nil || r.Answer.AckRevision <= 0 || r.Answer.DirectiveRevision != 1 {
		t.Fatalf("plan %+v, orders %v, answer %+v", r.Plan, r.Orders, r.Answer)
	}
	p := r.Answer.Plan
	if p == nil || p.ID != "plan-1" || p.Playbook != "lifetime_value" || len(p.Metrics) != 4 || p.Customers < 30 || p.State != "drafted" {
		t.Errorf("the answer shows the plan as %+v", p)
	}
	if n := len(r.Answer.History); n != 2 {
		t.Errorf("%d steps, want received and then awaiting approval", n)
	}
}

func TestAReissueKeepsThePlan(t *testing.T) {
	t.Parallel()
	r := active(t)
	before := copied(t, r)
	again := strategic(2)
	again.ValidFrom, again.Goal.Revision = again.ValidFrom.Add(time.Hour), 7
	Received(r, again, library(t), "plan-2", at(2))
	if r.Plan.ID != "plan-1" || len(r.Past) > 0 || r.Orders[0].Revision != before.Orders[0].Revision {
		t.Errorf("a mere re-issue changed the plan to %s and the order's revision from %d to %d", r.Plan.ID, before.Orders[0].Revision, r.Orders[0].Revision)
	}
	if r.Answer.DirectiveRevision != 2 || r.Answer.AckRevision <= before.Answer.AckRevision {
		t.Errorf("answered %d at %d", r.Answer.DirectiveRevision, r.Answer.AckRevision)
	}
}

func TestAChangedGoalSupersedesThePlan(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*contract.StrategicDirective){
		"another target":    func(d *contract.StrategicDirective) { v := .2; d.Goal.Target.Relative = &v },
		"another scope":     func(d *contract.StrategicDirective) { d.Goal.Scope.Value = []any{"AT"} },
		"another limit":     func(d *contract.StrategicDirective) { d.Constraints.MinimumGroup = 20 },
		"another end":       func(d *contract.StrategicDirective) { d.Expires = d.Expires.AddDate(0, 1, 0) },
		"another necessity": func(d *contract.StrategicDirective) { d.Requires = []contract.Feature{contract.FeatureBackTest} },
	} {
		r := active(t)
		d := strategic(2)
		change(d)
		Received(r, d, library(t), "plan-2", at(2))
		if r.Plan == nil || r.Plan.ID != "plan-2" || r.Plan.State != plan.Drafted || len(r.Past) != 1 || r.Past[0].State != plan.Superseded {
			t.Errorf("%s: plan %+v, past %v", name, r.Plan, r.Past)
			continue
		}
		wantAnswer(t, r, contract.Received, fault.AwaitingApproval)
		if !slices.ContainsFunc(r.Orders, func(o contract.OperationalDirective) bool { return o.Standing == contract.InForce }) {
			t.Errorf("%s: collection stopped before the new plan was approved", name)
		}
	}
}

func TestAStaleRevisionChangesNothing(t *testing.T) {
	t.Parallel()
	r := active(t)
	before := copied(t, r)
	for _, revision := range []int64{1, 0} {
		d := strategic(revision)
		d.Goal.Metric, d.Standing = "nonsense", contract.WithdrawnEnd
		Received(r, d, library(t), "plan-2", at(5))
	}
	if d := cmp.Diff(before, copied(t, r)); d != "" {
		t.Errorf("(-before +after):\n%s", d)
	}
}

func TestARefusalIsAskedAnewByANewRevision(t *testing.T) {
	t.Parallel()
	d := strategic(1)
	d.Constraints.Purposes = []contract.Purpose{"advertising"}
	r := &Record{}
	Received(r, d, library(t), "plan-1", at(0))
	wantAnswer(t, r, contract.Refused, fault.PurposeNotAllowed)
	if r.Plan != nil || r.Answer.Plan != nil {
		t.Errorf("a refused directive has a plan: %+v", r.Plan)
	}
	again := *d
	again.Revision = 2
	Received(r, &again, library(t), "plan-2", at(1))
	wantAnswer(t, r, contract.Refused, fault.PurposeNotAllowed)
	if r.Answer.DirectiveRevision != 2 {
		t.Errorf("revision %d is answered, want 2", r.Answer.DirectiveRevision)
	}
	Received(r, strategic(3), library(t), "plan-3", at(2))
	wantAnswer(t, r, contract.Received, fault.AwaitingApproval)
}

func TestAChangeThatIsRefusedWithdrawsWhatWasOrdered(t *testing.T) {
	t.Parallel()
	r := active(t)
	d := strategic(2)
	d.Requires = []contract.Feature{"teleport"}
	Received(r, d, library(t), "plan-2", at(2))
	wantAnswer(t, r, contract.Refused, fault.UnsupportedFeature)
	for _, o := range r.Orders {
		if o.Standing != contract.WithdrawnEnd {
			t.Errorf("%s is still %s", o.ID, o.Standing)
		}
	}
	if r.Answer.Plan != nil || r.Plan != nil || len(r.Past) != 1 {
		t.Errorf("the superseded plan is still shown: %+v", r.Answer.Plan)
	}
}

func TestApprovalIssuesOneOrderForEachPart(t *testing.T) {
	t.Parallel()
	r := active(t)
	wantAnswer(t, r, contract.Received)
	if len(r.Orders) != 2 || r.Plan.State != plan.Active {
		t.Fatalf("%d orders of a plan that is %s", len(r.Orders), r.Plan.State)
	}
	for _, o := range r.Orders {
		if err := o.Check(); err != nil || o.Decision.ID != "pd-1" || o.Standing != contract.InForce || o.ID != contract.OperationalIdentity("main", "sd-1", o.Part) {
			t.Errorf("order %+v: %v", o.Order, err)
		}
		if !slices.Contains(o.Requires, contract.FeatureScope) || !slices.Contains(o.Requires, contract.FeatureRetention) || slices.Contains(o.Requires, contract.FeatureBudget) {
			t.Errorf("order requires %v", o.Requires)
		}
	}
	if err := Approved(r, plan.ByManager, "mia", decided(2)); !fault.Is(err, fault.Conflict) {
		t.Errorf("approved twice: %v", err)
	}
	if err := Approved(&Record{}, plan.ByManager, "mia", decided(2)); !fault.Is(err, fault.Conflict) {
		t.Errorf("approved nothing: %v", err)
	}
}

func TestADenialIsARefusalThatAnApprovalMayFollow(t *testing.T) {
	t.Parallel()
	r := received(t)
	Denied(r, decided(1), "functional.plan")
	wantAnswer(t, r, contract.Refused, fault.PolicyDenied)
	if last := r.Answer.History[len(r.Answer.History)-1]; last.Decision == nil || last.Decision.ID != "pd-1" {
		t.Error("the denial does not name its decision")
	}
	if len(r.Orders) > 0 {
		t.Error("orders were issued all the same")
	}
	if err := Approved(r, plan.ByManager, "mia", decided(2)); err != nil || len(r.Orders) != 2 {
		t.Errorf("%v, %d orders", err, len(r.Orders))
	}
}

func TestAnEditOfAnActivePlanIsIssuedAtOnce(t *testing.T) {
	t.Parallel()
	r := active(t)
	before := copied(t, r)
	parts := copied(t, r).Plan.Parts[:1] // without sales, which the goal's own metric does not need
	c := r.Plan.Constraints
	c.MinimumGroup = 25
	if err := Edited(r, parts, c, "mia", decided(2)); err != nil {
		t.Fatal(err)
	}
	if len(r.Plan.Parts) != 1 || r.Plan.Constraints.MinimumGroup != 25 || r.Plan.Revision <= before.Plan.Revision {
		t.Errorf("plan %+v", r.Plan)
	}
	for _, o := range r.Orders {
		i := slices.IndexFunc(before.Orders, func(b contract.OperationalDirective) bool { return b.ID == o.ID })
		want := map[string]contract.Standing{"marketing": contract.InForce, "sales": contract.WithdrawnEnd}[o.Part]
		if o.Standing != want || o.Revision <= before.Orders[i].Revision {
			t.Errorf("%s is %s at revision %d, was at %d", o.Part, o.Standing, o.Revision, before.Orders[i].Revision)
		}
		if o.Part == "marketing" && (o.Constraints.MinimumGroup != 25 || o.Decision.ID != "pd-1") {
			t.Errorf("marketing's order: %+v", o)
		}
	}
	Answered(r, ack(r, 0, contract.Executing, 1), at(3)) // sales is left out and waited for no more
	wantAnswer(t, r, contract.Executing)
}

func TestAnEditThatWidensLeavesTheRecord(t *testing.T) {
	t.Parallel()
	r := active(t)
	before := copied(t, r)
	for name, change := range map[string]func([]plan.Part, *contract.Constraints) []plan.Part{
		"smaller groups": func(ps []plan.Part, c *contract.Constraints) []plan.Part { c.MinimumGroup = 1; return ps },
		"a definition in other words": func(ps []plan.Part, _ *contract.Constraints) []plan.Part {
			ps[0].Metrics[0].Definition.Dimension = "postcode"
			return ps
		},
		"a method that reads another property": func(ps []plan.Part, _ *contract.Constraints) []plan.Part {
			ps[0].Collect[0].Parameter.Method.Property = "email"
			return ps
		},
		"a parameter of another type of data": func(ps []plan.Part, _ *contract.Constraints) []plan.Part {
			ps[0].Collect[0].Parameter.DataType = contract.Descriptive
			return ps
		},
		"less coverage": func(ps []plan.Part, _ *contract.Constraints) []plan.Part {
			ps[0].Collect[0].Parameter.Coverage = .1
			return ps
		},
		"a part twice":          func(ps []plan.Part, _ *contract.Constraints) []plan.Part { return append(ps, ps[0]) },
		"a metric without data": func(ps []plan.Part, _ *contract.Constraints) []plan.Part { ps[1].Collect = nil; return ps },
		"data without purpose":  func(ps []plan.Part, c *contract.Constraints) []plan.Part { c.Purposes = nil; return ps },
	} {
		c := copied(t, r)
		if err := Edited(r, change(c.Plan.Parts, &c.Plan.Constraints), c.Plan.Constraints, "mia", decided(2)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v; want Invalid", name, err)
		}
	}
	if d := cmp.Diff(before, copied(t, r)); d != "" {
		t.Errorf("(-before +after):\n%s", d)
	}
	c := copied(t, r)
	c.Plan.Parts[0].Collect[0].Parameter.Coverage = .95
	if err := Edited(r, c.Plan.Parts, c.Plan.Constraints, "mia", decided(2)); err != nil {
		t.Errorf("more coverage: %v", err)
	}
}

func TestAnswersFromBelow(t *testing.T) {
	t.Parallel()
	r := active(t)
	low := contract.Reason{Code: fault.LowCoverage, Item: "order_amount"}.Figures(.38, .8)
	lack := contract.Reason{Code: fault.NoSource, Item: "order_cost", Optional: true}
	for i, step := range []struct {
		order int
		state contract.State
		why   []contract.Reason
		want  contract.State
		codes []fault.Code
	}{
		{0, contract.Received, nil, contract.Received, nil},
		{0, contract.Executing, nil, contract.Received, nil}, // sales has not answered
		{1, contract.Executing, []contract.Reason{lack}, contract.Executing, nil},
		{0, contract.Degraded, []contract.Reason{low}, contract.Degraded, []fault.Code{fault.LowCoverage}},
		{0, contract.Executing, nil, contract.Executing, nil},
		{1, contract.Refused, []contract.Reason{low}, contract.Degraded, []fault.Code{fault.LowCoverage}},
		{0, contract.Refused, nil, contract.Refused, []fault.Code{fault.LowCoverage}},
	} {
		if !Answered(r, ack(r, step.order, step.state, int64(100+i), step.why...), at(2+i)) {
			t.Fatalf("step %d: taken for old", i)
		}
		wantAnswer(t, r, step.want, step.codes...)
	}
	if len(r.Plan.Missing) == 0 || r.Answer.Plan.Missing[0].Remedy == "" {
		t.Errorf("missing: %+v", r.Plan.Missing)
	}
	before := copied(t, r)
	if Answered(r, ack(r, 0, contract.Executing, 100), at(20)) {
		t.Error("an old answer was taken")
	}
	if d := cmp.Diff(before, copied(t, r)); d != "" {
		t.Errorf("an old answer changed (-before +after):\n%s", d)
	}
}

func TestAnAnswerToAnEarlierRevisionAnswersNothing(t *testing.T) {
	t.Parallel()
	r := active(t)
	Answered(r, ack(r, 0, contract.Executing, 1), at(2))
	Answered(r, ack(r, 1, contract.Executing, 1), at(2))
	wantAnswer(t, r, contract.Executing)
	old := ack(r, 1, contract.Executing, 2)
	d := strategic(2)
	d.Constraints.MinimumGroup = 20
	Received(r, d, library(t), "plan-2", at(3))
	if err := Approved(r, plan.ByManager, "mia", decided(4)); err != nil {
		t.Fatal(err)
	}
	Answered(r, ack(r, 0, contract.Executing, 3), at(5))
	Answered(r, old, at(5))
	wantAnswer(t, r, contract.Received)
	Answered(r, ack(r, 1, contract.Refused, 4), at(6))
	wantAnswer(t, r, contract.Degraded)
}

func TestAnEndedDirectiveEndsEverything(t *testing.T) {
	t.Parallel()
	for standing, want := range map[contract.Standing]struct {
		state contract.State
		why   fault.Code
	}{
		contract.WithdrawnEnd: {contract.Withdrawn, fault.Withdrawn}, contract.SupersededEnd: {contract.Withdrawn, fault.Superseded},
		contract.ExpiredEnd: {contract.Expired, fault.Expired},
	} {
		r := active(t)
		before := copied(t, r)
		d := strategic(2)
		d.Standing = standing
		Received(r, d, library(t), "plan-2", at(2))
		wantAnswer(t, r, want.state, want.why)
		if r.Plan.State != plan.Closed || r.Plan.ID != "plan-1" {
			t.Errorf("%s: the plan is %s", standing, r.Plan.State)
		}
		for i, o := range r.Orders {
			if o.Standing != standing || o.Revision <= before.Orders[i].Revision {
				t.Errorf("%s: order %s is %s", standing, o.Part, o.Standing)
			}
		}
		Answered(r, ack(r, 0, contract.Withdrawn, 9), at(3))
		wantAnswer(t, r, want.state, want.why)
		if s := r.Answer.Plan.Operational[0].State; s != contract.Withdrawn {
			t.Errorf("the order is shown as %s", s)
		}
	}
	r := &Record{}
	d := strategic(4)
	d.Standing = contract.ExpiredEnd
	Received(r, d, library(t), "plan-1", at(0))
	wantAnswer(t, r, contract.Expired, fault.Expired)
	if r.Plan != nil || r.Orders != nil {
		t.Error("a tombstone was planned for")
	}
}

func governance(revision int64) *contract.GovernanceDirective {
	return &contract.GovernanceDirective{
		Order:   contract.Order{ID: "gd-1", Revision: revision, Standing: contract.InForce, ValidFrom: noon, Expires: noon.AddDate(1, 0, 0)},
		Version: 1, MinimumGroup: 10, Purposes: []contract.PurposeRule{{Purpose: "value_analysis", Categories: []contract.DataType{contract.Transactional, contract.Identification}}},
		Retention: map[contract.DataType]int{contract.Transactional: 1095, contract.Identification: 1095},
	}
}

func TestGovernanceIsKeptUnchangedAndAnswered(t *testing.T) {
	t.Parallel()
	r, g := &Record{}, governance(5)
	if !Governed(r, g, at(0)) || !contract.Same(r.Governance, governance(5)) {
		t.Fatalf("governance %+v", r.Governance)
	}
	wantAnswer(t, r, contract.Received)
	if Governed(r, governance(5), at(1)) || Governed(r, governance(4), at(1)) {
		t.Error("a revision that is not newer was taken")
	}
	below := contract.Acknowledgement{Directive: "gd-1", DirectiveRevision: 5, AckRevision: 1, State: contract.Received, History: []contract.Step{{}}}
	Answered(r, below, at(1))
	wantAnswer(t, r, contract.Received)
	below.AckRevision, below.State = 2, contract.Accepted
	Answered(r, below, at(2))
	wantAnswer(t, r, contract.Accepted)
	if !Governed(r, governance(6), at(3)) {
		t.Error("a newer revision was not taken")
	}
	wantAnswer(t, r, contract.Received)
}

// spoken returns what a record has said on its own topics up to now.
type spoken struct {
	orders  []contract.OperationalDirective
	answers []contract.Acknowledgement
}

func (s *spoken) listen(r *Record) {
	s.orders = append(s.orders, r.Orders...)
	s.answers = append(s.answers, r.Answer)
}

// permutations of restoring: orders and answers, each forwards, backwards, and one after the other.
func (s *spoken) restore(how int) *Record {
	r := &Record{}
	orders, answers := slices.Clone(s.orders), slices.Clone(s.answers)
	if how&1 > 0 {
		slices.Reverse(orders)
	}
	if how&2 > 0 {
		slices.Reverse(answers)
	}
	first := func() {
		for _, o := range orders {
			RestoreOrder(r, o)
		}
	}
	second := func() {
		for _, a := range answers {
			RestoreAnswer(r, a)
		}
	}
	if how&4 > 0 {
		first, second = second, first
	}
	first()
	second()
	return r
}

func TestARecordComesBackFromItsOwnMessagesInAnyOrder(t *testing.T) {
	t.Parallel()
	r := received(t)
	said := &spoken{}
	said.listen(r)
	if err := Approved(r, plan.ByManager, "mia", decided(1)); err != nil {
		t.Fatal(err)
	}
	said.listen(copied(t, r))
	parts := copied(t, r).Plan.Parts
	parts[1].Metrics = parts[1].Metrics[:1] // a manager's edit
	c := r.Plan.Constraints
	c.MinimumGroup = 25
	if err := Edited(r, parts, c, "mia", decided(2)); err != nil {
		t.Fatal(err)
	}
	Answered(r, ack(r, 0, contract.Executing, 1), at(3))
	Answered(r, ack(r, 1, contract.Executing, 1), at(3))
	said.listen(copied(t, r))
	for how := range 8 {
		got := said.restore(how)
		Answered(got, ack(r, 0, contract.Degraded, 2, contract.Reason{Code: fault.LowCoverage}), at(4)) // before its directive is back
		Received(got, strategic(1), library(t), "plan-9", at(5))
		if got.Plan == nil || got.Plan.ID != "plan-1" || got.Plan.State != plan.Active {
			t.Fatalf("order %d: plan %+v", how, got.Plan)
		}
		opts := cmp.Options{cmpopts.EquateEmpty(), cmpopts.SortSlices(func(a, b plan.Part) bool { return a.Unit < b.Unit }),
			cmpopts.SortSlices(func(a, b contract.OperationalDirective) bool { return a.ID < b.ID })}
		if d := cmp.Diff(r.Plan.Parts, got.Plan.Parts, opts); d != "" {
			t.Errorf("order %d: parts (-was +is):\n%s", how, d)
		}
		if d := cmp.Diff(r.Orders, got.Orders, opts); d != "" {
			t.Errorf("order %d: orders (-was +is):\n%s", how, d)
		}
		if got.Plan.Constraints.MinimumGroup != 25 || got.Answer.AckRevision <= r.Answer.AckRevision {
			t.Errorf("order %d: constraints %+v, answer revision %d after %d", how, got.Plan.Constraints, got.Answer.AckRevision, r.Answer.AckRevision)
		}
		Answered(got, ack(r, 1, contract.Executing, 2), at(6))
		wantAnswer(t, got, contract.Degraded, fault.LowCoverage)
	}
}

func TestADraftThatWasLostIsDraftedAgain(t *testing.T) {
	t.Parallel()
	r := received(t)
	got := &Record{}
	RestoreAnswer(got, r.Answer)
	Received(got, strategic(1), library(t), "plan-9", at(1))
	if got.Plan == nil || got.Plan.ID != "plan-9" || got.Plan.State != plan.Drafted {
		t.Errorf("plan %+v", got.Plan)
	}
	wantAnswer(t, got, contract.Received, fault.AwaitingApproval)
}

func TestARefusalComesBackAsOne(t *testing.T) {
	t.Parallel()
	d := strategic(1)
	d.Constraints.Purposes = []contract.Purpose{"advertising"}
	r := &Record{}
	Received(r, d, library(t), "plan-1", at(0))
	got := &Record{}
	RestoreAnswer(got, r.Answer)
	Received(got, d, library(t), "plan-9", at(1))
	wantAnswer(t, got, contract.Refused, fault.PurposeNotAllowed)
	if len(got.Answer.History) != len(r.Answer.History) {
		t.Errorf("%d steps became %d", len(r.Answer.History), len(got.Answer.History))
	}
}

func TestGovernanceComesBackFromItsOwnMessage(t *testing.T) {
	t.Parallel()
	r := &Record{}
	RestoreGovernance(r, *governance(5))
	RestoreGovernance(r, *governance(4))
	if r.Governance.Revision != 5 || r.ID() != "gd-1" {
		t.Errorf("%+v", r.Governance)
	}
	if !Governed(r, governance(5), at(1)) { // its answer was lost, so it is given again
		t.Error("a governance directive that has no answer is left without one")
	}
	wantAnswer(t, r, contract.Received)
}

func TestARevisedPlanIsIssuedAgain(t *testing.T) {
	t.Parallel()
	r, l := active(t), library(t)
	before := copied(t, r)
	if err := Revised(r, l, nil, "mia", decided(2)); !fault.Is(err, fault.Conflict) {
		t.Errorf("nothing new: %v", err)
	}
	d, _ := l.Metric("predicted_value_52w")
	d.Version, d.Label = "1.0.1", "Worth"
	l.Adopt(d)
	if err := Revised(r, l, nil, "mia", decided(3)); err != nil {
		t.Fatal(err)
	}
	if r.Orders[0].Revision <= before.Orders[0].Revision || r.Orders[0].Compute[0].Metric.Version != "1.0.1" || r.Plan.State != plan.Active {
		t.Errorf("issued %+v", r.Orders[0].Compute[0].Metric)
	}
	if last := r.Plan.History[len(r.Plan.History)-1]; last.By != "mia" || last.Decision == nil || r.Answer.State != before.Answer.State || r.Answer.AckRevision <= before.Answer.AckRevision {
		t.Errorf("history %+v, answer %+v", last, r.Answer)
	}
	draft := received(t)
	if err := Revised(draft, l, nil, "mia", decided(4)); fault.CodeOf(err) != fault.IllegalTransition {
		t.Errorf("a draft was revised: %v", err)
	}
}
