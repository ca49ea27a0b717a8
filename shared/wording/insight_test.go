package wording

import (
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

func num(v float64) *float64 { return &v }

func month(m int) contract.Window {
	start := time.Date(2026, time.Month(m), 1, 0, 0, 0, 0, time.UTC)
	return contract.Window{Start: start, End: start.AddDate(0, 1, 0)}
}

// claim is an insight like that of section 5 of the design, with the finding on one question changed.
func claim(q contract.Question, verdict contract.Verdict, f contract.Finding, change ...func(*contract.Insight)) *contract.Insight {
	f.Question, f.Verdict = q, verdict
	i := &contract.Insight{
		State: contract.InsightPublished, Kind: contract.LevelInsight, Metric: "repeat_rate", Label: "Repeat rate", Unit: contract.Ratio, Grain: contract.GrainMonth,
		Published: .487, Value: .489, HalfWidth: .024, Tolerance: .05, N: 3318, Of: 23570, Findings: []contract.Finding{f},
		Windows: []contract.Shifted{{Window: month(1)}, {Window: month(2)}}, ShelfLife: num(.5),
		Formats: []contract.Left{{Format: "survey", Effect: .008, Margin: .004, Share: .2}, {Format: "text", Effect: -.003, Gap: .96, Share: .02, Contradicts: true}},
		Tail:    &contract.TailOf{Fall: .146, Margin: .02, Customers: 33, Spread: num(1.1)}, Unknown: &contract.Unverified{Share: .03, Tipping: num(1.67)},
	}
	switch q {
	case contract.Volume:
		i.Verdicts.Volume = verdict
	case contract.VelocityOf:
		i.Verdicts.Velocity = verdict
	case contract.Variety:
		i.Verdicts.Variety = verdict
	case contract.Variability:
		i.Verdicts.Variability = verdict
	case contract.Veracity:
		i.Verdicts.Veracity = verdict
	}
	for _, c := range change {
		c(i)
	}
	return i
}

func TestSentences(t *testing.T) {
	t.Parallel()
	const volume, velocity, variety, variability, veracity = contract.Volume, contract.VelocityOf, contract.Variety, contract.Variability, contract.Veracity
	const holds, weakening, fails, none = contract.Holds, contract.Weakening, contract.Fails, contract.NotEnoughData
	finding := func(why string, effect, margin, band float64) contract.Finding {
		return contract.Finding{Why: why, Effect: effect, Margin: margin, Band: band}
	}
	later := finding("", .03, .02, .1)
	forecast := func(i *contract.Insight) {
		i.Kind, i.Windows = contract.ForecastInsight, append(i.Windows, contract.Shifted{Window: month(3)})
	}
	some := .92
	for _, c := range []struct {
		q       contract.Question
		verdict contract.Verdict
		f       contract.Finding
		change  func(*contract.Insight)
		want    string
	}{
		{volume, holds, finding("", .004, .02, .05), nil,
			"48.9 % ± 2.4 after 3,318 of 23,570 customers; more customers like these will not take it beyond the ± 5.0 % allowed around the 48.7 % that was published."},
		{volume, holds, contract.Finding{}, func(i *contract.Insight) { i.N, i.HalfWidth = i.Of, 0 },
			"48.9 % after all 23,570 customers; more customers like these will not take it beyond the ± 5.0 % allowed around the 48.7 % that was published."},
		{volume, weakening, finding("newcomers_may_move", .004, .02922, .02435), func(i *contract.Insight) { i.N, i.HalfWidth = i.Of, 0 },
			"48.9 % after all 23,570 customers: exact for today, but newcomers may move it by 6.0 %, and ± 5.0 % is allowed."},
		{volume, weakening, finding("not_yet_inside", .004, .06, .05), nil,
			"48.9 % ± 2.4 after 3,318 of 23,570 customers: it may lie further from the 48.7 % that was published than the ± 5.0 % allowed; more customers will tell."},
		{volume, fails, finding("beyond_tolerance", .12, .02, .05), nil,
			"48.9 % ± 2.4 after 3,318 of 23,570 customers, when 48.7 % was published: more data moved it by 0.2 percentage points, and ± 5.0 % was allowed."},
		{volume, none, finding("too_few", 0, 0, 0), func(i *contract.Insight) { i.N = 120 }, "Too few customers to tell so far: 120."},
		{volume, none, finding("one_dominates", 0, 0, 0), nil, "A single customer makes so much of the differences that nothing can be told yet."},
		{volume, none, finding("read_whole", 0, 0, 0), nil, "So small a base must be read whole before anything is told."},
		{volume, none, finding("undefined", 0, 0, 0), nil, "There is no value to compare with."},

		{velocity, holds, later, nil, "Valid until about 15 March 2026: February 2026 was 3.0 % above the baseline, and 10.0 % is allowed."},
		{velocity, holds, finding("", -.03, .02, .1), func(i *contract.Insight) { i.ShelfLife = nil },
			"Valid, and nothing points to an end: February 2026 was 3.0 % below the baseline, and 10.0 % is allowed."},
		{velocity, weakening, finding("evidence_mounts", .09, .02, .1), nil,
			"Evidence against it mounts, though it is not enough yet: February 2026 was 9.0 % above the baseline, and 10.0 % is allowed."},
		{velocity, weakening, finding("not_yet_inside", .09, .02, .1), nil,
			"February 2026 was 9.0 % above the baseline, give or take 2.0 %, so it may lie beyond the 10.0 % allowed."},
		{velocity, fails, contract.Finding{Why: "beyond_tolerance", Effect: .24, Margin: .02, Band: .1, Windows: 3}, forecast,
			"Fails by the third window since it was published: March 2026 was 24.0 % above the forecast, when 10.0 % was allowed."},
		{velocity, holds, contract.Finding{Band: .1, Windows: 3, Hidden: true}, nil,
			"Valid: too few customers did anything in the last window for its numbers to be told; they lie within the 10.0 % allowed."},
		{velocity, fails, contract.Finding{Band: .1, Windows: 61, Hidden: true}, nil,
			"Fails by window 61 since it was published: too few customers did anything in the last window for its numbers to be told."},
		{velocity, none, contract.Finding{Why: "too_few", Windows: 2}, nil, "The last closed window has too few customers to tell."},
		{velocity, none, contract.Finding{Why: "no_complete_window", Arrived: &some}, nil,
			"No window has closed completely since it was published; the first one will tell. The next window has ended, and about 92.0 % of its facts have come; it is judged once 99 % have."},
		{velocity, holds, contract.Finding{Effect: -.03, Margin: .02, Band: .1, Arrived: &some}, func(i *contract.Insight) { i.ShelfLife = nil },
			"Valid, and nothing points to an end: February 2026 was 3.0 % below the baseline, and 10.0 % is allowed. The next window has ended, and about 92.0 % of its facts have come; it is judged once 99 % have."},
		{velocity, none, finding("no_complete_window", 0, 0, 0), nil, "No window has closed completely since it was published; the first one will tell."},

		{variety, holds, finding("", .008, .004, .05), nil, "Leaving out surveys would move it by 0.8 %; 5.0 % is allowed."},
		{variety, weakening, finding("format_contradicts", .008, .004, .05), nil,
			"Leaving out surveys would move it by 0.8 %. Texts disagree (+96.0 %) but weigh 2.0 %."},
		{variety, weakening, finding("unparsed_facts", .008, .004, .05), nil,
			"Leaving out surveys would move it by 0.8 %, but facts that could not be read may hide a larger difference between formats."},
		{variety, weakening, finding("not_yet_inside", .04, .02, .05), nil,
			"Leaving out surveys would move it by 4.0 %, give or take 2.0 %, so it may be more than the 5.0 % allowed."},
		{variety, fails, finding("beyond_tolerance", .12, .02, .05), nil, "Leaving out surveys moves it by 12.0 %, when 5.0 % was allowed."},
		{variety, none, finding("one_format", 0, 0, 0), func(i *contract.Insight) { i.Formats = nil },
			"Of its formats, its sources and the times when customers came, no two are large enough to leave one out."},
		{variety, fails, finding("", .008, .004, .05), nil, "Failed before; leaving out surveys now moves it by 0.8 %, and 5.0 % is allowed."},

		{variability, holds, finding("", .146, .004, .15), nil, "The top 1 % of customers carry 14.6 % of it. Spread is normal (×1.1)."},
		{variability, weakening, finding("not_yet_inside", .15, .024, .15), nil,
			"Without the top 1 % of customers it falls by 15.0 %, give or take 2.4 %, so it may be more than the 15.0 % allowed."},
		{variability, fails, finding("beyond_tolerance", .369, .02, .15), nil,
			"Without the top 1 % of customers it falls by 36.9 %, when 15.0 % was allowed: it tells of a few."},
		{variability, fails, finding("beyond_tolerance", .92, .02, .693), func(i *contract.Insight) { i.Tail.Spread = num(2.5) },
			"Customers now differ ×2.5 as much as they did, when ×2 was allowed. The top 1 % of customers carry 14.6 % of it."},
		{variability, weakening, finding("evidence_mounts", .6, .1, .693), func(i *contract.Insight) { i.Tail.Spread = num(1.8) },
			"Customers now differ ×1.8 as much as they did; ×2 is allowed, and it may be more. The top 1 % of customers carry 14.6 % of it."},
		{variability, none, finding("tail_too_small", 0, 0, 0), func(i *contract.Insight) { i.Tail.Customers = 12 },
			"Too few customers in the top 1 % to tell: 12, and 20 are needed."},

		{veracity, holds, finding("", .008, .004, .05), nil, "3.0 % comes from unknown sources; they would have to be wrong by 167.0 % to change the conclusion."},
		{veracity, holds, finding("", 0, 0, .05), func(i *contract.Insight) { i.Unknown = nil }, "All of it comes from verified sources."},
		{veracity, weakening, finding("unverified_sources", .008, .004, .05), func(i *contract.Insight) { i.Unknown = &contract.Unverified{Share: .1, Tipping: num(.5)} },
			"10.0 % comes from unknown sources; they would have to be wrong by 50.0 % to change the conclusion."},
		{veracity, weakening, finding("not_yet_inside", .04, .02, .05), nil,
			"3.0 % comes from unknown sources; leaving them out would move it by 4.0 %, give or take 2.0 %, so it may be more than the 5.0 % allowed."},
		{veracity, fails, finding("beyond_tolerance", .08, .02, .05), nil,
			"3.0 % comes from unknown sources; leaving them out moves it by 8.0 %, when 5.0 % was allowed."},
		{veracity, none, finding("too_few", 0, 0, 0), nil, "Too few customers to tell so far: 3,318."},
	} {
		i := claim(c.q, c.verdict, c.f)
		if c.change != nil {
			c.change(i)
		}
		if got := Sentence(c.q, i, time.UTC); got != c.want {
			t.Errorf("%s %s %s:\n got %s\nwant %s", c.q, c.verdict, c.f.Why, got, c.want)
		}
	}
}

// reasons are those of operational's package validity, and none.
var reasons = []string{
	"", "beyond_tolerance", "not_yet_inside", "evidence_mounts", "newcomers_may_move", "no_complete_window", "one_format", "unparsed_facts",
	"format_contradicts", "unverified_sources", "sum_of_formats", "no_baseline", "model_not_identified", "too_few", "one_dominates", "read_whole", "undefined", "tail_too_small", "of_a_newer_suite",
}

// TestEverySentenceIsOne goes through every question, verdict, reason, kind and lack of detail.
func TestEverySentenceIsOne(t *testing.T) {
	t.Parallel()
	bare := func(i *contract.Insight) {
		i.Windows, i.Formats, i.Tail, i.Unknown, i.ShelfLife, i.Findings = nil, nil, nil, nil, nil, nil
	}
	absolute := func(i *contract.Insight) { i.Absolute, i.Unit, i.Tolerance = true, contract.Points, 5 }
	n := 0
	for _, q := range Questions() {
		for _, v := range []contract.Verdict{contract.Holds, contract.Weakening, contract.Fails, contract.NotEnoughData, ""} {
			for _, why := range reasons {
				for _, k := range []contract.InsightKind{"", contract.LevelInsight, contract.DifferenceInsight, contract.ChangeInsight, contract.ForecastInsight, contract.MoverInsight} {
					for name, change := range map[string]func(*contract.Insight){"whole": func(*contract.Insight) {}, "bare": bare, "absolute": absolute} {
						i := claim(q, v, contract.Finding{Why: why, Effect: -.07, Margin: .01, Band: .05}, change, func(i *contract.Insight) { i.Kind = k })
						text := Sentence(q, i, time.UTC)
						n++
						if !strings.HasSuffix(text, ".") || strings.Contains(text, "  ") || strings.ContainsAny(text, "_!") || strings.Contains(text, "p-value") ||
							strings.Contains(text, "–") || text[:1] != strings.ToUpper(text[:1]) {
							t.Errorf("%s %s %s %s %s: %q", q, v, why, k, name, text)
						}
					}
				}
			}
		}
	}
	if n != 5*5*19*6*3 {
		t.Errorf("%d cases", n)
	}
}

func TestWhatHasFallenStaysFallen(t *testing.T) {
	t.Parallel()
	i := claim(contract.VelocityOf, contract.Fails, contract.Finding{Effect: .02, Band: .1})
	i.Findings[0].Verdict = contract.Holds
	if got := Sentence(contract.VelocityOf, i, time.UTC); !strings.HasSuffix(got, "stays fallen until the claim is published anew.") {
		t.Error(got)
	}
}

func TestACandidateSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why  contract.Reason
		want string
	}{
		{contract.Reason{Code: fault.LowSample}, "too few customers so far"},
		{contract.Reason{Code: fault.LowSample, Item: "too_few"}.Figures(120, 400), "too few customers so far (120 of the 400 that are needed)"},
		{contract.Reason{Code: fault.LowSample, Item: "one_dominates"}, "a single customer makes so much of the differences that nothing can be claimed yet"},
		{contract.Reason{Code: fault.LowSample, Item: "read_whole"}, "so small a base must be read whole first"},
		{contract.Reason{Code: fault.ZeroDenominator, Item: "undefined"}, "there is nothing to divide by yet"},
		{contract.Reason{Code: fault.UnsupportedFeature, Item: "insight.mover.total"}, "such a claim cannot be made of this metric"},
		{contract.Reason{Code: fault.NoData, Item: "repeat_rate"}, "no data for repeat rate"},
		{contract.Reason{Code: fault.ModelNotIdentified, Item: "mbg_nbd"}, "the data cannot carry the model MBG/NBD yet"},
		{contract.Reason{Code: fault.Validity, Item: "not_precise"}.Figures(.04, .02), "its interval is still wider than half its tolerance, so it takes more customers"},
		{contract.Reason{Code: fault.GroupTooSmall}, "the group is too small to be shown"},
	} {
		i := &contract.Insight{State: contract.InsightCandidate, N: 120, Withheld: &c.why}
		if got := InsightValue(i); got != "No value yet: "+c.want {
			t.Error(got)
		}
		if got := Knowledge(Standing{State: NotYetKnowledge}, i, time.UTC); got != "Not knowledge yet: "+c.want {
			t.Error(got)
		}
		for _, q := range Questions() {
			if got := Sentence(q, i, time.UTC); got != "Not asked yet, since nothing is claimed: "+c.want+"." {
				t.Error(got)
			}
		}
	}
}

