package chart

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
)

func number(v float64) *float64 { return &v }

func months(effects ...float64) []contract.Shifted {
	var ws []contract.Shifted
	for n, e := range effects {
		start := time.Date(1998, time.Month(1+n), 1, 0, 0, 0, 0, time.UTC)
		ws = append(ws, contract.Shifted{Window: contract.Window{Start: start, End: start.AddDate(0, 1, 0)}, Effect: e, Margin: .03})
	}
	return ws
}

// insight is one with everything to draw.
func insight(change ...func(*contract.Insight)) *contract.Insight {
	i := &contract.Insight{
		ID: "in", State: contract.InsightPublished, Kind: contract.LevelInsight, Label: `Repeat <rate> & "more"`, Unit: contract.Ratio, Grain: contract.GrainMonth,
		Published: .48, Value: .49, HalfWidth: .02, Tolerance: .1, N: 3318, Of: 23570,
		Verdicts: contract.Verdicts{Volume: contract.Holds, Velocity: contract.Holds, Variety: contract.Holds, Variability: contract.Holds, Veracity: contract.Holds},
		Looks:    []contract.Look{{N: 400, Value: .55, HalfWidth: .2}, {N: 1000, Value: .5, HalfWidth: .05}, {N: 3318, Value: .49, HalfWidth: .02}},
		Windows:  months(.01, -.02, .04, .25), ShelfLife: number(2),
		Formats: []contract.Left{{Format: "call", Effect: .01, Margin: .01, Share: .8}, {Format: "text", Effect: -.3, Margin: .02, Share: .2, Gap: .96, Contradicts: true}},
		Tail:    &contract.TailOf{Fall: .2, Margin: .02, Customers: 33, Spread: number(2.5)}, Unknown: &contract.Unverified{Share: .2, Tipping: number(.5)},
		Findings: []contract.Finding{{Question: contract.VelocityOf, Band: .1}, {Question: contract.Variety, Band: .1}},
	}
	for _, c := range change {
		c(i)
	}
	return i
}

func all[M Mark](s Scene) []M {
	var ms []M
	for _, m := range s.Marks {
		if m, ok := m.(M); ok {
			ms = append(ms, m)
		}
	}
	return ms
}

func band(t *testing.T, s Scene) Rect {
	t.Helper()
	for _, r := range all[Rect](s) {
		if r.Tone == Band {
			return r
		}
	}
	t.Fatal("no band")
	return Rect{}
}

func near(a, b float64) bool { return math.Abs(a-b) < .01 }

func TestTheFunnelNarrowsIntoTheBand(t *testing.T) {
	t.Parallel()
	s := Of(contract.Volume, insight(), time.UTC)
	b, dots := band(t, s), all[Dot](s)
	published := b.Y + b.H/2 // .48, with .432 to .528 allowed
	perUnit := b.H / .096
	if len(dots) != 3 || !near(dots[2].Y, published-.01*perUnit) || !near(dots[1].Y, published-.02*perUnit) || !near(dots[0].Y, published-.07*perUnit) {
		t.Errorf("dots %+v in %+v", dots, b)
	}
	if !near((dots[1].X-dots[0].X)/(dots[2].X-dots[0].X), math.Log(2.5)/math.Log(8.295)) {
		t.Errorf("customers are not on a scale of ratios: %v %v %v", dots[0].X, dots[1].X, dots[2].X)
	}
	if dots[0].Shape != Triangle || dots[1].Shape != Triangle || dots[2].Shape != Circle {
		t.Errorf("what is known to lie inside is round, and what is not is a triangle: %+v", dots)
	}
	out := Of(contract.Volume, insight(func(i *contract.Insight) { i.Looks[2].Value = .6 }), time.UTC)
	if last := all[Dot](out)[2]; last.Shape != Diamond || last.Tone != Bad {
		t.Errorf("outside: %+v", last)
	}
	absolute := Of(contract.Volume, insight(func(i *contract.Insight) { i.Absolute, i.Tolerance = true, .02 }), time.UTC)
	if a := band(t, absolute); !near(all[Dot](absolute)[2].Y, a.Y+a.H/2-.01*a.H/.04) {
		t.Errorf("an absolute tolerance is in the unit: %+v", a)
	}
}

