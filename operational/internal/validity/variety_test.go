package validity

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/strata-crm/strata/shared/contract"
)

var formatShares = []float64{.5, .25, .15, .08, .02}

func pick(r *rand.Rand, shares []float64) int {
	u := r.Float64()
	for i, s := range shares {
		if u -= s; u < 0 {
			return i
		}
	}
	return len(shares) - 1
}

// shopper is the population of V3 and V5: money and purchases in a first format and, for 30 %, a second one. The
// vector is (money, purchases) per format; money in format g is multiplied by bias[g].
func shopper(r *rand.Rand, shares, bias []float64) []int64 {
	z := make([]int64, 2*len(shares))
	rate := gamma(r, 1, 2) + .3
	level := math.Exp(.5 * r.NormFloat64())
	add := func(count int) {
		if count == 0 {
			return
		}
		g := pick(r, shares)
		y := bias[g] * level * gamma(r, 1.5*float64(count), 20/1.5)
		z[2*g] += int64(math.Round(100 * y))
		z[2*g+1] += int64(count)
	}
	add(poisson(r, rate) + 1)
	if r.Float64() < .3 {
		add(poisson(r, rate/2))
	}
	return z
}

// moneyPerPurchase is the ratio over the formats kept.
func moneyPerPurchase(formats int, keep func(g int) bool) Quotient {
	q := Quotient{Num: make([]int64, 2*formats), Den: make([]int64, 2*formats), Scale: .01}
	for g := range formats {
		if keep(g) {
			q.Num[2*g], q.Den[2*g+1] = 1, 1
		}
	}
	return q
}

// leaveOut makes the formats of [Variety] from moments. With vectors it also has the guard's peaks.
func leaveOut(m *Moments, formats int, vectors [][]int64) []Format {
	whole := moneyPerPurchase(formats, func(int) bool { return true })
	_, l, err := whole.Of(m, 0, false)
	if err != nil {
		panic(err)
	}
	peak := 0.0
	if vectors != nil {
		peak = l.Peak(vectors)
	}
	out := make([]Format, formats)
	for g := range formats {
		out[g].Name = fmt.Sprint("format ", g)
		if out[g].Without, _, err = Without(moneyPerPurchase(formats, func(f int) bool { return f != g }), whole, m, 0, false); err != nil {
			panic(err)
		}
		out[g].Without.Peak = peak
		if vectors == nil {
			continue
		}
		own, l, err := Without(moneyPerPurchase(formats, func(f int) bool { return f == g }), whole, m, 0, false)
		if err != nil {
			panic(err)
		}
		own.Peak = l.Peak(vectors)
		out[g].Own = own
	}
	return out
}

// biasFor is the factor on a format with the given share of purchases for which leaving it out moves the ratio by effect.
func biasFor(share, effect float64) float64 { return 1 + (1/(1-effect)-1)/share }

// everJudged reads 40,000 customers and returns whether judge said fails and holds at some look, from n = minFail on for
// fails. judge is asked first without the guard, which is dear, and again with it where it matters.
func everJudged(r *rand.Rand, shares, bias []float64, judge func(m *Moments, vectors [][]int64) contract.Verdict) (fails, holds bool) {
	const most = 40_000
	looks := 200
	if full() {
		looks = 1000
	}
	m := must(NewMoments(2 * len(shares)))
	vectors := make([][]int64, 0, most)
	for n := 1; n <= most; n++ {
		z := shopper(r, shares, bias)
		vectors = append(vectors, z)
		if err := m.Add(z); err != nil {
			panic(err)
		}
		if n%(most/looks) != 0 {
			continue
		}
		v := judge(m, nil)
		if (v == contract.Fails && !fails) || (v == contract.Holds && !holds) {
			v = judge(m, vectors)
			fails, holds = fails || v == contract.Fails, holds || v == contract.Holds
		}
	}
	return fails, holds
}

