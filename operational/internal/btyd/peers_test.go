package btyd

import (
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/strata-crm/strata/shared/fault"
)

// The histories in testdata were drawn by numpy from a BG/NBD world: repeats, and days from the first purchase to the last
// and to the end. Customers of heavy buy twice a week and stay for long, those of long are watched for up to thirty years,
// and tiny are 80. The log-likelihoods are Fader & Hardie's (2005, note, eq. 17 to 20), computed in Python by mpmath 1.4.1's
// hyp2f1 to 60 digits, where the difference of two 2F1 leaves enough of them. The best parameters were found by
// Nelder-Mead, without our code, on the integral over the time of leaving by 120 nodes; the gradient by the log-parameters there is below
// 1e-4 in 60 digits.
//
// The Python package lifetimes 0.11.3 has the same likelihood and stops short of its maximum: on heavy by 54, and by 14
// and 83 on the 1,500 customers of which heavy and long are the first 300.

func histories(t testing.TB, name string) *Population {
	t.Helper()
	f, err := os.Open("testdata/" + name + ".csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	customers := make([]Summary, len(rows))
	for i, row := range rows {
		var v [3]int
		for j := range v {
			if v[j], err = strconv.Atoi(row[j]); err != nil {
				t.Fatal(err)
			}
		}
		customers[i] = Summary{X: float64(v[0]), Tx: float64(v[1]) / daysPerWeek, T: float64(v[2]) / daysPerWeek, Count: 1}
	}
	p, err := NewPopulation(customers)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParetoNBDAgainstAPeer(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		best, peer     ParetoNBD
		logBest, logAt float64 // log-likelihoods at both
	}{
		"heavy": {ParetoNBD{2.9449116636606356, 1.5562808190465725, .3310912309916586, 7.800737557205037},
			ParetoNBD{2.6490295595534876, 1.4011444759010816, 1.4684199441161065, 186.00128992263873}, -8798.657352506854, -8852.19834344653},
		"long": {ParetoNBD{.8655798380670073, 12.465016343916238, .30766034290399896, 135.5760540069489},
			ParetoNBD{.8655985414424325, 12.464877277945654, .3076282930300087, 135.53972947074462}, -43708.99745361385, -43708.99745405105},
	} {
		p := histories(t, name)
		near(t, name+": LL at the best", want.best.LogLikelihood(p), want.logBest, 1e-6)
		near(t, name+": LL where the peer stops", want.peer.LogLikelihood(p), want.logAt, 1e-6)
		f, err := FitParetoNBD(p, Gates{})
		if err != nil {
			t.Fatal(err)
		}
		near(t, name+": LL", f.LogLikelihood, want.logBest, 1e-6)
		near(t, name+": r", f.Model.R, want.best.R, 1e-4*want.best.R)
		near(t, name+": alpha", f.Model.Alpha, want.best.Alpha, 1e-4*want.best.Alpha)
		near(t, name+": s", f.Model.S, want.best.S, 1e-4*want.best.S)
		near(t, name+": beta", f.Model.Beta, want.best.Beta, 1e-4*want.best.Beta)
	}
}

// No other start leads higher, the peer's end included.
func TestParetoNBDHasOneMaximum(t *testing.T) {
	t.Parallel()
	p := histories(t, "heavy")
	l := paretoNBD{p}
	f, err := FitParetoNBD(p, Gates{})
	if err != nil {
		t.Fatal(err)
	}
	first := l.starts()[0]
	starts, rng := [][]float64{logs(2.649, 1.4011, 1.4684, 186)}, rand.New(rand.NewPCG(11, 24))
	for range 3 {
		at := make([]float64, len(first))
		for i := range at {
			at[i] = first[i] + 2*rng.NormFloat64()
		}
		starts = append(starts, at)
	}
	for _, start := range starts {
		s := newSearch(l, first)
		near(t, "LL", -s.value(s.polish(s.climb(start, climbGoal)), nil)*s.n, f.LogLikelihood, 1e-6)
	}
}

// Along the ridge of tiny the likelihood rises with s for ever, towards the -879.868943 of one rate of leaving for all: there
// is no maximum that the fit could have missed.
func TestParetoNBDOnARidgeWithoutEnd(t *testing.T) {
	t.Parallel()
	p := histories(t, "tiny")
	_, err := FitParetoNBD(p, Gates{})
	if fault.CodeOf(err) != fault.ModelNotIdentified {
		t.Errorf("fitted without a maximum: %v", err)
	}
	for _, on := range []struct{ r, alpha, s, mu, log float64 }{ // the best where s is given, mu = s / beta; log in 60 digits
		{1.2852215791423884, 7.3514279410869685, .1, .07329574800427244, -895.8111753578809},
		{1.5495134001223207, 8.439901420146631, 1, .03695689351549299, -881.7557513437841},
		{1.5883227645797335, 8.681080131736483, 10, .029625170476634658, -880.0478153948427},
		{1.5912170532805148, 8.703305751445276, 100, .02885479439417179, -879.8866871990191},
		{1.591516218357672, 8.705694683390112, 1e4, .028769764662576917, -879.8691202740526},
	} {
		m := ParetoNBD{on.r, on.alpha, on.s, on.s / on.mu}
		near(t, fmt.Sprintf("LL at s = %g", on.s), m.LogLikelihood(p), on.log, 1e-6)
	}
}
