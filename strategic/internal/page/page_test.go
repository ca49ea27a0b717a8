package page

import (
	"context"
	"encoding/xml"
	"errors"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/signin"
	"github.com/strata-crm/strata/shared/telemetry"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/goal"
	"github.com/strata-crm/strata/strategic/internal/governance"
	"github.com/strata-crm/strata/strategic/internal/knowledge"
	"github.com/strata-crm/strata/strategic/internal/lifecycle"
	"github.com/strata-crm/strata/strategic/internal/scorecard"
)

func number(v float64) *float64 { return &v }

// hostile is text that a person typed as a goal's name.
const hostile = `<script>alert(1)</script>"'onload=x`

// records are a goal with everything and a refused one.
func records() []directive.Record {
	spec := contract.Goal{
		ID: "g1", Revision: 1, Name: hostile, Variable: contract.Retention, Metric: "month_on_month_retention", Kind: contract.Level, Direction: contract.Up,
		Unit: contract.Ratio, Baseline: contract.Baseline{MeasureUntil: "1997-10-31"}, Target: contract.Target{Relative: number(.15)}, Start: "1997-11-01",
		Deadline: "1998-06-30", Owner: "head of retention", Relevance: "why not", BackTest: true, Grain: contract.GrainMonth,
	}
	at := time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
	answer := &contract.Acknowledgement{Directive: "d1", AckRevision: 1, State: contract.Executing, History: []contract.Step{{State: contract.Executing, At: at, By: "functional", Trace: "4bf92f3577b34da6a3ce929d0e0e4736"}},
		Plan: &contract.PlanSummary{ID: "p", Playbook: "retention", State: "active", Customers: 1270,
			Metrics:    []contract.MetricUse{{ID: spec.Metric, Version: "1.0.0", Label: "Month-on-month retention", Required: true, Part: "marketing", Owner: "marketing manager"}},
			Parameters: []contract.ParameterUse{{Name: "order_time", DataType: contract.Transactional, Purpose: "retention_analysis", Required: true, Part: "marketing", Owner: "head of sales", Steward: "order data steward", Coverage: number(.95)}},
			Missing:    []contract.Missing{{Reason: contract.Reason{Code: fault.NoSource, Item: "exit_reason"}, Remedy: "register_source"}},
		}}
	full := directive.Record{Version: 1, Goal: goal.Goal{Goal: spec, State: goal.Active}, Directives: []directive.Directive{{
		ID: "d1", Goal: "g1", State: directive.InForce, Impact: contract.NormalImpact, Constraints: contract.Constraints{MinimumGroup: 10, MinimumN: 30, RequiredCoverage: .8, RetentionDays: 365}, Answer: answer,
		History: []lifecycle.Entry{{Entity: "directive/d1", To: "issued", At: at, By: "eva", Decision: &contract.Decision{ID: "dec-1", Rule: "strategic.issue"}}},
	}}}
	i := &contract.Information{Goal: "g1", Revision: 1, Strategic: "d1", Metric: spec.Metric, Version: "1.0.0", Unit: contract.Ratio, Grain: contract.GrainMonth}
	for n, v := range []float64{.298, .306, .339, .312, .2747} {
		w := contract.Window{Start: time.Date(1997, time.Month(9+n), 1, 0, 0, 0, 0, time.UTC), End: time.Date(1997, time.Month(10+n), 1, 0, 0, 0, 0, time.UTC)}
		i.Series = append(i.Series, contract.Point{Window: w, Closed: true, Value: number(v), N: 1772, StdErr: number(.011), AsOf: w.End, Coverage: map[contract.ParameterName]float64{"order_time": 1}})
	}
	last := i.Series[4]
	i.Change = &contract.Change{From: i.Series[3].Window, To: last.Window, Total: -.0373, Drivers: []contract.Driver{{Key: "newcomers", Mix: -.0073, Rate: -.03}}}
	full.Information, full.Changes = i, []contract.Change{*i.Change}
	refused := directive.Record{Version: 1, Goal: goal.Goal{Goal: spec, State: goal.Active}, Directives: []directive.Directive{{
		ID: "d3", State: directive.Refused, Answer: &contract.Acknowledgement{State: contract.Refused, Reasons: []contract.Reason{{Code: fault.NoSource, Item: "nps"}}},
	}}}
	refused.Goal.ID, refused.Goal.Name = "g3", "Hear more praise"
	return []directive.Record{full, refused}
}