// A10 and A11, V3: a 25 % format is off so far that leaving it out moves the value by effect × tolerance.
func TestA10A11Variety(t *testing.T) {
	const tau = .05
	for _, c := range []struct {
		effect                                       float64
		format                                       int
		failsMost, failsLeast, holdsMost, holdsLeast float64
	}{
		{0, 1, .01, 0, 1, .99}, {.4, 1, .01, 0, 1, .99}, {1, 1, .03, 0, .05, 0}, {1.5, 1, 1, .95, .02, 0},
		{.4, 4, .01, 0, 1, .99}, {1, 4, .03, 0, .08, 0}, // the smallest format, on whose few customers the guard is the whole's
	} {
		r, failed, held := runs(300, 8), 0, 0
		bias := []float64{1, 1, 1, 1, 1}
		bias[c.format] = biasFor(formatShares[c.format], c.effect*tau)
		for seed := range r {
			fails, holds := everJudged(random(uint64(seed+1), "V3"), formatShares, bias, func(m *Moments, vectors [][]int64) contract.Verdict {
				v := Variety(leaveOut(m, 5, vectors), 0, tau, math.NaN(), 0)
				if v.Reason == Contradiction { // the question of the effect alone
					return contract.Holds
				}
				return v.Verdict
			})
			failed, held = failed+count(fails), held+count(holds)
		}
		what := fmt.Sprintf("V3 effect %g tau of format %d", c.effect, c.format)
		atMost(t, what+" ever fails", failed, r, c.failsMost)
		atLeast(t, what+" ever fails", failed, r, c.failsLeast)
		atMost(t, what+" ever holds", held, r, c.holdsMost)
		atLeast(t, what+" ever holds", held, r, c.holdsLeast)
	}
}

// A11, V5: facts of unknown sources are off; and without bias nothing fails.
func TestA11Veracity(t *testing.T) {
	const tau = .05
	for _, c := range []struct {
		unknown, factor, failsMost, failsLeast, holdsMost, holdsLeast float64
	}{{.03, 1, .01, 0, 1, .99}, {.10, 2, 1, .95, .02, 0}, {.20, 1.6, 1, .95, .02, 0}, {.05, 4, 1, .95, .02, 0}, {.10, 1, .01, 0, 0, 0}} {
		r, failed, held := runs(300, 8), 0, 0
		for seed := range r {
			shares, bias := []float64{1 - c.unknown, c.unknown}, []float64{1, c.factor}
			fails, holds := everJudged(random(uint64(seed+1), "V5"), shares, bias, func(m *Moments, vectors [][]int64) contract.Verdict {
				f := leaveOut(m, 2, vectors)[1]
				unknown := m.Mean(2) / (m.Mean(0) + m.Mean(2))
				return Veracity(f.Without, unknown, tau, 1, 0).Verdict
			})
			failed, held = failed+count(fails), held+count(holds)
		}
		what := fmt.Sprintf("V5 unknown %g x%g", c.unknown, c.factor)
		atMost(t, what+" ever fails", failed, r, c.failsMost)
		atLeast(t, what+" ever fails", failed, r, c.failsLeast)
		atMost(t, what+" ever holds", held, r, c.holdsMost)
		atLeast(t, what+" ever holds", held, r, c.holdsLeast)
	}
}

// A12: one customer in ten is from an unknown source and brings exactly a tenth of the money.
func TestA12TippingPoint(t *testing.T) {
	t.Parallel()
	exactly(t, "a tenth from unknown sources: weakening, tipping point 50 %", "exact")
	m := must(NewMoments(4))
	var vectors [][]int64
	for i := range int64(10_000) {
		z := []int64{100 + i/10%7, 1, 0, 0}
		if i%10 == 0 {
			z = []int64{0, 0, z[0], 1}
		}
		vectors = append(vectors, z)
		if err := m.Add(z); err != nil {
			t.Fatal(err)
		}
	}
	unknown := m.Mean(2) / (m.Mean(0) + m.Mean(2))
	v := Veracity(leaveOut(m, 2, vectors)[1].Without, unknown, .05, 1, 0)
	if v.Verdict != contract.Weakening || v.Reason != Unverified {
		t.Errorf("A12: %+v, want weakening", v)
	}
	near(t, "share from unknown sources", v.Unknown, .10, 1e-12)
	near(t, "tipping point", v.Tipping, .50, 1e-12)
	if v := Veracity(leaveOut(m, 2, vectors)[1].Without, unknown, .05, .5, 0); v.Verdict != contract.Holds {
		t.Errorf("with a plausible error of 50 %%: %+v, want holds", v)
	}
}

func TestVeracityWithoutUnknownFacts(t *testing.T) {
	t.Parallel()
	if v := Veracity(Estimate{N: 1000, Peak: 1}, 0, .05, 1, 0); v.Verdict != contract.Holds || !math.IsInf(v.Tipping, 1) {
		t.Errorf("no unknown facts: %+v", v)
	}
	if v := Veracity(Estimate{N: 399, Peak: .01, SD: 1}, .2, .05, 1, 0); v.Verdict != contract.NotEnoughData || v.Reason != Reason(TooFew) {
		t.Errorf("399 customers: %+v", v)
	}
	if v := Veracity(Estimate{Value: .9, N: 4000, Peak: .5, SD: .1}, .02, .05, 1, 0); v.Verdict != contract.NotEnoughData {
		t.Errorf("one customer dominates: %+v", v)
	}
}