func TestWindowsLieInTheirBandAndTheFlagStandsAhead(t *testing.T) {
	t.Parallel()
	s := Of(contract.VelocityOf, insight(), time.UTC)
	b, dots := band(t, s), all[Dot](s)
	perUnit := b.H / .2
	for n, e := range []float64{.01, -.02, .04, .25} {
		if !near(dots[n].Y, b.Y+b.H/2-e*perUnit) {
			t.Errorf("window %d at %v of %+v", n, dots[n].Y, b)
		}
	}
	if dots[3].Shape != Diamond || dots[0].Shape != Circle {
		t.Errorf("%+v", dots)
	}
	var flag Rect
	for _, r := range all[Rect](s) {
		if r.Title == "shelf life" {
			flag = r
		}
	}
	if step := dots[1].X - dots[0].X; !near(flag.X+flag.W, dots[3].X+2*step) {
		t.Errorf("the flag stands at %v, two windows after %v are %v", flag.X+flag.W, dots[3].X, dots[3].X+2*step)
	}
	none := Of(contract.VelocityOf, insight(func(i *contract.Insight) { i.ShelfLife = nil }), time.UTC)
	for _, r := range all[Rect](none) {
		if r.Title == "shelf life" {
			t.Error("a flag without a shelf life")
		}
	}
	points := Of(contract.VelocityOf, insight(func(i *contract.Insight) {
		i.Absolute, i.Unit, i.Findings[0].Band = true, contract.Points, 5
		i.Windows = months(2, -8)
	}), time.UTC)
	p, d := band(t, points), all[Dot](points)
	if !near(d[0].Y, p.Y+p.H/2-2*p.H/10) || d[1].Shape != Diamond || d[1].Title != "February 1998: −8.0" {
		t.Errorf("an absolute tolerance has effects in the unit: %+v in %+v", d, p)
	}
}

func TestBarsOfFormatsTailAndSources(t *testing.T) {
	t.Parallel()
	s := Of(contract.Variety, insight(), time.UTC)
	if d := all[Dot](s); len(d) != 2 || d[0].Shape != Circle || d[1].Shape != Diamond || d[1].X >= d[0].X {
		t.Errorf("formats %+v", d)
	}
	tail := all[Rect](Of(contract.Variability, insight(), time.UTC))
	if !near(tail[1].W/tail[0].W, .8) || tail[1].Tone != Bad {
		t.Errorf("without the tail: %+v of %+v", tail[1], tail[0])
	}
	if d := all[Dot](Of(contract.Variability, insight(), time.UTC)); len(d) != 1 || d[0].Shape != Diamond {
		t.Errorf("spread %+v", d)
	}
	sources := Of(contract.Veracity, insight(), time.UTC)
	if r := all[Rect](sources); !near(r[0].W/(r[0].W+r[1].W), .8) || !r[1].Outline || r[1].Dash != Dashed {
		t.Errorf("sources %+v", r)
	}
	if d := all[Dot](sources); len(d) != 1 || d[0].Shape != Triangle {
		t.Errorf("tipping point %+v", d)
	}
	clean := Of(contract.Veracity, insight(func(i *contract.Insight) { i.Unknown = nil }), time.UTC)
	if clean.Blank || len(all[Dot](clean)) > 0 {
		t.Error("all from verified sources is something to draw, without a tipping point")
	}
}

