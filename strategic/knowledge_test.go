package strategic

import (
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/signin"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/governance"
	"github.com/strata-crm/strata/strategic/internal/knowledge"
	"github.com/strata-crm/strata/strategic/internal/scorecard"
)

var holding = contract.Verdicts{Volume: contract.Holds, Velocity: contract.Holds, Variety: contract.Holds, Variability: contract.Holds, Veracity: contract.Holds}

// claim is what the functional layer passes on of the goal's own metric.
func claim(d directive.Directive, revision int64, change ...func(*contract.Insight)) contract.Insight {
	i := contract.Insight{
		ID: contract.InsightID("in-" + d.ID), Revision: revision, Directive: "od-1", Strategic: d.ID, Goal: d.Goal, Metric: "month_on_month_retention", Version: "1.0.0",
		State: contract.InsightPublished, Kind: contract.LevelInsight, Label: "Month-on-month retention", Published: .30, Value: .31, HalfWidth: .012, Unit: contract.Ratio,
		Tolerance: .1, N: 1488, Of: 23570, AsOf: time.Date(1998, 7, 1, 0, 0, 0, 0, time.UTC), Verdicts: holding, Grain: contract.GrainMonth,
		Looks:   []contract.Look{{N: 400, Value: .3, HalfWidth: .04}, {N: 1488, Value: .31, HalfWidth: .012}},
		Windows: []contract.Shifted{{Window: contract.Window{Start: time.Date(1998, 6, 1, 0, 0, 0, 0, time.UTC), End: time.Date(1998, 7, 1, 0, 0, 0, 0, time.UTC)}, Effect: .02, Margin: .01}},
	}
	for _, c := range change {
		c(&i)
	}
	return i
}

func falls(i *contract.Insight) {
	i.Verdicts.Velocity = contract.Fails
	i.Findings = []contract.Finding{{Question: contract.VelocityOf, Verdict: contract.Fails, Why: "beyond_tolerance", Effect: -.24, Margin: .03, Band: .1}}
}

func (s *suite) claim(i contract.Insight) {
	s.t.Helper()
	s.tell(contract.TopicInformation, contract.TypeFunctionalInsight, string(i.Goal), &i)
}

// claimed returns an insight once it is in a state by its revision.
func (s *suite) claimed(id contract.InsightID, revision int64, state knowledge.State) claimView {
	s.t.Helper()
	var v claimView
	s.until(string(id)+" "+string(state), func() bool {
		a := s.call(s.token("mia", signin.Manager), "GET", "insights/"+string(id), nil)
		if a.status != 200 {
			return false
		}
		v = claimView{} // what is absent now must not stay from the poll before
		a.into(&v)
		return v.Insight.Revision == revision && v.State == state
	})
	return v
}

type claimView struct {
	Insight  contract.Insight
	State    knowledge.State
	Claim    string
	Value    string
	Line     string
	Accepted *knowledge.Evidence
	Expires  *time.Time
	Own      bool
	Lamps    []struct {
		Question contract.Question
		Verdict  contract.Verdict
		Sentence string
	}
	History []struct{ To, Reason, By string }
}

// beyond are months that reach the target in the deadline's window, with the interval wholly beyond it.
func beyond() [][2]float64 {
	all := append([][2]float64{}, months...)
	all[len(all)-1] = [2]float64{744, 1488}
	return all
}

