package fitting

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/model"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// asked is a subject that directives ask for, and the ends of the closed windows at which they do.
type asked struct {
	subject model.Subject
	ends    []contract.Day
}

// Round brings every line up to the windows that are closed, in their order, and returns those that failed. With an error
// nothing is known of any. Where no directive asks for a model it reads nothing.
func (k *Keeper) Round(ctx context.Context) (model.Failures, error) {
	k.round.Lock()
	defer k.round.Unlock()
	orders := k.o.Orders.Orders()
	if !slices.ContainsFunc(orders, modelled) {
		return nil, nil
	}
	if err := k.o.Histories.Settle(ctx); err != nil { // before touches: it touches days itself
		return nil, fmt.Errorf("linked identities: %w", err)
	}
	touched, err := k.o.Positions.Touched(ctx)
	if err != nil {
		return nil, fmt.Errorf("touched days: %w", err)
	}
	d := days{touched: touched}
	for day := range touched {
		if d.first == "" || day < d.first {
			d.first = day
		}
	}
	all, err := k.asked(ctx, orders, d.first)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	if d.position, err = k.o.Positions.Position(ctx); err != nil {
		return nil, fmt.Errorf("position of ingest: %w", err)
	}
	d.position = metric.Covering(d.position, touched)
	failed := model.Failures{}
	for _, a := range all {
		if err := k.advance(ctx, a, d); err != nil {
			failed[a.subject.ID()] = err
		}
	}
	return failed, ctx.Err()
}

func modelled(o contract.OperationalDirective) bool {
	return slices.ContainsFunc(o.Compute, func(c contract.Computation) bool { return c.Metric.Model != nil }) ||
		slices.ContainsFunc(o.Insights, func(i contract.InsightOrder) bool { return i.Metric.Model != nil })
}

