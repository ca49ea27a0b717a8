package forecast

import (
	"math/rand/v2"
	"testing"
)

// Five years of months, forecast a year ahead from eight origins.
func BenchmarkOf(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	w := worlds[5]
	s := w.state
	s.seasonal = []float64{8, -6, -3, 1, 4, -2, 0, -5, 3, 2, -3, 1}
	v := w.form.simulate(rng, w.weights, s, 0, 60, 4)
	g := DefaultGates()
	g.MaxOrigins = 8
	for b.Loop() {
		if _, err := Of(Series{Values: v, Season: 12}, 12, g); err != nil {
			b.Fatal(err)
		}
	}
}
