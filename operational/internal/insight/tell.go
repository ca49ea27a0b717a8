package insight

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/strata-crm/strata/operational/internal/egress"
	"github.com/strata-crm/strata/operational/internal/model"
	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
)

// falseAlarms is the share of false ones among the alarms.
const falseAlarms = .10

// tell publishes what was found, and raises alarms among all insights.
func (r *round) tell(ctx context.Context, tasks []*task) error {
	evidence := map[contract.InsightID]float64{}
	for id, rec := range r.records {
		if st, err := rec.state(); err == nil && st.LogE != nil {
			evidence[id] = validity.Evidence(st.LogE...)
		}
	}
	for _, t := range tasks {
		if t.err == nil && t.found.st.LogE != nil {
			evidence[t.c.order.ID] = validity.Evidence(t.found.st.LogE...)
		}
	}
	alarms := alarmed(evidence)
	var failed []error
	told := map[contract.InsightID]bool{}
	for _, t := range tasks {
		told[t.c.order.ID] = true
		if t.err == nil {
			t.err = r.publish(ctx, t, t.found, alarms[t.c.order.ID])
		}
		if t.err != nil {
			failed = append(failed, fmt.Errorf("insight %s of %s at %s: %w", t.c.order.ID, t.c.order.Metric.ID, t.at.Until, t.err))
		}
	}
	return errors.Join(errors.Join(failed...), r.ring(ctx, alarms, told))
}

// alarmed returns the insights that cannot all be true.
func alarmed(evidence map[contract.InsightID]float64) map[contract.InsightID]bool {
	ids := sortedKeys(evidence)
	logE := make([]float64, len(ids))
	for i, id := range ids {
		logE[i] = evidence[id]
	}
	out := map[contract.InsightID]bool{}
	for _, at := range validity.AlarmList(logE, falseAlarms) {
		out[ids[at]] = true
	}
	return out
}

// ring brings the alarm of the insights that were not looked at in line.
func (r *round) ring(ctx context.Context, alarms, told map[contract.InsightID]bool) error {
	for _, id := range sortedKeys(r.records) {
		rec := r.records[id]
		if told[id] || rec.Insight.Alarm == alarms[id] || rec.Insight.State == contract.InsightExpired || rec.Insight.State == contract.InsightCandidate {
			continue
		}
		i := rec.Insight
		i.Alarm = alarms[id]
		if err := r.put(ctx, i, rec.smallest(), egress.Kept{Version: rec.Version, State: rec.State, Contains: rec.Contains}); err != nil {
			return err
		}
	}
	return nil
}

// state is what was kept of the last look; of a record without, nothing.
func (r Record) state() (st State, err error) {
	if len(r.State) > 0 {
		err = json.Unmarshal(r.State, &st)
	}
	if err != nil {
		return State{}, fmt.Errorf("stored state of insight %s: %w", r.Insight.ID, err)
	}
	return st, nil
}

// smallest is the smallest group that was told of when the insight last went up.
func (r Record) smallest() int64 {
	st, err := r.state()
	if err != nil {
		return 0
	}
	return st.Smallest
}

// judge takes the verdicts on a forecast to the fit that it rests on.
func (r *round) judge(ctx context.Context, t *task, l *look) (err error) {
	if t.c.order.Kind != contract.ForecastInsight {
		return nil
	}
	s := t.c.subject()
	if told := l.st.Model; told != "" && (told != s.Model || l.st.Standing == nil) { // the order may have another model now
		if err := r.o.Models.Forget(ctx, model.Subject{Model: told, Scope: s.Scope}, t.c.order.ID); err != nil {
			return err
		}
		l.st.Model = ""
	}
	if l.st.Standing == nil || l.st.Fit == 0 {
		return nil
	}
	t.line, err = r.o.Models.Judge(ctx, s, model.Said{Claim: t.c.order.ID, Fit: l.st.Fit, AsOf: t.end(), Verdicts: l.st.Standing.Verdicts})
	l.st.Model = s.Model
	return err
}

// unwatched says of a claim that has lost its windows, and could not be made anew, that nobody knows how it goes on.
func (l *look) unwatched(i contract.Insight) contract.Insight {
	standing := *l.st.Standing
	if standing.Verdicts.Velocity == contract.Fails {
		return i
	}
	standing.Verdicts.Velocity = contract.NotEnoughData
	l.st.Standing, i.Verdicts.Velocity, i.ShelfLife = &standing, contract.NotEnoughData, nil
	i.Findings = slices.Clone(i.Findings)
	for n := range i.Findings {
		if f := &i.Findings[n]; f.Question == contract.VelocityOf {
			*f = contract.Finding{Question: f.Question, Verdict: contract.NotEnoughData, Why: string(noBaseline), Band: f.Band, LogE: f.LogE, Windows: f.Windows, Hidden: f.Hidden}
		}
	}
	return i
}

func (r *round) publish(ctx context.Context, t *task, l *look, alarm bool) error {
	if why := cmp.Or(l.anew, t.anew); why != "" {
		r.o.Logger.InfoContext(ctx, "a claim is made anew", "insight", t.c.order.ID, "metric", t.c.order.Metric.ID, "why", why,
			"republished", l.st.Standing.Republished)
	}
	before := t.rec.Insight
	if l.silent && l.st.Lost {
		before = l.unwatched(before)
	}
	if err := r.judge(ctx, t, l); err != nil {
		return fmt.Errorf("fit of the model: %w", err)
	}
	i := l.dress(t.c, t.at, t.line)
	if l.silent {
		i, l.smallest = before, t.st.Smallest
	}
	i.Alarm = alarm && l.st.Standing != nil
	l.st.Smallest = l.smallest
	state, err := l.st.encode()
	if err != nil {
		return fmt.Errorf("encode the state: %w", err)
	}
	return r.put(ctx, i, l.smallest, egress.Kept{Version: t.rec.Version, State: state, Contains: r.position})
}
