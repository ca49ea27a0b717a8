package validity

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// The acceptance tests A1 to A20 are simulations. Three sizes:
//
//	go test -short                        a reduced R; limits widened for it, see atMost: about 30 s of CPU
//	go test                               twice that R
//	STRATA_FULL=1 go test -timeout 60m    R of insight-validity.md, section 4, in full, limits as given
//
// Seeds are 1..R and the only randomness, so that a result is the same on every machine.

func full() bool { return os.Getenv("STRATA_FULL") != "" }

// runs is the number of repetitions: all in the full version, else the reduced number.
func runs(all, reduced int) int {
	switch {
	case full():
		return all
	case testing.Short():
		return reduced
	}
	return min(all, 2*reduced)
}

func random(seed uint64, stream string) *rand.Rand {
	h := uint64(14695981039346656037) // FNV-1a, so that scenarios with the same seed do not share draws
	for _, c := range []byte(stream) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return rand.New(rand.NewPCG(seed, h))
}

var acceptance = regexp.MustCompile(`A\d+`)

// row prints one row of the table in docs/validity.md: every test of that name A... prints its own with -v, and
//
//	STRATA_FULL=1 go test -count=1 -timeout 60m -v ./internal/validity ./internal/insight | sed -n 's/.*validity: //p' | sort -V -u
//
// prints the table. The number is that of insight-validity.md, section 4, from the test's name.
func row(t *testing.T, what, measured, allowed string, passed bool) {
	t.Helper()
	number, outcome := strings.Join(acceptance.FindAllString(t.Name(), -1), ", "), "yes"
	if number == "" {
		number = "-"
	}
	if !passed {
		outcome = "**no**"
	}
	for _, cell := range []*string{&what, &measured, &allowed} {
		*cell = strings.TrimSpace(strings.ReplaceAll(*cell, "|", "/"))
	}
	t.Logf("validity: | %s | %s | %s | %s | %s |", number, what, measured, allowed, outcome)
}

// forFew says that a median is allowed its 99.9 % interval, since few runs were made.
func forFew() string {
	if full() {
		return ""
	}
	return ", with room for few runs"
}

// exactly prints the row of a test in which nothing is left to chance, when it ends.
func exactly(t *testing.T, what, allowed string) {
	t.Helper()
	t.Cleanup(func() {
		measured := "equal"
		if t.Failed() {
			measured = "other"
		}
		row(t, what, measured, allowed, !t.Failed())
	})
}

// atMost fails when hits of trials are more than the allowed share. Allowed shares of insight-validity.md include the
// slack of the full R; for a reduced R the limit is the 99.9 % point of Binomial(R, allowed): code whose true rate is
// exactly the allowed one fails once in a thousand seeds, and seeds are fixed.
func atMost(t *testing.T, what string, hits, trials int, allowed float64) {
	t.Helper()
	limit := int(math.Floor(allowed*float64(trials) + 1e-9))
	if !full() {
		limit = 0
		for b := (distuv.Binomial{N: float64(trials), P: allowed}); b.CDF(float64(limit)) < .999; limit++ {
		}
	}
	row(t, what, fmt.Sprintf("%d of %d (%.4f)", hits, trials, float64(hits)/float64(trials)), fmt.Sprintf("at most %d", limit), hits <= limit)
	if hits > limit {
		t.Errorf("%s: %d of %d, at most %d (%.1f %%) allowed", what, hits, trials, limit, 100*allowed)
	}
	if trials == 0 {
		t.Errorf("%s: nothing was tried", what)
	}
}

// atLeast is atMost for the complement.
func atLeast(t *testing.T, what string, hits, trials int, share float64) {
	t.Helper()
	atMost(t, "not ("+what+")", trials-hits, trials, 1-share)
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: got %.10g, want %.10g ± %.2g", what, got, want, tolerance)
	}
}

// medianAtMost fails when the median is above most; for a reduced R, when the low end of its 99.9 % interval is.
func medianAtMost(t *testing.T, what string, values []float64, most float64) {
	t.Helper()
	s, slack := slices.Sorted(slices.Values(values)), 0
	if !full() {
		slack = int(math.Ceil(1.65 * math.Sqrt(float64(len(s)))))
	}
	if len(s) == 0 || s[max(0, len(s)/2-slack)] > most {
		t.Errorf("%s: %v, median at most %g", what, s, most)
		return
	}
	row(t, what, fmt.Sprintf("median %g of %d", s[len(s)/2], len(s)), fmt.Sprintf("at most %g%s", most, forFew()), true)
}

