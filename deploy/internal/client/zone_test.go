package client

import (
	"testing"
	"time"

	_ "time/tzdata" // for machines that have no zones of their own
)

// Windows end at midnights of the company's zone, wherever that is and whether or not it is summer there.
func TestMonthInEveryZone(t *testing.T) {
	t.Parallel()
	if m := (Standing{}).Month(); m != "" {
		t.Errorf("before the first window: %q", m)
	}
	for _, name := range []string{"UTC", "Europe/Vienna", "America/New_York", "America/Los_Angeles", "Pacific/Honolulu", "Asia/Kolkata", "Asia/Tokyo", "Pacific/Auckland", "Pacific/Chatham"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for m := time.January; m <= time.December; m++ {
			first := time.Date(1997, m, 1, 0, 0, 0, 0, zone)
			end := first.AddDate(0, 1, 0).UTC()
			if got, want := (Standing{AsOf: &end}).Month(), first.Format("2006-01"); got != want {
				t.Errorf("%s: the window that ends at %s is %s, want %s", name, end, got, want)
			}
			if got, want := Day(first.UTC()).Format(time.DateOnly), first.Format(time.DateOnly); got != want {
				t.Errorf("%s: %s is %s, want %s", name, first.UTC(), got, want)
			}
		}
	}
}
