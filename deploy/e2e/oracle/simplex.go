package oracle

import (
	"math"
	"slices"
)

const (
	rounds    = 4     // restarts from the best point, against a collapsed simplex
	stepsEach = 600   // at most, in a round
	closeness = 1e-10 // relative spread of values at which a round ends
)

// simplex minimises f from the start with the method of Nelder & Mead (1965), restarted.
func simplex(from []float64, f func([]float64) float64) []float64 {
	best, before := slices.Clone(from), math.Inf(1)
	for range rounds {
		var at float64
		best, at = descend(best, f)
		if before-at < 1e-7 {
			break
		}
		before = at
	}
	return best
}

// best returns the better end of two searches, begun at different places.
func best(f func([]float64) float64, a, b []float64) []float64 {
	x := simplex(a, f)
	if slices.Equal(a, b) {
		return x
	}
	if y := simplex(b, f); f(y) < f(x) {
		return y
	}
	return x
}

type vertex struct {
	at []float64
	y  float64
}

func descend(from []float64, f func([]float64) float64) ([]float64, float64) {
	n := len(from)
	s := []vertex{{slices.Clone(from), f(from)}}
	for i := range n {
		p := slices.Clone(from)
		p[i] += .15
		s = append(s, vertex{p, f(p)})
	}
	for range stepsEach {
		slices.SortFunc(s, func(a, b vertex) int {
			if a.y < b.y || math.IsNaN(b.y) {
				return -1
			}
			return 1
		})
		if s[n].y-s[0].y <= closeness*math.Abs(s[0].y) {
			break
		}
		step(s, f)
	}
	return s[0].at, s[0].y
}

// step replaces the worst vertex, or draws all towards the best. s is sorted.
func step(s []vertex, f func([]float64) float64) {
	n := len(s) - 1
	centre := make([]float64, n)
	for _, v := range s[:n] {
		for i := range centre {
			centre[i] += v.at[i] / float64(n)
		}
	}
	along := func(t float64) vertex {
		p := make([]float64, n)
		for i := range p {
			p[i] = centre[i] + t*(s[n].at[i]-centre[i])
		}
		y := f(p)
		if math.IsNaN(y) {
			y = math.Inf(1)
		}
		return vertex{p, y}
	}
	reflected := along(-1)
	switch {
	case reflected.y < s[0].y:
		if further := along(-2); further.y < reflected.y {
			reflected = further
		}
		s[n] = reflected
	case reflected.y < s[n-1].y:
		s[n] = reflected
	default:
		if inner := along(.5); inner.y < s[n].y {
			s[n] = inner
			return
		}
		for i := 1; i <= n; i++ {
			for j := range s[i].at {
				s[i].at[j] = (s[i].at[j] + s[0].at[j]) / 2
			}
			s[i].y = f(s[i].at)
		}
	}
}
