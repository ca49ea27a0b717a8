package forecast

import (
	"math"

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
	// project returns the means of the next windows and the variances of their errors.
	project(ahead int) (means, variances []float64)
	// degrees is how many values the variance rests on, less what was estimated beside it.
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

func (m smoothed) project(ahead int) (means, variances []float64) {
	means = m.form.project(m.end, m.weights, m.windows, ahead)
	variances = m.variances(m.end, m.weights, m.windows, ahead, m.sigma2())
	m.unsure.add(variances, m.sigma2())
	return means, variances
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

func (r repeated) project(ahead int) (means, variances []float64) {
	for h := range ahead {
		means = append(means, r.last[h%len(r.last)])
		variances = append(variances, r.sigma2*float64(h/len(r.last)+1))
	}
	return means, variances
}

func (r repeated) degrees() float64 { return float64(r.differences) }

// points are the next windows of the whole series, those since its last value left out, with intervals wider by a factor
// than the method's own.
func (t trimmed) points(f fitted, ahead int, wider float64) []Point {
	means, deviations := t.moments(f, ahead)
	student := distuv.StudentsT{Sigma: wider, Nu: f.degrees()}
	q80, q95 := student.Quantile(.9), student.Quantile(.975)
	out := make([]Point, ahead)
	for i, mean := range means {
		sd := deviations[i]
		out[i] = Point{
			Ahead: i + 1, Mean: t.bounds.within(mean),
			Low80: t.bounds.within(mean - q80*sd), High80: t.bounds.within(mean + q80*sd),
			Low95: t.bounds.within(mean - q95*sd), High95: t.bounds.within(mean + q95*sd),
		}
	}
	return out
}

// moments are the means and standard deviations of the next windows, before bounds.
func (t trimmed) moments(f fitted, ahead int) (means, deviations []float64) {
	means, deviations = f.project(t.after + ahead)
	for i, v := range deviations {
		deviations[i] = math.Sqrt(v)
	}
	return means[t.after:], deviations[t.after:]
}