// cases are what charts must bear: everything, nothing, and extremes.
func cases() map[string]*contract.Insight {
	long := func(i *contract.Insight) {
		i.Looks, i.Windows, i.Formats = nil, nil, nil
		for n := range 300 {
			i.Looks = append(i.Looks, contract.Look{N: int64(100 + 100*n), Value: .48, HalfWidth: 1 / float64(n+1)})
			i.Windows = append(i.Windows, months(float64(n % 7))[0])
			i.Formats = append(i.Formats, contract.Left{Format: fmt.Sprint("format ", n), Effect: .01 * float64(n), Share: .003})
		}
	}
	return map[string]*contract.Insight{
		"whole": insight(), "long": insight(long),
		"bare":      {State: contract.InsightPublished, N: 1000, Value: 1, Published: 1, Tolerance: .1, Verdicts: insight().Verdicts},
		"candidate": insight(func(i *contract.Insight) { i.State = contract.InsightCandidate }),
		"zero": insight(func(i *contract.Insight) {
			i.Published, i.Value, i.Looks, i.Windows = 0, 0, []contract.Look{{N: 1}}, months(0)
		}),
		"huge": insight(func(i *contract.Insight) {
			i.Looks[0].HalfWidth, i.Windows[0].Effect, i.Tail.Fall, i.Tail.Spread, i.Unknown.Tipping, i.ShelfLife = 1e12, 50, 3, number(90), number(1e6), number(100)
		}),
		"infinite": insight(func(i *contract.Insight) {
			i.Unknown.Tipping, i.Tail.Spread, i.ShelfLife, i.Looks[1].HalfWidth = number(math.Inf(1)), number(math.Inf(1)), number(math.Inf(1)), math.Inf(1)
		}),
	}
}

// TestEverythingLiesOnThePaper lets nothing be drawn beyond the edge, not even words, which are taken to be wide.
func TestEverythingLiesOnThePaper(t *testing.T) {
	t.Parallel()
	for name, i := range cases() {
		for _, q := range wording.Questions() {
			s := Of(q, i, time.UTC)
			inside := func(what string, x, y float64) {
				if !(x >= 0 && x <= s.Width && y >= 0 && y <= s.Height) {
					t.Errorf("%s %s: %s at %v, %v of %v × %v", name, q, what, x, y, s.Width, s.Height)
				}
			}
			for _, m := range s.Marks {
				switch m := m.(type) {
				case Line:
					inside("line", m.X1, m.Y1)
					inside("line", m.X2, m.Y2)
				case Rect:
					inside("rectangle", m.X, m.Y)
					inside("rectangle", m.X+m.W, m.Y+m.H)
					if m.W < 0 || m.H < 0 {
						t.Errorf("%s %s: %+v", name, q, m)
					}
				case Dot:
					inside("dot", m.X, m.Y)
				case Text:
					wide := float64(len([]rune(m.Content))) * m.Size * .56
					from := map[Anchor]float64{Start: m.X, Middle: m.X - wide/2, End: m.X - wide}[m.Anchor]
					inside(m.Content, from, m.Y)
					inside(m.Content, from+wide, m.Y)
				}
			}
			if s.Title == "" || s.Desc == "" || len(s.Marks) == 0 || len(s.Marks) > 400 {
				t.Errorf("%s %s: title %q, description %q, %d marks", name, q, s.Title, s.Desc, len(s.Marks))
			}
		}
	}
}

func TestSVGIsWellFormedAndSaysWhatItShows(t *testing.T) {
	t.Parallel()
	for name, i := range cases() {
		for _, q := range wording.Questions() {
			for kind, text := range map[string]string{"element": Of(q, i, time.UTC).SVG("a-" + string(q)), "file": Of(q, i, time.UTC).File()} {
				d := xml.NewDecoder(strings.NewReader(text))
				seen := map[string]int{}
				for {
					token, err := d.Token()
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						t.Fatalf("%s %s %s: %v in %s", name, q, kind, err, text)
					}
					if e, ok := token.(xml.StartElement); ok {
						seen[e.Name.Local]++
					}
				}
				if seen["title"] == 0 || seen["desc"] != 1 || !strings.Contains(text, `role="img"`) || !strings.Contains(text, "aria-labelledby=") || seen["style"] != map[string]int{"file": 1}[kind] {
					t.Errorf("%s %s %s: %v", name, q, kind, seen)
				}
				if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") || strings.Contains(text, "<rate>") || strings.Contains(text, "style=") {
					t.Errorf("%s %s %s: %s", name, q, kind, text)
				}
			}
		}
	}
}

// contrast is WCAG 2.2's ratio of the relative luminances of two colours.
func contrast(a, b RGB) float64 {
	light := func(c RGB) float64 {
		part := func(v uint8) float64 {
			x := float64(v) / 255
			if x <= .04045 {
				return x / 12.92
			}
			return math.Pow((x+.055)/1.055, 2.4)
		}
		return .2126*part(c.R) + .7152*part(c.G) + .0722*part(c.B)
	}
	x, y := light(a), light(b)
	return (math.Max(x, y) + .05) / (math.Min(x, y) + .05)
}

