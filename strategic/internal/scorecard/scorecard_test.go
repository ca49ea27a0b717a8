package scorecard

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

func statuses(in Input) map[string]Status {
	all := map[string]Status{}
	for _, s := range History(in) {
		all[s.Point.Window.Start.Format("2006-01")] = s.Status
	}
	return all
}

func TestRetentionMonthByMonth(t *testing.T) {
	t.Parallel()
	in := g1(t)
	got := statuses(in)
	want := map[string]Status{
		"1997-10": OnTrack, "1997-11": OnTrack, "1997-12": OnTrack, "1998-01": OffTrack, "1998-02": OffTrack,
		"1998-03": OnTrack, "1998-04": OffTrack, "1998-05": OffTrack, "1998-06": Missed,
	}
	for _, m := range []string{"02", "03", "04", "05", "06", "07", "08", "09"} {
		want["1997-"+m] = NoDataYet
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	end := Judge(in)
	if b := end.Baseline; b == nil || math.Abs(b.Value-528.0/1772) > 1e-12 || b.Revision != 1 || b.From != "1997-10-01" || b.N != 1772 {
		t.Errorf("baseline %+v", b)
	}
	if math.Abs(*end.Target-.3427) > 5e-5 {
		t.Errorf("target %v", *end.Target)
	}
	if d := cmp.Diff([]contract.Day{"1998-03-31"}, end.Touched); d != "" {
		t.Error(d)
	}
	if !end.BackTest || end.Proof != NotProven || end.Against != Short || end.Decided.On != "1998-06-30" {
		t.Errorf("end: %+v", end)
	}
	march := asOf(in, "1998-03-31")
	if march.Status != OnTrack || !strings.Contains(march.Why, "Target touched on 31 March 1998") || march.Proof != NotYet {
		t.Errorf("March: %s %s %q", march.Status, march.Proof, march.Why)
	}
}

func TestValueMonthByMonth(t *testing.T) {
	t.Parallel()
	in := g2(t)
	got := statuses(in)
	want := map[string]Status{
		"1997-10": AtRisk, "1997-11": OnTrack, "1997-12": OnTrack, "1998-01": OffTrack, "1998-02": OffTrack,
		"1998-03": Achieved, "1998-04": Achieved, "1998-05": Achieved, "1998-06": Achieved,
	}
	for _, m := range []string{"04", "05", "06", "07", "08", "09"} {
		want["1997-"+m] = NoDataYet
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	end := Judge(in)
	if math.Abs(end.Baseline.Value-3451) > 1e-9 || math.Abs(*end.Target-3796.1) > 1e-6 {
		t.Errorf("baseline %v target %v", end.Baseline.Value, *end.Target)
	}
	if end.Proof != NotProven || end.Decided.Value != 3807 || end.Decided.On != "1998-03-31" || end.Against != Around {
		t.Errorf("end: %s %+v", end.Proof, end.Decided)
	}
}

func TestRefusedSaysSoAndWhy(t *testing.T) { // G3
	t.Parallel()
	in := g1(t)
	in.Series = nil
	in.Answer = &contract.Acknowledgement{State: contract.Refused, Reasons: []contract.Reason{{Code: fault.NoSource, Item: "nps"}}}
	s := Judge(in)
	if s.Status != NotMeasurable || s.Cause != Refused || !strings.Contains(s.Why, "no source offers nps") {
		t.Errorf("%+v", s)
	}
	in.Series = retention(t) // decided all the same: a decided status stays
	if s := Judge(in); s.Status != Missed {
		t.Errorf("after the decision: %s", s.Status)
	}
}

func asOf(in Input, day contract.Day) State {
	in.AsOf = day.End(in.Zone)
	return Judge(in)
}

// yearly is check 1 of business-areas section 9: from 20 to 30 within a year, judged by day.
func yearly(v float64) Input {
	w := contract.Window{Start: time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2025, 7, 2, 0, 0, 0, 0, time.UTC)}
	return Input{Zone: time.UTC, Constraints: constraints, Series: []contract.Point{point(w, v, .1, 500)}, Goal: contract.Goal{
		ID: "y", Kind: contract.Level, Direction: contract.Up, Unit: contract.Points, Grain: contract.GrainDay, Start: "2025-01-01",
		Deadline: "2025-12-31", Baseline: contract.Baseline{Value: number(20)}, Target: contract.Target{Value: number(30)},
	}}
}

func TestBusinessAreaChecks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		in       Input
		progress float64
		status   Status
	}{
		{"1", yearly(25), .50, OnTrack},
		{"2", yearly(22), .20, OffTrack},
		{"3", yearly(23.5), .35, AtRisk},
	} {
		s := Judge(c.in)
		if s.Status != c.status || math.Abs(*s.Progress-c.progress) > 1e-12 || math.Abs(*s.Elapsed-.4986) > 5e-5 {
			t.Errorf("check %s: %s p %v e %v", c.name, s.Status, *s.Progress, *s.Elapsed)
		}
	}
	lower := yearly(8) // check 4: hours, lower is better
	lower.Goal.Direction, lower.Goal.Baseline.Value, lower.Goal.Target.Value = contract.Down, number(10), number(6)
	if s := Judge(lower); *s.Progress != .5 || s.Status != OnTrack {
		t.Errorf("check 4: %v %s", *s.Progress, s.Status)
	}
	for _, v := range []float64{0, 25, 1000} { // check 5
		covered := yearly(v)
		covered.Series[0].Coverage["email"] = .38
		if s := Judge(covered); s.Status != NotMeasurable || s.Cause != Coverage || !strings.Contains(s.Why, "email (38.0 %, 80.0 % required)") {
			t.Errorf("check 5: %s %s %q", s.Status, s.Cause, s.Why)
		}
	}
}

