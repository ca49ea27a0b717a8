package segment

import (
	"math"
	"math/rand/v2"
	"slices"
)

const lloydSteps = 300

// clustering is k centres and the loss: the sum of squared distances to the nearest.
type clustering struct {
	centres [][]float64
	loss    float64
}

func squared(a, b []float64) float64 {
	sum := 0.0
	for j, v := range a {
		sum += (v - b[j]) * (v - b[j])
	}
	return sum
}

// nearest is the first of the nearest centres, and the squared distance to it.
func (c clustering) nearest(p []float64) (at int, distance float64) {
	distance = math.Inf(1)
	for k, centre := range c.centres {
		if d := squared(p, centre); d < distance {
			at, distance = k, d
		}
	}
	return at, distance
}

// kmeans is the best of several runs of Lloyd's algorithm, each started by k-means++ (Arthur & Vassilvitskii 2007).
// Equal arguments give equal bits. There are at least k different points.
func kmeans(points [][]float64, k, restarts int, seed uint64) clustering {
	best := clustering{loss: math.Inf(1)}
	for run := range restarts {
		r := rand.New(rand.NewPCG(seed, uint64(k)<<32|uint64(run)))
		if c := lloyd(points, plusPlus(points, k, r)); c.loss < best.loss {
			best = c
		}
	}
	return best
}

// plusPlus draws each further centre with a chance that is proportional to the squared distance to those drawn.
func plusPlus(points [][]float64, k int, r *rand.Rand) [][]float64 {
	centres := [][]float64{points[r.IntN(len(points))]}
	distance := make([]float64, len(points))
	for i := range distance {
		distance[i] = math.Inf(1)
	}
	for len(centres) < k {
		total := 0.0
		for i, p := range points {
			distance[i] = math.Min(distance[i], squared(p, centres[len(centres)-1]))
			total += distance[i]
		}
		left, at := r.Float64()*total, 0
		for i, d := range distance {
			if d > 0 {
				at = i
			}
			if left -= d; left < 0 {
				break
			}
		}
		centres = append(centres, points[at])
	}
	return centres
}

// lloyd moves the centres to the means of what is nearest to them until nothing changes side.
func lloyd(points, centres [][]float64) clustering {
	c := clustering{centres: centres}
	side := make([]int, len(points))
	for i := range side {
		side[i] = -1
	}
	for range lloydSteps {
		moved := false
		c.loss = 0
		farthest, far := 0, -1.0
		for i, p := range points {
			at, d := c.nearest(p)
			moved = moved || at != side[i]
			side[i] = at
			c.loss += d
			if d > far {
				farthest, far = i, d
			}
		}
		if !moved {
			break
		}
		c.centres = means(points, side, c.centres, farthest)
	}
	return c
}

// means are those of the sides; a side that has lost all its points begins again at the point that is farthest from its
// centre.
func means(points [][]float64, side []int, centres [][]float64, farthest int) [][]float64 {
	out, count := make([][]float64, len(centres)), make([]float64, len(centres))
	for k := range out {
		out[k] = make([]float64, len(points[0]))
	}
	for i, p := range points {
		count[side[i]]++
		for j, v := range p {
			out[side[i]][j] += v
		}
	}
	for k := range out {
		if count[k] == 0 {
			out[k] = slices.Clone(points[farthest])
			continue
		}
		for j := range out[k] {
			out[k][j] /= count[k]
		}
	}
	return out
}

// silhouette is the mean over the points of (b-a)/max(a, b), a the mean distance to the others of the own group, b to those
// of the nearest other (Rousseeuw 1987), in [-1, 1], with its standard error over the points. A point alone in its group has
// 0. Time goes with the square of the number of points.
func silhouette(points [][]float64, side []int, k int) (mean, stdErr float64) {
	count := make([]float64, k)
	for _, s := range side {
		count[s]++
	}
	values := make([]float64, len(points))
	sums := make([]float64, k)
	for i, p := range points {
		clear(sums)
		for j, q := range points {
			sums[side[j]] += math.Sqrt(squared(p, q))
		}
		values[i] = width(sums, count, side[i])
	}
	for _, v := range values {
		mean += v
	}
	n := float64(len(values))
	mean /= n
	for _, v := range values {
		stdErr += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(stdErr) / n
}

func width(sums, count []float64, own int) float64 {
	if count[own] < 2 {
		return 0
	}
	a, b := sums[own]/(count[own]-1), math.Inf(1)
	for k, s := range sums {
		if k != own && count[k] > 0 {
			b = math.Min(b, s/count[k])
		}
	}
	if math.IsInf(b, 1) || math.Max(a, b) == 0 {
		return 0
	}
	return (b - a) / math.Max(a, b)
}

// adjustedRand is how far two groupings of the same points agree (Hubert & Arabie 1985): 1 where they are the same, 0 as by
// chance.
func adjustedRand(a, b []int) float64 {
	type pair struct{ a, b int }
	both, left, right := map[pair]float64{}, map[int]float64{}, map[int]float64{}
	for i := range a {
		both[pair{a[i], b[i]}]++
		left[a[i]]++
		right[b[i]]++
	}
	pairs := func(n float64) float64 { return n * (n - 1) / 2 }
	var index, sumLeft, sumRight float64
	for _, n := range both { // whole numbers: any order gives the same sum
		index += pairs(n)
	}
	for _, n := range left {
		sumLeft += pairs(n)
	}
	for _, n := range right {
		sumRight += pairs(n)
	}
	expected := sumLeft * sumRight / pairs(float64(len(a)))
	most := (sumLeft + sumRight) / 2
	if most == expected {
		return 1
	}
	return (index - expected) / (most - expected)
}
