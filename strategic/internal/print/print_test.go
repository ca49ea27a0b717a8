package print_test

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
	"github.com/strata-crm/strata/strategic/internal/chart"
	"github.com/strata-crm/strata/strategic/internal/page"
	"github.com/strata-crm/strata/strategic/internal/print"
)

func goal() page.GoalView {
	return page.GoalView{
		Name: "Month-on-month retention +15 %", Owner: "head of marketing", Variable: "retention", Deadline: "30 June 1998",
		Kind: "a level to hold at the deadline", Status: page.Badge{Symbol: "✖", Word: "missed", Class: "bad"}, BackTest: true,
		Value:    page.Figure{Label: "Latest value", Text: "30.0 % ± 2.3", Short: "June 1998, n 1,488"},
		Baseline: page.Figure{Label: "Baseline", Text: "29.8 %", Short: "September 1997, n 1,772"},
		Target:   page.Figure{Label: "Target", Text: "34.3 %", Short: "+15.0 % on the baseline"},
		Proof:    "Not proven: the target lies within the 95 % interval", ProofClass: "warn", Why: "It was −4.3 percentage points short → missed.",
		History: []page.HistoryRow{{Window: "June 1998", Value: "30.0 % ± 2.3", N: "1,488", Status: page.Badge{Word: "missed"}}},
		Notes:   []string{"All customers were first seen between January and March 1997."}, Ask: "Decide whether to set the goal anew.",
	}
}

// claim is one with a chart for each question.
func claim() page.ClaimView {
	month := func(m int) contract.Window {
		start := time.Date(1998, time.Month(m), 1, 0, 0, 0, 0, time.UTC)
		return contract.Window{Start: start, End: start.AddDate(0, 1, 0)}
	}
	i := &contract.Insight{
		Metric: "repeat_rate", Label: "Repeat rate", State: contract.InsightPublished, Published: .487, Value: .489, HalfWidth: .024, Unit: contract.Ratio, Tolerance: .1,
		N: 3318, Of: 23570, Grain: contract.GrainMonth,
		Looks:   []contract.Look{{N: 400, Value: .52, HalfWidth: .11}, {N: 3318, Value: .489, HalfWidth: .024}},
		Windows: []contract.Shifted{{Window: month(1), Effect: .012, Margin: .04}, {Window: month(2), Effect: .2, Margin: .035}},
		Formats: []contract.Left{{Format: "call", Effect: .008, Margin: .01, Share: .6}, {Format: "text", Effect: .011, Margin: .004, Share: .02, Gap: .96, Contradicts: true}},
		Tail:    &contract.TailOf{Fall: .054, Margin: .012, Customers: 33}, Unknown: &contract.Unverified{Share: .03},
		Verdicts: contract.Verdicts{Volume: contract.Holds, Velocity: contract.Fails, Variety: contract.Weakening, Variability: contract.Holds, Veracity: contract.Holds},
	}
	c := page.ClaimView{Claim: "Repeat rate", Value: "48.9 % ± 2.4", Sample: "3,318 of 23,570 customers", Tolerance: "± 10 % of it", Own: true, Line: "Not knowledge: Velocity failed", LineClass: "bad"}
	for _, q := range wording.Questions() {
		c.Lamps = append(c.Lamps, page.LampView{Name: wording.Name(string(q)), Word: "holds", Class: "good", Sentence: "It holds.", Scene: chart.Of(q, i, time.UTC)})
	}
	return c
}

func TestClaimsAreDrawn(t *testing.T) {
	t.Parallel()
	v := view(1)
	without, err := print.Scorecard(v)
	if err != nil {
		t.Fatal(err)
	}
	v.Goals[0].Claims = []page.ClaimView{claim()}
	pdf, err := print.Scorecard(v)
	if err != nil {
		t.Fatal(err)
	}
	if pages(pdf) <= pages(without) {
		t.Errorf("five charts take no room: %d pages, %d without", pages(pdf), pages(without))
	}
	if name := os.Getenv("STRATA_TEST_KEEP"); name != "" {
		if err := os.WriteFile(name, pdf, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func view(goals int) page.View {
	v := page.View{Who: "executive", Rendered: "24 November 2026, 10:00:00", Asked: []page.Asked{{Goal: "Retention", Text: "Approve it."}}}
	for range goals {
		v.Goals = append(v.Goals, goal())
	}
	return v
}

func pages(pdf []byte) int { return len(regexp.MustCompile(`/Type /Page\b[^s]`).FindAll(pdf, -1)) }

func TestAScorecardIsPrinted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ goals, least, most int }{{0, 1, 1}, {2, 1, 2}, {12, 4, 12}} {
		pdf, err := print.Scorecard(view(c.goals))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(pdf, []byte("%PDF-1.")) || !bytes.Contains(pdf, []byte("%%EOF")) || !bytes.Contains(pdf, []byte("/FontFile2")) {
			t.Errorf("%d goals: no PDF with its fonts", c.goals)
		}
		if n := pages(pdf); n < c.least || n > c.most {
			t.Errorf("%d goals take %d pages, want %d to %d", c.goals, n, c.least, c.most)
		}
	}
}

func TestTheFontsHaveWhatIsWritten(t *testing.T) {
	t.Parallel()
	g := goal()
	text := strings.Join([]string{g.Name, g.Value.Text, g.Proof, g.Why, g.Notes[0], "“proven” – ≥ ≤ € £ ¥ ² Ünï ł ğ Ж Ω"}, "")
	for name, ttf := range map[string][]byte{"regular": goregular.TTF, "bold": gobold.TTF} {
		f, err := sfnt.Parse(ttf)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range text {
			if i, err := f.GlyphIndex(nil, r); err != nil || i == 0 {
				t.Errorf("%s has no %q", name, r)
			}
		}
	}
}