// Every status at its border: progress against elapsed .5 exactly.
func TestThresholds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		progress float64
		want     Status
	}{
		{1, OnTrack}, {.5, OnTrack}, {.4501, OnTrack}, {.4499, AtRisk}, {.3001, AtRisk}, {.2999, OffTrack}, {-3, OffTrack},
	} {
		in := yearly(100 * c.progress)
		in.Goal.Baseline.Value, in.Goal.Target.Value = number(0), number(100)
		in.Goal.Start, in.Goal.Deadline = "2025-01-03", "2025-12-28" // 180 of 360 days have passed
		s := Judge(in)
		if *s.Elapsed != .5 || s.Status != c.want {
			t.Errorf("p %v e %v: got %s, want %s", c.progress, *s.Elapsed, s.Status, c.want)
		}
	}
}

func TestReachGoalIsDecidedWhenReached(t *testing.T) {
	t.Parallel()
	in := g1(t)
	in.Goal.Kind = contract.Reach
	got := statuses(in)
	for m, want := range map[string]Status{"1997-12": OnTrack, "1998-02": OffTrack, "1998-03": Achieved, "1998-04": Achieved, "1998-06": Achieved} {
		if got[m] != want {
			t.Errorf("%s: got %s, want %s", m, got[m], want)
		}
	}
	if s := Judge(in); s.Decided.On != "1998-03-31" || len(s.Touched) != 0 {
		t.Errorf("%+v", s.Decided)
	}
}

func TestReachGoalIsMissedAtItsDeadline(t *testing.T) {
	t.Parallel()
	in := g1(t)
	in.Goal.Kind, in.Goal.Target = contract.Reach, contract.Target{Value: number(.5)}
	if s := Judge(in); s.Status != Missed || s.Decided.On != "1998-06-30" {
		t.Errorf("%s", s.Status)
	}
	if s := asOf(in, "1998-05-31"); s.Status != OffTrack {
		t.Errorf("May: %s", s.Status)
	}
}

func TestBaselineWaitsForItsWindowAndIsFrozen(t *testing.T) {
	t.Parallel()
	in := g1(t)
	in.Goal.Baseline.MeasureUntil = "1997-10-15" // the last window that ends on or before is still September's
	if s := asOf(in, "1997-08-31"); s.Baseline != nil || s.Status != NoDataYet || s.Target != nil {
		t.Errorf("August: %+v", s)
	}
	s := asOf(in, "1997-09-30")
	if s.Baseline == nil || s.Status != NoDataYet || !strings.Contains(s.Why, "No window has closed since the baseline") {
		t.Fatalf("September: %+v", s)
	}
	in.Frozen.Baseline = s.Baseline
	for i := range in.Series { // restated
		if in.Series[i].Measurement == s.Baseline.Measurement {
			in.Series[i].Value, in.Series[i].Revision = number(.1), 2
		}
	}
	if later := Judge(in); later.Baseline.Value != 528.0/1772 || !later.Restated {
		t.Errorf("a restated window must not move the frozen baseline: %+v", later.Baseline)
	}
	if early := asOf(in, "1997-08-31"); early.Baseline != nil {
		t.Error("as of August the baseline of September is not known")
	}
}

