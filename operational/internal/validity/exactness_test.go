package validity

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func encode(m *Moments) []byte { return must(m.MarshalBinary()) }

func momentsOf(vectors ...[]int64) *Moments {
	m := must(NewMoments(3))
	for _, z := range vectors {
		if err := m.Add(z); err != nil {
			panic(err)
		}
	}
	return m
}

func drawVectors(t *rapid.T, label string) [][]int64 {
	component := rapid.OneOf(rapid.Int64Range(-5, 5), rapid.Int64Range(-maxComponent, maxComponent))
	return rapid.SliceOfN(rapid.SliceOfN(component, 3, 3), 0, 40).Draw(t, label)
}

// A17: 1, 7 and 64 partitions, any order, replays (added and removed again), restarts in between: identical bytes.
func TestA17IdenticalBytes(t *testing.T) {
	t.Parallel()
	exactly(t, "moments of 1, 7 and 64 partitions, in any order", "identical bytes")
	rapid.Check(t, func(t *rapid.T) {
		vectors := drawVectors(t, "vectors")
		want := encode(momentsOf(vectors...))
		order := rapid.Permutation(vectors).Draw(t, "order")
		for _, partitions := range []int{1, 7, 64} {
			parts := make([]*Moments, partitions)
			for p := range parts {
				parts[p] = momentsOf()
			}
			for i, z := range order {
				p := parts[i%partitions]
				if rapid.Bool().Draw(t, "replay") {
					_ = p.Add(z)
					_ = p.Remove(z)
				}
				if err := p.Add(z); err != nil {
					t.Fatal(err)
				}
				if rapid.Bool().Draw(t, "restart") {
					restarted := new(Moments)
					if err := restarted.UnmarshalBinary(encode(p)); err != nil {
						t.Fatal(err)
					}
					parts[i%partitions] = restarted
				}
			}
			whole := momentsOf()
			for _, p := range rapid.Permutation(parts).Draw(t, "merge order") {
				if err := whole.Merge(p); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(encode(whole), want) {
				t.Fatalf("%d partitions give other bytes", partitions)
			}
		}
	})
}

func TestSubtractUndoesMerge(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawVectors(t, "a"), drawVectors(t, "b")
		m := momentsOf(slices.Concat(a, b)...)
		if err := m.Subtract(momentsOf(b...)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(encode(m), encode(momentsOf(a...))) {
			t.Fatal("a + b - b is not a")
		}
		for _, z := range a {
			if err := m.Remove(z); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(encode(m), encode(momentsOf())) {
			t.Fatal("a - a is not empty")
		}
	})
}

// Means and covariances against rational arithmetic.
func TestMomentsAgainstBigNumbers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		vectors := drawVectors(t, "vectors")
		if len(vectors) == 0 {
			return
		}
		m, n := momentsOf(vectors...), int64(len(vectors))
		for i := range 3 {
			for j := i; j < 3; j++ {
				x, y, xy := new(big.Int), new(big.Int), new(big.Int)
				for _, z := range vectors {
					x.Add(x, big.NewInt(z[i]))
					y.Add(y, big.NewInt(z[j]))
					xy.Add(xy, new(big.Int).Mul(big.NewInt(z[i]), big.NewInt(z[j])))
				}
				num := new(big.Int).Sub(new(big.Int).Mul(xy, big.NewInt(n)), new(big.Int).Mul(x, y))
				want, _ := new(big.Rat).SetFrac(num, big.NewInt(n*n)).Float64()
				if got := m.covariance(i, j); math.Abs(got-want) > 1e-14*math.Abs(want) {
					t.Fatalf("covariance of %d and %d is %g, want %g", i, j, got, want)
				}
				mean, _ := new(big.Rat).SetFrac(x, big.NewInt(n)).Float64()
				if got := m.Mean(i); math.Abs(got-mean) > 1e-14*math.Abs(mean) {
					t.Fatalf("mean of %d is %g, want %g", i, got, mean)
				}
			}
		}
	})
}