type stored struct{ failing bool }

func (s stored) List(context.Context, string, int) ([]directive.Record, error) {
	if s.failing {
		return nil, errors.New("secret connection string")
	}
	return records(), nil
}

func (stored) Insights(context.Context, knowledge.Query) ([]knowledge.Record, error) {
	return insights(), nil
}

func (stored) Governance(context.Context) (governance.Record, error) {
	var r governance.Record
	return r, r.Propose(governance.Default(), lifecycle.Turn{Now: time.UnixMilli(1), By: "strategic"})
}

type gate struct{}

func (gate) Read(_ context.Context, who signin.Identity) error {
	if who.Has(signin.Collector) {
		return fault.New(fault.Denied, fault.PolicyDenied, "no")
	}
	return nil
}

// verifier takes the token for the role.
type verifier struct{}

func (verifier) Verify(_ context.Context, token string) (signin.Identity, error) {
	if r := signin.Role(token); r.Known() {
		return signin.Identity{Subject: "somebody", Roles: []signin.Role{r}}, nil
	}
	return signin.Identity{}, fault.New(fault.Denied, fault.NotSignedIn, "no")
}

func get(t *testing.T, path, role string, failing bool, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	tel, err := telemetry.New(t.Context(), telemetry.Options{Service: "strategic", Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	e, err := httpx.New(httpx.Options{Name: "strategic", Telemetry: tel, Verifier: verifier{}, Logger: slog.New(slog.DiscardHandler), Now: time.Now, Public: []string{Path}})
	if err != nil {
		t.Fatal(err)
	}
	if err := Mount(e, Deps{Reader: stored{failing}, Gate: gate{}, Verifier: verifier{}, Zone: time.UTC, Now: time.Now, Cookie: "c"}); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if role != "" {
		r.AddCookie(&http.Cookie{Name: "c", Value: role})
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w
}

func TestEveryReaderFindsWhatTheyNeed(t *testing.T) {
	t.Parallel()
	body := get(t, "/", "executive", false).Body.String()
	for who, texts := range map[string][]string{
		"executive": {"head of retention", "Off track", "27.5 % ± 2.2", "35.2 %", "30 June 1998", "back-test", "Not yet", "newcomers −3.7 percentage points", "Decide whether to act differently", "Projection", "Approve version 1"},
		"manager":   {"Month-on-month retention (month_on_month_retention 1.0.0)", "Standard error", "1.1 percentage points", "95 % interval", "January 1998", "1,772", "no source offers exit reason", "have a source registered that offers exit reason"},
		"steward":   {"order data steward", "head of sales", "95.0 %", "customer data steward"},
		"trail":     {"strategic.issue dec-1", "4bf92f3577b34da6a3ce929d0e0e4736", "d1"},
		"refused":   {"Not measurable (refused)", "no source offers nps"},
	} {
		for _, text := range texts {
			if !strings.Contains(body, text) {
				t.Errorf("the %s does not find %q", who, text)
			}
		}
	}
	if asked := get(t, "/", "steward", false).Body.String(); !strings.Contains(asked, "Nothing is asked of your role now") {
		t.Error("a steward is asked for what executives decide")
	}
}

// Every number that is shown opens to its definition, and to the window and n that it rests on.
func TestEveryFigureOpens(t *testing.T) {
	t.Parallel()
	rs := records()
	r := &rs[0]
	r.Information.Trend = &contract.Trend{Windows: 5, Slope: .004, StdErr: .012}
	r.Information.Supporting = []contract.Supporting{{Metric: "revenue_month", Version: "2.1.0", Unit: contract.Money, Currency: "JPY", Point: r.Information.Series[4]}}
	plan := r.Directives[0].Answer.Plan
	plan.Metrics = append(plan.Metrics, contract.MetricUse{ID: "revenue_month", Version: "2.1.0", Label: "Revenue", Description: "Sum of the order amounts.", Owner: "sales manager"})
	plan.Parameters[0].Needs = number(.8)
	plan.Operational = []contract.OperationalSummary{{Jobs: []contract.JobSummary{{Kind: "collect", Item: "order_time", Events: func(n int64) *int64 { return &n }(69659)}}}}
	g := viewOf(input{records: rs, zone: time.UTC, now: time.Now()}).Goals[0]
	told := func(f Figure) (text string) {
		for _, fact := range f.Facts {
			text += fact.Name + ": " + fact.Text + "\n"
		}
		return text
	}
	wants := map[string][]string{
		"value":    {"Definition: Month-on-month retention", "Window: January 1998", "n: 1,772", "Trend: +0.4 percentage points"},
		"baseline": {"Definition: Month-on-month", "Window: October 1997", "n: 1,772"}, "target": {"Definition: Month-on-month", "Judged: in the window"},
		"projection": {"Definition: Month-on-month", "Window: the one that ends on 30 June 1998", "Rests on: the closed windows so far, 5 with a value; n of the newest: 1,772"},
		"revenue":    {"Definition: Revenue (revenue_month 2.1.0). Sum of the order amounts. Owner of the definition: sales manager", "n: 1,772"},
	}
	shown := map[string]Figure{"value": g.Value, "baseline": g.Baseline, "target": g.Target, "projection": g.Projection, "revenue": g.Directive.Numbers[1]}
	for name, parts := range wants {
		for _, want := range parts {
			if got := told(shown[name]); !strings.Contains(got, want) {
				t.Errorf("%s does not tell %q but\n%s", name, want, got)
			}
		}
	}
	if got := g.Directive.Plan.Parameters[0].Coverage; got != "95.0 %, in 69,659 facts; 80.0 % required" {
		t.Errorf("coverage: %s", got)
	}
	r.Frozen.Decided = &scorecard.Verdict{Status: scorecard.Missed, On: "1998-01-31", Window: r.Information.Series[4].Window, Value: .27, N: 1700, Revision: 9}
	if got := told(viewOf(input{records: rs, zone: time.UTC, now: time.Now()}).Goals[0].Decided); !strings.Contains(got, "Definition: Month") || !strings.Contains(got, "n: 1,700") {
		t.Errorf("decided does not open to definition and n but\n%s", got)
	}
	past := viewOf(input{records: rs, zone: time.UTC, now: time.Now(), asOf: time.Date(1997, 12, 1, 0, 0, 0, 0, time.UTC)}).Goals[0]
	if strings.Contains(told(past.Value), "Trend") {
		t.Error("a look back is told today's trend")
	}
}

// A goal whose directive is degraded says so, with the figures, whatever its status.
func TestWhatADirectiveLacksIsShown(t *testing.T) {
	t.Parallel()
	rs := records()
	d := &rs[0].Directives[0]
	d.State, d.Answer.State = directive.Degraded, contract.Degraded
	d.Answer.Reasons = []contract.Reason{contract.Reason{Code: fault.LowCoverage, Item: "email"}.Figures(.38, .8)}
	v := viewOf(input{records: rs, zone: time.UTC, now: time.Now()})
	var page strings.Builder
	pages, err := template.New("page").ParseFS(assets, "assets/*.html")
	if err != nil {
		t.Fatal(err)
	}
	if err := pages.ExecuteTemplate(&page, "live.html", v); err != nil {
		t.Fatal(err)
	}
	if want := "What is lacking</dt><dd class=\"warn-text\">The directive is degraded: too few customers have email (38.0 %, 80.0 % required)."; !strings.Contains(page.String(), want) {
		t.Errorf("the page does not say %q", want)
	}
	if s := v.Goals[0].Status.Word; s == scorecard.NotMeasurable.Words() {
		t.Errorf("the goal is %s: its status should be judged by its windows", s)
	}
}

func TestEachRowOfAGoalHasWindowAndN(t *testing.T) {
	t.Parallel()
	v := viewOf(input{records: records(), zone: time.UTC, now: time.Now()})
	g := v.Goals[0]
	for _, f := range []Figure{g.Value, g.Baseline} {
		if !strings.Contains(f.Short, ", n ") || len(f.Facts) < 3 {
			t.Errorf("%s stands without window and n: %+v", f.Label, f)
		}
	}
	for _, h := range g.History {
		if h.Window == "" || h.N == "" || h.Coverage == "" || h.Why == "" {
			t.Errorf("%+v", h)
		}
	}
	if len(g.History) != 5 || g.Chart == nil || len(g.Chart.Dots) != 5 {
		t.Errorf("%d windows", len(g.History))
	}
}

func TestAsOfLooksBack(t *testing.T) {
	t.Parallel()
	body := get(t, "/?asOf=1997-11-30", "executive", false).Body.String()
	if strings.Contains(body, "January 1998") || !strings.Contains(body, "33.9 %") || !strings.Contains(body, "this is a look back") {
		t.Error("later windows are seen, or the look back is not said")
	}
	w := get(t, "/?asOf=yesterday", "executive", false)
	if body := w.Body.String(); w.Code != http.StatusBadRequest || strings.Contains(body, "yesterday") || strings.Contains(body, ">/<") || !strings.Contains(body, `<a href="/">`) {
		t.Errorf("%d, a way back is missing or stands there bare", w.Code)
	}
}

func TestStrangersLearnHowToSignIn(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"", "forged"} {
		if w := get(t, "/", role, false); w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), "one-time link") || strings.Contains(w.Body.String(), "retention") {
			t.Errorf("%q: %d", role, w.Code)
		}
	}
	if w := get(t, "/", "collector", false); w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "retention") {
		t.Errorf("collector: %d", w.Code)
	}
	if w := get(t, "/", "executive", true); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("a failure: %d %s", w.Code, w.Body)
	}
}