func TestBaselineThatCannotBeMeasured(t *testing.T) {
	t.Parallel()
	in := g1(t)
	for i := range in.Series {
		if in.Series[i].Window.Start.Format("2006-01") == "1997-09" {
			in.Series[i].N = 29
		}
	}
	if s := Judge(in); s.Status != NotMeasurable || s.Cause != LowSample {
		t.Errorf("%s %s", s.Status, s.Cause)
	}
	young := g2(t)
	young.Goal.Baseline.MeasureUntil = "1997-06-30" // 25.7 weeks
	if s := Judge(young); s.Status != NotMeasurable || s.Cause != Validity || s.Reasons[0].Code != fault.ModelNotIdentified {
		t.Errorf("a fit on less than 26 weeks is no baseline: %s %s", s.Status, s.Cause)
	}
	none := g1(t)
	none.Series = slices.DeleteFunc(none.Series, func(p contract.Point) bool { return p.Window.End.Before(time.Date(1997, 10, 2, 0, 0, 0, 0, time.UTC)) })
	if s := Judge(none); s.Status != NotMeasurable || s.Cause != Coverage {
		t.Errorf("no window for the baseline: %s %s", s.Status, s.Cause)
	}
	zero := g1(t)
	for i := range zero.Series {
		if zero.Series[i].Window.Start.Format("2006-01") == "1997-09" {
			zero.Series[i].Value = number(0)
		}
	}
	if s := Judge(zero); s.Status != NotMeasurable || s.Cause != Validity {
		t.Errorf("a relative target of nothing: %s %s", s.Status, s.Cause)
	}
}

func TestWindowsThatDecideNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spoil func(*contract.Point)
		cause Cause
	}{
		{"too few customers", func(p *contract.Point) { p.N = 29 }, LowSample},
		{"a group too small", func(p *contract.Point) { p.Value, p.Reason = nil, &contract.Reason{Code: fault.GroupTooSmall} }, LowSample},
		{"nothing to divide by", func(p *contract.Point) { p.Value, p.Reason = nil, &contract.Reason{Code: fault.ZeroDenominator} }, LowSample},
		{"a model not identified", func(p *contract.Point) { p.Value, p.Reason = nil, &contract.Reason{Code: fault.ModelNotIdentified} }, Validity},
		{"no data", func(p *contract.Point) { p.Value, p.Reason = nil, &contract.Reason{Code: fault.NoData} }, Coverage},
		{"coverage", func(p *contract.Point) { p.Coverage["order_time"] = .79 }, Coverage},
		{"not a number", func(p *contract.Point) { p.Value = number(math.NaN()) }, Validity},
	} {
		in := g1(t)
		c.spoil(&in.Series[len(in.Series)-1])
		if s := Judge(in); s.Status != NotMeasurable || s.Cause != c.cause || s.Decided != nil || len(s.Reasons) == 0 {
			t.Errorf("%s: %s(%s) %v", c.name, s.Status, s.Cause, s.Reasons)
		}
	}
	in := g1(t)
	in.Constraints.MinimumN = 2000
	if s := asOf(in, "1997-10-31"); s.Status != NotMeasurable || s.Cause != LowSample {
		t.Errorf("a directive may ask for more than 30: %s", s.Status)
	}
	in.Series[len(in.Series)-1].Closed = false
	if s := Judge(in); !s.AsOf.Equal(time.Date(1998, 6, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("an open window decides nothing, yet the state is as of %s", s.AsOf)
	}
}