// medianNear fails when the median is not within a share of what is wanted. For a reduced R the 99.9 % interval of the
// median (order statistics) must touch that range.
func medianNear(t *testing.T, what string, values []float64, want, share float64) {
	t.Helper()
	s, slack := slices.Sorted(slices.Values(values)), 0
	if len(s) == 0 {
		t.Errorf("%s: no values", what)
		return
	}
	if !full() {
		slack = int(math.Ceil(1.65 * math.Sqrt(float64(len(s)))))
	}
	mid := len(s) / 2
	low, high := s[max(0, mid-slack)], s[min(len(s)-1, mid+slack)]
	inside := high >= want*(1-share) && low <= want*(1+share)
	row(t, what, fmt.Sprintf("median %g of %d", s[mid], len(s)), fmt.Sprintf("%g ± %.0f %%%s", want, 100*share, forFew()), inside)
	if high < want*(1-share) || low > want*(1+share) {
		t.Errorf("%s: median %g (%g to %g), want %g ± %.0f %%", what, s[mid], low, high, want, 100*share)
	}
}

func mustFixed(x float64) int64 {
	v, err := Fixed(x)
	if err != nil {
		panic(err)
	}
	return v
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func poisson(r *rand.Rand, lambda float64) int {
	if lambda > 12 {
		return poisson(r, lambda/2) + poisson(r, lambda/2)
	}
	k, p, limit := 0, r.Float64(), math.Exp(-lambda)
	for ; p > limit; k++ {
		p *= r.Float64()
	}
	return k
}

// gamma draws by Marsaglia & Tsang (2000).
func gamma(r *rand.Rand, shape, scale float64) float64 {
	if shape < 1 {
		return gamma(r, shape+1, scale) * math.Pow(r.Float64(), 1/shape)
	}
	d := shape - 1./3
	c := 1 / math.Sqrt(9*d)
	for {
		x := r.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if u := r.Float64(); math.Log(u) < .5*x*x+d-d*v+d*math.Log(v) {
			return d * v * scale
		}
	}
}

// law is a population of section 3.0: a value per customer.
type law struct {
	name    string
	bounded bool
	draw    func(r *rand.Rand) float64
}

func lognormal(s float64) law {
	return law{fmt.Sprintf("log-normal s=%g", s), false, func(r *rand.Rand) float64 { return math.Exp(s * r.NormFloat64()) }}
}

func pareto(a float64) law {
	return law{fmt.Sprintf("Pareto %g", a), false, func(r *rand.Rand) float64 { return math.Pow(1-r.Float64(), -1/a) }}
}

func rate(p float64) law {
	return law{fmt.Sprintf("rate %g", p), true, func(r *rand.Rand) float64 {
		if r.Float64() < p {
			return 1
		}
		return 0
	}}
}

var spending = law{"Poisson-gamma", false, func(r *rand.Rand) float64 {
	k := poisson(r, gamma(r, .5, 4))
	if k == 0 {
		return 0
	}
	return gamma(r, 1.5*float64(k), 20)
}}

var scores = law{"NPS", true, func(r *rand.Rand) float64 {
	switch u := r.Float64(); {
	case u < .35:
		return 1
	case u < .75:
		return .5
	}
	return 0
}}

var eightLaws = []law{lognormal(1), lognormal(2), spending, pareto(2.5), pareto(1.5), rate(.2), rate(.01), scores}

// base is a finite population: values in units of 2^-20, shuffled further in every run.
type base struct {
	values []int64
	truth  float64
}

var (
	baseLock sync.Mutex
	bases    = map[string]*base{}
)

// million draws the population once, seed 7. Tests that use it do not run in parallel.
func million(l law) *base {
	baseLock.Lock()
	defer baseLock.Unlock()
	if b := bases[l.name]; b != nil {
		return b
	}
	const n = 1_000_000
	r, sum := random(7, l.name), 0.0
	b := &base{values: make([]int64, n)}
	for i := range n {
		b.values[i] = mustFixed(min(l.draw(r), 1<<27-1))
		sum += Float(b.values[i])
	}
	b.truth = sum / n
	bases[l.name] = b
	return b
}

// walker draws from a base without repetition, and after all of it begins again. It moves the values themselves, many
// at a time, because in a million of them the memory is what costs.
type walker struct {
	*base
	r    *rand.Rand
	at   int
	jump [256]int32
}

func (b *base) walk(r *rand.Rand) *walker { return &walker{base: b, r: r} }

func (w *walker) next() int64 {
	n := len(w.values)
	if w.at == n {
		w.at = 0
	}
	k := w.at % len(w.jump)
	if k == 0 {
		for i := range min(len(w.jump), n-w.at) {
			w.jump[i] = int32(w.at + i + w.r.IntN(n-w.at-i))
		}
		for i := range min(len(w.jump), n-w.at) {
			j := w.jump[i]
			w.values[w.at+i], w.values[j] = w.values[j], w.values[w.at+i]
		}
	}
	w.at++
	return w.values[w.at-1]
}

func kindOf(l law) Kind {
	if l.bounded {
		return Share
	}
	return Mean
}

func middle(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	return slices.Sorted(slices.Values(values))[len(values)/2]
}
