package strategic

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
	"github.com/strata-crm/strata/shared/signin"
	"github.com/strata-crm/strata/strategic/internal/board"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/goal"
	"github.com/strata-crm/strata/strategic/internal/governance"
	"github.com/strata-crm/strata/strategic/internal/scorecard"
)

func TestNothingIsAllowedBeforeGovernance(t *testing.T) {
	t.Parallel()
	s := start(t)
	eva, max := s.token("eva", signin.Executive), s.token("max", signin.Executive)
	s.call(eva, "POST", "goals", proposal()).problem(403, "policy_denied")
	var r governance.Record
	s.call(eva, "GET", "governance", nil).want(200).into(&r)
	if len(r.Versions) != 1 || r.Versions[0].State != governance.Proposed || r.Versions[0].Rules.MinimumGroup != 10 {
		t.Fatalf("the default is not proposed: %+v", r)
	}
	s.call(s.token("mia", signin.Manager), "POST", "governance/1/approvals", nil).problem(403, "policy_denied")
	s.call(eva, "POST", "governance/1/approvals", nil).want(200).into(&r)
	if r.Versions[0].State != governance.Seconded {
		t.Fatalf("after one approval: %s", r.Versions[0].State)
	}
	s.call(eva, "POST", "governance/1/approvals", nil).problem(403, "second_person_required")
	s.call(eva, "POST", "goals", proposal()).problem(403, "policy_denied")
	s.call(max, "POST", "governance/1/approvals", nil).want(200).into(&r)
	v := r.Versions[0]
	if v.State != governance.Issued || v.Order == nil || v.Order.Decision.ID == "" || fmt.Sprint(v.Order.ApprovedBy) != "[eva max]" {
		t.Fatalf("after two: %+v", v)
	}
	m := s.bus.Await(s.ctx, t, contract.TopicStrategicDirectives, 1)[0]
	_, g, err := contract.Decode[contract.GovernanceDirective](m)
	if err != nil || g.Version != 1 || m.Key != string(governance.ID) {
		t.Fatalf("%v %+v", err, g)
	}
	s.call(eva, "POST", "goals", proposal()).want(201)
	s.ack(governance.ID, g.Revision, contract.Accepted)
	s.until("acknowledged", func() bool {
		s.call(eva, "GET", "governance", nil).into(&r)
		return r.Versions[0].State == governance.InForce
	})
	var d struct{ Rule string }
	s.call(eva, "GET", "decisions/"+string(g.Decision.ID), nil).want(200).into(&d)
	if d.Rule != "governance" {
		t.Errorf("decision %+v", d)
	}
}

func TestGovernanceVersions(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.govern()
	eva, max := s.token("eva", signin.Executive), s.token("max", signin.Executive)
	rules := governance.Default()
	rules.MinimumGroup = 20
	s.call(eva, "POST", "governance", rules).want(201)
	s.call(eva, "POST", "governance", rules).problem(409, "illegal_transition")
	s.call(eva, "POST", "governance/2/approvals", nil).want(200)
	s.call(max, "POST", "governance/2/approvals", nil).want(200)
	var r governance.Record
	s.call(eva, "GET", "governance", nil).into(&r)
	if r.Versions[0].State != governance.Superseded || r.Versions[1].State != governance.Issued || r.Versions[1].Order.Revision <= r.Versions[0].Order.Revision {
		t.Errorf("%s %s", r.Versions[0].State, r.Versions[1].State)
	}
	d := s.order(proposal())
	if d.Constraints.MinimumGroup != 20 {
		t.Errorf("the default constraints are not those of the version in force: %+v", d.Constraints)
	}
	small := rules
	small.MinimumGroup = 3
	s.call(eva, "POST", "governance", small).want(201)
	s.call(eva, "POST", "governance/3/approvals", nil).want(200)
	s.call(max, "POST", "governance/3/approvals", nil).problem(403, "policy_denied")
	s.call(max, "POST", "governance/3/withdraw", map[string]string{"reason": "too small"}).want(200)
	rules.Owners = nil
	s.call(eva, "POST", "governance", rules).problem(422, "bad_definition")
}

func TestTwoExecutivesAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	var wg sync.WaitGroup
	for _, who := range []string{"eva", "max"} {
		token := s.token(who, signin.Executive)
		for range 2 { // each of them twice, as by an impatient click
			wg.Go(func() {
				if a := s.call(token, "POST", "governance/1/approvals", nil); a.status >= 500 {
					t.Errorf("%d %s", a.status, a.body)
				}
			})
		}
	}
	wg.Wait()
	var r governance.Record
	s.call(s.token("eva", signin.Executive), "GET", "governance", nil).into(&r)
	v := r.Versions[0]
	if v.State != governance.Issued || len(v.Approvals) != 2 || v.Approvals[0].Subject == v.Approvals[1].Subject {
		t.Errorf("%s approved by %+v", v.State, v.Approvals)
	}
	if n := len(v.History); n != 3 {
		t.Errorf("%d entries in the history: %+v", n, v.History)
	}
}

func TestGoalsAreSMARTOrRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.govern()
	eva := s.token("eva", signin.Executive)
	bad := proposal()
	bad.Owner, bad.Target.Relative, bad.Variable = "", nil, "fame"
	a := s.call(eva, "POST", "goals", bad).problem(422, "not_smart")
	for _, at := range []string{`"/owner"`, `"/target"`, `"/variable"`} {
		if !strings.Contains(string(a.body), at) {
			t.Errorf("%s is not named: %s", at, a.body)
		}
	}
	s.call(eva, "POST", "variables", map[string]any{"id": "fame", "name": "Fame", "purpose": "service_improvement"}).want(201)
	s.call(eva, "POST", "variables", map[string]any{"id": "fame", "name": "Fame", "purpose": "service_improvement"}).want(409)
	s.call(s.token("mia", signin.Manager), "POST", "goals", proposal()).problem(403, "policy_denied")
	s.call(s.token("shop", signin.Collector), "GET", "goals", nil).problem(403, "policy_denied")
	s.call("", "GET", "goals", nil).problem(401, "not_signed_in")

	good := proposal()
	good.Variable = "fame"
	var g goal.Goal
	a = s.call(eva, "POST", "goals", good, "Idempotency-Key", "one").want(201).into(&g)
	var again goal.Goal
	s.call(eva, "POST", "goals", good, "Idempotency-Key", "one").want(201).into(&again)
	if again.ID != g.ID {
		t.Error("a repeated request made a second goal")
	}
	good.Name = "Another name"
	s.call(eva, "PUT", "goals/"+string(g.ID), good).problem(428, "precondition_required")
	s.call(eva, "PUT", "goals/"+string(g.ID), good, "If-Match", `"7"`).problem(412, "precondition_failed")
	s.call(eva, "PUT", "goals/"+string(g.ID), good, "If-Match", a.header.Get("ETag")).want(200).into(&g)
	if g.Name != "Another name" || !g.BackTest {
		t.Errorf("%+v", g)
	}
	s.call(eva, "POST", "goals/"+string(g.ID)+"/activate", nil).want(200).into(&g)
	s.call(eva, "PUT", "goals/"+string(g.ID), good, "If-Match", fmt.Sprintf("%q", fmt.Sprint(g.Revision))).problem(409, "illegal_transition")
	s.call(eva, "GET", "goals/nowhere", nil).problem(404, "not_found")
}