func TestAfterTheDeadlineTheGoalStandsAsInItsWindow(t *testing.T) {
	t.Parallel()
	in := g1(t)
	in.Goal.Deadline = "1998-03-31"
	in.Series = slices.DeleteFunc(in.Series, func(p contract.Point) bool { return p.Window.Start.Format("2006-01") == "1998-03" })
	if s := Judge(in); s.Status != NotMeasurable || s.Cause != Coverage {
		t.Errorf("the deadline's window is missing: %s(%s)", s.Status, s.Cause)
	}
	in = g1(t)
	in.Goal.Deadline = "1998-03-31"
	for i := range in.Series {
		if in.Series[i].Window.Start.Format("2006-01") == "1998-03" {
			in.Series[i].N = 3
		}
	}
	if s := Judge(in); s.Status != NotMeasurable || s.Cause != LowSample {
		t.Errorf("the deadline's window decides nothing: %s(%s)", s.Status, s.Cause)
	}
}

func TestDecidedStatusStaysWhenRestated(t *testing.T) {
	t.Parallel()
	in := g1(t)
	in.Frozen.Decided = Judge(in).Decided
	in.Frozen.Baseline = Judge(in).Baseline
	last := &in.Series[len(in.Series)-1]
	last.Value, last.Revision = number(.9), 2
	s := Judge(in)
	if s.Status != Missed || !s.Restated || !strings.Contains(s.Why, "measured again") {
		t.Errorf("%s restated=%v %q", s.Status, s.Restated, s.Why)
	}
	in.Series = nil
	if s := Judge(in); s.Status != Missed {
		t.Errorf("without the series: %s", s.Status)
	}
	reach := g1(t)
	reach.Goal.Kind = contract.Reach
	reach.Frozen.Decided = Judge(reach).Decided // March
	reach.Series[len(reach.Series)-5].Value = number(.9)
	if h := statuses(reach); h["1998-02"].Decided() || h["1998-03"] != Achieved {
		t.Errorf("a restated February must not decide what March decided: %v", h)
	}
}

func TestProof(t *testing.T) {
	t.Parallel()
	in := g2(t)
	for i := range in.Series {
		in.Series[i].StdErr = number(1)
	}
	if s := Judge(in); s.Proof != Proven || s.Against != Beyond {
		t.Errorf("%s %s", s.Proof, s.Against)
	}
	hold := contract.Verdicts{Volume: contract.Holds, Velocity: contract.Holds, Variety: contract.Holds, Variability: contract.Holds, Veracity: contract.Holds}
	in.Insight = &contract.Insight{Verdicts: hold}
	if s := Judge(in); s.Proof != Proven {
		t.Error("all five hold")
	}
	in.Insight.Verdicts.Veracity = contract.Weakening
	if s := Judge(in); s.Proof != NotProven || s.Status != Achieved {
		t.Errorf("a fallen verdict changes the proof and not the status: %s %s", s.Proof, s.Status)
	}
	low, high := number(3700), number(3900)
	in.Insight = nil
	for i := range in.Series {
		in.Series[i].Low, in.Series[i].High = low, high
	}
	if s := Judge(in); s.Proof != NotProven || s.Against != Around {
		t.Errorf("the interval as measured wins over the standard error: %s", s.Proof)
	}
}

func TestTargetAlreadyPassedIsToBeHeld(t *testing.T) {
	t.Parallel()
	in := g1(t)
	in.Goal.Target = contract.Target{Value: number(.25)} // the baseline turns out to be .298
	for m, want := range map[contract.Day]Status{"1997-10-31": OnTrack, "1998-04-30": OnTrack, "1998-06-30": Achieved} {
		if s := asOf(in, m); s.Status != want {
			t.Errorf("%s: %s, want %s", m, s.Status, want)
		}
	}
	in.Goal.Target.Value = number(.29)
	if s := asOf(in, "1998-04-30"); s.Status != OffTrack || *s.Progress != 0 {
		t.Errorf("%s %v", s.Status, *s.Progress)
	}
}

