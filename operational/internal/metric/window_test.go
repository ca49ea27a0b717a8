package metric

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/shared/contract"
)

func TestOf(t *testing.T) {
	t.Parallel()
	monday, sunday := Calendar{time.Monday}, Calendar{time.Sunday}
	for _, c := range []struct {
		cal   Calendar
		grain contract.Grain
		day   contract.Day
		want  Span
	}{
		{monday, contract.GrainDay, "1996-02-28", Span{"1996-02-28", "1996-02-29"}},
		{monday, contract.GrainDay, "1996-02-29", Span{"1996-02-29", "1996-03-01"}},
		{monday, contract.GrainWeek, "2026-11-24", Span{"2026-11-23", "2026-11-30"}}, // a Tuesday
		{sunday, contract.GrainWeek, "2026-11-24", Span{"2026-11-22", "2026-11-29"}},
		{monday, contract.GrainWeek, "2026-11-22", Span{"2026-11-16", "2026-11-23"}}, // a Sunday ends a week that begins on Monday
		{sunday, contract.GrainWeek, "2026-11-22", Span{"2026-11-22", "2026-11-29"}},
		{monday, contract.GrainWeek, "2027-01-01", Span{"2026-12-28", "2027-01-04"}},
		{monday, contract.GrainMonth, "1996-02-29", Span{"1996-02-01", "1996-03-01"}},
		{monday, contract.GrainMonth, "1997-12-31", Span{"1997-12-01", "1998-01-01"}},
		{monday, contract.GrainQuarter, "1997-03-31", Span{"1997-01-01", "1997-04-01"}},
		{monday, contract.GrainQuarter, "1997-11-15", Span{"1997-10-01", "1998-01-01"}},
		{monday, contract.GrainYear, "1997-07-04", Span{"1997-01-01", "1998-01-01"}},
	} {
		if got := c.cal.Of(c.grain, c.day); got != c.want {
			t.Errorf("the %s of %s, weeks from %s, is %v, want %v", c.grain, c.day, c.cal.WeekStart, got, c.want)
		}
	}
}

func TestPrevious(t *testing.T) {
	t.Parallel()
	cal := Calendar{time.Monday}
	for grain, want := range map[contract.Grain]Span{
		contract.GrainDay: {"1997-02-28", "1997-03-01"}, contract.GrainMonth: {"1997-02-01", "1997-03-01"},
		contract.GrainQuarter: {"1996-10-01", "1997-01-01"}, contract.GrainYear: {"1996-01-01", "1997-01-01"},
		contract.GrainWeek: {"1997-02-17", "1997-02-24"},
	} {
		if got := cal.Previous(grain, cal.Of(grain, "1997-03-01")); got != want {
			t.Errorf("the %s before that of 1997-03-01 is %v, want %v", grain, got, want)
		}
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	cal := Calendar{time.Monday}
	want := []Span{{"1997-12-01", "1998-01-01"}, {"1998-01-01", "1998-02-01"}, {"1998-02-01", "1998-03-01"}}
	if d := cmp.Diff(want, cal.Spans(contract.GrainMonth, "1997-12-31", "1998-02-01")); d != "" {
		t.Errorf("months (-want +got):\n%s", d)
	}
	for _, none := range [][2]contract.Day{{"", "1998-01-01"}, {"1998-02-01", "1998-01-31"}} {
		if got := cal.Spans(contract.GrainMonth, none[0], none[1]); len(got) != 0 {
			t.Errorf("spans from %q to %q are %v, want none", none[0], none[1], got)
		}
	}
}

// TestWindowInZone: a window begins and ends at midnight where the tenant is, whatever the clocks do in between.
func TestWindowInZone(t *testing.T) {
	t.Parallel()
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	w := Span{"2026-03-01", "2026-04-01"}.Window(vienna)
	if w.Start != time.Date(2026, 2, 28, 23, 0, 0, 0, time.UTC) || w.End != time.Date(2026, 3, 31, 22, 0, 0, 0, time.UTC) {
		t.Errorf("March 2026 in Vienna is %v to %v", w.Start, w.End)
	}
}
