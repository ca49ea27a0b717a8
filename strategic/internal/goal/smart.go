package goal

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/strategic/internal/scorecard"
	"github.com/strata-crm/strata/strategic/internal/variable"
)

// Proposal is a goal as somebody proposes it. Whatever is missing is for Check to say.
type Proposal struct {
	Name      string              `json:"name"`
	Variable  contract.Variable   `json:"variable"`
	Metric    contract.MetricID   `json:"metric"`
	Kind      contract.GoalKind   `json:"kind"`
	Direction contract.Direction  `json:"direction"`
	Scope     *contract.Condition `json:"scope,omitempty"`
	Baseline  contract.Baseline   `json:"baseline"`
	Target    contract.Target     `json:"target"`
	Unit      contract.Unit       `json:"unit"`
	Start     contract.Day        `json:"start,omitempty"` // empty: the day after the baseline is measured, else today
	Deadline  contract.Day        `json:"deadline"`
	Owner     string              `json:"owner"`
	Relevance string              `json:"relevance"`
	Grain     contract.Grain      `json:"grain,omitempty"` // empty: month
}

// Variables says which variables there are.
type Variables interface {
	// Get returns the variable; Invalid with code unknown_variable if there is none.
	Get(ctx context.Context, id contract.Variable) (variable.Variable, error)
}

func (p Proposal) grain() contract.Grain {
	if p.Grain == "" {
		return contract.GrainMonth
	}
	return p.Grain
}

func (p Proposal) start(today contract.Day) contract.Day {
	switch {
	case p.Start != "":
		return p.Start
	case p.Baseline.MeasureUntil != "":
		return p.Baseline.MeasureUntil.Add(1)
	}
	return today
}

func (p Proposal) goal(id contract.GoalID, today contract.Day) contract.Goal {
	return contract.Goal{
		ID: id, Name: strings.TrimSpace(p.Name), Variable: p.Variable, Metric: p.Metric, Kind: p.Kind, Direction: p.Direction, Scope: p.Scope,
		Baseline: p.Baseline, Target: p.Target, Unit: p.Unit, Start: p.start(today), Deadline: p.Deadline, Owner: strings.TrimSpace(p.Owner),
		Relevance: strings.TrimSpace(p.Relevance), BackTest: p.Deadline < today, Grain: p.grain(),
	}
}

// smart collects what is missing.
type smart struct{ missing []error }

func (s *smart) need(ok bool, at, format string, args ...any) {
	if !ok {
		s.missing = append(s.missing, &fault.Error{Kind: fault.Invalid, Code: fault.NotSMART, At: at, Text: fmt.Sprintf(format, args...)})
	}
}

var metricID = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

const (
	maxName      = 120
	maxOwner     = 80
	maxRelevance = 500
)

// Check returns nil for a SMART goal, or an Invalid fault with code not_smart for everything that it lacks. today is the
// present day in the tenant's zone, weekStart the day that its weeks begin on. An error of another kind means that it could
// not be told.
func (p Proposal) Check(ctx context.Context, vs Variables, today contract.Day, zone *time.Location, weekStart time.Weekday) error {
	var s smart
	p.specific(&s)
	p.measurable(&s)
	p.achievable(&s)
	p.relevant(&s)
	p.timeBound(&s, today, zone, weekStart)
	if _, err := vs.Get(ctx, p.Variable); fault.Is(err, fault.Invalid) {
		s.need(false, "/variable", "specific: %s", textOf(err))
	} else if err != nil {
		return err
	}
	return errors.Join(s.missing...)
}

func textOf(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Text
	}
	return err.Error()
}

func (p Proposal) specific(s *smart) {
	s.need(filled(p.Name, maxName), "/name", "specific: name the goal in up to %d characters", maxName)
	s.need(metricID.MatchString(string(p.Metric)), "/metric", "specific: name the metric that tells, such as month_on_month_retention")
	s.need(p.Direction == contract.Up || p.Direction == contract.Down, "/direction", "specific: say whether up or down is better")
	if p.Scope != nil {
		s.need(validScope(p.Scope, 0), "/scope", "specific: each part of the scope is exactly one of all, any, not, or a field with an operator and a value")
	}
}

// validScope reports whether a condition tree has the agreed shape, at a bearable depth.
func validScope(c *contract.Condition, depth int) bool {
	forms := 0
	for _, has := range []bool{len(c.All) > 0, len(c.Any) > 0, c.Not != nil, c.Field != ""} {
		if has {
			forms++
		}
	}
	if forms != 1 || depth > 8 {
		return false
	}
	if c.Field != "" {
		ops := []contract.Operator{contract.Eq, contract.Ne, contract.Gt, contract.Gte, contract.Lt, contract.Lte, contract.In, contract.Exists}
		return metricID.MatchString(c.Field) && slices.Contains(ops, c.Op) && c.Value != nil
	}
	for _, part := range slices.Concat(c.All, c.Any) {
		if !validScope(&part, depth+1) {
			return false
		}
	}
	return c.Not == nil || validScope(c.Not, depth+1)
}

