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

// TestWindowsAcrossClockChanges: neighbouring windows share their boundary, days are 23 to 25 hours long, and where the
// clocks skip midnight the day begins when they show the first instant of it.
func TestWindowsAcrossClockChanges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone  string
		day   contract.Day
		start string // of the day, UTC
		hours float64
	}{
		{"Europe/Vienna", "2026-03-29", "2026-03-28T23:00:00Z", 23},
		{"Europe/Vienna", "2026-10-25", "2026-10-24T22:00:00Z", 25},
		{"America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z", 23}, // no midnight: 00:00 -03 is 01:00 -02
		{"America/Sao_Paulo", "2018-02-17", "2018-02-17T02:00:00Z", 25}, // 23:00 to midnight comes twice
		{"Africa/Cairo", "2014-05-16", "2014-05-15T22:00:00Z", 23},      // clocks of midnight show 01:00
		{"Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00Z", 23},
		{"America/Havana", "2025-11-02", "2025-11-02T04:00:00Z", 25}, // midnight comes twice: the first begins the day
		{"Asia/Kolkata", "2026-03-29", "2026-03-28T18:30:00Z", 24},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		w := Span{c.day, c.day.Add(1)}.Window(zone)
		if got := w.Start.Format(time.RFC3339); got != c.start || w.End.Sub(w.Start).Hours() != c.hours {
			t.Errorf("%s in %s begins %s and has %v h, want %s and %v h", c.day, c.zone, got, w.End.Sub(w.Start).Hours(), c.start, c.hours)
		}
		for at, want := range map[time.Time]contract.Day{w.Start.Add(-time.Millisecond): c.day.Add(-1), w.Start: c.day, w.End.Add(-time.Millisecond): c.day, w.End: c.day.Add(1)} {
			if got := contract.DayOf(at, zone); got != want {
				t.Errorf("%v in %s falls on %s, want %s", at, c.zone, got, want)
			}
		}
		cal := Calendar{time.Sunday}
		for _, g := range []contract.Grain{contract.GrainDay, contract.GrainWeek, contract.GrainMonth} {
			if a, b := cal.Of(g, c.day), cal.Of(g, cal.Of(g, c.day).Until); a.Window(zone).End != b.Window(zone).Start || !a.Has(c.day) {
				t.Errorf("the %s of %s and the next, %v and %v, do not meet in %s", g, c.day, a, b, c.zone)
			}
		}
	}
}

func TestBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		of    Span
		count int
		grain contract.Grain
		want  Span
	}{
		{Span{"2026-03-01", "2026-04-01"}, 1, contract.GrainMonth, Span{"2026-02-01", "2026-03-01"}},
		{Span{"2026-02-01", "2026-03-01"}, 1, contract.GrainMonth, Span{"2026-01-01", "2026-02-01"}},
		{Span{"2024-02-01", "2024-03-01"}, 1, contract.GrainYear, Span{"2023-02-01", "2023-03-01"}},
		{Span{"2026-03-31", "2026-04-01"}, 1, contract.GrainMonth, Span{"2026-02-28", "2026-03-01"}},
		{Span{"2026-03-30", "2026-03-31"}, 1, contract.GrainMonth, Span{"2026-02-28", "2026-03-01"}},
		{Span{"2024-02-29", "2024-03-01"}, 1, contract.GrainYear, Span{"2023-02-28", "2023-03-01"}},
		{Span{"2026-03-23", "2026-03-30"}, 1, contract.GrainMonth, Span{"2026-02-23", "2026-03-01"}},
		{Span{"2026-03-23", "2026-03-30"}, 52, contract.GrainWeek, Span{"2025-03-24", "2025-03-31"}},
		{Span{"2026-01-01", "2026-04-01"}, 1, contract.GrainQuarter, Span{"2025-10-01", "2026-01-01"}},
		{Span{"2026-01-01", "2026-01-02"}, 1, contract.GrainDay, Span{"2025-12-31", "2026-01-01"}},
		{Span{"", "2026-04-01"}, 1, contract.GrainYear, Span{"", "2025-04-01"}},
	} {
		if got := c.of.Back(contract.Offset{Count: c.count, Grain: c.grain}); got != c.want {
			t.Errorf("%v is %v %d %s back, want %v", c.of, got, c.count, c.grain, c.want)
		}
	}
}