// The largest sums that the limits allow do not wrap.
func TestMomentsAtTheirLimits(t *testing.T) {
	t.Parallel()
	m := momentsOf([]int64{maxComponent, -maxComponent, 0}, []int64{maxComponent, -maxComponent, 1})
	for m.n < maxCustomers {
		if err := m.Merge(m); err != nil {
			t.Fatal(err)
		}
	}
	near(t, "mean", m.Mean(0), maxComponent, 0)
	near(t, "variance of a constant", m.covariance(0, 0), 0, 0)
	near(t, "variance of 0 and 1", m.covariance(2, 2), .25, 0)
	near(t, "square", m.product(0, 0).float(), math.Ldexp(1, 94+31), 0)
	near(t, "negative product", m.product(0, 1).float(), -math.Ldexp(1, 94+31), 0)
	before := encode(m)
	for name, err := range map[string]error{
		"one more customer": m.Add([]int64{0, 0, 0}), "too large": momentsOf().Add([]int64{0, 0, maxComponent + 1}),
		"too small": momentsOf().Add([]int64{0, -maxComponent - 1, 0}), "wrong length": momentsOf().Add([]int64{0}),
		"empty": momentsOf().Remove([]int64{0, 0, 0}), "other width": m.Merge(must(NewMoments(2))),
		"more than there are": momentsOf().Subtract(m), "truncated": new(Moments).UnmarshalBinary(before[:len(before)-1]),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if !bytes.Equal(before, encode(m)) {
		t.Error("a refused change changed the moments")
	}
}

const goldenPriority Priority = 0x1337a869c07f7f70

func testKey(epoch string) *Key { return must(NewKey([]byte("0123456789abcdef"), epoch)) }

// A18: the sample of 1 % lies within that of 2 %; after erasing 30 % at random and 20,000 arrivals, the means of the
// sample are not biased.
func TestA18ErasureAndNesting(t *testing.T) {
	exactly(t, "samples of 1 % and 2 % nested", "exact")
	const before, arrivals, p = 20_000, 20_000, .02
	r := runs(200, 25)
	var sum, squares float64
	for seed := range r {
		key, rnd := testKey(fmt.Sprint("epoch ", seed)), random(uint64(seed+1), "erasure")
		all, sample, total, inSample := 0.0, 0.0, 0, 0
		for i := range before + arrivals {
			y := rnd.NormFloat64()
			if i >= before {
				y += .5 // those who come differ from those who are there
			}
			erased := i < before && rnd.Float64() < .3
			u := key.Priority(fmt.Sprint("customer ", i))
			if InSample(u, p/2) && !InSample(u, p) {
				t.Fatalf("customer %d is in the sample of 1 %% and not in that of 2 %%", i)
			}
			if erased {
				continue
			}
			all, total = all+y, total+1
			if InSample(u, p) {
				sample, inSample = sample+y, inSample+1
			}
		}
		d := sample/float64(inSample) - all/float64(total)
		sum, squares = sum+d, squares+d*d
	}
	mean := sum / float64(r)
	se := math.Sqrt(squares/float64(r)-mean*mean) / math.Sqrt(float64(r))
	row(t, "30 % erased, 20,000 arrivals: bias of the sample", fmt.Sprintf("%.5f, se %.5f", mean, se), "at most 3 se", math.Abs(mean) <= 3*se)
	if math.Abs(mean) > 3*se {
		t.Errorf("A18: bias %.5f is more than three standard errors of %.5f", mean, se)
	}
	if want := 1 / math.Sqrt(.02*34_000) / math.Sqrt(float64(r)); se > 1.5*want || se < .5*want {
		t.Errorf("A18: standard error %.5f, want about %.5f", se, want)
	}
}

// A sample is a range of priorities, so that an index finds it.
func TestSampleIsARange(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		u := Priority(rapid.Int64Range(0, math.MaxInt64).Draw(t, "u"))
		p, q := rapid.Float64Range(0, 1).Draw(t, "p"), rapid.Float64Range(0, 1).Draw(t, "q")
		if ThresholdOf(min(p, q)) > ThresholdOf(max(p, q)) {
			t.Fatal("the larger sample ends earlier")
		}
		if p < 1 && InSample(u, p) != (u < ThresholdOf(p)) {
			t.Fatal("not the range below the threshold")
		}
	})
}

