package scorecard

import (
	"math"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/strata-crm/strata/shared/contract"
)

// A line is drawn through at most projectOn windows, enough for a slope with an error and short enough to follow a turn,
// and never through fewer than three, which would leave no error.
const (
	projectOn = 6
	projectBy = 3
)

// projection returns what is expected in the deadline's window as of the last window seen: what the functional layer sent,
// where that is of the same windows and the same deadline. It is as of the latest closed window alone, so that before it a
// line is drawn here.
func (in *Input) projection(seen []contract.Point) *contract.Projection {
	p := project(seen, in.Goal, in.Zone)
	if sent := in.Projection; p != nil && sent != nil && sent.At == in.Goal.Deadline && len(seen) == closedIn(in.Series) {
		return sent
	}
	return p
}

func closedIn(series []contract.Point) (n int) {
	for i := range series {
		if series[i].Closed {
			n++
		}
	}
	return n
}

// project reads a least-squares line through the last windows off at the deadline's window, with the 95 % prediction
// interval of a new window (Student's t with n−2 degrees of freedom; Draper & Smith, Applied Regression Analysis,
// section 1.4): the same rule by which the functional layer projects while it has too few windows for a forecast. It stays
// within what values of the unit can be, by those seen. It is nil at and after the deadline, and where there are too few windows.
func project(seen []contract.Point, g contract.Goal, zone *time.Location) *contract.Projection {
	var ys []float64
	var last time.Time
	for _, p := range seen {
		if p.Value != nil {
			ys, last = append(ys, *p.Value), p.Window.End
		}
	}
	low, high := g.Unit.Limits(ys...)
	ys = ys[max(0, len(ys)-projectOn):]
	deadline := g.Deadline.End(zone)
	if len(ys) < projectBy || !last.Before(deadline) {
		return nil
	}
	value, half := predict(ys, ahead(last, deadline, g.Grain, zone))
	bound := func(v float64) float64 { return min(high, max(low, v)) }
	return &contract.Projection{At: g.Deadline, Value: bound(value), Low: bound(value - half), High: bound(value + half), How: "linear_trend"}
}

// predict returns the line's value so many steps after the last of ys, and half the width of its prediction interval.
func predict(ys []float64, steps int) (value, half float64) {
	n := float64(len(ys))
	meanX := (n - 1) / 2
	var meanY, sxx, sxy, rss float64
	for _, y := range ys {
		meanY += y / n
	}
	for i, y := range ys {
		dx := float64(i) - meanX
		sxx += dx * dx
		sxy += dx * (y - meanY)
	}
	slope := sxy / sxx
	for i, y := range ys {
		r := y - meanY - slope*(float64(i)-meanX)
		rss += r * r
	}
	x := n - 1 + float64(steps) - meanX
	sigma := math.Sqrt(rss / (n - 2))
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 2}.Quantile(0.975)
	return meanY + slope*x, t * sigma * math.Sqrt(1+1/n+x*x/sxx)
}
