package validity

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/strata-crm/strata/shared/contract"
)

const panelSize, panelBaseline = 4000, 13 // customers, windows of four weeks

// panel is the V2 population of section 3.0: fixed customers with their own rate and basket. For windows of four weeks
// the weekly counts are drawn together: lambda ~ Gamma(1, 1) a window.
type panel struct {
	r       *rand.Rand
	rate    [panelSize]float64
	basket  [panelSize]float64
	terms   [panelSize]Term
	scores  [panelSize]Score
	spread  float64 // standard deviation of the log of a customer's window
	level   float64
	ownMean float64
}

func newPanel(seed uint64) *panel {
	p := &panel{r: random(seed, "panel"), spread: .3, level: 1}
	p.ownMean = math.Exp(p.spread * p.spread / 2)
	for i := range panelSize {
		p.rate[i] = gamma(p.r, 1, 1)
		p.basket[i] = math.Exp(3 + .6*p.r.NormFloat64())
	}
	return p
}

// window draws the next one; the mean is kept whatever the spread.
func (p *panel) window() ([]Term, []Score) {
	for i := range panelSize {
		p.terms[i], p.scores[i] = Term{0, 1}, Score{}
		if k := poisson(p.r, p.rate[i]); k > 0 {
			y := p.level * p.ownMean * float64(k) * p.basket[i] * math.Exp(p.spread*p.r.NormFloat64()-p.spread*p.spread/2)
			p.terms[i].Num = int64(math.Round(100 * y))
			p.scores[i] = LogMoney(p.terms[i].Num)
		}
	}
	return p.terms[:], p.scores[:]
}

func (p *panel) baseline(t *testing.T) (*Baseline, *SpreadBaseline) {
	t.Helper()
	terms, scores := make([][]Term, panelBaseline), make([][]Score, panelBaseline)
	for w := range panelBaseline {
		a, b := p.window()
		terms[w], scores[w] = append([]Term(nil), a...), append([]Score(nil), b...)
	}
	return must(NewBaseline(terms)), must(NewSpreadBaseline(scores))
}

func close(t *testing.T, v *Velocity, s Shift, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Close(s); err != nil {
		t.Fatal(err)
	}
}

// A8: a true shift of exactly the tolerance is no failure, and is rarely said to hold; and what a stationary panel says.
func TestA8VelocityAtTheEdge(t *testing.T) {
	for _, c := range []struct {
		name             string
		level            float64
		fails            float64
		holds, holdsLess float64
	}{{"stationary", 1, .01, .98, 1}, {"exactly +10 %", 1.10, .03, 0, .08}} {
		r, failed, held, windows := runs(200, 8), 0, 0, 0
		for seed := range r {
			p := newPanel(uint64(seed + 1))
			b, _ := p.baseline(t)
			v := must(NewVelocity(.10, b.StdErr()))
			if length, ok := b.WindowLength(.10); !ok || length != 1 {
				t.Errorf("seed %d: window of %d, %v; four weeks suffice for this panel", seed+1, length, ok)
			}
			p.level = c.level
			failing := false
			for range 260 {
				terms, _ := p.window()
				s, err := b.Compare(terms)
				close(t, v, s, err)
				f := v.Finding()
				failing = failing || f.Verdict == contract.Fails
				held += count(f.Verdict == contract.Holds)
				windows++
			}
			failed += count(failing)
		}
		atMost(t, "A8 "+c.name+" ever fails", failed, r, c.fails)
		atMost(t, "A8 "+c.name+" holds in windows", held, windows, c.holdsLess)
		atLeast(t, "A8 "+c.name+" holds in windows", held, windows, c.holds)
	}
}

