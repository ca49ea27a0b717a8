// Package series owns what is told of one metric over time: what is expected of it, and tables of what was measured, for
// files. It answers from measurements as they came up, never from data about customers; how a series is forecast is
// package forecast's.
package series

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/query"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Subject is a metric as one directive has it measured.
type Subject struct {
	Directive  *contract.StrategicDirective
	Definition contract.Definition
}

// Find returns what is asked for by a metric, a goal or both: a goal alone means its own metric. Of the directives of one
// goal the one in force counts, else the newest. It fails with fault.Invalid when neither is named, or when several
// goals' directives have the metric measured, naming them; and with fault.NotFound when none has.
func Find(records []directive.Record, metric contract.MetricID, goal contract.GoalID) (Subject, error) {
	if metric == "" && goal == "" {
		return Subject{}, fault.New(fault.Invalid, fault.BadRequest, "name a metric, a goal or both")
	}
	best := map[contract.GoalID]Subject{}
	for i := range records {
		d := records[i].Strategic
		if d == nil || records[i].Plan == nil || goal != "" && d.Goal.ID != goal {
			continue
		}
		wanted := metric
		if wanted == "" {
			wanted = d.Goal.Metric
		}
		def, ok := definition(&records[i], wanted)
		if have, found := best[d.Goal.ID]; ok && (!found || newer(d, have.Directive)) {
			best[d.Goal.ID] = Subject{d, def}
		}
	}
	switch len(best) {
	case 0:
		return Subject{}, fault.New(fault.NotFound, fault.UnknownMetric, "no plan computes %s", strings.TrimSpace(string(metric)+" "+string(goal)))
	case 1:
		for _, s := range best {
			return s, nil
		}
	}
	var goals []string
	for id := range best {
		goals = append(goals, string(id))
	}
	slices.Sort(goals)
	return Subject{}, fault.New(fault.Invalid, fault.BadRequest, "%s is measured for several goals, each with its own scope: name one of %s", metric, strings.Join(goals, ", "))
}

func definition(r *directive.Record, m contract.MetricID) (contract.Definition, bool) {
	for _, part := range r.Plan.Parts {
		for _, x := range part.Metrics {
			if x.Definition.ID == m {
				return x.Definition, true
			}
		}
	}
	return contract.Definition{}, false
}

func newer(a, b *contract.StrategicDirective) bool {
	if a.Standing.Ended() != b.Standing.Ended() {
		return !a.Standing.Ended()
	}
	return a.Revision > b.Revision
}

// Reader reads what was measured.
type Reader interface {
	// Windows returns the newest windows of a span, newest first.
	Windows(ctx context.Context, s query.Span) ([]contract.Measurement, error)
}

// MostWindows is how many windows of a series a table holds at most, the newest: more than thirteen years of days.
const MostWindows = 5000

// read returns the newest windows of a subject, ascending; a fault if there is none.
func (s Subject) read(ctx context.Context, r Reader, closed bool, most int) ([]contract.Measurement, error) {
	var all []contract.Measurement
	span := query.Span{Directive: s.Directive.ID, Metric: s.Definition.ID, Major: s.Definition.Major(), Closed: closed}
	for len(all) < most {
		span.Limit = min(query.MaxWindows, most-len(all))
		ms, err := r.Windows(ctx, span)
		if err != nil {
			return nil, err
		}
		all = append(all, ms...)
		if len(ms) < span.Limit {
			break
		}
		span.Before = &ms[len(ms)-1].Window.Start
	}
	if len(all) == 0 {
		return nil, fault.New(fault.NotFound, fault.NoData, "no window of %s has been measured here yet", s.Definition.ID)
	}
	slices.Reverse(all)
	return all, nil
}

func (s Subject) zone() *time.Location {
	if z, err := time.LoadLocation(s.Directive.TimeZone); err == nil {
		return z
	}
	return time.UTC
}