// asked returns the subjects of metrics and claims with the closed windows since the first data, by id.
func (k *Keeper) asked(ctx context.Context, orders []contract.OperationalDirective, first contract.Day) ([]asked, error) {
	var all []asked
	for i := range orders {
		for _, c := range orders[i].Compute {
			if err := k.add(ctx, &all, &c.Metric, c.Scope, c.Grain, max(first, c.From), c.Until, first); err != nil {
				return nil, err
			}
		}
		for _, o := range orders[i].Insights {
			if err := k.add(ctx, &all, &o.Metric, o.Scope, o.Grain, first, o.Until, first); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(all, func(a, b asked) int { return cmp.Compare(a.subject.ID(), b.subject.ID()) })
	for i := range all {
		slices.Sort(all[i].ends)
		all[i].ends = slices.Compact(all[i].ends)
	}
	return all, nil
}

// add adds the closed windows of one metric or claim, if it is of a model.
func (k *Keeper) add(ctx context.Context, all *[]asked, d *contract.Definition, scope *contract.Condition, g contract.Grain, from, until, first contract.Day) error {
	if d.Model == nil || first == "" {
		return nil
	}
	complete, offered, err := k.o.Complete.Complete(ctx, d.Parameters)
	if err != nil {
		return fmt.Errorf("completeness of %s: %w", d.ID, err)
	}
	if !offered || complete.IsZero() {
		return nil
	}
	s := model.Subject{Model: d.Model.Name, Scope: scope}
	i := slices.IndexFunc(*all, func(a asked) bool { return a.subject.ID() == s.ID() })
	if i < 0 {
		i = len(*all)
		*all = append(*all, asked{subject: s})
	}
	for _, w := range k.o.Calendar.Spans(g, from, min(until, contract.DayOf(complete, k.o.Zone))) {
		if !w.Until.Start(k.o.Zone).After(complete) {
			(*all)[i].ends = append((*all)[i].ends, w.Until)
		}
	}
	return nil
}

// days is what is known of the data in a round.
type days struct {
	first    contract.Day
	touched  map[contract.Day]map[int]int64
	position map[int]int64
}

// changed reports whether facts of days before one arrived after some positions.
func (d *days) changed(before contract.Day, contains map[int]int64) bool {
	for day, parts := range d.touched {
		for part, pos := range parts {
			if day < before && pos > contains[part] {
				return true
			}
		}
	}
	return false
}

// advance goes through the windows of one line: it tries a fit where one is asked for, and holds the one in use out again
// where that is due.
func (k *Keeper) advance(ctx context.Context, a asked, d days) error {
	r, err := k.o.Store.Line(ctx, a.subject.ID())
	if err != nil {
		return err
	}
	if len(r.Line) == 0 && len(a.ends) > 0 && d.changed(a.ends[len(a.ends)-1], r.Contains) {
		r.Tried = "" // there may be enough by now for a fit of an earlier window
	}
	for _, end := range a.ends {
		as := r.Line.AsOf(end.Start(k.o.Zone))
		switch {
		case as.NeedsFit() && end > r.Tried:
			err = k.fit(ctx, a.subject, &r, end, d)
		case end > r.Renewed && due(as, end, k.o.Zone):
			err = k.renew(ctx, a.subject, &r, end, d)
		}
		if err != nil {
			return fmt.Errorf("window to %s: %w", end, err)
		}
	}
	return nil
}

// due reports whether as many weeks have passed as the fit in use was held out for the last time.
func due(l model.Line, end contract.Day, zone *time.Location) bool {
	f, used := l.InUse()
	if !used {
		return false
	}
	last := f.Latest()
	return last.HoldOut != nil && float64(end.Sub(contract.DayOf(last.AsOf, zone))) >= 7*last.HoldOut.Weeks
}

// fit tries another fit at the end of a window.
func (k *Keeper) fit(ctx context.Context, s model.Subject, r *Record, end contract.Day, d days) error {
	t, err := k.try(ctx, s, d.first, end, newest(r.Line))
	if err != nil && !refused(err) {
		return err
	}
	r.Subject, r.Tried, r.Contains, r.Why = s, end, d.position, nil
	if err != nil {
		r.Why = &contract.Reason{Code: fault.CodeOf(err), Item: s.Model}
	} else if err := k.enter(s, r, end, t); err != nil {
		return err
	}
	if f, ok := r.Line.AsOf(end.Start(k.o.Zone)).Current(); ok {
		k.o.Logger.InfoContext(ctx, "a model was fitted", "model", s.Model, "window_end", end, "fits", len(r.Line), "current", f.Number, "state", f.State)
	}
	return k.store(ctx, r)
}

// enter adds a tried fit to the line, against the current one.
func (k *Keeper) enter(s model.Subject, r *Record, end contract.Day, t trial) error {
	turn := model.Turn{AsOf: end.Start(k.o.Zone).UTC(), Now: k.now()}
	var against *contract.HoldOut
	if f, ok := r.Line.Current(); ok {
		var err error
		if against, err = k.again(s.Model, f.Born().Parameters, t); err != nil {
			return err
		}
	}
	next, err := r.Line.Add(t.fitted.Start(k.o.Zone).UTC(), t.parameters, turn)
	if err == nil {
		r.Line, err = next.Try(t.held, against, turn)
	}
	return err
}

// renew holds the fit in use out again.
func (k *Keeper) renew(ctx context.Context, s model.Subject, r *Record, end contract.Day, d days) error {
	t, err := k.try(ctx, s, d.first, end, time.Time{})
	if err != nil && !refused(err) {
		return err
	}
	r.Renewed = end
	if err == nil {
		r.Line, err = r.Line.Renew(t.fitted.Start(k.o.Zone).UTC(), t.parameters, t.held, model.Turn{AsOf: end.Start(k.o.Zone).UTC(), Now: k.now()})
		if err != nil {
			return err
		}
	}
	return k.store(ctx, r)
}

// store puts the record. That another process was first is no failure: what it found is taken up in the next round.
func (k *Keeper) store(ctx context.Context, r *Record) error {
	err := k.o.Store.PutLine(ctx, *r)
	if fault.Is(err, fault.Conflict) {
		*r, err = k.o.Store.Line(ctx, r.Subject.ID())
		return err
	}
	r.Version++
	return err
}

// newest is the end of the data that the last fit of the line was born of.
func newest(l model.Line) (t time.Time) {
	if n := len(l); n > 0 {
		t = l[n-1].Born().Fitted
	}
	return t
}