func TestWhatIsExaminedNoLongerSaysSo(t *testing.T) {
	t.Parallel()
	i := &contract.Insight{State: contract.InsightExpired, Verdicts: contract.Verdicts{Velocity: contract.Fails}}
	if got := InsightValue(i); got != "No value any more: it is examined no longer" {
		t.Error(got)
	}
	if got := Sentence(contract.VelocityOf, i, time.UTC); got != "It is examined no longer; the last verdict was: fails." {
		t.Error(got)
	}
	if got := Sample(i); got != "few customers" {
		t.Error(got)
	}
}

func TestEffectsHaveTheUnitOfTheTolerance(t *testing.T) {
	t.Parallel()
	i := claim(contract.VelocityOf, contract.Holds, contract.Finding{})
	if got := Effect(i, -.025) + "|" + Margin(i, .01) + "|" + Effect(i, 0); got != "−2.5 %|1.0 %|0.0 %" {
		t.Error(got)
	}
	i.Absolute = true
	if got := Effect(i, .025) + "|" + Margin(i, .01); got != "+2.5 percentage points|1.0 percentage points" {
		t.Error(got)
	}
}

// TestGapsOfScoresAreInPoints checks that how far a format lies from the rest of a score is told in its unit.
func TestGapsOfScoresAreInPoints(t *testing.T) {
	t.Parallel()
	i := claim(contract.Variety, contract.Weakening, contract.Finding{Why: "format_contradicts", Effect: 1, Band: 5}, func(i *contract.Insight) {
		i.Metric, i.Label, i.Unit, i.Absolute, i.Tolerance = "nps_month", "Net promoter score", contract.Points, true, 5
		i.Formats = []contract.Left{{Format: "text", Effect: 1, Gap: 20, Share: .02, Contradicts: true}}
	})
	if got := Sentence(contract.Variety, i, time.UTC); !strings.Contains(got, "Texts disagree (+20.0 points) but weigh 2.0 %.") {
		t.Error(got)
	}
}

