package validity

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A15: 200 insights on one sample, which share a common factor, so that they depend on each other. 180 lie exactly at the
// edge of their band; 20 have drifted by .10 standard deviations beyond it. The list is looked at 191 times.
func TestA15AlarmList(t *testing.T) {
	const insights, drifted, edge, shared = 200, 20, .30, .5
	const allReads, step = 20_000, 100
	r := runs(60, 12)
	var wrong, power, everFalse float64
	for seed := range r {
		rnd := random(uint64(seed+1), "alarms")
		// A step of 100 customers adds to each sum a Gaussian of its variance, and to each sum of squares its expectation.
		var sums, logs [insights]float64
		worst, found := 0.0, 0
		var ever bool
		for n := 0; n < allReads; {
			factor := rnd.NormFloat64() * math.Sqrt(step*shared)
			n += step
			for i := range sums {
				truth := edge
				if i < drifted {
					truth += .10
				}
				sums[i] += step*truth + factor + rnd.NormFloat64()*math.Sqrt(step*(1-shared))
				e := Estimate{Value: sums[i] / float64(n), SD: 1, N: int64(n)}
				logs[i] = e.beyond(0, edge, Failing())
			}
			if n < 1000 {
				continue
			}
			list := AlarmList(logs[:], .10)
			nulls := 0
			for _, i := range list {
				nulls += count(i >= drifted)
			}
			ever = ever || nulls > 0
			worst = max(worst, float64(nulls)/float64(max(1, len(list))))
			found = len(list) - nulls
		}
		wrong += worst / float64(r)
		power += float64(found) / drifted / float64(r)
		everFalse += float64(count(ever)) / float64(r)
	}
	t.Logf("A15: worst false share over looks %.4f, power at the end %.3f, runs with a false alarm %.3f", wrong, power, everFalse)
	if wrong > .10 {
		t.Errorf("A15: false discovery rate %.3f, at most .10", wrong)
	}
	if power < .90 {
		t.Errorf("A15: power %.3f, at least .90", power)
	}
}

// The list is the largest k whose k-th evidence reaches K/(qk).
func TestAlarmListByHand(t *testing.T) {
	t.Parallel()
	e := func(values ...float64) []float64 {
		for i, v := range values {
			values[i] = math.Log(v)
		}
		return values
	}
	for name, c := range map[string]struct {
		logs []float64
		want []int
	}{
		"none":                             {e(1, 1, 1, 1), nil},
		"one at K/q":                       {e(1, 40, 1, 1), []int{1}},
		"one just below":                   {e(1, 39.9, 1, 1), nil},
		"two at K/(2q) carry each other":   {e(20, 1, 20, 1), []int{0, 2}},
		"a strong one does not carry weak": {e(1000, 1, 1, 15), []int{0}},
		"all at 1/q":                       {e(10, 10, 10, 10), []int{0, 1, 2, 3}},
		"NaN is no evidence":               {[]float64{math.NaN(), math.Log(40), 0, 0}, []int{1}},
		"empty":                            {nil, nil},
	} {
		if got := AlarmList(c.logs, .10); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestMoreEvidenceNeverShortensTheList(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		logs := rapid.SliceOfN(rapid.Float64Range(-5, 10), 1, 30).Draw(t, "logs")
		before := AlarmList(logs, .10)
		i := rapid.IntRange(0, len(logs)-1).Draw(t, "which")
		logs[i] += rapid.Float64Range(0, 10).Draw(t, "more")
		after := AlarmList(logs, .10)
		for _, b := range before {
			if !slices.Contains(after, b) {
				t.Fatalf("%d left the list when %d gained evidence", b, i)
			}
		}
	})
}

func TestEvidenceIsTheMean(t *testing.T) {
	t.Parallel()
	near(t, "mean of 1, 3 and 5", Evidence(0, math.Log(3), math.Log(5)), math.Log(3), 1e-12)
	near(t, "huge", Evidence(1e4, 0), 1e4-math.Ln2, 1e-9)
	near(t, "none", Evidence(), 0, 0)
	if !math.IsInf(Evidence(math.Inf(1), 0), 1) {
		t.Error("certain evidence")
	}
}
