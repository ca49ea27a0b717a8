package wording

import (
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/contract"
)

func TestWindowsAreNamedByWhatTheyAre(t *testing.T) {
	t.Parallel()
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from, until contract.Day // the last day
		grain       contract.Grain
		want        string
	}{
		{"2026-03-01", "2026-03-31", contract.GrainMonth, "March 2026"}, // with a change of the clock
		{"2026-02-01", "2026-02-28", contract.GrainMonth, "February 2026"},
		{"2026-03-02", "2026-03-08", contract.GrainMonth, "2 March to 8 March 2026"},
		{"2026-03-09", "2026-03-15", contract.GrainMonth, "9 March to 15 March 2026"},
		{"2026-03-01", "2026-03-28", contract.GrainMonth, "1 March to 28 March 2026"},
		{"2025-12-29", "2026-01-25", contract.GrainMonth, "29 December 2025 to 25 January 2026"},
		{"2026-04-01", "2026-06-30", contract.GrainQuarter, "quarter 2 of 2026"},
		{"2026-04-01", "2026-07-01", contract.GrainQuarter, "1 April to 1 July 2026"},
		{"2026-02-01", "2026-04-30", contract.GrainQuarter, "1 February to 30 April 2026"},
		{"2026-01-01", "2026-12-31", contract.GrainYear, "2026"},
		{"2026-03-29", "2026-03-29", contract.GrainDay, "29 March 2026"},
		{"2026-03-23", "2026-03-29", contract.GrainWeek, "23 March to 29 March 2026"},
		{"2026-03-23", "2026-04-05", "", "23 March to 5 April 2026"},
	} {
		w := contract.Window{Start: c.from.Start(vienna).UTC(), End: c.until.End(vienna).UTC()}
		if got := Window(w, c.grain, vienna); got != c.want {
			t.Errorf("%s to %s by %s: %q, want %q", c.from, c.until, c.grain, got, c.want)
		}
	}
}