// A9: shifts of twice and one and a half times the tolerance, from week 200 on.
func TestA9VelocityFindsShifts(t *testing.T) {
	for _, c := range []struct {
		level float64
		weeks float64
	}{{1.20, 12}, {.85, 50}} {
		r := runs(200, 12)
		failed, held, windows := 0, 0, 0
		var delay []float64
		for seed := range r {
			p := newPanel(uint64(seed + 1))
			b, _ := p.baseline(t)
			v := must(NewVelocity(.10, b.StdErr()))
			for w := 1; w <= 260; w++ {
				if w > 50 {
					p.level = c.level
				}
				terms, _ := p.window()
				s, err := b.Compare(terms)
				close(t, v, s, err)
				f := v.Finding()
				if w <= 50 && f.Verdict == contract.Fails {
					t.Errorf("A9 %g, seed %d: fails before the shift", c.level, seed+1)
				}
				if w > 52 {
					held += count(f.Verdict == contract.Holds)
					windows++
				}
				if f.Verdict == contract.Fails {
					delay = append(delay, float64(4*(w-50)))
					failed++
					break
				}
			}
		}
		atLeast(t, "A9 fails", failed, r, 1)
		atMost(t, "A9 holds later than two windows after the shift", held, max(windows, 1), .01)
		medianAtMost(t, fmt.Sprintf("A9 delay in weeks of a level of %g", c.level), delay, c.weeks)
	}
}

// A14: the variance of ln y among contributors times 2.5, mean kept: V4b sees it and V2 does not; and at exactly 2 neither does.
func TestA14Spread(t *testing.T) {
	for _, c := range []struct {
		name             string
		ratio            float64
		atLeast, atMost_ float64
	}{{"x2.5", 2.5, .99, 1}, {"x2 (edge)", 2, 0, .03}, {"x1", 1, 0, .01}} {
		r, fails4, fails2 := runs(100, 8), 0, 0
		for seed := range r {
			p := newPanel(uint64(seed + 1))
			b, spread := p.baseline(t)
			v2, v4 := must(NewVelocity(.10, b.StdErr())), must(NewSpread(spread.StdErr()))
			// The variance of ln y is that of the window's own noise plus the rest, which stays.
			p.spread = math.Sqrt(.3*.3 + (c.ratio-1)*spread.Variance())
			for range 26 {
				terms, scores := p.window()
				s, err := b.Compare(terms)
				close(t, v2, s, err)
				s, err = spread.Compare(scores)
				close(t, v4, s, err)
				if v4.Finding().Verdict == contract.Fails {
					fails4++
					break
				}
			}
			fails2 += count(v2.Finding().Verdict == contract.Fails)
		}
		atLeast(t, "A14 "+c.name+" V4b fails", fails4, r, c.atLeast)
		atMost(t, "A14 "+c.name+" V4b fails", fails4, r, c.atMost_)
		atMost(t, "A14 "+c.name+" V2 fails", fails2, r, .01)
	}
}

func TestShelfLife(t *testing.T) {
	t.Parallel()
	v := must(NewVelocity(.10, 0))
	if _, ok := v.ShelfLife(); ok {
		t.Error("a shelf life without windows")
	}
	for _, d := range []float64{.09, .01, -.02, .03, -.04, .05, .06} {
		if err := v.Close(Shift{d, .001, 4000}); err != nil {
			t.Fatal(err)
		}
	}
	// Over the last six windows the absolute effect grows by .01 a window: .04 of the band are left.
	windows, ok := v.ShelfLife()
	if near(t, "shelf life", windows, 4, 1e-9); !ok {
		t.Error("no shelf life")
	}
	if err := v.Close(Shift{.11, .001, 4000}); err != nil {
		t.Fatal(err)
	}
	if windows, ok := v.ShelfLife(); windows != 0 || !ok {
		t.Errorf("beyond the band: %g windows, want 0", windows)
	}
}

