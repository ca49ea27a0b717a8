package churn

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func near(t testing.TB, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s = %.8g, want %.8g ± %.2g", what, got, want, tolerance)
	}
}

func TestMeasuresByHand(t *testing.T) {
	t.Parallel()
	p, y := []float64{.9, .5, .5, .2}, []bool{true, true, false, false}
	// Of the four pairs three are in order and one is tied.
	if auc, ok := AUC(p, y); !ok || auc != 3.5/4 {
		t.Errorf("AUC %g, %v; want 0.875", auc, ok)
	}
	near(t, "Brier", Brier(p, y), (.01+.25+.25+.04)/4, 1e-15)
	near(t, "log loss", LogLoss(p, y), -(math.Log(.9)+2*math.Log(.5)+math.Log(.8))/4, 1e-15)
	near(t, "log loss of a certain error", LogLoss([]float64{1}, []bool{false}), -math.Log(1e-15), .1)
	if _, ok := AUC(p, []bool{true, true, true, true}); ok {
		t.Error("one class alone has no AUC")
	}
}

func TestAUCIsTheShareOfPairs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 40).Draw(t, "n")
		p, y := make([]float64, n), make([]bool, n)
		for i := range p {
			p[i], y[i] = float64(rapid.IntRange(0, 8).Draw(t, "p"))/8, rapid.Bool().Draw(t, "y")
		}
		won, pairs := 0.0, 0.0
		for i := range p {
			for j := range p {
				switch {
				case !y[i] || y[j]:
					continue
				case p[i] > p[j]:
					won++
				case p[i] == p[j]:
					won += .5
				}
				pairs++
			}
		}
		auc, ok := AUC(p, y)
		if ok != (pairs > 0) || ok && math.Abs(auc-won/pairs) > 1e-12 {
			t.Fatalf("AUC %g, %v; pairs say %g of %g", auc, ok, won, pairs)
		}
	})
}

func TestCalibrationTable(t *testing.T) {
	t.Parallel()
	p := []float64{.1, .1, .1, .1, .1, .1, .3, .6, .7, .8}
	y := []bool{false, false, false, false, false, true, false, true, true, true}
	got := Calibration(p, y, 5)
	want := []Bin{{N: 6, Predicted: .1, Observed: 1. / 6}, {N: 2, Predicted: .45, Observed: .5}, {N: 2, Predicted: .75, Observed: 1}}
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(Bin{}, "Interval"), cmpopts.EquateApprox(0, 1e-12)); d != "" {
		t.Error(d)
	}
	// Wilson's interval of 1 of 2.
	near(t, "low", got[1].Interval.Low, .0945, 1e-4)
	near(t, "high", got[1].Interval.High, .9055, 1e-4)
}

func TestCalibrationBinsAreEqual(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n, bins := rapid.IntRange(1, 200).Draw(t, "n"), rapid.IntRange(1, 12).Draw(t, "bins")
		p := make([]float64, n)
		for i := range p {
			p[i] = float64(i) / float64(n)
		}
		table, sum := Calibration(p, make([]bool, n), bins), 0
		for _, b := range table {
			if b.N != n/bins && b.N != n/bins+1 {
				t.Fatalf("a bin of %d of %d customers in %d bins", b.N, n, bins)
			}
			sum += b.N
		}
		if sum != n || len(table) != min(n, bins) {
			t.Fatalf("%d customers in %d bins, want %d in %d", sum, len(table), n, bins)
		}
	})
}

func TestFoldsKeepTheShares(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.IntRange(2, 7).Draw(t, "k")
		y := rapid.SliceOfN(rapid.Bool(), k, 80).Draw(t, "y")
		seed := rapid.Uint64().Draw(t, "seed")
		fold := Folds(y, k, seed)
		size, events := make([]int, k), make([]int, k)
		for i, f := range fold {
			size[f]++
			if y[i] {
				events[f]++
			}
		}
		for f := range k {
			if d := size[f] - len(y)/k; d < 0 || d > 1 {
				t.Fatalf("fold %d has %d of %d customers", f, size[f], len(y))
			}
			for g := range k {
				if d := events[f] - events[g]; d < -1 || d > 1 {
					t.Fatalf("folds have %v events", events)
				}
			}
		}
		if d := cmp.Diff(fold, Folds(y, k, seed)); d != "" {
			t.Fatal("the same seed deals other folds")
		}
	})
}
