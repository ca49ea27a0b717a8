package insight

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
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

// round is what stays the same while one round lasts.
type round struct {
	*Engine
	now      time.Time
	again    bool // whether windows are looked at again
	position map[int]int64
	touched  map[contract.Day]map[int]int64
	first    contract.Day
	expired  metric.Expired
	records  map[contract.InsightID]Record
	failed   model.Failures // of which models no fits are known
	unfitted error          // why some, or all, are not
	complete map[contract.InsightID]completeness
}

// completeness is until when the data of a claim is complete, and whether a source offers it.
type completeness struct {
	until   time.Time
	offered bool
	arrived func(metric.Span) float64 // the share of facts of some days that has come; nil: all
}

// mostWindowsAtOnce bounds how many windows of a claim one round catches up with.
const mostWindowsAtOnce = 1000

// Round looks at whatever is due now, window by window. The error joins those of every claim that failed.
func (e *Engine) Round(ctx context.Context) error {
	orders := e.o.Orders.Orders()
	r, err := e.round(ctx)
	if err != nil || len(orders) == 0 && len(r.records) == 0 {
		return err
	}
	if err := r.expire(ctx, orders); err != nil {
		return err
	}
	for range mostWindowsAtOnce {
		// Completeness before fits: a window that is complete since then may still be without the fit that it is to rest on.
		if err := r.completed(ctx, orders); err != nil {
			return err
		}
		// A claim that fell at the last window may have another fit to rest on at the next.
		r.fit(ctx)
		tasks, err := r.due(ctx, orders)
		if err != nil || len(tasks) == 0 {
			return errors.Join(err, r.unfitted)
		}
		if err := r.look(ctx, tasks); err != nil {
			return errors.Join(err, r.unfitted)
		}
		r.again = false
	}
	return r.unfitted
}

// completed learns until when the data of each claim is complete.
func (r *round) completed(ctx context.Context, orders []contract.OperationalDirective) error {
	r.complete = map[contract.InsightID]completeness{}
	for i := range orders {
		for _, o := range orders[i].Insights {
			until, offered, err := r.o.Complete.Complete(ctx, o.Metric.Parameters)
			if err != nil {
				return fmt.Errorf("completeness of insight %s of %s: %w", o.ID, o.Metric.ID, err)
			}
			c := completeness{until: until, offered: offered}
			if r.o.Arrived != nil {
				if c.arrived, err = r.o.Arrived(ctx, o.Metric.Parameters); err != nil {
					return fmt.Errorf("arrivals for insight %s of %s: %w", o.ID, o.Metric.ID, err)
				}
			}
			r.complete[o.ID] = c
		}
	}
	return nil
}

// fit brings the fits of models up to date. Where that fails, forecasts that rest on them wait; others do not.
func (r *round) fit(ctx context.Context) {
	failed, err := r.o.Models.Round(ctx)
	if r.failed = failed; err != nil {
		r.failed = nil
	}
	if r.unfitted = cmp.Or(err, failed.Err()); r.unfitted != nil {
		r.unfitted = fmt.Errorf("fits of models: %w", r.unfitted)
	}
}

func (e *Engine) round(ctx context.Context) (*round, error) {
	r := &round{Engine: e, now: e.o.Now()}
	var err error
	// Position before touches before facts: what is read later may contain more than the position says, never less.
	if r.position, err = e.o.Positions.Position(ctx); err != nil {
		return nil, fmt.Errorf("position of ingest: %w", err)
	}
	if r.touched, err = e.o.Positions.Touched(ctx); err != nil {
		return nil, fmt.Errorf("touched days: %w", err)
	}
	r.position = metric.Covering(r.position, r.touched)
	if err = r.whatExpired(ctx); err != nil {
		return nil, err
	}
	for day := range r.touched {
		if r.first == "" || day < r.first {
			r.first = day
		}
	}
	if r.again = r.now.Sub(e.last) >= e.o.Cadence; r.again {
		e.last = r.now
	}
	return r, r.load(ctx)
}

// whatExpired learns of which days facts have expired.
func (r *round) whatExpired(ctx context.Context) (err error) {
	if r.o.Expired == nil {
		return nil
	}
	if r.expired, err = r.o.Expired(ctx); err != nil {
		return fmt.Errorf("expired days: %w", err)
	}
	return nil
}

func (r *round) load(ctx context.Context) error {
	all, err := r.o.Records.All(ctx)
	if err != nil {
		return fmt.Errorf("insights: %w", err)
	}
	r.records = map[contract.InsightID]Record{}
	for _, rec := range all {
		r.records[rec.Insight.ID] = rec
	}
	return nil
}

