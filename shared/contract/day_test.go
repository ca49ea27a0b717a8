package contract

import (
	"testing"
	"time"
)

// TestDayWithoutMidnight: a day begins at the first instant that the clocks give it.
func TestDayWithoutMidnight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, day, start string }{
		{"America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z"}, // midnight is skipped
		{"America/Havana", "2025-11-02", "2025-11-02T04:00:00Z"},    // midnight comes twice
		{"Europe/Vienna", "2026-03-29", "2026-03-28T23:00:00Z"},
		{"UTC", "2026-03-29", "2026-03-29T00:00:00Z"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		start := Day(c.day).Start(zone)
		if got := start.UTC().Format(time.RFC3339); got != c.start {
			t.Errorf("%s in %s begins %s, want %s", c.day, c.zone, got, c.start)
		}
		if DayOf(start, zone) != Day(c.day) || DayOf(start.Add(-1), zone) != Day(c.day).Add(-1) {
			t.Errorf("%v is not the first instant of %s in %s", start, c.day, c.zone)
		}
	}
}