func TestVelocityRefuses(t *testing.T) {
	t.Parallel()
	v := must(NewVelocity(.10, 0))
	if f := v.Finding(); f.Verdict != contract.NotEnoughData || f.Reason != NoWindow {
		t.Errorf("before the first window: %+v", f)
	}
	for name, s := range map[string]Shift{"few customers": {0, .01, 399}, "no error": {0, 0, 4000}, "NaN": {math.NaN(), .01, 4000}} {
		if err := v.Close(s); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if v.Detector.Windows != 0 {
		t.Error("a refused window changed the state")
	}
	if Complete(.989) || !Complete(.99) {
		t.Error("a window is complete from 99 % of its facts")
	}
	if _, err := NewVelocity(0, 0); err == nil {
		t.Error("a tolerance of 0")
	}
}

// Influences on a variance are centred: those who are not there, and the mean of those who are, do not count.
func TestSpreadInfluencesAreCentred(t *testing.T) {
	t.Parallel()
	scores := []Score{LogMoney(100), LogMoney(250), {}, LogMoney(900), LogMoney(0), LogMoney(90)}
	s, sum := spreadOf(scores), 0.0
	for _, x := range scores {
		sum += s.influence(x, len(scores))
	}
	near(t, "sum of influences", sum, 0, 1e-9)
	if s.n != 4 || LogMoney(-5).Present {
		t.Errorf("%d are present, want the four who spent", s.n)
	}
	near(t, "influence of who spent 900", s.influence(scores[3], 6), (math.Pow(Float(scores[3].Units)-s.mean, 2)/s.variance-1)*6/4, 1e-9)
}

// What a baseline says of its own noise, and a window of its error, against what they are over many draws of the windows of
// the same customers.
func TestBaselineAndWindowErrors(t *testing.T) {
	const draws = 400
	p := newPanel(1)
	var values, s0, effects, s, spreads, spreadErrors, variances, spread0 []float64
	for range draws {
		b, spread := p.baseline(t)
		values, s0 = append(values, b.Value()), append(s0, b.StdErr())
		variances, spread0 = append(variances, math.Log(spread.Variance())), append(spread0, spread.StdErr())
		terms, scores := p.window()
		apart := must(spread.Compare(scores))
		spreads, spreadErrors = append(spreads, apart.Effect), append(spreadErrors, apart.StdErr)
		shift := must(b.Compare(terms))
		effects, s = append(effects, shift.Effect), append(s, shift.StdErr)
		near(t, "window error foretold", b.WindowError(1), shift.StdErr, .15*shift.StdErr)
		near(t, "window error of four", b.WindowError(4), b.StdErr()*math.Sqrt(1+panelBaseline/4.), 1e-12)
	}
	for name, c := range map[string]struct{ said, actual float64 }{
		"baseline": {middle(s0), sdOf(values) / middle(values)}, "window": {middle(s), sdOf(effects)},
		"spread's baseline": {middle(spread0), sdOf(variances)}, "spread's window": {middle(spreadErrors), sdOf(spreads)},
	} {
		if ratio := c.said / c.actual; ratio < .90 || ratio > 1.10 { // the standard error of a standard deviation of 400 is .035
			t.Errorf("%s: error of %.5f said, %.5f actual", name, c.said, c.actual)
		}
	}
}

// TestCarry: a watch that goes on from another has the evidence of both, and not a budget of its own.
func TestCarry(t *testing.T) {
	t.Parallel()
	watch := func(effects ...float64) *Velocity {
		v := must(NewVelocity(.1, 0))
		for _, d := range effects {
			close(t, v, Shift{Effect: d, StdErr: .03, N: 4000}, nil)
		}
		return v
	}
	first, second := watch(.12, .18), watch(.2, .2)
	both := watch()
	both.Carry(first)
	if f := both.Finding(); f.Verdict != contract.NotEnoughData || f.LogE != first.Finding().LogE {
		t.Errorf("before its first window it is %+v", f)
	}
	for range 2 {
		close(t, both, Shift{Effect: .2, StdErr: .03, N: 4000}, nil)
	}
	if got, want := both.Finding().LogE, first.Finding().LogE+second.Finding().LogE; math.Abs(got-want) > 1e-12 {
		t.Errorf("evidence %v, want %v", got, want)
	}
	third := watch()
	third.Carry(both)
	if third.Finding().LogE != both.Finding().LogE {
		t.Errorf("what was carried once is not carried again: %v", third.Finding())
	}
}