func TestOnlyThePartThatChanges(t *testing.T) {
	t.Parallel()
	w := get(t, "/", "executive", false, "Strata-Part", "live")
	if b := w.Body.String(); strings.Contains(b, "<html") || strings.Contains(b, "<script") || !strings.Contains(b, `id="goal-g1"`) {
		t.Error("not just the part")
	}
}

// What a browser is told, and what anybody typed cannot become markup.
func TestContentSecurity(t *testing.T) {
	t.Parallel()
	w := get(t, "/", "executive", false)
	body := w.Body.String()
	nonce := regexp.MustCompile(`'nonce-([A-Z2-7]+)'`).FindStringSubmatch(w.Header().Get("Content-Security-Policy"))
	if nonce == nil || strings.Count(body, `nonce="`+nonce[1]+`"`) != 2 {
		t.Error("style and script do not carry the policy's nonce")
	}
	if n := strings.Count(body, "<script"); n != 1 {
		t.Errorf("%d scripts", n)
	}
	for _, bad := range []string{" style=", " onclick=", " onload=x", "ZgotmplZ", "http://", "https://"} {
		if strings.Contains(strings.ReplaceAll(body, "http://www.w3.org/2000/svg", ""), bad) && bad != " onload=x" {
			t.Errorf("%q is on the page", bad)
		}
	}
	if strings.Contains(body, "<script>alert") {
		t.Error("a name became markup")
	}
}

