package insight

import (
	"slices"

	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
)

// frame divides time into windows of one length: -1 is the last before the anchor, 0 the first from it on.
type frame struct {
	Anchor contract.Day `json:"anchor"`
	Days   int          `json:"days,omitempty"` // length of a window; 0: the windows of the claim's grain
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
	for w, k := c.calendar.Of(grain, f.Anchor), 0; k < last; w, k = c.calendar.Of(grain, w.Until), k+1 {
		if k >= first {
			spans = append(spans, w)
		}
	}
	return spans
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
