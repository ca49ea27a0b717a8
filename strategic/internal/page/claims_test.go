package page

import (
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/strategic/internal/knowledge"
	"github.com/strata-crm/strata/strategic/internal/lifecycle"
)

func of[T any](v T) *T { return &v }

func window(m int) contract.Window {
	start := time.Date(1998, time.Month(m), 1, 0, 0, 0, 0, time.UTC)
	return contract.Window{Start: start, End: start.AddDate(0, 1, 0)}
}

// insights are knowledge that the first goal's proof rests on, a forecast that failed by its third window, and a candidate.
func insights() []knowledge.Record {
	finding := func(q contract.Question, v contract.Verdict, why string, effect, margin, band float64) contract.Finding {
		return contract.Finding{Question: q, Verdict: v, Why: why, Effect: effect, Margin: margin, Band: band}
	}
	holds := contract.Verdicts{Volume: contract.Holds, Velocity: contract.Holds, Variety: contract.Weakening, Variability: contract.Holds, Veracity: contract.Holds}
	at := time.Date(2026, 5, 3, 9, 0, 0, 0, time.UTC)
	own := contract.Insight{
		ID: "in-own", Revision: 4, Goal: "g1", Metric: "month_on_month_retention", Label: "Month-on-month retention", State: contract.InsightPublished, Kind: contract.LevelInsight,
		Published: .487, Value: .489, HalfWidth: .024, Unit: contract.Ratio, Tolerance: .1, N: 3318, Of: 23570, AsOf: at, Grain: contract.GrainMonth, Verdicts: holds, Republished: 1,
		Looks: []contract.Look{{N: 400, Value: .52, HalfWidth: .11}, {N: 700, Value: .507, HalfWidth: .07}, {N: 1200, Value: .481, HalfWidth: .048}, {N: 2000, Value: .493, HalfWidth: .034}, {N: 3318, Value: .489, HalfWidth: .024}},
		Windows: []contract.Shifted{{Window: window(1), Effect: .012, Margin: .04}, {Window: window(2), Effect: -.02, Margin: .035}, {Window: window(3), Effect: .025, Margin: .04},
			{Window: window(4), Effect: .04, Margin: .038}, {Window: window(5), Effect: .05, Margin: .036}},
		ShelfLife: number(3.5),
		Formats: []contract.Left{{Format: "call", Effect: .008, Margin: .01, Share: .6, Gap: -.01}, {Format: "file", Effect: -.02, Margin: .012, Share: .38, Gap: .03},
			{Format: "text", Effect: .011, Margin: .004, Share: .02, Gap: .96, Contradicts: true}},
		Tail: &contract.TailOf{Fall: .054, Margin: .012, Customers: 33, Spread: number(1.1)}, Unknown: &contract.Unverified{Share: .03, Tipping: number(1.67)},
		Findings: []contract.Finding{finding(contract.Volume, contract.Holds, "", .004, .049, .1), finding(contract.VelocityOf, contract.Holds, "", .05, .036, .1),
			finding(contract.Variety, contract.Weakening, "format_contradicts", -.02, .012, .1), finding(contract.Variability, contract.Holds, "", .054, .012, .15),
			finding(contract.Veracity, contract.Holds, "", .004, .01, .1)},
	}
	fell := own
	fell.ID, fell.Kind, fell.Metric, fell.Label = "in-fell", contract.ForecastInsight, "orders_39w", "Orders in 39 weeks "+hostile
	fell.Unit, fell.Published, fell.Value, fell.HalfWidth, fell.Tolerance, fell.Republished = contract.Count, 16874, 16874, 130, .1, 0
	fell.Looks, fell.ShelfLife = nil, nil
	fell.Verdicts = contract.Verdicts{Volume: contract.Holds, Velocity: contract.Fails, Variety: contract.NotEnoughData, Variability: contract.Weakening, Veracity: contract.Weakening}
	fell.Windows = []contract.Shifted{{Window: window(1), Effect: .056, Margin: .04}, {Window: window(2), Effect: .239, Margin: .05}, {Window: window(3), Effect: .252, Margin: .05}}
	fell.Formats = []contract.Left{{Format: "file", Share: 1}}
	fell.Tail, fell.Unknown = &contract.TailOf{Fall: .15, Margin: .024, Customers: 235, Spread: number(2.2)}, &contract.Unverified{Share: .2, Tipping: number(.5)}
	failed := finding(contract.VelocityOf, contract.Fails, "beyond_tolerance", .252, .05, .1)
	failed.Windows = 3
	fell.Findings = []contract.Finding{finding(contract.Volume, contract.Holds, "", .004, .049, .1), failed,
		finding(contract.Variety, contract.NotEnoughData, "one_format", 0, 0, .1), finding(contract.Variability, contract.Weakening, "not_yet_inside", .15, .024, .15),
		finding(contract.Veracity, contract.Weakening, "unverified_sources", .02, .01, .1)}
	candidate := contract.Insight{
		ID: "in-new", Goal: "g1", Metric: "purchase_frequency_month", Label: "Purchase frequency", Kind: contract.DifferenceInsight, State: contract.InsightCandidate, Unit: contract.PerPerson,
		Scope: &contract.Condition{Field: "new", Op: contract.Eq, Value: true}, Against: &contract.Condition{Field: "new", Op: contract.Eq, Value: false}, Tolerance: .1, N: 120, Of: 120,
		Withheld: of(contract.Reason{Code: fault.LowSample, Item: "too_few"}.Figures(120, 400)),
	}
	until := time.Date(2026, 8, 7, 0, 0, 0, 0, time.UTC)
	return []knowledge.Record{
		{Insight: candidate, State: knowledge.Candidate},
		{Insight: fell, State: knowledge.TakenBack, History: []lifecycle.Entry{{To: "knowledge", At: at}, {To: "taken_back", At: at, Reason: "Velocity failed"}}},
		{Insight: own, State: knowledge.Known, Expires: &until, History: []lifecycle.Entry{{To: "knowledge", At: at}},
			Accepted: &knowledge.Evidence{At: at, N: 3318, AsOf: at, Rules: 7, Decision: contract.Decision{ID: "pd-77"}}},
	}
}