// The page is well formed, and has what assistive technology needs.
func TestAccessibility(t *testing.T) {
	t.Parallel()
	body := get(t, "/", "executive", false).Body.String()
	ids, headings, landmarks := map[string]int{}, []string{}, map[string]bool{}
	var labelled []string
	d := xml.NewDecoder(strings.NewReader(body))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		e, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		attr := map[string]string{}
		for _, a := range e.Attr {
			attr[a.Name.Local] = a.Value
		}
		if id := attr["id"]; id != "" {
			ids[id]++
		}
		labelled = append(labelled, strings.Fields(attr["aria-labelledby"])...)
		labelled = append(labelled, attr["for"], strings.TrimPrefix(attr["href"], "#"))
		if attr["class"] == "scroll" && (attr["tabindex"] != "0" || attr["role"] != "region" || attr["aria-label"]+attr["aria-labelledby"] == "") {
			t.Errorf("a table that scrolls is out of the keyboard's reach: %v", attr)
		}
		switch name := e.Name.Local; name {
		case "html":
			if attr["lang"] == "" {
				t.Error("no language")
			}
		case "h1", "h2", "h3", "h4", "h5":
			headings = append(headings, name)
		case "main", "nav", "header", "footer":
			landmarks[name] = true
		case "th":
			if attr["scope"] == "" {
				t.Error("a table header without scope")
			}
		case "svg":
			if attr["aria-hidden"] == "" && attr["aria-label"] == "" && (attr["role"] != "img" || attr["aria-labelledby"] == "") {
				t.Error("a picture without words")
			}
		}
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("id %s is there %d times", id, n)
		}
	}
	for _, id := range labelled {
		if id != "" && !strings.HasPrefix(id, "/") && !strings.HasPrefix(id, "data:") && ids[id] == 0 {
			t.Errorf("%q points nowhere", id)
		}
	}
	for _, l := range []string{"main", "nav", "header", "footer"} {
		if !landmarks[l] {
			t.Errorf("no %s", l)
		}
	}
	if headings[0] != "h1" || slices.Index(headings[1:], "h1") >= 0 {
		t.Errorf("headings: %v", headings)
	}
	for i := 1; i < len(headings); i++ {
		if headings[i] > headings[i-1] && headings[i][1]-headings[i-1][1] > 1 {
			t.Errorf("a level is left out: %v", headings)
		}
	}
	if tables, captions := strings.Count(body, "<table"), strings.Count(body, "<caption"); tables != captions || tables < 6 {
		t.Errorf("%d tables, %d captions", tables, captions)
	}
}