func TestPriorityIsTheKeyedHash(t *testing.T) {
	t.Parallel()
	// HMAC-SHA256, key "0123456789abcdef", message "2026|c-1", computed with openssl: first 8 bytes, shifted right by one.
	if got, want := testKey("2026").Priority("c-1"), goldenPriority; got != want {
		t.Errorf("priority %#x, want %#x", got, want)
	}
	if testKey("2027").Priority("c-1") == goldenPriority || testKey("2026").Priority("c-2") == goldenPriority {
		t.Error("another epoch or customer has the same priority")
	}
	for _, bad := range []struct{ secret, epoch string }{{"short", "2026"}, {"0123456789abcdef", ""}, {"0123456789abcdef", "a|b"}} {
		if _, err := NewKey([]byte(bad.secret), bad.epoch); err == nil {
			t.Errorf("%+v: accepted", bad)
		}
	}
	if !InSample(math.MaxInt64, 1) || InSample(0, 0) || InSample(0, math.NaN()) {
		t.Error("all are in the sample of 100 %, none in that of 0")
	}
}

func TestExtractionRefusesAnyOtherOrder(t *testing.T) {
	t.Parallel()
	x := must(NewExtraction(Mean, Tolerance{Size: .05}, 2))
	if err := x.Add(5, Number(1)); err != nil {
		t.Fatal(err)
	}
	if err := x.Add(4, Number(1)); err == nil {
		t.Error("a lower priority was accepted")
	}
	if err := x.Add(6, Number(3)); err != nil {
		t.Fatal(err)
	}
	if err := x.Add(7, Number(1)); err == nil {
		t.Error("more customers than there are")
	}
	if a := x.Answer(); a.Value != 2 || a.N != 2 || a.Withheld != TooFew || !x.Done() {
		t.Errorf("two of two customers: %+v; a group below ten is not shown", a)
	}
}

// A rare event: nobody seen yet is not "0 ± 0".
func TestExtractionOfWhatWasNotSeen(t *testing.T) {
	t.Parallel()
	x := must(NewExtraction(Share, Tolerance{Size: .05}, 10_000))
	for i := range 5000 {
		if err := x.Add(Priority(i), Whether(true, false)); err != nil {
			t.Fatal(err)
		}
		if x.Done() {
			t.Fatalf("stopped after %d customers of whom none said yes", i+1)
		}
	}
	if a := x.Answer(); a.Withheld != Dominated {
		t.Errorf("withheld %q, want %q", a.Withheld, Dominated)
	}
}

// A20: 100,000 customers through extraction, tail, spread and formats in five seconds; no more than one batch read in vain;
// an event costs no allocation, however many there were.
func TestA20Cost(t *testing.T) {
	exactly(t, "an event allocates nothing", "exact")
	const n, batch = 100_000, 500
	r := random(20, "cost")
	vectors := make([][]int64, n)
	for i := range vectors {
		vectors[i] = shopper(r, formatShares, []float64{1, 1, 1, 1, 1})
	}
	start := time.Now()
	m := must(NewMoments(10))
	x := must(NewExtraction(Ratio, Tolerance{Size: .0001}, 2*n))
	terms := make([]Term, n)
	for i, z := range vectors {
		for g := range 5 {
			terms[i].Num += z[2*g]
			terms[i].Den += z[2*g+1]
		}
		if err := m.Add(z); err != nil {
			t.Fatal(err)
		}
		if err := x.Add(Priority(i), terms[i]); err != nil {
			t.Fatal(err)
		}
		if i%batch == 0 && x.Done() {
			t.Fatal("a tolerance of .01 % was met")
		}
	}
	Variety(leaveOut(m, 5, vectors), 0, .05, math.NaN(), 0)
	if _, _, err := TailFall(terms, 0, false); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	row(t, "one look at 100,000 customers", took.Round(time.Millisecond).String(), "at most 5 s", took <= 5*time.Second)
	if took > 5*time.Second {
		t.Errorf("A20: %v for %d customers, at most 5 s", took, n)
	}
	if a := testing.AllocsPerRun(100, func() { _ = m.Add(vectors[0]); _ = m.Remove(vectors[0]) }); a != 0 {
		t.Errorf("A20: an event allocates %g times", a)
	}
	readTo := func(batch int) int {
		x := must(NewExtraction(Ratio, Tolerance{Size: .05}, 2*n))
		for i, term := range terms {
			_ = x.Add(Priority(i), term)
			if (i+1)%batch == 0 && x.Done() {
				return i + 1
			}
		}
		return n
	}
	one, many := readTo(1), readTo(batch)
	row(t, "customers read by batches of 500, when n are needed", fmt.Sprintf("%d, n is %d", many, one), "at most n + 500", many <= one+batch)
	if many > one+batch || one >= n {
		t.Errorf("A20: read %d by batches, %d one by one", many, one)
	}
}

