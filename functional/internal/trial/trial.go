// Package trial owns dry runs: a version of a metric that no plan uses yet, computed for a day at most beside the one that
// a plan uses, on the windows that are closed already. A trial is an order of its own that collects nothing; what comes
// back is kept apart from every series that a goal rests on. It is pure: it stores and sends nothing.
package trial

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/strata-crm/strata/functional/internal/information"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

const (
	// Part names the part of a plan that a trial stands for in its order.
	Part = "trial"
	// Life is how long a trial is in force at most.
	Life = 24 * time.Hour
	// Windows is how many of the newest closed windows are tried: half a year of months.
	Windows = 6

	prefix = "trial-"
)

// Trial is one dry run.
type Trial struct {
	Order  contract.OperationalDirective `json:"order"`
	Answer *contract.Acknowledgement     `json:"answer,omitempty"` // from the operational layer
	By     string                        `json:"by"`
}

// Identity returns the id of the trial of one state of a draft under a strategic directive. The same draft gets the same
// trial, and what came of it stands; an edited draft gets another.
func Identity(t contract.TenantID, strategic contract.DirectiveID, m contract.MetricID, version string, revision int64) contract.DirectiveID {
	part := fmt.Sprintf("%s/%s/%s/%d", Part, m, version, revision)
	return contract.DirectiveID(prefix + strings.TrimPrefix(string(contract.OperationalIdentity(t, strategic, part)), "od-"))
}

// Is reports whether an operational directive is a trial.
func Is(id contract.DirectiveID) bool { return strings.HasPrefix(string(id), prefix) }

// Metric returns the definition that is tried.
func (t *Trial) Metric() contract.Definition { return t.Order.Compute[0].Metric }

// Running reports whether the operational layer is asked for it at the wall-clock instant now.
func (t *Trial) Running(now time.Time) bool {
	return t.Order.ActiveAt(now) && (t.Answer == nil || t.Answer.State != contract.Refused)
}

// Due returns the windows that a trial has to bring: the newest closed ones of the metric's own series or, of a metric
// that has none yet, of the directive's other metrics. series are the measurements under the strategic directive, without
// trials.
func Due(m contract.MetricID, g contract.Grain, series []contract.Measurement) []contract.Window {
	own := closed(series, g, func(x contract.MetricID) bool { return x == m })
	if len(own) == 0 {
		own = closed(series, g, func(contract.MetricID) bool { return true })
	}
	return own[max(0, len(own)-Windows):]
}

func closed(series []contract.Measurement, g contract.Grain, is func(contract.MetricID) bool) []contract.Window {
	var ws []contract.Window
	for i := range series {
		if m := &series[i]; m.Closed && m.Grain == g && is(m.Metric) {
			ws = append(ws, m.Window)
		}
	}
	slices.SortFunc(ws, func(a, b contract.Window) int { return a.Start.Compare(b.Start) })
	return slices.CompactFunc(ws, func(a, b contract.Window) bool { return a.Start.Equal(b.Start) })
}

// State of a trial as a person sees it.
type State string

// The states.
const (
	Waiting   State = "waiting"   // not every window is in
	Ready     State = "ready"     // every window is in
	Refused   State = "refused"   // the operational layer cannot, or may not
	Expired   State = "expired"   // a day has passed and not every window is in
	Withdrawn State = "withdrawn" // its plan changed before every window was in
)

// Report compares what was tried with what is.
type Report struct {
	Metric    contract.MetricID    `json:"metric"`
	Version   string               `json:"version"`           // that was tried
	Against   string               `json:"against,omitempty"` // the version that the plan uses; empty for a new metric
	Trial     contract.DirectiveID `json:"trial"`
	Directive contract.DirectiveID `json:"directive"` // strategic
	Goal      contract.GoalID      `json:"goal"`
	State     State                `json:"state"`
	Reasons   []contract.Reason    `json:"reasons,omitempty"`
	By        string               `json:"by"`
	At        time.Time            `json:"at"`      // when it was asked for
	Expires   time.Time            `json:"expires"` // when the operational layer stops
	Unit      contract.Unit        `json:"unit"`
	Currency  string               `json:"currency,omitempty"`
	Windows   []Row                `json:"windows"` // ascending
}

// Row is one window before and after.
type Row struct {
	Window     contract.Window `json:"window"`
	Old        *contract.Point `json:"old,omitempty"`
	New        *contract.Point `json:"new,omitempty"`
	Difference *float64        `json:"difference,omitempty"` // new − old, where both have a value
	Relative   *float64        `json:"relative,omitempty"`   // of the old value; none where that is 0
}

