package print_test

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"

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
		if name := os.Getenv("STRATA_TEST_KEEP"); name != "" && c.goals == 2 {
			if err := os.WriteFile(name, pdf, 0o600); err != nil {
				t.Fatal(err)
			}
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
