package board

import (
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/signin"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/goal"
	"github.com/strata-crm/strata/strategic/internal/scorecard"
)

func with(state goal.State, ds ...directive.Directive) directive.Record {
	return directive.Record{Goal: goal.Goal{State: state, Goal: contract.Goal{ID: "g", Name: "n"}}, Directives: ds}
}

func answered(state directive.State, reasons ...contract.Reason) directive.Directive {
	return directive.Directive{ID: "d", State: state, Answer: &contract.Acknowledgement{Reasons: reasons}}
}

var fallen = &scorecard.Resting{Verdicts: contract.Verdicts{Velocity: contract.Fails}}

func TestOneDecisionIsAsked(t *testing.T) {
	t.Parallel()
	nps := contract.Reason{Code: fault.NoSource, Item: "nps"}
	for _, c := range []struct {
		name  string
		r     directive.Record
		s     scorecard.State
		role  signin.Role
		words string
	}{
		{"a draft", with(goal.Draft), scorecard.State{}, signin.Executive, "Activate"},
		{"not ordered", with(goal.Active), scorecard.State{Status: scorecard.NoDataYet}, signin.Executive, "Order it"},
		{"ended", with(goal.Active, directive.Directive{State: directive.Expired}), scorecard.State{Status: scorecard.OffTrack}, signin.Executive, "Order it"},
		{"drafted", with(goal.Active, directive.Directive{State: directive.Draft}), scorecard.State{}, signin.Executive, "Propose"},
		{"proposed", with(goal.Active, directive.Directive{State: directive.Proposed}), scorecard.State{}, signin.Executive, "Approve the directive."},
		{"high impact", with(goal.Active, directive.Directive{State: directive.Proposed, Impact: contract.HighImpact, ProposedBy: "eva"}), scorecard.State{}, signin.Executive, "another executive than eva"},
		{"approved", with(goal.Active, directive.Directive{State: directive.Approved}), scorecard.State{}, signin.Executive, "Issue"},
		{"refused", with(goal.Active, answered(directive.Refused, nps)), scorecard.State{Status: scorecard.NotMeasurable}, signin.Executive, "registered that offers nps"},
		{"refused for good", with(goal.Active, answered(directive.Refused, contract.Reason{Code: fault.UnsupportedFeature, Item: "x"})), scorecard.State{}, signin.Executive, "Withdraw"},
		{"a plan waits", with(goal.Active, answered(directive.Issued, contract.Reason{Code: fault.AwaitingApproval})), scorecard.State{}, signin.Manager, "Approve the plan"},
		{"degraded", with(goal.Active, answered(directive.Degraded, contract.Reason{Code: fault.LowCoverage, Item: "email"}.Figures(.38, .8))), scorecard.State{Status: scorecard.OnTrack}, signin.Steward, "email (38.0 %, 80.0 % required)"},
		{"too few", with(goal.Active, answered(directive.InForce)), scorecard.State{Status: scorecard.NotMeasurable, Cause: scorecard.LowSample}, signin.Executive, "Widen"},
		{"off track", with(goal.Active, answered(directive.InForce)), scorecard.State{Status: scorecard.OffTrack}, signin.Executive, "act differently"},
		{"at risk", with(goal.Active, answered(directive.InForce)), scorecard.State{Status: scorecard.AtRisk}, signin.Executive, "act now"},
		{"on track", with(goal.Active, answered(directive.InForce)), scorecard.State{Status: scorecard.OnTrack}, "", "on track"},
		{"missed", with(goal.Active, answered(directive.InForce)), scorecard.State{Status: scorecard.Missed}, signin.Executive, "it was missed"},
		{"achieved", with(goal.Active, answered(directive.InForce)), scorecard.State{Status: scorecard.Achieved, Proof: scorecard.NotProven}, signin.Executive, "chance alone"},
		{"achieved on a fallen insight", with(goal.Active, answered(directive.InForce)),
			scorecard.State{Status: scorecard.Achieved, Proof: scorecard.NotProven, Against: scorecard.Beyond, Insight: fallen}, signin.Executive, "Velocity failed"},
		{"achieved on a weak insight", with(goal.Active, answered(directive.InForce)),
			scorecard.State{Status: scorecard.Achieved, Proof: scorecard.NotProven, Against: scorecard.Beyond, Insight: &scorecard.Resting{}}, signin.Executive, "not all five"},
		{"barred by a fallen insight", with(goal.Active, answered(directive.InForce)),
			scorecard.State{Status: scorecard.NotMeasurable, Cause: scorecard.Validity, Insight: fallen}, signin.Manager, "published anew"},
		{"on track on a fallen insight", with(goal.Active, answered(directive.InForce)), scorecard.State{Status: scorecard.OnTrack, Insight: fallen}, signin.Manager, "Velocity failed"},
		{"proven", with(goal.Active, answered(directive.InForce)), scorecard.State{Status: scorecard.Achieved, Proof: scorecard.Proven}, signin.Executive, "that is proven"},
		{"closed", with(goal.Closed), scorecard.State{Status: scorecard.Missed}, "", "closed"},
	} {
		if a := AskOf(&c.r, c.s); a.Role != c.role || !strings.Contains(a.Text, c.words) || a.Urgency == 0 {
			t.Errorf("%s: %+v", c.name, a)
		} else if says := strings.Contains(a.Text, "withdraws its directive"); says != (a.Urgency == Closing) {
			t.Errorf("%s: whether closing ends collection is said: %v", c.name, says)
		}
	}
}

// A look back asks nothing of anybody: what is asked is asked now.
func TestALookBackAsksNothing(t *testing.T) {
	t.Parallel()
	r := with(goal.Active, answered(directive.Refused, contract.Reason{Code: fault.NoSource, Item: "nps"}))
	if c := CardOf(&r, time.UTC, time.Time{}); c.Ask.Role != signin.Executive || c.Standing.Cause == "" && c.Standing.Status == "" {
		t.Errorf("now: %+v", c.Ask)
	}
	if c := CardOf(&r, time.UTC, time.Date(1998, 1, 1, 0, 0, 0, 0, time.UTC)); c.Ask.Role != "" || c.Ask.Urgency != Nothing || !strings.Contains(c.Ask.Text, "look back") {
		t.Errorf("then: %+v", c.Ask)
	}
}

func TestClosedGoalsComeLast(t *testing.T) {
	t.Parallel()
	rs := []directive.Record{with(goal.Closed), with(goal.Active), with(goal.Draft)}
	s := Of(rs, time.UTC, time.Time{})
	if len(s.Items) != 3 || s.Items[2].Goal.State != goal.Closed || s.AsOf != nil {
		t.Errorf("%+v", s)
	}
}
