package forecast

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Point is what is expected of one window to come.
type Point struct {
	Ahead        int     // windows after the last of the series: 1, 2, …
	Mean         float64 // expected value
	Low80, Low95 float64 // prediction intervals for the value itself, cut off at the series' bounds
	High80       float64
	High95       float64
}

// fitted is a method fitted to a series.
type fitted interface {
	// means are what the next windows are expected to be.
	means(ahead int) []float64
	// variances are those of the errors of means; they cost much more.
	variances(ahead int) []float64
	// degrees is how many values the variances rest on, less what was estimated beside them.
	degrees() float64
}

func (m Method) fit(t trimmed, near []float64) (fitted, error) {
	if m == SeasonalNaive {
		return repeat(t)
	}
	f, err := m.form()
	if err != nil {
		return nil, err
	}
	s, err := smooth(f, t, near)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (m smoothed) means(ahead int) []float64 {
	return m.project(m.end, m.weights, m.windows, ahead)
}

// variances are those of the model or, where they are larger, of all models that the data allow, each by its likelihood,
// around the means of the likeliest; and that of the start values.
func (m smoothed) variances(ahead int) []float64 {
	s := newSearcher(m.form, m.data)
	means, own := m.means(ahead), m.known(m.end, m.weights, m.windows, ahead, m.sigma2())
	mixed, total := slices.Clone(own), 1.0
	for _, a := range s.alternatives(m.x, m.sse, m.freedom) {
		total += a.share
		theirs := m.project(a.end, a.weights, m.windows, ahead)
		for h, v := range m.known(a.end, a.weights, m.windows, ahead, a.sigma2) {
			d := theirs[h] - means[h]
			mixed[h] += a.share * (v + d*d)
		}
	}
	for h, v := range mixed {
		own[h] = math.Max(own[h], v/total)
	}
	s.starting(m.x).add(own, m.sigma2())
	return own
}

func (m smoothed) degrees() float64 { return float64(m.freedom) }

// repeated is the seasonal naive method: the last season is repeated.
type repeated struct {
	last        []float64 // season values, of windows n, n+1, …
	sigma2      float64   // mean square of the differences from season to season
	differences int
}

func repeat(t trimmed) (fitted, error) {
	r := repeated{}
	n := len(t.y)
	for i := t.season; i < n; i++ {
		if d := t.y[i] - t.y[i-t.season]; !math.IsNaN(d) {
			r.sigma2 += d * d
			r.differences++
		}
	}
	if r.differences < spare {
		return nil, refuse("%d differences from season to season tell nothing of how far they go: wait for more data", r.differences)
	}
	r.sigma2 /= float64(r.differences)
	for i := range t.season {
		at := n - t.season + i
		for at >= 0 && math.IsNaN(t.y[at]) {
			at -= t.season
		}
		if at < 0 {
			return nil, refuse("window %d of the season has never had a value: wait for more data", i+1)
		}
		r.last = append(r.last, t.y[at])
	}
	return r, nil
}

func (r repeated) means(ahead int) []float64 {
	out := make([]float64, ahead)
	for h := range out {
		out[h] = r.last[h%len(r.last)]
	}
	return out
}

func (r repeated) variances(ahead int) []float64 {
	out := make([]float64, ahead)
	for h := range out {
		out[h] = r.sigma2 * float64(h/len(r.last)+1)
	}
	return out
}

func (r repeated) degrees() float64 { return float64(r.differences) }

// points are the next windows of the whole series, those since its last value left out, with intervals wider by a factor
// than the method's own. sds are the deviations before widening.
func (t trimmed) points(f fitted, ahead int, wider float64) (points []Point, sds []float64) {
	means, sds := t.means(f, ahead), f.variances(t.after + ahead)[t.after:]
	student := distuv.StudentsT{Sigma: wider, Nu: f.degrees()}
	q80, q95 := student.Quantile(.9), student.Quantile(.975)
	for i, mean := range means {
		sds[i] = math.Sqrt(sds[i])
		d80, d95 := q80*sds[i], q95*sds[i]
		points = append(points, Point{
			Ahead: i + 1, Mean: t.bounds.within(mean),
			Low80: t.bounds.within(mean - d80), High80: t.bounds.within(mean + d80),
			Low95: t.bounds.within(mean - d95), High95: t.bounds.within(mean + d95),
		})
	}
	return points, sds
}

// means are those of the next windows of the whole series, before bounds.
func (t trimmed) means(f fitted, ahead int) []float64 { return f.means(t.after + ahead)[t.after:] }
