package insight

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"github.com/strata-crm/strata/operational/internal/egress"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/model"
	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// examiner collects what a look needs of customers, and makes the look.
type examiner interface {
	add(v *view) error
	enough(most int64) bool
	finish() error
	conclude(now time.Time, unparsed float64) (*look, error)
}

// task is one claim at one window.
type task struct {
	c   *claim
	rec Record
	st  State
	at  metric.Span
	x   examiner

	unparsed float64 // the share of the facts it rests on that could not be read

	line  model.Line // of the model that a forecast rests on
	found *look
	anew  string // why it was published anew
	read  int64  // customers that the publication rests on
	err   error
}

// task returns what is due of an order; nil if nothing is.
func (r *round) task(ctx context.Context, d *contract.OperationalDirective, o *contract.InsightOrder) (*task, error) {
	t := &task{rec: r.records[o.ID]}
	var err error
	if t.st, err = t.rec.state(); err != nil {
		return nil, err
	}
	if h := hash(o); t.st.Order != h {
		before := 0
		if t.rec.Insight.PublishedAt != nil { // under another order, or before the database was emptied
			before = t.rec.Insight.Republished + 1
		}
		t.st = State{Order: h, Before: before, Model: t.st.Model}
	}
	var why *contract.Reason
	if t.c, why = prepare(d, o, r.o.Calendar, r.o.Zone); why != nil {
		return nil, r.cannot(ctx, t, d, o, why)
	}
	complete := r.complete[o.ID]
	expired := r.expired.Of(t.c.programs...)
	t.c.arrived, t.c.kept = complete.arrived, expired.Kept()
	if !complete.offered {
		return nil, r.cannot(ctx, t, d, o, &contract.Reason{Code: fault.NoSource, Item: string(o.Metric.ID)})
	}
	at, ok := r.whole(t, complete.until, expired)
	t.at = at
	switch rests := t.rests(at); {
	case !ok || t.st.Seen == "" && expired.Within(rests):
		return nil, r.cannot(ctx, t, d, o, &contract.Reason{Code: fault.NoData, Item: string(o.Metric.ID)})
	case expired.Within(rests) && !t.rebase(expired, at):
		return nil, nil // what is left of it is not what happened in it
	case t.st.Standing == nil && t.st.Seen == "" && !t.c.whole(at):
		return nil, r.cannot(ctx, t, d, o, &contract.Reason{Code: fault.NoData, Item: incomplete})
	case (t.st.Standing == nil || t.st.worn()) && !t.c.whole(at):
		return nil, nil // no statement is made of what has not come yet
	}
	t.c.early = r.early(t)
	if at.Until == t.st.Seen && !(r.again && (r.changed(at, t.rec.Contains) || t.ripe())) {
		return nil, nil
	}
	if t.c.target, err = r.target(ctx, t.c); err != nil {
		return nil, err
	}
	if o.Kind != contract.ForecastInsight {
		return t, nil
	}
	if r.unfitted != nil && (r.failed == nil || r.failed[t.c.subject().ID()] != nil) {
		return nil, nil // said at the end of the round
	}
	t.line, err = r.o.Models.Line(ctx, t.c.subject())
	return t, err
}

// rebase lets go of what a claim is compared with and of which facts have expired. Where those are of its own windows, or of those that
// later ones are compared with, it is made anew at this window, and compared with windows that are kept; a claim that fell stays fallen
// for as long as any other, unless its own windows are gone. Where they are of those that the spread is compared with alone, another
// baseline takes their place, and nothing else begins anew. It is false where what the value of the window to look at rests on has
// expired, or where that was looked at before.
func (t *task) rebase(e metric.Expired, at metric.Span) bool {
	if at.Until <= t.st.Seen || e.Within(t.c.reaching(at)) {
		return false
	}
	later, spread := t.st.Later, t.st.Spread
	own := e.Within(t.c.reaching(t.own(at)))
	lost := own || later.based() && e.Within(later.since(t.c, at))
	if lost && later != nil {
		later.leave()
	}
	if spread.based() && e.Within(spread.since(t.c, at)) {
		spread.leave()
		t.st.Ratio = nil
	}
	if lost && t.st.Standing != nil && (own || !t.st.fallen()) {
		t.st.Lost = true
	}
	return true
}

// own returns the days of the windows that a claim is about for ever, and of the window to look at.
func (t *task) own(at metric.Span) metric.Span {
	if t.c.pinned() && t.st.Standing != nil && !t.st.Lost {
		for _, w := range t.c.spans(t.st.At) {
			at.From = min(at.From, w.From)
		}
	}
	return at
}

// over returns the days whose facts the value at a look is of, as they are told; an empty From means all.
func (t *task) over() metric.Span {
	if t.c.fitted() || !t.c.windowed() && !t.c.pinned() {
		return metric.Span{Until: t.at.Until}
	}
	at := t.own(t.at)
	for q, w := range t.c.spans(t.at) {
		at.From = min(at.From, w.From, t.c.programs[t.c.program(q)].Over(w).From)
	}
	return at
}