func TestClaim(t *testing.T) {
	t.Parallel()
	is := func(field string, op contract.Operator, v any) contract.Condition {
		return contract.Condition{Field: field, Op: op, Value: v}
	}
	newcomers, others := is("new", contract.Eq, true), is("new", contract.Eq, false)
	both := contract.Condition{All: []contract.Condition{is("country", contract.In, []any{"AT", "DE"}), {Any: []contract.Condition{is("orders", contract.Gte, 2), {Not: &newcomers}}}}}
	for _, c := range []struct {
		i    contract.Insight
		want string
	}{
		{contract.Insight{Metric: "repeat_rate"}, "Repeat rate"},
		{contract.Insight{Label: "Repeat rate", Kind: contract.LevelInsight, Scope: &both}, "Repeat rate, among customers with country in AT, DE and (orders ≥ 2 or not (new = yes))"},
		{contract.Insight{Label: "Purchase frequency", Kind: contract.DifferenceInsight, Scope: &newcomers, Against: &others}, "Purchase frequency, customers who are new against customers who are not new"},
		{contract.Insight{Label: "NPS", Kind: contract.ChangeInsight}, "Change of NPS"},
		{contract.Insight{Label: "Predicted 52-week value", Kind: contract.ForecastInsight}, "Forecast of predicted 52-week value"},
		{contract.Insight{Label: "Repeat rate", Kind: contract.MoverInsight, Group: "one_time"}, "What moved repeat rate: one time"},
	} {
		if got := Claim(&c.i); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	known := is("email", contract.Exists, false)
	if got := Condition(known); got != "no known email" {
		t.Error(got)
	}
}

func TestValueToleranceAndCap(t *testing.T) {
	t.Parallel()
	i := claim(contract.Volume, contract.Holds, contract.Finding{})
	if got := InsightValue(i) + "|" + Tolerance(i) + "|" + Sample(i) + "|" + Cap(i); got != "48.9 % ± 2.4|± 5.0 % of it|3,318 of 23,570 customers|" {
		t.Error(got)
	}
	i.Kind, i.Value, i.Absolute, i.Tolerance = contract.ChangeInsight, -.012, true, .02
	if got := InsightValue(i) + "|" + Tolerance(i); got != "−1.2 percentage points ± 2.4|± 2.0 percentage points" {
		t.Error(got)
	}
	money := &contract.Insight{Unit: contract.Money, Currency: "USD", Cap: num(85559), AboveCap: num(.079)}
	if got := Cap(money); got != "Each customer counts up to USD 855.59; 7.9 % of the total lies above." {
		t.Error(got)
	}
}

func TestKnowledgeLine(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 5, 3, 12, 0, 0, 0, time.UTC)
	all := contract.Verdicts{Volume: contract.Holds, Velocity: contract.Holds, Variety: contract.Holds, Variability: contract.Holds, Veracity: contract.Holds}
	with := func(change func(*contract.Verdicts)) contract.Verdicts { v := all; change(&v); return v }
	fell := with(func(v *contract.Verdicts) { v.Velocity = contract.Fails })
	for _, c := range []struct {
		state KnowledgeState
		rules int
		v     contract.Verdicts
		want  string
	}{
		{IsKnowledge, 7, all, "Knowledge since 3 May 2026 (policy v7)"},
		{IsKnowledge, 0, with(func(v *contract.Verdicts) { v.Variety = contract.Weakening }), "Knowledge since 3 May 2026; Variety weakens"},
		{TakenBack, 7, fell, "Not knowledge: Velocity failed, owner informed"},
		{TakenBack, 7, with(func(v *contract.Verdicts) { v.Velocity, v.Veracity = contract.Fails, contract.Fails }), "Not knowledge: Velocity and Veracity failed, owner informed"},
		{TakenBack, 7, all, "Not knowledge since 3 May 2026: it was not examined again in time, owner informed"},
		{ExpiredKnowledge, 7, all, "No longer examined since 3 May 2026"},
		{NotYetKnowledge, 0, all, "Not knowledge yet: policy has not accepted it"},
		{NotYetKnowledge, 0, contract.Verdicts{Volume: contract.Holds, Velocity: contract.NotEnoughData, Variety: contract.Weakening, Variability: contract.Holds}, "Not knowledge yet: Variety weakens, Velocity and Veracity lack data"},
		{NotYetKnowledge, 0, fell, "Not knowledge yet: Velocity failed"},
	} {
		k := Standing{State: c.state, Since: since, Rules: c.rules, Why: "it was not examined again in time"}
		if got := Knowledge(k, &contract.Insight{Verdicts: c.v}, time.UTC); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if got := Knowledge(Standing{State: TakenBack, Since: since}, &contract.Insight{Verdicts: all}, time.UTC); got != "Not knowledge since 3 May 2026, owner informed" {
		t.Error(got)
	}
}

func TestShelfLifePromisesNoFarDates(t *testing.T) {
	t.Parallel()
	i := claim(contract.VelocityOf, contract.Holds, contract.Finding{})
	for _, life := range []*float64{nil, num(-1), num(1e9)} {
		if i.ShelfLife = life; life != nil || i.ShelfLife == nil {
			if end, ok := ShelfLife(i); ok {
				t.Errorf("%v: %v", life, end)
			}
		}
	}
	i.ShelfLife = num(2)
	if end, ok := ShelfLife(i); !ok || !end.Equal(time.Date(2026, 4, 26, 0, 0, 0, 0, time.UTC)) {
		t.Error(end, ok)
	}
}

// TestTheDecisionAndWhatIsLeftOut: the goal's target is in the words, and so is what stands in for formats where there is one.
func TestTheDecisionAndWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	aimed := func(i *contract.Insight) { i.Target = num(.45) }
	by := func(d contract.Division, names ...string) func(*contract.Insight) {
		return func(i *contract.Insight) {
			i.LeftOut, i.Formats = d, nil
			for n, name := range names {
				i.Formats = append(i.Formats, contract.Left{Format: name, Effect: .01 * float64(n+1), Share: .5})
			}
		}
	}
	const leaving = "Leaving out surveys would move it by 0.8 %; 5.0 % is allowed."
	found := func(why string) contract.Finding {
		return contract.Finding{Effect: .008, Margin: .004, Band: .05, Why: why}
	}
	tips := func(effect, margin float64) func(*contract.Insight) {
		return func(i *contract.Insight) {
			i.Formats = []contract.Left{{Format: "survey", Effect: effect, Margin: margin, Tips: true}}
		}
	}
	for want, i := range map[string]*contract.Insight{
		leaving + " Without any of them it stays on its side of the goal's target of 45.0 %.":                                    claim(contract.Variety, contract.Holds, found(""), aimed),
		leaving + " Without surveys it would lie on the other side of the goal's target of 45.0 %: the decision hangs on that.":  claim(contract.Variety, contract.Weakening, found("decision_tips"), aimed, tips(-.1, .01)),
		leaving + " Without surveys it may lie on the other side of the goal's target of 45.0 %: the decision may hang on that.": claim(contract.Variety, contract.Weakening, found("decision_tips"), aimed, tips(-.1, .05)),
		leaving + "": claim(contract.Variety, contract.Holds, found(""), aimed, func(i *contract.Insight) { i.Formats[0].Effect, i.Formats[0].Margin = -.06, .03 }), // may or may not
		"No two formats are large enough to leave one out, so sources are left out instead. Leaving out the source shop would move it by 2.0 %; 5.0 % is allowed.": claim(
			contract.Variety, contract.Holds, contract.Finding{Effect: .02, Band: .05}, by(contract.BySource, "till", "shop")),
		"No two formats and no two sources are large enough to leave one out, so customers of one time are left out instead. Leaving out customers who came in quarter 2 of 1997 moves it by 8.0 %, " +
			"and 5.0 % is allowed: it is not the same for all.": claim(
			contract.Variety, contract.Weakening, contract.Finding{Effect: .08, Band: .05, Why: "segment_disagrees"}, by(contract.ByCohort, "1997-q1", "1997-q2")),
		"3.0 % comes from unknown sources; they would have to be wrong by 167.0 % to change the conclusion, and by 40.0 % to take it across the goal's target of 45.0 %.": claim(
			contract.Veracity, contract.Holds, contract.Finding{}, aimed, func(i *contract.Insight) { i.Unknown.ToTarget = num(.4) }),
	} {
		q := i.Findings[0].Question
		if got := Sentence(q, i, time.UTC); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	for cohort, want := range map[string]string{"1997-01": "who came in January 1997", "1998": "who came in 1998", "until-1995": "who came up to 1995"} {
		if got := LeftOut(&contract.Insight{LeftOut: contract.ByCohort}, contract.Left{Format: cohort}); got != "customers "+want {
			t.Errorf("%s is %q", cohort, got)
		}
	}
	median := &contract.Insight{State: contract.InsightPublished, Unit: contract.Money, Currency: "EUR", Published: 3589, Value: 3620, HalfWidth: 80, Tolerance: .05, Absolute: true, N: 3000, Of: 3000,
		Rank: &contract.RankOf{Level: .5, Published: 3589}, Verdicts: contract.Verdicts{Volume: contract.Fails}, Findings: []contract.Finding{{Question: contract.Volume, Verdict: contract.Fails, Effect: .08, Band: .05}}}
	if got := Sentence(contract.Volume, median, time.UTC); !strings.Contains(got, "moved it by 8.0 ranks of 100, and ± 5.0 ranks of 100 was allowed") {
		t.Errorf("a median: %s", got)
	}
}

// TestPartsTooSmallToBeToldOf: where the part that counts is not told of, nothing is blamed on one that is, and none is said to leave
// the value where it is.
func TestPartsTooSmallToBeToldOf(t *testing.T) {
	t.Parallel()
	const part = "a part of it that is too small to be told of"
	aimed := func(i *contract.Insight) { i.Target = num(.45) }
	none := func(i *contract.Insight) { i.Formats = nil }
	for _, c := range []struct {
		verdict contract.Verdict
		why     string
		change  func(*contract.Insight)
		want    string
	}{
		{contract.Holds, "", aimed, "Leaving out surveys would move it by 0.8 %; 5.0 % is allowed."},
		{contract.Holds, "", none, "Whichever part of it is left out, it moves by no more than the 5.0 % allowed."},
		{contract.Fails, "beyond_tolerance", aimed, "Leaving out " + part + " moved it by more than the 5.0 % allowed."},
		{contract.Fails, "beyond_tolerance", func(i *contract.Insight) { i.Formats[0].Effect = .12 }, "Leaving out surveys moves it by 12.0 %, when 5.0 % was allowed."},
		{contract.Weakening, "not_yet_inside", aimed, "Leaving out " + part + " may move it by more than the 5.0 % allowed."},
		{contract.Weakening, "not_yet_inside", func(i *contract.Insight) { i.Formats[0].Margin = .05 },
			"Leaving out surveys would move it by 0.8 %, give or take 5.0 %, so it may be more than the 5.0 % allowed."},
		{contract.Weakening, "segment_disagrees", aimed, "Leaving out " + part + " moves it by more than the 5.0 % allowed."},
		{contract.Weakening, "decision_tips", aimed, "Without " + part + " it may lie on the other side of the goal's target."},
		{contract.Weakening, "format_contradicts", none, "A part of it that is too small to be told of disagrees but weighs little."},
		{contract.Weakening, "unparsed_facts", none, "Facts that could not be read may hide a larger difference between its parts than the 5.0 % allowed."},
	} {
		i := claim(contract.Variety, c.verdict, contract.Finding{Band: .05, Why: c.why, Hidden: true}, c.change)
		if got := Sentence(contract.Variety, i, time.UTC); got != c.want {
			t.Errorf("%s %s:\ngot  %s\nwant %s", c.verdict, c.why, got, c.want)
		}
	}
}

func TestAnew(t *testing.T) {
	t.Parallel()
	for want, i := range map[string]contract.Insight{
		"": {Anew: "expired"},
		", last because data that it was compared with may not be kept any longer": {Republished: 1, Anew: "expired"},
		", last because Velocity had failed":                                       {Republished: 2, Anew: "velocity"},
	} {
		if got := Anew(&i); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