// Compare returns the report of a trial at the wall-clock instant now. series are the measurements under its strategic
// directive and tried those of the trial.
func Compare(t *Trial, series, tried []contract.Measurement, now time.Time) Report {
	d, c := t.Metric(), t.Order.Compute[0]
	r := Report{
		Metric: d.ID, Version: d.Version, Trial: t.Order.ID, Directive: t.Order.Strategic, Goal: t.Order.Goal, By: t.By, At: t.Order.ValidFrom,
		Expires: t.Order.Expires, Unit: d.Unit, Windows: []Row{},
	}
	if d.Unit == contract.Money {
		r.Currency = t.Order.Currency
	}
	if t.Answer != nil {
		r.Reasons = t.Answer.Reasons
	}
	zone, err := time.LoadLocation(t.Order.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	first, last := c.From.Start(zone), c.Until.End(zone)
	missing := 0
	for _, w := range Due(d.ID, c.Grain, within(series, first, last)) {
		row := Row{Window: w, Old: at(series, d.ID, w), New: at(tried, d.ID, w)}
		row.differ()
		if row.New == nil {
			missing++
		}
		r.Windows = append(r.Windows, row)
	}
	r.Against = newest(series, d.ID)
	r.State = t.state(missing == 0 && len(r.Windows) > 0, now)
	return r
}

func (t *Trial) state(all bool, now time.Time) State {
	switch {
	case all:
		return Ready
	case t.Answer != nil && t.Answer.State == contract.Refused:
		return Refused
	case t.Order.Standing.Ended():
		return Withdrawn
	case !now.Before(t.Order.Expires):
		return Expired
	}
	return Waiting
}

func within(series []contract.Measurement, first, last time.Time) []contract.Measurement {
	return slices.DeleteFunc(slices.Clone(series), func(m contract.Measurement) bool {
		return m.Window.Start.Before(first) || m.Window.End.After(last)
	})
}

// at returns the newest closed measurement of a window.
func at(ms []contract.Measurement, metric contract.MetricID, w contract.Window) *contract.Point {
	var best *contract.Measurement
	for i := range ms {
		m := &ms[i]
		if m.Metric == metric && m.Closed && m.Window.Start.Equal(w.Start) && (best == nil || m.Revision > best.Revision) {
			best = m
		}
	}
	if best == nil {
		return nil
	}
	p := information.PointOf(best)
	return &p
}

// newest returns the version of the latest window of a metric's series.
func newest(ms []contract.Measurement, metric contract.MetricID) string {
	own := slices.DeleteFunc(slices.Clone(ms), func(m contract.Measurement) bool { return m.Metric != metric })
	if len(own) == 0 {
		return ""
	}
	return slices.MaxFunc(own, func(a, b contract.Measurement) int {
		return cmp.Or(a.Window.Start.Compare(b.Window.Start), cmp.Compare(a.Revision, b.Revision))
	}).Version
}

func (r *Row) differ() {
	if r.Old == nil || r.New == nil || r.Old.Value == nil || r.New.Value == nil {
		return
	}
	d := *r.New.Value - *r.Old.Value
	r.Difference = &d
	if *r.Old.Value != 0 {
		rel := d / *r.Old.Value
		r.Relative = &rel
	}
}

// Order returns the order that a trial is. It collects nothing: it only computes, on what the strategic directive's plan
// has collected already. Every parameter of the metric must be among collected.
func Order(id contract.DirectiveID, like *contract.OperationalDirective, d contract.Definition, due []contract.Window, collected []contract.ParameterName, now time.Time) (contract.OperationalDirective, error) {
	for _, p := range d.Parameters {
		if !slices.Contains(collected, p) {
			return contract.OperationalDirective{}, fault.New(fault.Conflict, fault.NotRequested,
				"%s needs %s, which this directive's plan does not collect: a trial collects nothing", d.ID, p)
		}
	}
	if len(due) == 0 || len(like.Compute) == 0 {
		return contract.OperationalDirective{}, fault.New(fault.Conflict, fault.NoData, "no window under this directive is closed yet: there is nothing to try it on")
	}
	zone, err := time.LoadLocation(like.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	o := *like
	o.ID, o.Part, o.Collect, o.Insights = id, Part, []contract.Collection{}, nil
	o.Standing, o.ValidFrom, o.Expires = contract.InForce, now, now.Add(Life)
	if like.Expires.Before(o.Expires) {
		o.Expires = like.Expires
	}
	o.Compute = []contract.Computation{{
		Metric: d, Scope: like.Compute[0].Scope, Grain: like.Compute[0].Grain, Required: true,
		From: contract.DayOf(due[0].Start, zone), Until: contract.DayOf(due[len(due)-1].End, zone).Add(-1),
	}}
	return o, nil
}
