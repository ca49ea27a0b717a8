package effort

import (
	"time"

	"github.com/strata-crm/strata/shared/contract"
)

// Decided is when something on a metric of a directive was decided, or came to be decided about: wall clock.
type Decided struct {
	Directive contract.DirectiveID
	Metric    contract.MetricID
	By        Use
	At        time.Time
}

// Published returns when an insight was published last, which is when policy makes knowledge of it or does not; false of one that never was.
// That it was examined again, is on the list of alarms or has expired decides nothing.
func Published(i *contract.Insight) (Decided, bool) {
	if i.State == contract.InsightCandidate || i.PublishedAt == nil {
		return Decided{}, false
	}
	return Decided{Directive: i.Strategic, Metric: i.Metric, By: ByInsight, At: i.PublishedAt.UTC()}, true
}

// Settled returns when a goal last came to lie on the other side of its target, or had its first value or the one of its deadline: by then its
// status was another one. That one more window was measured without any of these decides nothing. It is false where none has come yet. The
// strategic layer has the status itself, which also changes as time passes; of that nothing comes down.
func Settled(g *contract.Goal, zone *time.Location, info *contract.Information) (Decided, bool) {
	base := baseline(g, zone, info.Series)
	var at int64
	known, reached := false, false
	for i := range info.Series {
		p := &info.Series[i]
		if !p.Closed || p.Value == nil {
			continue
		}
		now := reaches(g, base, *p.Value)
		last := contract.DayOf(p.Window.End.Add(-1), zone) >= g.Deadline
		if !known || now != reached || last {
			at = p.Revision
		}
		if known, reached = true, now; last {
			break
		}
	}
	// A revision is the wall clock of the change in milliseconds.
	return Decided{Directive: info.Strategic, Metric: info.Metric, By: ByStatus, At: time.UnixMilli(at).UTC()}, known
}

// reaches reports whether a value is at the target or beyond it.
func reaches(g *contract.Goal, base, v float64) bool {
	target := g.Target.Of(base)
	if g.Direction == contract.Down {
		return v <= target
	}
	return v >= target
}

// baseline is the goal's, or that of the last window that closed by the day until which it is measured; 0 before there is one.
func baseline(g *contract.Goal, zone *time.Location, series []contract.Point) (v float64) {
	if g.Baseline.Value != nil {
		return *g.Baseline.Value
	}
	for i := range series {
		if p := &series[i]; p.Closed && p.Value != nil && !p.Window.End.After(g.Baseline.MeasureUntil.End(zone)) {
			v = *p.Value
		}
	}
	return v
}
