package scorecard

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/strata-crm/strata/shared/contract"
)

var rank = map[Status]int{Missed: 0, OffTrack: 1, AtRisk: 2, OnTrack: 3, Achieved: 4}

// drawn is an arbitrary goal with an arbitrary series of months.
func drawn(t *rapid.T) Input {
	zone := time.UTC
	start := time.Date(2024, 1, 1, 0, 0, 0, 0, zone)
	in := Input{Zone: zone, Constraints: constraints, Goal: contract.Goal{
		ID: "g", Unit: contract.Points, Grain: contract.GrainMonth, Start: "2024-04-01",
		Kind:      rapid.SampledFrom([]contract.GoalKind{contract.Reach, contract.Level}).Draw(t, "kind"),
		Direction: rapid.SampledFrom([]contract.Direction{contract.Up, contract.Down}).Draw(t, "direction"),
		Deadline:  contract.DayOf(start.AddDate(0, rapid.IntRange(5, 14).Draw(t, "deadline"), 0), zone).Add(-1),
	}}
	if rapid.Bool().Draw(t, "measured") {
		in.Goal.Baseline.MeasureUntil = "2024-03-31"
	} else {
		in.Goal.Baseline.Value = number(rapid.Float64Range(-20, 20).Draw(t, "baseline"))
	}
	in.Goal.Target.Value = number(rapid.Float64Range(-30, 30).Draw(t, "target"))
	for i := range rapid.IntRange(1, 16).Draw(t, "months") {
		w := contract.Window{Start: start.AddDate(0, i, 0), End: start.AddDate(0, i+1, 0)}
		p := point(w, rapid.Float64Range(-50, 50).Draw(t, fmt.Sprint("value ", i)), 1, rapid.SampledFrom([]int64{5, 30, 400, 400, 400}).Draw(t, "n"))
		in.Series = append(in.Series, p)
	}
	return in
}

func TestDecidedStatusStays(t *testing.T) {
	t.Parallel()
	decidedOnce := false
	rapid.Check(t, func(t *rapid.T) {
		in := drawn(t)
		var decided Status
		for i := range in.Series {
			cut := in
			cut.Series = in.Series[:i+1]
			s := Judge(cut).Status
			if decided != "" && s != decided {
				t.Fatalf("%s became %s", decided, s)
			}
			if s.Decided() {
				decided, decidedOnce = s, true
			}
		}
	})
	if !decidedOnce {
		t.Error("no goal was ever decided: the test tested nothing")
	}
}

func TestMonotoneInTheValue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := drawn(t)
		last := len(in.Series) - 1
		better := in
		better.Series = slices.Clone(in.Series)
		step := rapid.Float64Range(0, 60).Draw(t, "step")
		if in.Goal.Direction == contract.Down {
			step = -step
		}
		better.Series[last].Value = number(*in.Series[last].Value + step)
		worse, more := Judge(in), Judge(better)
		a, known := rank[worse.Status]
		b, also := rank[more.Status]
		if worse.Baseline != nil && worse.Baseline.Window != nil && worse.Baseline.Window.End.Equal(in.Series[last].Window.End) {
			return // a better baseline is a harder goal
		}
		if known != also || known && b < a {
			t.Fatalf("a better value made %s of %s", more.Status, worse.Status)
		}
	})
}

func TestAsOfNeverSeesLaterWindows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := drawn(t)
		i := rapid.IntRange(0, len(in.Series)-1).Draw(t, "as of")
		cut, asOf := in, in
		cut.Series = in.Series[:i+1]
		asOf.AsOf = in.Series[i].Window.End
		if d := cmp.Diff(Judge(cut), Judge(asOf)); d != "" {
			t.Fatal(d)
		}
		asOf.AsOf = asOf.AsOf.Add(24 * time.Hour)
		if d := cmp.Diff(Judge(cut), Judge(asOf)); d != "" {
			t.Fatal(d)
		}
		whole := History(in)
		if d := cmp.Diff(whole[:i+1], History(cut)); d != "" {
			t.Fatal("history changed when windows were added:", d)
		}
	})
}