func TestProjection(t *testing.T) {
	t.Parallel()
	in := g1(t)
	s := asOf(in, "1998-05-31")
	// The line through December to May and its interval, computed apart from this code; t(.975, 4) = 2.776445 from a table.
	if p := s.Projection; p == nil || p.At != "1998-06-30" || math.Abs(p.Value-0.308433) > 1e-6 || math.Abs(p.High-p.Value-0.169817) > 1e-6 || math.Abs(p.Value-p.Low-0.169817) > 1e-6 {
		t.Errorf("%+v", p)
	}
	if s := Judge(in); s.Projection != nil {
		t.Error("nothing is left to project at the deadline")
	}
	if s := asOf(in, "1997-03-31"); s.Projection != nil {
		t.Error("two windows make no line with an error")
	}
	for i := range in.Series {
		in.Series[i].Value = number(.95 - .9*float64(i%2))
	}
	if p := asOf(in, "1998-05-31").Projection; p.High != 1 || p.Low != 0 {
		t.Errorf("a share stays within 0 and 1: %+v", p)
	}
}

func TestProjectionOfARatioThatIsNoShare(t *testing.T) {
	t.Parallel()
	for _, level := range []float64{1.12, -.05} {
		in := g1(t)
		for i := range in.Series {
			in.Series[i].Value = number(level + .001*float64(i%3))
		}
		if p := asOf(in, "1998-05-31").Projection; p == nil || math.Abs(p.Value-level) > .01 || p.Low >= p.Value || p.High <= p.Value {
			t.Errorf("of %v: %+v", level, p)
		}
	}
}

func TestProjectionThatWasSent(t *testing.T) {
	t.Parallel()
	in := g1(t)
	in.Series = slices.DeleteFunc(in.Series, func(p contract.Point) bool { return p.Window.End.After(in.Goal.Deadline.Start(in.Zone)) })
	in.Projection = &contract.Projection{At: in.Goal.Deadline, Value: .3, Low: .25, High: .35, How: "damped"}
	if p := Judge(in).Projection; p != in.Projection {
		t.Errorf("at the latest window %+v, want what was sent", p)
	}
	if p := asOf(in, "1998-03-31").Projection; p == nil || p.How != "linear_trend" {
		t.Errorf("before it %+v, want a line: the forecast has seen what came later", p)
	}
	in.Projection.At = "1999-06-30"
	if p := Judge(in).Projection; p == nil || p.How != "linear_trend" {
		t.Errorf("%+v; what was sent is of another deadline", p)
	}
}

func TestDegradedBeforeAnyData(t *testing.T) {
	t.Parallel()
	in := g1(t)
	in.Series = nil
	in.Answer = &contract.Acknowledgement{State: contract.Degraded, Reasons: []contract.Reason{
		{Code: fault.NoSource, Item: "exit_reason", Optional: true},
		contract.Reason{Code: fault.LowCoverage, Item: "email"}.Figures(.38, .8),
	}}
	if s := Judge(in); s.Status != NotMeasurable || s.Cause != Coverage || len(s.Reasons) != 1 || len(s.Degraded) != 1 || s.Lacks != "" {
		t.Errorf("%s(%s) %v, lacks %q beside why", s.Status, s.Cause, s.Reasons, s.Lacks)
	}
	in.Answer.Reasons = in.Answer.Reasons[:1]
	if s := Judge(in); s.Status != NoDataYet {
		t.Errorf("what is optional stops nothing: %s", s.Status)
	}
}

// Whatever the status, decided or not, it is told that the directive in force is degraded, with the figures; not of one that has
// ended, nor in a look back.
func TestDegradedIsToldWithEveryStatus(t *testing.T) {
	t.Parallel()
	lacking := contract.Reason{Code: fault.LowCoverage, Item: "email"}.Figures(.38, .8)
	answer := &contract.Acknowledgement{State: contract.Degraded, Reasons: []contract.Reason{{Code: fault.NoSource, Item: "exit_reason", Optional: true}, lacking}}
	missed, low := g1(t), yearly(25)
	low.Series[0].N = 3
	for want, in := range map[Status]Input{
		OnTrack: yearly(25), OffTrack: yearly(22), AtRisk: yearly(23.5), Missed: missed, Achieved: frozen(Achieved), NotMeasurable: low,
	} {
		in.Answer = answer
		s := Judge(in)
		if s.Status != want || !cmp.Equal(s.Degraded, []contract.Reason{lacking}) || !strings.Contains(s.Lacks, "degraded: too few customers have email (38.0 %, 80.0 % required)") {
			t.Errorf("%s is told as %s, %v, %q", want, s.Status, s.Degraded, s.Lacks)
		}
		back := in
		back.AsOf = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		in.Ended = true
		for what, s := range map[string]State{"a look back": Judge(back), "an ended directive's goal": Judge(in)} {
			if s.Degraded != nil || s.Lacks != "" {
				t.Errorf("%s, %s: %v %q", what, want, s.Degraded, s.Lacks)
			}
		}
	}
}