func TestDirectiveGoesDownAndItsAnswersComeUp(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.govern()
	d := s.order(proposal())
	if d.State != directive.Issued || d.Order.Decision.ID == "" || d.Order.Decision.Rule != "strategic.issue" {
		t.Fatalf("%+v", d)
	}
	s.until("sent", func() bool { return len(s.sent()) > 0 })
	o := s.sent()[0]
	if o.Goal.Metric != "month_on_month_retention" || o.Standing != contract.InForce || !o.Goal.BackTest || o.TimeZone != "UTC" || o.Constraints.Purposes[0] != "retention_analysis" {
		t.Errorf("%+v", o)
	}
	if until := o.Expires.Sub(s.clock.now()); until < directive.Lateness || until > directive.Lateness+63*24*time.Hour {
		t.Errorf("a back-test expires one window and the lateness from now, not in %s", until)
	}
	if unknown := contract.Unsupported(o.Requires); len(unknown) > 0 || len(o.Requires) < 5 {
		t.Errorf("requires %v", o.Requires)
	}
	var parent string
	for _, m := range s.bus.Messages(contract.TopicStrategicDirectives) {
		if m.Key == string(d.ID) {
			parent = m.Header("traceparent")
		}
	}
	if h := d.History[len(d.History)-1]; h.Trace == "" || !strings.Contains(parent, h.Trace) {
		t.Errorf("the trace of the request, %q, does not travel: %q", h.Trace, parent)
	}
	s.ack(d.ID, d.Order.Revision, contract.Received)
	s.ack(d.ID, d.Order.Revision, contract.Accepted)
	s.await(d.ID, directive.InForce)
	low := contract.Reason{Code: fault.LowCoverage, Item: "email"}.Figures(.38, .8)
	a := s.ack(d.ID, d.Order.Revision, contract.Degraded, low)
	s.await(d.ID, directive.Degraded)
	stale := a
	stale.AckRevision, stale.State = a.AckRevision-1, contract.Refused
	s.tell(contract.TopicFunctionalAcks, contract.TypeFunctionalAck, string(d.ID), &stale)
	s.ack(d.ID, d.Order.Revision, contract.Executing)
	s.await(d.ID, directive.InForce)
	var tr directive.Trail
	s.call(s.token("mia", signin.Manager), "GET", "directives/"+string(d.ID)+"/trail", nil).want(200).into(&tr)
	var states []string
	for _, h := range tr.Directive.History {
		states = append(states, h.To)
	}
	if got := fmt.Sprint(states); got != "[draft proposed approved issued in_force degraded in_force]" {
		t.Error(got)
	}
	s.call(s.token("eva", signin.Executive), "POST", "directives/"+string(d.ID)+"/withdraw", map[string]string{"reason": "enough"}).want(200)
	s.until("told below", func() bool {
		all := s.sent()
		return all[len(all)-1].Standing == contract.WithdrawnEnd && all[len(all)-1].Revision > d.Order.Revision
	})
}

func (s *suite) await(id contract.DirectiveID, want directive.State) {
	s.t.Helper()
	s.until("state "+string(want), func() bool {
		var d directive.Directive
		s.call(s.token("eva", signin.Executive), "GET", "directives/"+string(id), nil).want(200).into(&d)
		return d.State == want
	})
}

func TestHighImpactNeedsASecondPerson(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.govern()
	eva, max := s.token("eva", signin.Executive), s.token("max", signin.Executive)
	var g goal.Goal
	s.call(eva, "POST", "goals", proposal()).want(201).into(&g)
	s.call(eva, "POST", "directives", directive.Wish{Goal: g.ID}).problem(409, "illegal_transition") // a draft is not ordered
	s.call(eva, "POST", "goals/"+string(g.ID)+"/activate", nil).want(200)
	var d directive.Directive
	s.call(eva, "POST", "directives", directive.Wish{Goal: g.ID, Impact: "huge"}).problem(400, "bad_request")
	s.call(eva, "POST", "directives", directive.Wish{Goal: g.ID, Impact: contract.HighImpact}).want(201).into(&d)
	s.call(eva, "POST", "directives", directive.Wish{Goal: g.ID}).problem(409, "illegal_transition") // one at a time
	path := "directives/" + string(d.ID)
	s.call(eva, "POST", path+"/issue", nil).problem(409, "illegal_transition")
	s.call(eva, "POST", path+"/propose", nil).want(200)
	s.call(eva, "POST", path+"/approvals", nil).problem(403, "second_person_required")
	s.call(s.token("mia", signin.Manager), "POST", path+"/approvals", nil).problem(403, "policy_denied")
	s.call(max, "POST", path+"/approvals", nil).want(200)
	s.call(eva, "POST", path+"/issue", nil).want(200).into(&d)
	if d.State != directive.Issued || len(d.Approvals) != 1 || d.Approvals[0].Subject != "max" || d.Approvals[0].Decision.ID == "" {
		t.Errorf("%+v", d)
	}
}

