package btyd

import "testing"

// Trying the starts on a part of the customers ends where trying them on all does.
func TestThinnedStartsReachTheMaximum(t *testing.T) {
	t.Parallel()
	p := population(t, masterOrders(t), "19970930")
	for name, l := range map[string]interface {
		likelihood
		starts() [][]float64
	}{"BG/NBD": betaGeometric{p, 0}, "MBG/NBD": betaGeometric{p, 1}, "Gamma-Gamma": gammaGamma{p}} {
		if got := likely(l, l.starts()); len(got) != 1 {
			t.Fatalf("%s: %d starts on %d rows", name, len(got), l.rows())
		}
		e, err := maximise(l, l.starts())
		if err != nil {
			t.Fatal(err)
		}
		s := newSearch(l, l.starts()[0])
		for _, start := range l.starts() {
			if f := s.value(s.climb(start, finalGoal), nil); -f*s.n > e.logLik+1e-6 {
				t.Errorf("%s: from %v a higher likelihood, %.9g over %.9g", name, exps(start), -f*s.n, e.logLik)
			}
		}
	}
}

// In worlds of many kinds, of which a part alone often tells nothing, the end is that of all starts on all customers, and so
// is a refusal.
func TestThinnedStartsInManyWorlds(t *testing.T) {
	t.Parallel()
	for seed, m := range []BGNBD{{.05, 40, .3, 1}, {.02, 10, 5, 5}, {3, 60, .1, 4}, {.3, 3, .05, .2}, {.1, 80, 2, 30}, {1, 400, .5, .5}} {
		t.Logf("seed %d", seed)
		p, err := NewPopulation(firstParts(simulated(m, 40_000, 182, 364, 0, uint64(seed))))
		if err != nil {
			t.Fatal(err)
		}
		for name, l := range map[string]interface {
			likelihood
			starts() [][]float64
		}{"BG/NBD": betaGeometric{p, 0}, "MBG/NBD": betaGeometric{p, 1}} {
			if len(likely(l, l.starts())) != 1 {
				t.Fatalf("%s %d: %d rows are not thinned", name, seed, l.rows())
			}
			got, gotErr := maximise(l, l.starts())
			want, wantErr := highest(l, l.starts())
			switch {
			case (gotErr == nil) != (wantErr == nil):
				t.Errorf("%s %d: %v, from all starts %v", name, seed, gotErr, wantErr)
			case wantErr == nil && got.logLik < want.logLik-1e-6:
				t.Errorf("%s %d: %.8g, from all starts %.8g", name, seed, got.logLik, want.logLik)
			}
		}
	}
}
