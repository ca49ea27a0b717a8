package scorecard

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
)

// Words returns the status as a person reads it.
func (s Status) Words() string {
	return map[Status]string{
		NoDataYet: "No data yet", OnTrack: "On track", AtRisk: "At risk", OffTrack: "Off track", Achieved: "Achieved",
		Missed: "Missed", NotMeasurable: "Not measurable",
	}[s]
}

func (s State) unit() wording.Unit { return wording.Unit{Unit: s.Unit, Currency: s.Currency} }

// why says in words why the goal has its status.
func why(s State) string {
	switch {
	case s.Decided != nil:
		return decidedWords(s)
	case s.Status == NotMeasurable:
		return "It cannot be measured: " + wording.Reasons(s.Reasons) + "." + fallen(s)
	case s.Baseline == nil:
		return "The baseline is still being measured."
	case s.Progress == nil:
		return "No window has closed since the baseline."
	}
	text := way(*s.Progress) + " after " + wording.Percent(*s.Elapsed) + " of the time"
	switch s.Status {
	case OnTrack:
		text += "."
	case AtRisk:
		text += fmt.Sprintf("; on track from %s.", wording.Percent(*s.Elapsed-onTrackSlack))
	default:
		text += fmt.Sprintf("; at risk from %s, on track from %s.", wording.Percent(*s.Elapsed-atRiskSlack), wording.Percent(*s.Elapsed-onTrackSlack))
	}
	if n := len(s.Touched); n > 0 {
		text += fmt.Sprintf(" Target touched on %s; a level goal is decided only in its deadline's window.", wording.Day(s.Touched[n-1]))
	}
	return text
}

// lacks says what the directive in force lacks, where the status is not for that very reason.
func lacks(s State) string {
	if len(s.Degraded) == 0 || reflect.DeepEqual(s.Reasons, s.Degraded) {
		return ""
	}
	return "The directive is degraded: " + wording.Reasons(s.Degraded) + "."
}

// fallen says what became of the insight where that is why nothing can be measured.
func fallen(s State) string {
	if s.Cause != Validity || s.Insight == nil || !s.Insight.Verdicts.Any(contract.Fails) {
		return ""
	}
	return " " + s.Insight.Line + "."
}

// way says how far a goal has come.
func way(progress float64) string {
	switch {
	case progress < 0:
		return "Worse than the baseline, by " + wording.Percent(-progress) + " of the way to the target,"
	case progress >= 1:
		return "At or beyond the target (" + wording.Percent(progress) + " of the way)"
	}
	return wording.Percent(progress) + " of the way from baseline to target"
}

func decidedWords(s State) string {
	v, u := s.Decided, s.unit()
	text := fmt.Sprintf("%s on %s with %s", s.Status.Words(), wording.Day(v.On), u.Value(v.Value))
	if s.Target != nil {
		text += " against a target of " + u.Value(*s.Target)
	}
	text += map[Position]string{
		Beyond: "; the 95 % interval lies wholly beyond the target.",
		Around: "; the target lies within the 95 % interval, so chance alone could have decided it.",
		Short:  "; the 95 % interval lies wholly short of the target.",
		"":     "; the error of the value is not known.",
	}[v.Against]
	if s.Restated {
		text += " What it rests on was measured again since; a decided status and a frozen baseline stay."
	}
	return text
}

// whyChanged says in words what happened between two windows.
func whyChanged(before, now State) string {
	var parts []string
	if before.Status != now.Status {
		parts = append(parts, fmt.Sprintf("%s → %s.", before.Status.Words(), now.Status.Words()))
	}
	if moved := Moved(before, now); moved != "" {
		parts = append(parts, moved)
	}
	return strings.Join(append(parts, why(now)), " ")
}

// Moved says in words how the value changed between two windows, and what drove it; empty where either has no value.
func Moved(before, now State) string {
	if before.Point == nil || now.Point == nil || before.Point.Value == nil || now.Point.Value == nil {
		return ""
	}
	d := *now.Point.Value - *before.Point.Value
	text := fmt.Sprintf("%s by %s to %s", rose(d), now.unit().Width(math.Abs(d)), now.unit().Value(*now.Point.Value))
	if d == 0 {
		text = "Unchanged at " + now.unit().Value(*now.Point.Value)
	}
	if now.Change != nil && len(now.Change.Drivers) > 0 {
		return text + ": " + Drivers(*now.Change, now.unit()) + "."
	}
	return text + "."
}

func rose(d float64) string {
	if d < 0 {
		return "Fell"
	}
	return "Rose"
}

// Drivers says in words what drove a change: for each group how much came from its own value having changed, and how
// much from its weight having changed; the largest first.
func Drivers(c contract.Change, u wording.Unit) string {
	ds := slices.Clone(c.Drivers)
	slices.SortFunc(ds, func(a, b contract.Driver) int {
		return cmp.Or(cmp.Compare(math.Abs(b.Mix)+math.Abs(b.Rate), math.Abs(a.Mix)+math.Abs(a.Rate)), cmp.Compare(a.Key, b.Key))
	})
	var parts []string
	for _, d := range ds {
		name := strings.ReplaceAll(d.Key, "_", " ")
		parts = append(parts, fmt.Sprintf("%s %s (%s as their own value changed, %s as their share did)", name, u.Change(d.Rate+d.Mix), u.Change(d.Rate), u.Change(d.Mix)))
	}
	return strings.Join(parts, "; ")
}