func TestClaimsShowLampsWordsAndCharts(t *testing.T) {
	t.Parallel()
	body := get(t, "/", "executive", false).Body.String()
	for _, text := range []string{
		"48.9 % ± 2.4", "3,318 of 23,570 customers", "published anew once", "Knowledge since 3 May 2026 (policy v7); Variety weakens", "until 7 August 2026", "decision pd-77",
		"Texts disagree (+96.0 %) but weigh 2.0 %.", "Further claims", "Not knowledge: Velocity failed, owner informed", "Fails by the third window since it was published",
		"No value yet", "Not knowledge yet: too few customers so far (120 of the 400 that are needed).", "A fallen verdict on what a goal rests on changes its proof, not its status", "customers who are new against customers who are not new", "Does it stand a bit later?", "valid until about",
	} {
		if !strings.Contains(body, text) {
			t.Errorf("the page does not say %q", text)
		}
	}
	if own, other := strings.Index(body, "in-own"), strings.Index(body, "in-fell"); own < 0 || other < own {
		t.Error("the claim that the proof rests on does not come first")
	}
	for _, symbol := range []string{"●", "▲", "✖", "○"} {
		if !strings.Contains(body, symbol) {
			t.Errorf("no lamp is %s", symbol)
		}
	}
	if strings.Contains(body, "p-value") || strings.Count(body, "<svg") < 12 {
		t.Errorf("%d pictures", strings.Count(body, "<svg"))
	}
	if back := get(t, "/?asOf=1997-11-30", "executive", false).Body.String(); strings.Contains(back, "in-own") {
		t.Error("a look back shows today's claims")
	}
}
