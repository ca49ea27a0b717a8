package insight

import (
	"math"
	"slices"

	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
)

// frame divides time into windows of one length: -1 is the last before the anchor, 0 the first from it on.
type frame struct {
	Anchor contract.Day `json:"anchor"`
	Days   int          `json:"days,omitempty"` // length of a window; 0: the windows of the claim's grain
	Step   int          `json:"step,omitempty"` // of the grain's, how many lie from one window after the anchor to the next, at least 1
}

// byGrain is the frame of the windows of the claim's grain. What a window rests on may reach further back than the grain's window before it, as
// with the last 90 days or with who came back: after the anchor only every so many-th is taken, so that no two share anything; see
// [validity.Baseline.Overlapping] for those before it.
func (c *claim) byGrain(anchor contract.Day) frame {
	f := frame{Anchor: anchor}
	if n := c.reach(); n > 1 {
		f.Step = n
	}
	return f
}

// reach is over how many windows of its grain a value's own data reach, rounded.
func (c *claim) reach() int {
	d := &c.order.Metric
	days, ends := 0, 0
	switch r := d.Retention; {
	case r != nil && r.Base == "cohort", d.Type == contract.Cumulative && !c.windowed():
		return 1
	case r != nil && r.Days > 0:
		days = 2 * r.Days
	case r != nil:
		return 2
	case d.Conversion != nil:
		ends = d.Conversion.Days
	case d.Cumulative != nil:
		days = d.Cumulative.Days
	}
	grain := map[contract.Grain]float64{contract.GrainDay: 1, contract.GrainWeek: 7, contract.GrainMonth: 30.44, contract.GrainQuarter: 91.31, contract.GrainYear: 365.25}[c.order.Grain]
	if grain == 0 {
		return 1
	}
	return max(1, int(math.Round(float64(days)/grain)), 1+int(math.Ceil(float64(ends)/grain)))
}

// reaching returns the days that values rest on of which the windows are in a span.
func (c *claim) reaching(at metric.Span) metric.Span {
	w := c.calendar.Of(c.order.Grain, at.From)
	for back := c.reach(); back > 1; back-- {
		w = c.calendar.Previous(c.order.Grain, w)
		at.From = min(at.From, w.From)
	}
	return at
}

// lengths of windows to choose from, in days, for values that may be taken over any: the shortest that is precise enough
// is used.
var lengths = []int{7, 14, 28, 56, 91}

// mostBaseline bounds how many windows a baseline has, leastBaseline is how many it needs.
const (
	leastBaseline = 13
	mostBaseline  = 52
)

// windows returns those with the numbers from first to before last.
func (f frame) windows(c *claim, first, last int) []metric.Span {
	spans := make([]metric.Span, 0, last-first)
	if f.Days > 0 {
		for k := first; k < last; k++ {
			spans = append(spans, metric.Span{From: f.Anchor.Add(k * f.Days), Until: f.Anchor.Add((k + 1) * f.Days)})
		}
		return spans
	}
	grain := c.order.Grain
	for w, k := c.calendar.Previous(grain, c.calendar.Of(grain, f.Anchor)), -1; k >= first; w, k = c.calendar.Previous(grain, w), k-1 {
		if k < last {
			spans = append(spans, w)
		}
	}
	slices.Reverse(spans)
	step := max(1, f.Step)
	for w, n := c.calendar.Of(grain, f.Anchor), 1; n <= last*step; w, n = c.calendar.Of(grain, w.Until), n+1 {
		if n%step == 0 && n/step > first {
			spans = append(spans, w)
		}
	}
	return spans
}

// lasting returns how many of the windows before an anchor a baseline is made of, which is none if they are fewer than it needs: where
// facts expire, the newer half, since the oldest will be gone the next day and every claim would be made anew at every window.
func (c *claim) lasting(windows int) int {
	if c.kept == "" {
		return windows
	}
	return windows / 2
}

// before returns how many whole windows lie between the first day of data and the anchor, at most mostBaseline.
func (f frame) before(c *claim, first contract.Day) int {
	spans := f.windows(c, -mostBaseline, 0)
	for len(spans) > 0 && spans[0].From < first {
		spans = spans[1:]
	}
	return len(spans)
}

// closed returns how many windows from the anchor on have ended by a day.
func (f frame) closed(c *claim, by contract.Day) int {
	k := 0
	for ; f.windows(c, k, k+1)[0].Until <= by; k++ {
	}
	return k
}