// Monotony: more customers, a larger error probability or less spread never widen an interval.
func TestHalfWidthIsMonotone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.Float64Range(1, 1e7).Draw(t, "m")
		sd := rapid.Float64Range(0, 1e6).Draw(t, "sd")
		alpha := rapid.Float64Range(1e-6, .5).Draw(t, "alpha")
		l := Level{alpha, Rho2(.05)}
		h := l.HalfWidth(sd, m)
		if more := l.HalfWidth(sd, m*1.01); more > h {
			t.Fatalf("%g after more customers, %g before", more, h)
		}
		if l.HalfWidth(sd*1.1, m) < h || (Level{alpha / 2, l.Rho2}).HalfWidth(sd, m) < h {
			t.Fatal("more spread or a smaller error probability narrowed the interval")
		}
		n, of := rapid.Int64Range(1, 1e6).Draw(t, "n"), rapid.Int64Range(2000, 2e6).Draw(t, "of")
		if n < of && (Effective(n+1, of) < Effective(n, of) || Effective(n, of) < float64(n)) {
			t.Fatal("reading on, or an end to the base, made fewer customers of it")
		}
	})
}

func TestAllocate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.Int64Range(0, 5000), 1, 8).Draw(t, "sizes")
		total := rapid.Int64Range(0, 30_000).Draw(t, "total")
		var sum, all, least int64
		for i, n := range Allocate(total, sizes) {
			if n > sizes[i] || n < min(400, sizes[i]) {
				t.Fatalf("%d of a stratum of %d", n, sizes[i])
			}
			sum, all, least = sum+n, all+sizes[i], least+min(400, sizes[i])
		}
		if want := min(all, max(total, least)); sum != want {
			t.Fatalf("%d allocated, want %d", sum, want)
		}
	})
}

// Strata of one base: the value is the weighted one, and its error is right over samples.
func TestStrata(t *testing.T) {
	const r = 300
	var errors, said []float64
	for seed := range r {
		rnd := random(uint64(seed+1), "strata")
		strata, truth := Strata{}, 0.0
		for _, h := range []struct {
			size, read int64
			mean       float64
		}{{80_000, 400, 10}, {20_000, 1200, 50}} {
			m := must(NewMoments(2))
			for range h.read {
				if err := m.Add([]int64{mustFixed(h.mean * (1 + rnd.NormFloat64())), fixedPoint}); err != nil {
					t.Fatal(err)
				}
			}
			strata = append(strata, Stratum{h.size, m})
			truth += float64(h.size) / 100_000 * h.mean
		}
		e, _, err := must(NewStrata(strata...)).Of(Quotient{Num: []int64{1, 0}, Den: []int64{0, 1}, Scale: 1}, false)
		if err != nil {
			t.Fatal(err)
		}
		errors, said = append(errors, e.Value-truth), append(said, e.SD/math.Sqrt(float64(e.N)))
	}
	actual, mean := 0.0, 0.0
	for i := range errors {
		actual, mean = actual+errors[i]*errors[i]/r, mean+said[i]/r
	}
	if actual = math.Sqrt(actual); actual/mean < .88 || actual/mean > 1.14 {
		t.Errorf("standard error %.4f said, %.4f actual", mean, actual)
	}
	if _, err := NewStrata(Stratum{10, momentsOf()}); err == nil {
		t.Error("a stratum of which nobody was read")
	}
}