func (p Proposal) measurable(s *smart) {
	units := []contract.Unit{contract.Ratio, contract.Money, contract.Count, contract.Points, contract.PerPerson}
	s.need(slices.Contains(units, p.Unit), "/unit", "measurable: the unit is one of %v", units)
	s.need(p.Kind == contract.Reach || p.Kind == contract.Level, "/kind", "measurable: say whether the goal is to reach a total (reach) or to hold a rate (level)")
	s.need((p.Baseline.Value != nil) != (p.Baseline.MeasureUntil != ""), "/baseline", "measurable: give the baseline's value, or the day until which it is measured (measureUntil)")
	s.need(p.Target.Forms() == 1, "/target", "measurable: give the target as exactly one of value, relative (0.15 is +15 %%) and delta")
}

// achievable checks that the target lies on the better side of the baseline. Whether it lies within what the metric can be is
// for the functional layer to say, which has the metric's definition: a ratio need not be a share.
func (p Proposal) achievable(s *smart) {
	if p.Target.Forms() != 1 || p.Direction != contract.Up && p.Direction != contract.Down {
		return
	}
	sign := 1.0
	if p.Direction == contract.Down {
		sign = -1
	}
	switch b, t := p.Baseline.Value, p.Target; {
	case b != nil && *b == 0 && t.Relative != nil:
		s.need(false, "/target/relative", "achievable: nothing is relative to a baseline of zero: give the target as value or delta")
	case b != nil:
		s.need(t.Of(*b) != *b, "/target", "achievable: the target equals the baseline")
		s.need(t.Of(*b) == *b || sign*(t.Of(*b)-*b) > 0, "/target", "achievable: the target is worse than the baseline, as %s is better", p.Direction)
	case t.Relative != nil:
		s.need(sign**t.Relative > 0, "/target/relative", "achievable: a change in the other direction than %s is no improvement", p.Direction)
	case t.Delta != nil:
		s.need(sign**t.Delta > 0, "/target/delta", "achievable: a change in the other direction than %s is no improvement", p.Direction)
	}
}

func (p Proposal) relevant(s *smart) {
	s.need(filled(p.Owner, maxOwner), "/owner", "relevant: name the function that answers for the goal, such as head of retention, in up to %d characters", maxOwner)
	s.need(filled(p.Relevance, maxRelevance), "/relevance", "relevant: say in up to %d characters why the company wants it", maxRelevance)
}

func (p Proposal) timeBound(s *smart, today contract.Day, zone *time.Location, weekStart time.Weekday) {
	days := map[string]contract.Day{"/deadline": p.Deadline, "/start": p.Start, "/baseline/measureUntil": p.Baseline.MeasureUntil}
	bad := false
	for _, at := range []string{"/deadline", "/start", "/baseline/measureUntil"} {
		_, err := contract.ParseDay(string(days[at]))
		if err == nil || days[at] == "" && at != "/deadline" {
			continue
		}
		s.need(false, at, "time-bound: give a day as 2006-01-02")
		bad = true
	}
	grains := []contract.Grain{contract.GrainDay, contract.GrainWeek, contract.GrainMonth, contract.GrainQuarter, contract.GrainYear}
	if s.need(slices.Contains(grains, p.grain()), "/grain", "time-bound: windows are one of %v long", grains); bad || !slices.Contains(grains, p.grain()) {
		return
	}
	known := p.Start != "" || p.Baseline.Value != nil || p.Baseline.MeasureUntil != "" // else it is the baseline that is missing
	s.need(!known || p.start(today) < p.Deadline, "/deadline", "time-bound: the deadline must lie after the start, %s", p.start(today))
	end := p.Deadline.End(zone)
	floor := scorecard.Floor(end, p.grain(), weekStart, zone)
	s.need(floor.Equal(end), "/deadline", "time-bound: a %s must end on the deadline, such as %s, because the goal is decided in the window that ends with it",
		p.grain(), contract.DayOf(scorecard.Next(floor, p.grain(), zone), zone).Add(-1))
	if until := p.Baseline.MeasureUntil; until != "" {
		base := scorecard.Floor(until.End(zone), p.grain(), weekStart, zone)
		s.need(base.Before(end) && until < p.Deadline, "/baseline/measureUntil", "time-bound: the baseline must be measured before the deadline's window begins")
	}
}

func filled(text string, most int) bool {
	n := utf8.RuneCountInString(strings.TrimSpace(text))
	return n > 0 && n <= most
}