// frozen is a goal that was decided earlier and whose series has not come back yet.
func frozen(status Status) Input {
	in := yearly(25)
	in.Series, in.Frozen.Decided = nil, &Verdict{Status: status, On: "2025-12-31", Value: 31}
	return in
}

// What the plan says is required of a parameter is what is judged by: answers to a survey come from few, whatever the
// directive asks of everything else.
func TestCoverageIsJudgedAsThePlanRequires(t *testing.T) {
	t.Parallel()
	in := g1(t)
	for i := range in.Series {
		in.Series[i].Coverage = map[contract.ParameterName]float64{"nps": .2}
	}
	if s := Judge(in); s.Status != NotMeasurable || s.Cause != Coverage {
		t.Errorf("without a plan the directive's coverage is required: %s(%s)", s.Status, s.Cause)
	}
	for need, want := range map[float64]Cause{.15: "", .3: Coverage} {
		in.Answer = &contract.Acknowledgement{State: contract.Executing, Plan: &contract.PlanSummary{Parameters: []contract.ParameterUse{
			{Name: "nps", Needs: number(.9)}, {Name: "nps", Required: true, Needs: &need},
		}}}
		if s := Judge(in); s.Cause != want {
			t.Errorf("%v required of .2: %s(%s)", need, s.Status, s.Cause)
		}
	}
}

func TestWindowsOfEveryGrain(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 24, 15, 0, 0, 0, zone) // a Tuesday
	for g, want := range map[contract.Grain][2]string{
		contract.GrainDay: {"2026-11-24", "2026-11-25"}, contract.GrainWeek: {"2026-11-23", "2026-11-30"},
		contract.GrainMonth: {"2026-11-01", "2026-12-01"}, contract.GrainQuarter: {"2026-10-01", "2027-01-01"}, contract.GrainYear: {"2026-01-01", "2027-01-01"},
	} {
		floor := Floor(at, g, time.Monday, zone)
		got := [2]string{floor.Format(time.DateOnly), Next(floor, g, zone).Format(time.DateOnly)}
		if got != want || !Floor(floor, g, time.Monday, zone).Equal(floor) || floor.Hour() != 0 {
			t.Errorf("%s: %v, want %v", g, got, want)
		}
	}
}

// Windows of companies whose weeks begin on another day than Monday end as their goals' deadlines do, and are judged.
func TestWeeksBeginWhereTheCompanySays(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC) // a Tuesday
	for first, want := range map[time.Weekday]string{
		time.Monday: "2026-11-23", time.Tuesday: "2026-11-24", time.Wednesday: "2026-11-18", time.Saturday: "2026-11-21", time.Sunday: "2026-11-22",
	} {
		if got := Floor(at, contract.GrainWeek, first, time.UTC).Format(time.DateOnly); got != want {
			t.Errorf("weeks from %s: %s, want %s", first, got, want)
		}
		begin := Floor(at, contract.GrainWeek, first, time.UTC)
		in := Input{Zone: time.UTC, Goal: contract.Goal{
			ID: "w", Kind: contract.Level, Direction: contract.Up, Unit: contract.Points, Grain: contract.GrainWeek, Target: contract.Target{Delta: number(5)},
			Baseline: contract.Baseline{MeasureUntil: contract.DayOf(begin.AddDate(0, 0, 7), time.UTC).Add(-1)}, Deadline: contract.DayOf(begin.AddDate(0, 0, 28), time.UTC).Add(-1),
		}}
		for i, v := range []float64{50, 52, 54, 56} {
			in.Series = append(in.Series, point(contract.Window{Start: begin.AddDate(0, 0, 7*i), End: begin.AddDate(0, 0, 7*i+7)}, v, 1, 400))
		}
		if s := Judge(in); s.Status != Achieved || s.Baseline == nil || s.Baseline.Value != 50 {
			t.Errorf("weeks from %s: %s, baseline %+v", first, s.Status, s.Baseline)
		}
	}
}