func TestColoursCanBeTold(t *testing.T) {
	t.Parallel()
	for name, colour := range map[string]func(Tone) RGB{"light": Tone.Light, "dark": Tone.Dark} {
		for _, tone := range []Tone{Ink, Soft, Accent, Good, Warn, Bad} {
			for _, ground := range []Tone{Paper, Band} {
				least := 4.5
				if ground == Band {
					least = 3 // graphics; no text lies on the band
				}
				if c := contrast(colour(tone), colour(ground)); c < least {
					t.Errorf("%s: %s on %s has a contrast of %.2f", name, tone, ground, c)
				}
			}
		}
	}
}

// TestTheTargetIsDrawn: where a goal's target lies from the value, what the decision hangs on, and what stands in for formats.
func TestTheTargetIsDrawn(t *testing.T) {
	t.Parallel()
	said := func(q contract.Question, change ...func(*contract.Insight)) string {
		s := Of(q, insight(change...), time.UTC)
		var words []string
		for _, x := range all[Text](s) {
			words = append(words, x.Content)
		}
		return strings.Join(words, "|")
	}
	aimed := func(i *contract.Insight) {
		i.Target, i.Formats[0].Tips, i.Unknown.ToTarget = number(.47), true, number(.3)
	}
	for _, q := range []contract.Question{contract.Variety, contract.Veracity} {
		if plain, with := said(q), said(q, aimed); strings.Contains(plain, "target") || !strings.Contains(with, "target") {
			t.Errorf("%s: %s; with a target: %s", q, plain, with)
		}
	}
	if words := said(contract.Variety, aimed); !strings.Contains(words, "the decision hangs on it") {
		t.Errorf("what the decision hangs on is not told: %s", words)
	}
	if words := said(contract.Variety, func(i *contract.Insight) { i.LeftOut, i.Formats[0].Format = contract.ByCohort, "1997-q1" }); !strings.Contains(words, "without 1997 Q1") {
		t.Errorf("a cohort is not named: %s", words)
	}
}

// TestManyPartsShowThoseThatMatter checks that a part on which the decision hangs is drawn, whatever its name.
func TestManyPartsShowThoseThatMatter(t *testing.T) {
	t.Parallel()
	i := insight(func(i *contract.Insight) {
		i.LeftOut, i.Formats = contract.BySource, nil
		for n := range 12 {
			i.Formats = append(i.Formats, contract.Left{Format: fmt.Sprintf("shop-%02d", n), Effect: .001 * float64(n), Margin: .001, Share: .05})
		}
		i.Formats[0].Tips, i.Formats[1].Contradicts, i.Formats[1].Gap = true, true, 3
		i.Formats[11].Effect = -.3
	})
	s := Of(contract.Variety, i, time.UTC)
	var words []string
	for _, m := range all[Text](s) {
		words = append(words, m.Content)
	}
	text := strings.Join(words, "\n")
	for _, want := range []string{"without shop-00", "without shop-01", "without shop-11", "without shop-06", "and 4 more"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Contains(text, "without shop-02") || strings.Index(text, "shop-00") > strings.Index(text, "shop-11") {
		t.Errorf("want the eight that matter, in their order:\n%s", text)
	}
}

// TestDisagreementOfScoresIsInPoints checks that a score's gap has its unit.
func TestDisagreementOfScoresIsInPoints(t *testing.T) {
	t.Parallel()
	i := insight(func(i *contract.Insight) {
		i.Unit, i.Absolute, i.Value, i.Tolerance, i.Findings = contract.Points, true, 30, 5, nil
		i.Formats = []contract.Left{{Format: "call", Effect: 1, Margin: 1, Share: .8}, {Format: "text", Effect: -1, Margin: 1, Share: .2, Gap: 20, Contradicts: true}}
	})
	s := Of(contract.Variety, i, time.UTC)
	if !slices.ContainsFunc(all[Text](s), func(m Text) bool { return strings.HasPrefix(m.Content, "disagrees: +20.0") }) {
		t.Errorf("%+v", all[Text](s))
	}
}