func TestPolicyMakesKnowledgeOfAnInsightAndTakesItBack(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.govern()
	d := s.order(proposal())
	s.inform(d, 1, beyond())
	s.until("achieved", func() bool { return s.card(d, "").Standing.Proof == scorecard.Proven })
	id := claim(d, 1).ID
	s.claim(claim(d, 1, func(i *contract.Insight) { i.Verdicts.Velocity = contract.NotEnoughData }))
	v := s.claimed(id, 1, knowledge.Candidate)
	if c := s.card(d, ""); c.Standing.Proof != scorecard.NotProven || c.Standing.Status != scorecard.Achieved || v.Line != "Not knowledge yet: Velocity lacks data" || !v.Own {
		t.Errorf("%s, %s, %+v", c.Standing.Status, c.Standing.ProofWhy, v)
	}

	s.claim(claim(d, 2))
	v = s.claimed(id, 2, knowledge.Known)
	if v.Accepted == nil || v.Accepted.Rules != 1 || v.Accepted.N != 1488 || v.Accepted.Decision.Rule != "strategic.knowledge" || v.Expires == nil ||
		!strings.HasPrefix(v.Line, "Knowledge since ") || !strings.HasSuffix(v.Line, "(policy v1)") || len(v.Lamps) != 5 || v.Value != "31.0 % ± 1.2" {
		t.Errorf("%+v", v)
	}
	s.call(s.token("eva", signin.Executive), "GET", "decisions/"+string(v.Accepted.Decision.ID), nil).want(200)
	if c := s.card(d, ""); c.Standing.Proof != scorecard.Proven || !strings.HasSuffix(c.Standing.ProofWhy, "all five questions hold") || c.Standing.Insight.Line != v.Line {
		t.Errorf("%+v", c.Standing)
	}

	s.claim(claim(d, 3, falls))
	v = s.claimed(id, 3, knowledge.TakenBack)
	if v.Line != "Not knowledge: Velocity failed, owner informed" || len(v.History) != 2 || v.History[1].Reason != "Velocity failed" || v.Expires != nil {
		t.Errorf("%+v", v)
	}
	c := s.card(d, "")
	if c.Standing.Status != scorecard.Achieved || c.Standing.Proof != scorecard.NotProven || c.Standing.ProofWhy != "Not proven: Velocity failed on the insight that it rests on" || !strings.Contains(c.Ask.Text, "Velocity failed") {
		t.Errorf("a fallen verdict changes the proof, never the status: %s, %q, asked %q", c.Standing.Status, c.Standing.ProofWhy, c.Ask.Text)
	}
	var list struct {
		Items []claimView
		Next  string
	}
	s.call(s.token("mia", signin.Manager), "GET", "knowledge?goal="+string(d.Goal), nil).want(200).into(&list)
	if len(list.Items) != 1 || len(list.Items[0].History) != 2 {
		t.Errorf("%+v", list)
	}
	s.claim(claim(d, 2)) // an old one changes nothing
	s.claim(claim(d, 4, func(i *contract.Insight) { i.State, i.Republished = contract.InsightRepublished, 1 }))
	if v = s.claimed(id, 4, knowledge.Known); len(v.History) != 3 {
		t.Errorf("%+v", v.History)
	}
}

// What the company chooses by its governance directive: a fallen verdict makes the goal not measurable.
func TestAFallenVerdictMayChangeTheStatus(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.govern()
	d := s.order(proposal())
	s.inform(d, 1, months[:len(months)-1])
	s.until("informed", func() bool { return s.card(d, "").Standing.Status == scorecard.OffTrack })
	may := func(i *contract.Insight) { i.AsOf = time.Date(1998, 5, 1, 0, 0, 0, 0, time.UTC) }
	s.claim(claim(d, 1, falls, may))
	s.claimed(claim(d, 1).ID, 1, knowledge.Candidate)
	if c := s.card(d, ""); c.Standing.Status != scorecard.OffTrack {
		t.Fatalf("as shipped: %s", c.Standing.Status)
	}
	rules := governance.Default()
	rules.FallenInsight = "opinion"
	s.call(s.token("eva", signin.Executive), "POST", "governance", rules).problem(422, "bad_definition")
	rules.FallenInsight = contract.FallenStatus
	s.call(s.token("eva", signin.Executive), "POST", "governance", rules).want(201)
	s.call(s.token("eva", signin.Executive), "POST", "governance/2/approvals", nil).want(200)
	s.call(s.token("max", signin.Executive), "POST", "governance/2/approvals", nil).want(200)
	s.until("not measurable", func() bool {
		c := s.card(d, "")
		return c.Standing.Status == scorecard.NotMeasurable && c.Standing.Cause == scorecard.Validity
	})
	s.inform(d, 2, beyond()) // and nothing is decided on it
	s.until("the deadline", func() bool {
		c := s.card(d, "")
		return c.Standing.AsOf.Equal(time.Date(1998, 7, 1, 0, 0, 0, 0, time.UTC))
	})
	if c := s.card(d, ""); c.Standing.Status != scorecard.NotMeasurable || c.Standing.Decided != nil {
		t.Errorf("%s %+v", c.Standing.Status, c.Standing.Decided)
	}
	s.claim(claim(d, 2, func(i *contract.Insight) { i.State, i.Republished = contract.InsightRepublished, 1 })) // until it is published anew
	s.until("decided", func() bool { return s.card(d, "").Standing.Status == scorecard.Achieved })
}

