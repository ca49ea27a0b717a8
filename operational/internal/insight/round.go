package insight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/strata-crm/strata/operational/internal/egress"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/model"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

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