func TestVarietyNamesContradictionAndUnparsed(t *testing.T) {
	t.Parallel()
	still := Estimate{Value: .001, SD: .1, N: 10_000, Peak: .01}
	off := func(gap float64) Estimate { return Estimate{Value: gap, SD: .5, N: 10_000, Peak: .01} }
	judge := func(gap, unparsed, target float64) VarietyFinding {
		return Variety([]Format{{"call", still, off(0)}, {"e-mail", still, off(gap)}}, unparsed, .05, target, 0)
	}
	none := math.NaN()
	for name, c := range map[string]struct {
		got     VarietyFinding
		verdict contract.Verdict
		reason  Reason
	}{
		"nothing":                         {judge(.10, .1, none), contract.Holds, ""},
		"a gap of three tolerances":       {judge(.96, 0, none), contract.Weakening, Contradiction},
		"a gap beyond the target":         {judge(.10, 0, .05), contract.Weakening, Contradiction},
		"a gap on this side of it":        {judge(.10, 0, -.05), contract.Holds, ""},
		"a gap below the target":          {judge(-.10, 0, -.05), contract.Weakening, Contradiction},
		"half the facts cannot be read":   {judge(.12, .5, none), contract.Weakening, Unparsed},
		"one format":                      {Variety([]Format{{"file", still, still}}, 0, .05, none, 0), contract.NotEnoughData, OneFormat},
		"one customer dominates a format": {Variety([]Format{{"a", still, still}, {"b", Estimate{N: 900, SD: 1, Peak: .06, Value: -.9}, still}}, 0, .05, none, 0), contract.NotEnoughData, Reason(Dominated)},
	} {
		if c.got.Verdict != c.verdict || c.got.Reason != c.reason {
			t.Errorf("%s: %s (%s), want %s (%s)", name, c.got.Verdict, c.got.Reason, c.verdict, c.reason)
		}
	}
	if v := judge(.96, 0, none); !v.Formats[1].Contradicts || v.Formats[0].Contradicts {
		t.Errorf("named: %+v", v.Formats)
	}
}

// A19: nobody can solve for a small format.
func TestA19SmallFormats(t *testing.T) {
	t.Parallel()
	exactly(t, "formats of 9 and 10 customers, complements", "exact")
	uses := func(counts ...int) (u []uint64) {
		for f, n := range counts {
			u = append(u, slices.Repeat([]uint64{1 << f}, n)...)
		}
		return u
	}
	names := []string{"call", "file", "survey", "text"}
	for name, c := range map[string]struct {
		uses  []uint64
		want  [][]string
		shown []bool
	}{
		"ten are shown":                    {uses(100, 10), [][]string{{"call"}, {"file"}}, []bool{true, true}},
		"nine are merged with the next":    {uses(100, 9), [][]string{{"call", "file"}}, []bool{false}},
		"small ones together make ten":     {uses(100, 50, 5, 5), [][]string{{"call"}, {"file"}, {"survey", "text"}}, []bool{true, true, true}},
		"nine pull in the smallest":        {uses(100, 50, 60, 9), [][]string{{"call"}, {"survey"}, {"file", "text"}}, []bool{true, true, true}},
		"what is left is nine":             {append(uses(100, 0), slices.Repeat([]uint64{3}, 9)...), [][]string{{"call", "file"}}, []bool{false}},
		"a complement of nine is not told": {append(slices.Repeat([]uint64{3}, 9), slices.Repeat([]uint64{1}, 1)...), [][]string{{"call", "file"}}, []bool{false}},
	} {
		groups, err := GroupFormats(names, c.uses)
		if err != nil {
			t.Fatal(err)
		}
		var got [][]string
		var shown []bool
		for _, g := range groups {
			got, shown = append(got, g.Names), append(shown, g.Shown())
		}
		if !slices.EqualFunc(got, c.want, slices.Equal[[]string]) || !slices.Equal(shown, c.shown) {
			t.Errorf("%s: %v %v, want %v %v", name, got, shown, c.want, c.shown)
		}
	}
	overlap := append(slices.Repeat([]uint64{3}, 12), uses(0, 9)...)
	groups := must(GroupFormats(names, overlap))
	if len(groups) != 2 || groups[0].Customers != 12 || groups[0].Others != 21 || groups[1].Customers != 21 || groups[1].Others != 12 {
		t.Errorf("twelve use both, nine file alone: %+v", groups)
	}
}