// Whoever drafts a directive does not alone decide what is of high impact: what is kept for longer than the strictest type of data
// of its purpose may be, is, whatever they wrote.
func TestPolicySaysWhatIsOfHighImpact(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.govern()
	eva, max := s.token("eva", signin.Executive), s.token("max", signin.Executive)
	var g goal.Goal
	s.call(eva, "POST", "goals", proposal()).want(201).into(&g)
	s.call(eva, "POST", "goals/"+string(g.ID)+"/activate", nil).want(200)
	var d directive.Directive
	s.call(eva, "POST", "directives", directive.Wish{Goal: g.ID, Impact: contract.NormalImpact, Constraints: &contract.Constraints{RetentionDays: 366}}).want(201).into(&d)
	path := "directives/" + string(d.ID)
	s.call(eva, "POST", path+"/propose", nil).want(200).into(&d)
	last := d.History[len(d.History)-1]
	if d.Impact != contract.HighImpact || !strings.Contains(last.Reason, "366 days") || last.Decision == nil || last.Decision.Rule != "strategic.impact" {
		t.Errorf("impact %s, %+v", d.Impact, last)
	}
	s.call(eva, "POST", path+"/approvals", nil).problem(403, "second_person_required")
	s.call(max, "POST", path+"/approvals", nil).want(200)
	s.call(eva, "POST", path+"/issue", nil).want(200).into(&d)
	if d.Order.Impact != contract.HighImpact {
		t.Errorf("sent as of %s impact", d.Order.Impact)
	}
}

// A directive goes down with the impact that it has by the rules by which it was issued, not by those of its proposal.
func TestTheImpactIsThatOfTheRulesThatDecide(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.govern()
	eva, max := s.token("eva", signin.Executive), s.token("max", signin.Executive)
	var g goal.Goal
	s.call(eva, "POST", "goals", proposal()).want(201).into(&g)
	s.call(eva, "POST", "goals/"+string(g.ID)+"/activate", nil).want(200)
	var d directive.Directive
	s.call(eva, "POST", "directives", directive.Wish{Goal: g.ID}).want(201).into(&d)
	path := "directives/" + string(d.ID)
	s.call(eva, "POST", path+"/propose", nil).want(200).into(&d)
	s.call(max, "POST", path+"/approvals", nil).want(200)
	rules := governance.Default()
	rules.HighImpact = &contract.HighImpactRule{Purposes: d.Constraints.Purposes}
	s.call(eva, "POST", "governance", rules).want(201)
	s.call(eva, "POST", "governance/2/approvals", nil).want(200)
	s.call(max, "POST", "governance/2/approvals", nil).want(200)
	if d.Impact != contract.NormalImpact {
		t.Fatalf("proposed as of %s impact", d.Impact)
	}
	s.call(eva, "POST", path+"/issue", nil).want(200).into(&d)
	last := d.History[len(d.History)-1]
	if d.Order.Impact != contract.HighImpact || d.Impact != contract.HighImpact || !strings.Contains(last.Reason, "high impact") {
		t.Errorf("sent as of %s impact, kept as %s, %+v", d.Order.Impact, d.Impact, last)
	}
}

// What its proposer alone approved, and rules that came later make a matter of high impact, gets its second person, also when it
// was refused below and is to be issued again.
func TestASecondPersonApprovesWhatBecameOfHighImpact(t *testing.T) {
	t.Parallel()
	for name, refused := range map[string]bool{"approved": false, "refused": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.govern()
			eva, max := s.token("eva", signin.Executive), s.token("max", signin.Executive)
			var g goal.Goal
			s.call(eva, "POST", "goals", proposal()).want(201).into(&g)
			s.call(eva, "POST", "goals/"+string(g.ID)+"/activate", nil).want(200)
			var d directive.Directive
			s.call(eva, "POST", "directives", directive.Wish{Goal: g.ID}).want(201).into(&d)
			path, before := "directives/"+string(d.ID), directive.Approved
			s.call(eva, "POST", path+"/propose", nil).want(200)
			s.call(eva, "POST", path+"/approvals", nil).want(200)
			s.call(eva, "POST", path+"/approvals", nil).problem(409, "illegal_transition")
			if refused {
				s.call(eva, "POST", path+"/issue", nil).want(200).into(&d)
				s.ack(d.ID, d.Order.Revision, contract.Refused)
				s.await(d.ID, directive.Refused)
				before = directive.Refused
			}
			rules := governance.Default()
			rules.HighImpact = &contract.HighImpactRule{Purposes: d.Constraints.Purposes}
			s.call(eva, "POST", "governance", rules).want(201)
			s.call(eva, "POST", "governance/2/approvals", nil).want(200)
			s.call(max, "POST", "governance/2/approvals", nil).want(200)
			s.call(eva, "POST", path+"/issue", nil).problem(403, "second_person_required")
			s.call(eva, "POST", path+"/approvals", nil).problem(403, "second_person_required")
			s.call(max, "POST", path+"/approvals", nil).want(200).into(&d)
			if d.State != before || d.Impact != contract.HighImpact || len(d.Approvals) != 2 {
				t.Errorf("after the second person's approval: %s, of %s impact, %+v", d.State, d.Impact, d.Approvals)
			}
			s.call(eva, "POST", path+"/issue", nil).want(200).into(&d)
			if d.State != directive.Issued || d.Order.Impact != contract.HighImpact {
				t.Errorf("%s, sent as of %s impact", d.State, d.Order.Impact)
			}
		})
	}
}