// rests returns the days that a look at a window rests on: those of the window and of what its value reaches back to, and the
// windows that it is compared with.
func (t *task) rests(at metric.Span) metric.Span {
	out := t.c.reaching(t.own(at))
	for _, w := range []*watch{t.st.Later, t.st.Spread} {
		if w.based() {
			out.From = min(out.From, w.since(t.c, at).From)
		}
	}
	return out
}

// incomplete is why nothing is published yet of a window that has ended: too few of its facts have come.
const incomplete = "incomplete"

// early reports whether too little has come of what the value at a look is of for Volume to be judged by it. What a claim is about for
// ever had come when it was published.
func (r *round) early(t *task) bool {
	if t.c.pinned() || t.c.fitted() {
		return false
	}
	at := t.over()
	at.From = max(at.From, r.first)
	return !validity.Complete(t.c.came(at))
}

// ripe reports whether so much has arrived of a window that waits that it can be judged now.
func (t *task) ripe() bool {
	return t.st.Early && !t.c.early || slices.ContainsFunc([]*watch{t.st.Later, t.st.Spread}, func(w *watch) bool {
		return w != nil && w.Arrived != nil && t.c.whole(w.windows(t.c, w.Fed, w.Fed+1)[0])
	})
}

// hash names what was ordered.
func hash(o *contract.InsightOrder) string {
	same := *o
	same.Until, same.Aim = "", nil // that it lasts longer, or that a goal wants something else of it, is no other claim
	raw, _ := json.Marshal(same)
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}

// cannot publishes why there is no insight, unless one was published already.
func (r *round) cannot(ctx context.Context, t *task, d *contract.OperationalDirective, o *contract.InsightOrder, why *contract.Reason) error {
	if t.st.Standing != nil {
		return nil
	}
	i := named(d, o)
	i.Withheld, i.AsOf = why, r.first.End(r.o.Zone).UTC()
	if r.first == "" {
		i.AsOf = d.ValidFrom.UTC()
	}
	if b := t.rec.Insight.Withheld; b != nil && *b == *why && t.rec.Insight.State == contract.InsightCandidate {
		return nil
	}
	state, err := t.st.encode()
	if err != nil {
		return err
	}
	return r.put(ctx, i, 0, egress.Kept{Version: t.rec.Version, State: state, Contains: t.rec.Contains})
}

// window returns the one to look at next: at first the latest that is closed and has come, or is closed, if none has come; then one
// after the other, and the last one again; false if none has closed.
func (r *round) window(t *task, complete time.Time) (metric.Span, bool) {
	if complete.IsZero() || r.first == "" {
		return metric.Span{}, false
	}
	grain, lag := t.c.order.Grain, 0
	if c := t.c.order.Metric.Conversion; c != nil {
		lag = c.Days
	}
	ended := func(w metric.Span) bool { return !w.Until.Add(lag).Start(r.o.Zone).After(complete) }
	if t.st.Seen != "" {
		next := r.o.Calendar.Of(grain, t.st.Seen)
		if ended(next) {
			return next, true
		}
		return r.o.Calendar.Previous(grain, next), true
	}
	w := r.o.Calendar.Of(grain, contract.DayOf(complete, r.o.Zone).Add(-lag))
	if !ended(w) {
		w = r.o.Calendar.Previous(grain, w)
	}
	latest := w
	for !t.c.whole(w) && w.From > r.first {
		w = r.o.Calendar.Previous(grain, w)
	}
	if w.From < r.first { // only a part of it is known
		w = latest
	}
	return w, w.Until > r.first
}

// whole returns the window to look at next, and passes those of which facts have expired.
func (r *round) whole(t *task, complete time.Time, expired metric.Expired) (metric.Span, bool) {
	for {
		at, ok := r.window(t, complete)
		if !ok || t.st.Seen == "" || at.Until == t.st.Seen || !expired.Within(at) {
			return at, ok
		}
		t.st.Seen = at.Until
	}
}

// changed reports whether facts that the look rests on arrived since.
func (r *round) changed(at metric.Span, contains map[int]int64) bool {
	for day, parts := range r.touched {
		if day >= at.Until {
			continue
		}
		for part, pos := range parts {
			if pos > contains[part] {
				return true
			}
		}
	}
	return false
}

// bind notes on which fit a statement rests: the one in use when it was made, or the first one after that.
func (t *task) bind() {
	st := &t.found.st
	f, used := t.line.AsOf(t.end()).InUse()
	switch {
	case t.found.fresh:
		if st.Fit = 0; used {
			st.Fit = f.Number
		}
	case used && st.Fit == 0 && st.Standing != nil && !st.fallen():
		st.Fit = f.Number
	}
}

// end is the end of the window of a task.
func (t *task) end() time.Time { return t.at.Until.Start(t.c.zone).UTC() }
