package contract

import "testing"

func TestOffsetsKeepTheDayOfTheMonth(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d           Day
		o           Offset
		back, until Day
	}{
		{"2026-03-31", Offset{1, GrainMonth}, "2026-02-28", "2026-03-01"},
		{"2024-03-30", Offset{1, GrainMonth}, "2024-02-29", "2024-03-01"},
		{"2026-03-01", Offset{1, GrainMonth}, "2026-02-01", "2026-02-01"},
		{"2026-05-31", Offset{1, GrainQuarter}, "2026-02-28", "2026-03-01"},
		{"2024-02-29", Offset{1, GrainYear}, "2023-02-28", "2023-03-01"},
		{"2026-01-15", Offset{2, GrainMonth}, "2025-11-15", "2025-11-15"},
		{"2026-03-02", Offset{1, GrainWeek}, "2026-02-23", "2026-02-23"},
		{"2026-03-01", Offset{3, GrainDay}, "2026-02-26", "2026-02-26"},
		{"", Offset{1, GrainYear}, "", ""},
	} {
		if got, until := c.o.Back(c.d), c.o.BackUntil(c.d); got != c.back || until != c.until {
			t.Errorf("%s less %d %s: %s and %s, want %s and %s", c.d, c.o.Count, c.o.Grain, got, until, c.back, c.until)
		}
	}
}