func TestPolicyRefusesWhatGovernanceDoesNotAllow(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.govern()
	eva := s.token("eva", signin.Executive)
	var g goal.Goal
	s.call(eva, "POST", "goals", proposal()).want(201).into(&g)
	s.call(eva, "POST", "goals/"+string(g.ID)+"/activate", nil).want(200)
	for _, c := range []contract.Constraints{{Purposes: []contract.Purpose{"advertising"}}, {MinimumGroup: 5}, {RetentionDays: 5000}} {
		var d directive.Directive
		s.call(eva, "POST", "directives", directive.Wish{Goal: g.ID, Constraints: &c}).want(201).into(&d)
		path := "directives/" + string(d.ID)
		s.call(eva, "POST", path+"/propose", nil).want(200)
		s.call(s.token("max", signin.Executive), "POST", path+"/approvals", nil).want(200)
		s.call(eva, "POST", path+"/issue", nil).problem(403, "policy_denied")
		s.call(eva, "POST", path+"/withdraw", nil).want(200)
	}
	if n := len(s.sent()); n != 0 {
		t.Errorf("%d directives were sent", n)
	}
}

func TestTwoIssuersAtOnceSendOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.govern()
	first := s.order(proposal())
	eva := s.token("eva", signin.Executive)
	var d directive.Directive
	s.call(eva, "POST", "directives", directive.Wish{Goal: first.Goal}).problem(409, "illegal_transition") // one is in force
	s.call(eva, "POST", "directives", directive.Wish{Goal: first.Goal, Supersedes: first.ID}).want(201).into(&d)
	path := "directives/" + string(d.ID)
	s.call(eva, "POST", path+"/propose", nil).want(200)
	s.call(eva, "POST", path+"/approvals", nil).want(200)
	var wg sync.WaitGroup
	var mu sync.Mutex
	issued := 0
	for range 3 {
		wg.Go(func() {
			a := s.call(eva, "POST", path+"/issue", nil)
			mu.Lock()
			defer mu.Unlock()
			switch a.status {
			case 200:
				issued++
			case 409:
			default:
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	if issued != 1 {
		t.Errorf("issued %d times", issued)
	}
	s.until("the old one is ended below", func() bool {
		ended := map[contract.DirectiveID]contract.Standing{}
		for _, o := range s.sent() {
			ended[o.ID] = o.Standing
		}
		return ended[first.ID] == contract.SupersededEnd && ended[d.ID] == contract.InForce
	})
	s.await(first.ID, directive.Superseded)
}

func TestDirectivesExpireByTheWallClock(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.govern()
	d := s.order(proposal())
	s.clock.pass(d.Order.Expires.Sub(s.clock.now()) - time.Minute)
	s.await(d.ID, directive.Issued)
	s.clock.pass(2 * time.Minute)
	s.await(d.ID, directive.Expired)
	s.until("told below", func() bool { all := s.sent(); return all[len(all)-1].Standing == contract.ExpiredEnd })
}

func TestRefusedSaysWhyAndCanBeIssuedAgain(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.govern()
	p := proposal()
	p.Variable, p.Metric, p.Unit, p.Target = contract.Satisfaction, "nps", contract.Points, contract.Target{Delta: number(10)}
	d := s.order(p)
	s.ack(d.ID, d.Order.Revision, contract.Refused, contract.Reason{Code: fault.NoSource, Item: "nps"})
	s.await(d.ID, directive.Refused)
	eva := s.token("eva", signin.Executive)
	var c board.Card
	s.call(eva, "GET", "scorecard/"+string(d.Goal), nil).want(200).into(&c)
	if c.Standing.Status != scorecard.NotMeasurable || c.Standing.Cause != scorecard.Refused || !strings.Contains(c.Standing.Why, "no source offers nps") ||
		!strings.Contains(c.Ask.Text, "have a source registered that offers nps") {
		t.Errorf("%+v %+v", c.Standing, c.Ask)
	}
	var again directive.Directive
	s.call(eva, "POST", "directives/"+string(d.ID)+"/issue", nil).want(200).into(&again)
	if again.State != directive.Issued || again.Order.Revision <= d.Order.Revision {
		t.Errorf("%+v", again)
	}
}

func TestWipedDatabaseComesBack(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.govern()
	kept, ended := s.order(proposal()), s.order(proposal())
	eva := s.token("eva", signin.Executive)
	s.call(eva, "POST", "goals/"+string(ended.Goal)+"/close", nil).want(200)
	s.until("all sent", func() bool {
		standing := map[contract.DirectiveID]contract.Standing{}
		for _, o := range s.sent() {
			standing[o.ID] = o.Standing
		}
		return standing[kept.ID] == contract.InForce && standing[ended.ID] == contract.WithdrawnEnd
	})
	var before goal.Goal
	s.call(eva, "GET", "goals/"+string(kept.Goal), nil).want(200).into(&before)

	s.run(mongotest.Open(t, Indexes()...)) // an empty database
	var after, closed goal.Goal
	s.call(eva, "GET", "goals/"+string(kept.Goal), nil).want(200).into(&after)
	if after.Revision != before.Revision || after.State != goal.Active || after.Name != before.Name || *after.Target.Relative != .15 {
		t.Errorf("%+v", after)
	}
	s.call(eva, "GET", "goals/"+string(ended.Goal), nil).want(200).into(&closed)
	if closed.State != goal.Closed {
		t.Errorf("the closed goal came back %s", closed.State)
	}
	var r governance.Record
	s.call(eva, "GET", "governance", nil).want(200).into(&r)
	if len(r.Versions) != 1 || r.Versions[0].State != governance.Issued || len(r.Versions[0].Approvals) != 2 {
		t.Errorf("%+v", r.Versions)
	}
	if n := len(s.bus.Messages(contract.TopicFunctionalRequests)); n == 0 {
		t.Error("functional was not asked for its state")
	}
	s.ack(kept.ID, kept.Order.Revision, contract.Executing) // as functional answers the request
	s.await(kept.ID, directive.InForce)
	s.order(proposal()) // and governance still rules
}

func TestStateRequestsAreAnswered(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.govern()
	s.order(proposal())
	n := len(s.bus.Await(s.ctx, t, contract.TopicStrategicDirectives, 2))
	s.tell(contract.TopicStrategicRequests, contract.TypeStateRequest, "functional", &contract.StateRequest{Requester: contract.Functional, Of: contract.Strategic, At: s.clock.now()})
	s.bus.Await(s.ctx, t, contract.TopicStrategicDirectives, n+2)
}

func TestStreamTellsOfChanges(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.govern()
	req, err := http.NewRequestWithContext(s.ctx, "GET", s.url+"/api/strategic/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token("mia", signin.Manager))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if ct := res.Header.Get("Content-Type"); ct != "text/event-stream" {
		t.Fatal(ct)
	}
	lines := bufio.NewScanner(res.Body)
	d := s.order(proposal())
	for lines.Scan() {
		if text := lines.Text(); strings.HasPrefix(text, "data: ") && strings.Contains(text, string(d.ID)) && strings.Contains(text, `"issued"`) {
			return
		}
	}
	t.Fatal("the stream ended without the change:", lines.Err())
}

func TestUnreadableMessagesAreSetAside(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.govern()
	d := s.order(proposal())
	s.ack("nobody-knows", 1, contract.Accepted)
	s.tell(contract.TopicInformation, contract.TypeFunctionalAck, "x", &contract.StateRequest{Requester: "x", Of: "y"})
	s.bus.AwaitGroup(s.ctx, t, contract.TopicInformation, "strata-strategic")
	s.ack(d.ID, d.Order.Revision, contract.Accepted)
	s.await(d.ID, directive.InForce)
}