func TestKnowledgeExpiresByTheWallClock(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.govern()
	d := s.order(proposal())
	s.claim(claim(d, 1))
	v := s.claimed(claim(d, 1).ID, 1, knowledge.Known)
	s.clock.pass(v.Expires.Sub(s.clock.now()) + time.Hour)
	v = s.claimed(v.Insight.ID, 1, knowledge.TakenBack)
	if !strings.Contains(v.Line, "it was not examined again in time") || v.History[1].By != "clock" {
		t.Errorf("%+v", v)
	}
}

func TestInsightsAreListedAndDrawn(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.govern()
	d := s.order(proposal())
	mia := s.token("mia", signin.Manager)
	s.claim(claim(d, 1))
	s.claim(claim(d, 1, func(i *contract.Insight) {
		i.ID, i.Kind, i.Verdicts.Variety = "in-change", contract.ChangeInsight, contract.Weakening
	}))
	s.claimed("in-change", 1, knowledge.Candidate)
	s.claimed(claim(d, 1).ID, 1, knowledge.Known)
	var list struct {
		Items []claimView
		Next  string
	}
	for query, want := range map[string]int{"": 2, "?state=knowledge": 1, "?goal=" + string(d.Goal): 2, "?goal=none": 0, "?state=candidate&goal=" + string(d.Goal): 1} {
		s.call(mia, "GET", "insights"+query, nil).want(200).into(&list)
		if len(list.Items) != want || list.Next != "" {
			t.Errorf("%q: %d, next %q", query, len(list.Items), list.Next)
		}
	}
	s.call(mia, "GET", "insights?limit=1", nil).want(200).into(&list)
	first := list.Items[0].Insight.ID
	s.call(mia, "GET", "insights?limit=1&cursor="+list.Next, nil).want(200).into(&list)
	if len(list.Items) != 1 || list.Items[0].Insight.ID == first || list.Next != "" {
		t.Errorf("second page: %+v", list)
	}
	s.call(mia, "GET", "knowledge", nil).want(200).into(&list)
	if len(list.Items) != 1 {
		t.Errorf("knowledge: %d", len(list.Items))
	}
	s.call(mia, "GET", "insights?state=wrong", nil).want(400)
	s.call(mia, "GET", "insights/none", nil).want(404)
	for _, q := range []string{"volume", "velocity", "variety", "variability", "veracity"} {
		a := s.call(mia, "GET", "insights/in-change/charts/"+q+".svg", nil).want(200)
		if !strings.HasPrefix(a.header.Get("Content-Type"), "image/svg+xml") || !strings.HasPrefix(string(a.body), "<svg") {
			t.Errorf("%s: %s", q, a.header.Get("Content-Type"))
		}
	}
	s.call(mia, "GET", "insights/in-change/charts/voodoo.svg", nil).want(400)
	a := s.call(mia, "GET", "scorecard.pdf", nil).want(200)
	if a.header.Get("Content-Type") != "application/pdf" || !strings.HasPrefix(string(a.body), "%PDF-") {
		t.Errorf("the scorecard on paper is %s of %d bytes", a.header.Get("Content-Type"), len(a.body))
	}
	s.call(s.token("shop", signin.Collector), "GET", "scorecard.pdf", nil).want(403)
	s.call(mia, "GET", "scorecard.pdf?asOf=never", nil).want(400)
	s.call(s.token("shop", signin.Collector), "GET", "insights", nil).want(403)
	s.call("", "GET", "insights/in-change", nil).want(401)
}
