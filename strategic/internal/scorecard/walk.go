package scorecard

import (
	"math"
	"slices"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// judge walks through the closed windows of one goal.
type judge struct {
	in       Input
	deadline time.Time // end of the deadline's window
	base     *Baseline
	verdict  *Verdict
	touched  []contract.Day
	last     *State // the state at the last window up to the deadline
	now      bool   // the window is the newest, and nobody looks back: what is known now counts
}

// walk returns the state before the first closed window and then that at each of them.
func walk(in Input) []State {
	if in.Zone == nil {
		in.Zone = time.UTC
	}
	j := &judge{in: in, deadline: in.Goal.Deadline.End(in.Zone)}
	if b := in.Goal.Baseline.Value; b != nil {
		j.base = &Baseline{Value: *b, From: in.Goal.Start}
	}
	seen := closed(in)
	states := []State{j.blank()}
	for i := range seen {
		j.now = in.AsOf.IsZero() && i == len(seen)-1
		s := j.at(seen, i)
		s.Projection = in.projection(seen[:i+1])
		states = append(states, s)
	}
	if f := in.Frozen.Decided; len(seen) == 0 && f != nil && in.AsOf.IsZero() {
		// Decided earlier, and the series has not come back yet.
		j.now = true
		states[0].Status, states[0].Decided, states[0].Proof = f.Status, f, j.proof(f)
	}
	return states
}

// closed returns the windows that count as of in.AsOf.
func closed(in Input) []contract.Point {
	return slices.DeleteFunc(slices.Clone(in.Series), func(p contract.Point) bool {
		return !p.Closed || !in.AsOf.IsZero() && p.Window.End.After(in.AsOf)
	})
}

func (j *judge) blank() State {
	g := &j.in.Goal
	s := State{Goal: g.ID, Status: NoDataYet, Proof: NotYet, BackTest: g.BackTest, Unit: g.Unit, Currency: j.in.Currency}
	s.Baseline, s.Target = j.base, j.target()
	return s
}

func (j *judge) target() *float64 {
	switch {
	case j.in.Goal.Target.Value != nil:
		return j.in.Goal.Target.Value
	case j.base == nil:
		return nil
	}
	v := j.in.Goal.Target.Of(j.base.Value)
	return &v
}

// at returns the state at window i of those seen.
func (j *judge) at(seen []contract.Point, i int) State {
	p := seen[i]
	s := j.blank()
	cause, reasons := j.measureBaseline(seen[:i+1])
	s.Baseline, s.Target = j.base, j.target()
	s.AsOf, s.Point, s.Change = &p.Window.End, &p, j.change(seen[:i+1])
	switch {
	case j.base == nil && cause != "":
		s.Status, s.Cause, s.Reasons = NotMeasurable, cause, reasons
	case j.base == nil || !p.Window.End.After(j.base.From.Start(j.in.Zone)):
	case p.Window.End.After(j.deadline):
		j.after(&s)
	default:
		j.decide(&s, p)
		j.last = &s
	}
	s.Touched = slices.Clone(j.touched)
	j.finish(&s, seen[:i+1])
	return s
}

// after is a window beyond the deadline: the goal stands as in the deadline's window, without which it was never judged.
func (j *judge) after(s *State) {
	switch {
	case j.frozen(s.Point.Window) != nil:
		j.verdict = j.frozen(s.Point.Window)
	case j.verdict != nil:
	case j.last != nil && j.last.AsOf.Equal(j.deadline):
		s.Status, s.Cause, s.Reasons = j.last.Status, j.last.Cause, j.last.Reasons
	default:
		s.Status, s.Cause = NotMeasurable, Coverage
		s.Reasons = []contract.Reason{{Code: fault.NoData, Item: string(j.in.Goal.Metric)}}
	}
}

// decide judges one window between the baseline and the deadline.
func (j *judge) decide(s *State, p contract.Point) {
	if f := j.frozen(p.Window); f != nil {
		j.verdict = f
	}
	if cause, reasons := j.unusable(p); cause != "" {
		s.Status, s.Cause, s.Reasons = NotMeasurable, cause, reasons
		return
	}
	target := *j.target()
	if j.base.Value == 0 && j.in.Goal.Target.Relative != nil {
		s.Status, s.Cause = NotMeasurable, Validity
		s.Reasons = []contract.Reason{{Code: fault.ZeroDenominator, Item: "baseline"}}
		return
	}
	progress, elapsed := j.progress(*p.Value, target), j.elapsed(p.Window.End)
	s.Progress, s.Elapsed = &progress, &elapsed
	s.Against = position(p, target, j.in.Goal.Direction)
	s.Status = j.judged(progress, elapsed, p)
}

// judged applies the thresholds, and decides where this window may.
func (j *judge) judged(progress, elapsed float64, p contract.Point) Status {
	last := p.Window.End.Equal(j.deadline)
	reached := progress >= 1
	switch {
	case j.verdict != nil:
		return j.verdict.Status
	case j.in.Frozen.Decided != nil && p.Window.End.Before(j.in.Frozen.Decided.Window.End):
		// It was decided in a later window than this, and that stays; a restatement of this one decides nothing.
	case reached && (last || j.in.Goal.Kind == contract.Reach):
		j.verdict = j.verdictOf(Achieved, p)
		return Achieved
	case last:
		j.verdict = j.verdictOf(Missed, p)
		return Missed
	}
	if reached && j.in.Goal.Kind == contract.Level {
		j.touched = append(j.touched, contract.DayOf(p.Window.End, j.in.Zone).Add(-1))
	}
	switch {
	case progress >= elapsed-onTrackSlack:
		return OnTrack
	case progress >= elapsed-atRiskSlack:
		return AtRisk
	}
	return OffTrack
}

func (j *judge) verdictOf(s Status, p contract.Point) *Verdict {
	return &Verdict{
		Status: s, On: contract.DayOf(p.Window.End, j.in.Zone).Add(-1), Window: p.Window, Value: *p.Value,
		Measurement: p.Measurement, Revision: p.Revision, N: p.N, Against: position(p, *j.target(), j.in.Goal.Direction),
	}
}

// frozen returns the verdict that was frozen earlier, if it had been reached by the end of the window.
func (j *judge) frozen(w contract.Window) *Verdict {
	if f := j.in.Frozen.Decided; f != nil && !w.End.Before(f.Window.End) {
		return f
	}
	return nil
}

// finish adds what follows from the verdict, and whether what was frozen has been measured again since.
func (j *judge) finish(s *State, seen []contract.Point) {
	s.Decided = j.verdict
	if v := j.verdict; v != nil {
		s.Status, s.Cause, s.Reasons = v.Status, "", nil
		s.Against, s.Proof = v.Against, j.proof(v)
	}
	for _, p := range seen {
		b, v := s.Baseline, s.Decided
		if b != nil && b.Measurement != "" && p.Measurement == b.Measurement && p.Revision > b.Revision ||
			v != nil && p.Measurement == v.Measurement && p.Revision > v.Revision {
			s.Restated = true
		}
	}
}

// proof says how well a verdict is proven: the interval's position, and the verdicts on the insight once it has any.
func (j *judge) proof(v *Verdict) Proof {
	if v.Against != Beyond {
		return NotProven
	}
	if j.now && judged(j.in.Insight) && !j.in.Insight.Verdicts.All(contract.Holds) {
		return NotProven
	}
	return Proven
}

// measureBaseline sets the baseline once the last window that ends on or before its day is among those seen. Windows
// follow one another without gaps from the first data, so that is the one that ends with the day's grain.
func (j *judge) measureBaseline(seen []contract.Point) (Cause, []contract.Reason) {
	g := &j.in.Goal
	if j.base != nil || g.Baseline.MeasureUntil == "" {
		return "", nil
	}
	newest := seen[len(seen)-1].Window.End
	if f := j.in.Frozen.Baseline; f != nil && f.Window != nil && !newest.Before(f.Window.End) {
		j.base = f
		return "", nil
	}
	until := Floor(g.Baseline.MeasureUntil.End(j.in.Zone), g.Grain, FirstDay(g, j.in.Zone), j.in.Zone)
	if newest.Before(until) {
		return "", nil
	}
	for i := len(seen) - 1; i >= 0; i-- {
		switch p := seen[i]; {
		case p.Window.End.Equal(until):
			return j.freeze(p)
		case p.Window.End.Before(until):
			// Measurements overtake one another on their way. The window that the baseline is waits to come: freezing an
			// earlier one in its place could never be undone.
			return "", nil
		}
	}
	return Coverage, []contract.Reason{{Code: fault.NoData, Item: "baseline"}}
}

func (j *judge) freeze(p contract.Point) (Cause, []contract.Reason) {
	if cause, reasons := j.unusable(p); cause != "" {
		return cause, reasons
	}
	if p.Weeks != nil && *p.Weeks < minimumWeeks {
		return Validity, []contract.Reason{contract.Reason{Code: fault.ModelNotIdentified, Item: "baseline"}.Figures(*p.Weeks, minimumWeeks)}
	}
	w := p.Window
	j.base = &Baseline{
		Value: *p.Value, From: contract.DayOf(w.End, j.in.Zone), Window: &w,
		Measurement: p.Measurement, Revision: p.Revision, N: p.N, StdErr: p.StdErr,
	}
	return "", nil
}

// unusable says why a window can decide nothing; no cause means that it can.
func (j *judge) unusable(p contract.Point) (Cause, []contract.Reason) {
	if cause, reasons := j.in.barred(p); cause != "" {
		return cause, reasons
	}
	if p.Value == nil {
		if p.Reason == nil {
			return Coverage, []contract.Reason{{Code: fault.NoData}}
		}
		return causeOf(p.Reason.Code), []contract.Reason{*p.Reason}
	}
	if math.IsNaN(*p.Value) || math.IsInf(*p.Value, 0) {
		return Validity, []contract.Reason{{Code: fault.Validity}}
	}
	var low []contract.Reason
	for name, have := range p.Coverage {
		if need := j.in.needs(name); have < need {
			low = append(low, contract.Reason{Code: fault.LowCoverage, Item: string(name)}.Figures(have, need))
		}
	}
	if len(low) > 0 {
		slices.SortFunc(low, func(a, b contract.Reason) int { return compare(a.Item, b.Item) })
		return Coverage, low
	}
	if need := max(minimumN, j.in.Constraints.MinimumN); p.N < int64(need) {
		return LowSample, []contract.Reason{contract.Reason{Code: fault.LowSample}.Figures(float64(p.N), float64(need))}
	}
	return "", nil
}

// needs is the coverage that is required of a parameter: as the plan says, which knows what is sparse; else the directive's.
func (in Input) needs(name contract.ParameterName) float64 {
	if in.Answer != nil && in.Answer.Plan != nil {
		for _, p := range in.Answer.Plan.Parameters {
			if p.Name == name && p.Required && p.Needs != nil {
				return *p.Needs
			}
		}
	}
	return in.Constraints.RequiredCoverage
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func causeOf(c fault.Code) Cause {
	switch c {
	case fault.GroupTooSmall, fault.LowSample, fault.ZeroDenominator:
		return LowSample
	case fault.LowCoverage, fault.NoData, fault.NoSource:
		return Coverage
	case fault.Refused, fault.PolicyDenied:
		return Refused
	}
	return Validity
}

// progress is the part of the way from the baseline to the target. A target that the measured baseline lies beyond is
// to be held: all of the way at or beyond it, none short of it.
func (j *judge) progress(v, target float64) float64 {
	sign := 1.0
	if j.in.Goal.Direction == contract.Down {
		sign = -1
	}
	if sign*(target-j.base.Value) <= 0 {
		if sign*(v-target) >= 0 {
			return 1
		}
		return 0
	}
	return (v - j.base.Value) / (target - j.base.Value)
}

// elapsed is the part of the days from the baseline's end to the deadline that have passed by end.
func (j *judge) elapsed(end time.Time) float64 {
	whole := j.in.Goal.Deadline.Add(1).Sub(j.base.From)
	return float64(contract.DayOf(end, j.in.Zone).Sub(j.base.From)) / float64(whole)
}

// change returns what drove the newest window's change since the one before; nil where no split is known, or the known one is of
// other values, such as of those before a restatement.
func (j *judge) change(seen []contract.Point) *contract.Change {
	if len(seen) < 2 {
		return nil
	}
	before, now := seen[len(seen)-2], seen[len(seen)-1]
	if before.Value == nil || now.Value == nil {
		return nil
	}
	for i := range j.in.Changes {
		c := j.in.Changes[i]
		if c.To.Start.Equal(now.Window.Start) && c.From.Start.Equal(before.Window.Start) && alike(c.Total, *now.Value-*before.Value) {
			return &c
		}
	}
	return nil
}

// alike reports whether two differences are the same but for rounding.
func alike(a, b float64) bool { return math.Abs(a-b) <= 1e-9*(1+math.Abs(a)+math.Abs(b)) }

// Interval returns the 95 % interval of a window's value; false where its error is not known.
func Interval(p contract.Point) (low, high float64, ok bool) {
	switch {
	case p.Value == nil:
		return 0, 0, false
	case p.Low != nil && p.High != nil:
		return *p.Low, *p.High, true
	case p.StdErr != nil:
		const z = 1.959963984540054 // the normal distribution's .975 quantile
		return *p.Value - z**p.StdErr, *p.Value + z**p.StdErr, true
	}
	return 0, 0, false
}

func position(p contract.Point, target float64, d contract.Direction) Position {
	low, high, ok := Interval(p)
	if !ok {
		return ""
	}
	if d == contract.Down {
		low, high, target = -high, -low, -target
	}
	switch {
	case low > target:
		return Beyond
	case high < target:
		return Short
	}
	return Around
}