// expire ends the insights that no directive in force orders any more.
func (r *round) expire(ctx context.Context, orders []contract.OperationalDirective) error {
	today, ordered := contract.DayOf(r.now, r.o.Zone), map[contract.InsightID]bool{}
	running := map[contract.DirectiveID]bool{}
	for i := range orders {
		running[orders[i].ID] = true
		for _, o := range orders[i].Insights {
			ordered[o.ID] = ordered[o.ID] || today <= o.Until
		}
	}
	for _, id := range sortedKeys(r.records) {
		rec := r.records[id]
		if ordered[id] || rec.Insight.State == contract.InsightExpired {
			continue
		}
		switch over, err := r.over(ctx, rec.Insight.Directive, running); {
		case err != nil:
			return fmt.Errorf("directive %s: %w", rec.Insight.Directive, err)
		case !over:
			continue
		}
		i := rec.Insight
		st, err := rec.state()
		if err != nil {
			return err
		}
		if st.Model != "" {
			if err := r.o.Models.Forget(ctx, model.Subject{Model: st.Model, Scope: i.Scope}, id); err != nil {
				return err
			}
		}
		over := contract.Insight{ID: i.ID, Directive: i.Directive, Strategic: i.Strategic, Goal: i.Goal, Metric: i.Metric, Version: i.Version,
			State: contract.InsightExpired, Unit: i.Unit, Tolerance: i.Tolerance, Absolute: i.Absolute, Kind: i.Kind, Grain: i.Grain, Scope: i.Scope,
			Against: i.Against, AsOf: i.AsOf, Verdicts: i.Verdicts, Republished: i.Republished, PublishedAt: i.PublishedAt}
		if err := r.put(ctx, over, 0, egress.Kept{Version: rec.Version, State: []byte("{}"), Contains: rec.Contains}); err != nil {
			return err
		}
	}
	return nil
}

// over reports whether a directive that orders an insight no more is one that is over, or does without it.
func (r *round) over(ctx context.Context, id contract.DirectiveID, running map[contract.DirectiveID]bool) (bool, error) {
	if running[id] {
		return true, nil
	}
	return r.o.Ended(ctx, id)
}

// put publishes; that another replica was first is no failure.
func (r *round) put(ctx context.Context, i contract.Insight, smallest int64, k egress.Kept) error {
	err := r.o.Sink.PutInsight(ctx, i, smallest, k)
	if fault.Is(err, fault.Conflict) {
		return nil
	}
	return err
}

// due returns the claims that there is something to look at for, each at its next window.
func (r *round) due(ctx context.Context, orders []contract.OperationalDirective) ([]*task, error) {
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	var tasks []*task
	today := contract.DayOf(r.now, r.o.Zone)
	for i := range orders {
		for j := range orders[i].Insights {
			d, o := &orders[i], &orders[i].Insights[j]
			if today > o.Until {
				continue
			}
			t, err := r.task(ctx, d, o)
			if err != nil {
				return nil, fmt.Errorf("insight %s of %s: %w", o.ID, o.Metric.ID, err)
			}
			if t != nil {
				tasks = append(tasks, t)
			}
		}
	}
	return tasks, nil
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

// batch is how many customers are read at a time.
const batch = 500

// look walks once for all tasks, and publishes what each of them found.
func (r *round) look(ctx context.Context, tasks []*task) error {
	for _, t := range tasks {
		var err error
		if t.unparsed, err = r.o.Unparsed(ctx, &t.c.order.Metric, t.over()); err != nil {
			return fmt.Errorf("what could not be read of %s: %w", t.c.order.Metric.ID, err)
		}
	}
	if err := r.conclude(ctx, tasks); err != nil {
		return err
	}
	var fresh []*task // baselines are gathered for claims that stand: most candidates do not
	for _, t := range tasks {
		if t.err == nil && t.found.fresh && !t.c.fitted() {
			t.st, t.anew, t.read = t.found.st, t.found.anew, t.found.read
			fresh = append(fresh, t)
		}
	}
	if len(fresh) > 0 {
		if err := r.conclude(ctx, fresh); err != nil {
			return err
		}
	}
	return r.tell(ctx, tasks)
}

// conclude walks once and makes the looks.
func (r *round) conclude(ctx context.Context, tasks []*task) error {
	if err := r.walk(ctx, tasks); err != nil {
		return err
	}
	if err := r.whatExpired(ctx); err != nil {
		return err
	}
	for _, t := range tasks {
		if expired := r.expired.Of(t.c.programs...); t.err == nil && expired.Within(t.rests(t.at)) { // meanwhile: some customers were read with it, some without
			t.err = fault.New(fault.Transient, fault.Unavailable, "facts that the look rests on expired while it was made")
		}
		if t.err == nil {
			t.found, t.err = t.x.conclude(r.now, t.unparsed)
		}
		if t.err == nil {
			t.bind()
		}
	}
	return nil
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

func (r *round) walk(ctx context.Context, tasks []*task) error {
	w, err := r.o.Customers.Begin(ctx)
	if err != nil {
		return err
	}
	for _, t := range tasks {
		if t.c.fitted() {
			t.x, t.err = newPrognosis(t.c, &t.st, t.at, r.first, w.Size(), r.o.Gates)
		} else {
			t.x, t.err = newGather(t.c, &t.st, t.at, r.first, w.Size(), t.read)
		}
	}
	open := func(t *task) bool { return t.err == nil && !t.x.enough(r.o.MostRead) }
	for last := false; !last && slices.ContainsFunc(tasks, open); {
		var customers []Customer
		if customers, last, err = w.Next(ctx, batch); err != nil {
			return err
		}
		views := make([]*view, len(customers))
		for i := range customers {
			views[i] = newView(&customers[i])
		}
		for _, t := range tasks {
			if !open(t) {
				continue
			}
			for _, v := range views {
				if t.err = t.x.add(v); t.err != nil {
					break
				}
			}
			if last && t.err == nil {
				t.err = t.x.finish()
			}
		}
	}
	return nil
}