// The exact interval covers at least 95 % for every truth, for a base and for customers to come.
func TestExactShareCovers(t *testing.T) {
	t.Parallel()
	for _, of := range []int64{0, 150} {
		const n = 20
		ranges := make([]Range, n+1)
		for yes := range ranges {
			ranges[yes] = must(ExactShare(int64(yes), n, of, .05))
		}
		least := 1.0
		for marked := range 151 {
			truth, covered := float64(marked)/150, 0.0
			for yes, interval := range ranges {
				p := math.Exp(logChoose(n, int64(yes))) * math.Pow(truth, float64(yes)) * math.Pow(1-truth, float64(n-yes))
				if of > 0 {
					p = hyperTail(int64(yes), n, int64(marked), of) - hyperTail(int64(yes)+1, n, int64(marked), of)
				}
				if interval.Low <= truth+1e-12 && truth <= interval.High+1e-12 {
					covered += p
				}
			}
			if covered < .95-1e-9 {
				t.Errorf("base %d: a truth of %d/150 is covered with %.4f", of, marked, covered)
			}
			least = min(least, covered)
		}
		if least > .98 {
			t.Errorf("base %d: least coverage %.4f: the interval is wider than it need be", of, least)
		}
	}
	// Clopper & Pearson 1934 for 8 of 39: .0930 to .3646.
	r := must(ExactShare(8, 39, 0, .05))
	near(t, "low", r.Low, .0930, 6e-5)
	near(t, "high", r.High, .3646, 6e-5)
	if r := must(ExactShare(39, 39, 39, .05)); r != (Range{1, 1}) {
		t.Errorf("all asked: %+v", r)
	}
	if r := must(ExactShare(0, 10, 12, .05)); r.Low != 0 || r.High != 1./12 {
		t.Errorf("none of ten of twelve: %+v", r)
	}
	nps := must(ExactNPS(8, 22, 39, 0, .05))
	if !(nps.Low < -35.9 && nps.High > -35.9 && nps.Low > -80 && nps.High < 10) {
		t.Errorf("NPS of 8 promoters and 22 detractors of 39: %+v", nps)
	}
	for _, bad := range [][3]int64{{-1, 10, 0}, {11, 10, 0}, {0, 0, 0}, {5, 10, 9}} {
		if _, err := ExactShare(bad[0], bad[1], bad[2], .05); err == nil {
			t.Errorf("%v: accepted", bad)
		}
	}
}

func TestOrderStatistic(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SliceOfN(rapid.Int64Range(-50, 50), 1, 300).Draw(t, "values")
		k := rapid.IntRange(0, len(v)-1).Draw(t, "k")
		before := slices.Clone(v)
		if got, want := orderStatistic(v, k), slices.Sorted(slices.Values(v))[k]; got != want {
			t.Fatalf("%d, want %d", got, want)
		}
		if !slices.Equal(v, before) {
			t.Fatal("the values were moved")
		}
	})
}

func TestDetectorIsAnEValue(t *testing.T) {
	// At the edge of the band the e-value ever reaches 1/a in at most a share a of runs.
	r, looks, above := runs(20_000, 3000), 50, 0
	rnd := rand.New(rand.NewPCG(1, 2))
	for range r {
		var e Detector
		ever := false
		for range looks {
			if err := e.Observe(.10+.03*rnd.NormFloat64(), .03, .10); err != nil {
				t.Fatal(err)
			}
			ever = ever || e.LogE() >= math.Log(20)
		}
		above += count(ever)
	}
	atMost(t, "e-value ever reaches 20", above, r, .05)
}
