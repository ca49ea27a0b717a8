// Package arrival knows how late the facts of live sources come: how many came how long after they happened, by source and day. From
// that follows which share of the facts of a window has arrived by now. It counts nothing of files, which their sender
// declares complete, and knows nothing of single facts or customers.
package arrival

import (
	"slices"
	"sort"
	"time"

	"github.com/strata-crm/strata/shared/contract"
)

// edges are the upper limits of the delays that are told apart. What comes later than the last one is counted as if it never came.
var edges = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	1 * day, 2 * day, 3 * day, 4 * day, 5 * day, 6 * day, 7 * day, 10 * day, 14 * day, 21 * day, Horizon * day,
}

const (
	day = 24 * time.Hour
	// Horizon is how many days a fact is waited for: later than that nothing is.
	Horizon = 28
	// least is the fewest facts that a curve is drawn from.
	least = 400
)

// Bins is how many facts came with a delay up to each of the limits, but above the one before it.
type Bins [18]int64

// bin returns the place of a delay; false if it is beyond all limits.
func bin(delay time.Duration) (int, bool) {
	i := sort.Search(len(edges), func(i int) bool { return delay <= edges[i] })
	return i, i < len(edges)
}

// Curve is which share of facts has come by a delay. The zero value knows of none: then all that is told to be complete is.
type Curve struct{ share []float64 }

// Sampled returns the days whose facts a curve is drawn from today: so long ago that all of them had the time to come, and
// no longer ago than that again, since sources change.
func Sampled(today contract.Day) (from, until contract.Day) {
	return today.Add(-2*Horizon - 1), today.Add(-Horizon - 1)
}

// Draw returns the curve of facts that all had the time to come; the zero curve of fewer than 400.
func Draw(b Bins) Curve {
	sum, share := int64(0), make([]float64, len(b))
	for i, n := range b {
		sum += n
		share[i] = float64(sum)
	}
	if sum < least {
		return Curve{}
	}
	for i := range share {
		share[i] /= float64(sum)
	}
	return Curve{share}
}

// By returns the share of facts that have come by an age: at least that share, as an age between two limits counts as the lower.
func (c Curve) By(age time.Duration) float64 {
	if c.share == nil {
		return 1
	}
	i := sort.Search(len(edges), func(i int) bool { return edges[i] > age }) - 1
	if i < 0 {
		return 0
	}
	return c.share[i]
}

// Window returns the share of the facts of some days, each as many as the others, that have come at an instant; every fact
// counts as having happened at the end of its day.
func (c Curve) Window(from, until contract.Day, now time.Time, zone *time.Location) float64 {
	sum, n := 0., 0
	for d := from; d < until; d = d.Add(1) {
		sum += c.By(now.Sub(d.End(zone)))
		n++
	}
	return sum / float64(max(1, n))
}

// Source is what is known of how complete a source is.
type Source struct {
	Curve    Curve
	Declared contract.Day // nothing that happened before it is still to come, as its owner said; "" if nothing was said
}

// Share returns the least share, over sources that a number needs, of the facts of some days that have come at an instant.
func Share(sources []Source, from, until contract.Day, now time.Time, zone *time.Location) float64 {
	shares := []float64{1}
	for _, s := range sources {
		if open := max(from, s.Declared); open < until {
			whole, left := float64(until.Sub(from)), float64(until.Sub(open))
			shares = append(shares, 1-left/whole*(1-s.Curve.Window(open, until, now, zone)))
		}
	}
	return slices.Min(shares)
}
