package btyd

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"
)

// simulated draws customers of a BG/NBD world who first bought in the first joined days, with the purchases of the later
// days after the day asOf. At most one purchase a day counts, as in the data.
func simulated(m BGNBD, customers, joined, asOf, later int, seed uint64) []Tested {
	src := rand.NewPCG(seed, 0)
	rng := rand.New(src)
	rate := distuv.Gamma{Alpha: m.R, Beta: m.Alpha, Src: src}
	leaves := distuv.Beta{Alpha: m.A, Beta: m.B, Src: src}
	out := make([]Tested, customers)
	for i := range out {
		first := rng.IntN(joined)
		lambda, p := rate.Rand(), leaves.Rand()
		s := Summary{T: float64(asOf-first) / daysPerWeek, Count: 1}
		last, until := 0, float64(asOf+later-first)
		for at := 0.0; ; {
			at += rng.ExpFloat64() / lambda * daysPerWeek
			if !(at < until) {
				break
			}
			if day := int(math.Ceil(at)); day <= asOf-first {
				if day > last {
					s.X, s.Tx, last = s.X+1, float64(day)/daysPerWeek, day
				}
			} else if day > last {
				out[i].Later, last = out[i].Later+1, day
			}
			if rng.Float64() < p {
				break
			}
		}
		out[i].Summary = s
	}
	return out
}

func firstParts(tested []Tested) []Summary {
	out := make([]Summary, len(tested))
	for i, t := range tested {
		out[i] = t.Summary
	}
	return out
}