func TestNotesAreWords(t *testing.T) {
	t.Parallel()
	w := contract.Window{Start: time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC), End: time.Date(1997, 4, 1, 0, 0, 0, 0, time.UTC)}
	got := notes(&contract.Information{Notes: []contract.Note{{Code: contract.ClosedBase, Window: w}, {Code: "of_a_later_release", Window: w}}}, time.UTC)
	if len(got) != 1 || !strings.Contains(got[0], "from 1 January 1997 to 31 March 1997") {
		t.Errorf("%q", got)
	}
	if notes(nil, time.UTC) != nil {
		t.Error("notes without information")
	}
}

func TestWhatNeedsASecondPersonIsSaid(t *testing.T) {
	t.Parallel()
	for want, h := range map[string]*contract.HighImpactRule{
		"of high impact, or if data are kept for longer than the strictest": nil,
		"or if it is for value analysis, or its purposes cover conversed data, or data are kept for longer than 730 days.": {
			Purposes: []contract.Purpose{"value_analysis"}, DataTypes: []contract.DataType{contract.Conversed}, RetentionDays: 730,
		},
	} {
		if got := highImpact(h); !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
}

// Rules whose time is over stay in force, and the page says both, and asks those who can renew them.
func TestGovernanceThatExpiredSaysSo(t *testing.T) {
	t.Parallel()
	var r governance.Record
	at := lifecycle.Turn{Now: time.UnixMilli(1), By: "eva"}
	if err := errors.Join(r.Propose(governance.Default(), at), r.Approve(1, []string{"executive"}, at),
		r.Approve(1, []string{"executive"}, lifecycle.Turn{Now: at.Now, By: "max"})); err != nil {
		t.Fatal(err)
	}
	end := r.Versions[0].Order.Expires
	for now, want := range map[time.Time]string{end.Add(-time.Millisecond): "", end: "has expired; its rules stay in force. Propose a new version."} {
		for role, asked := range map[signin.Role]string{signin.Executive: want, signin.Manager: ""} {
			v := viewOf(input{governance: r, zone: time.UTC, now: now, who: signin.Identity{Subject: "eva", Roles: []signin.Role{role}}})
			if strings.Contains(v.Governance.InForce, "expired at") != (want != "") || !strings.Contains(v.Governance.InForce, stamp(end, time.UTC)) {
				t.Errorf("%v: %s", now, v.Governance.InForce)
			}
			if len(v.Asked) > 1 || (asked == "") != (len(v.Asked) == 0) || asked != "" && !strings.HasSuffix(v.Asked[0].Text, asked) {
				t.Errorf("%v: a %s is asked %+v", now, role, v.Asked)
			}
		}
	}
}
