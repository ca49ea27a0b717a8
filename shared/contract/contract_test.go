package contract

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/strata-crm/strata/shared/fault"
)

func vienna(t *testing.T) *time.Location {
	t.Helper()
	z, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestDaysAreWholeDaysInTheZone(t *testing.T) {
	t.Parallel()
	z := vienna(t)
	if d := DayOf(time.Date(2026, 3, 28, 23, 30, 0, 0, time.UTC), z); d != "2026-03-29" {
		t.Errorf("half past midnight in Vienna is %s", d)
	}
	for day, hours := range map[Day]float64{"2026-03-29": 23, "2026-10-25": 25, "2026-11-24": 24} {
		if got := day.End(z).Sub(day.Start(z)).Hours(); got != hours {
			t.Errorf("%s has %v hours, want %v", day, got, hours)
		}
	}
	if d := Day("2024-02-28").Add(2); d != "2024-03-01" {
		t.Errorf("two days after 28 February 2024 is %s", d)
	}
	if n := Day("2024-03-01").Sub("2024-02-28"); n != 2 {
		t.Errorf("1 March is %d days after 28 February 2024", n)
	}
}

func TestDaysAddUp(t *testing.T) {
	t.Parallel()
	z := vienna(t)
	rapid.Check(t, func(t *rapid.T) {
		d := DayOf(time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "instant"), 0), z)
		n := rapid.IntRange(-5000, 5000).Draw(t, "days")
		e := d.Add(n)
		if e.Sub(d) != n || e.Add(-n) != d || (e > d) != (n > 0) {
			t.Fatalf("%s plus %d is %s, %d days apart", d, n, e, e.Sub(d))
		}
		if DayOf(d.Start(z), z) != d || DayOf(d.End(z).Add(-time.Millisecond), z) != d || DayOf(d.End(z), z) != d.Add(1) {
			t.Fatalf("%s runs from %s to %s", d, d.Start(z), d.End(z))
		}
	})
}

func TestParseDay(t *testing.T) {
	t.Parallel()
	if d, err := ParseDay("2026-02-28"); err != nil || d != "2026-02-28" {
		t.Errorf("%s, %v", d, err)
	}
	for _, s := range []string{"", "2026-02-29", "28.2.2026", "2026-2-8", "2026-02-28T00:00:00Z"} {
		if _, err := ParseDay(s); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v; want Invalid", s, err)
		}
	}
}

func TestWindowsAreHalfOpen(t *testing.T) {
	t.Parallel()
	w := october()
	for at, want := range map[time.Time]bool{
		w.Start: true, w.Start.Add(-time.Millisecond): false, w.End.Add(-time.Millisecond): true, w.End: false,
	} {
		if w.Contains(at) != want {
			t.Errorf("contains %s: %v", at, !want)
		}
	}
}

func TestNextRevision(t *testing.T) {
	t.Parallel()
	now := at(12)
	for name, c := range map[string]struct{ previous, want int64 }{
		"the first":             {0, now.UnixMilli()},
		"a moment later":        {now.UnixMilli() - 1000, now.UnixMilli()},
		"twice in a moment":     {now.UnixMilli(), now.UnixMilli() + 1},
		"after a clock of more": {now.UnixMilli() + 5000, now.UnixMilli() + 5001},
	} {
		if got := NextRevision(c.previous, now); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestIdentities(t *testing.T) {
	t.Parallel()
	start := october().Start
	id := MeasurementIdentity("main", "od-1", "nps_month", 1, nil, GrainMonth, start)
	if again := MeasurementIdentity("main", "od-1", "nps_month", 1, nil, GrainMonth, start.In(vienna(t))); again != id {
		t.Error("the same instant in another zone is another measurement")
	}
	// Ids are stored and sent: they may never change.
	if want := MeasurementID("e5f2bbab1d84dbd7c37ad58bd04be44f"); id != want {
		t.Errorf("measurement id %s, want %s", id, want)
	}
	if got, want := OperationalIdentity("main", "sd-1", "marketing"), DirectiveID("od-21247bbafc7eaca3bc27ff5f50dbf06c"); got != want {
		t.Errorf("operational directive id %s, want %s", got, want)
	}
	seen := map[MeasurementID]bool{id: true}
	for _, other := range []MeasurementID{
		MeasurementIdentity("other", "od-1", "nps_month", 1, nil, GrainMonth, start), MeasurementIdentity("main", "od-2", "nps_month", 1, nil, GrainMonth, start),
		MeasurementIdentity("main", "od-1", "repeat_rate", 1, nil, GrainMonth, start), MeasurementIdentity("main", "od-1", "nps_month", 2, nil, GrainMonth, start),
		MeasurementIdentity("main", "od-1", "nps_month", 1, scope(), GrainMonth, start), MeasurementIdentity("main", "od-1", "nps_month", 1, nil, GrainWeek, start),
		MeasurementIdentity("main", "od-1", "nps_month", 1, nil, GrainMonth, start.AddDate(0, 1, 0)),
	} {
		if seen[other] {
			t.Errorf("%s names two measurements", other)
		}
		seen[other] = true
	}
	if OperationalIdentity("main", "sd-1", "2") == OperationalIdentity("main", "sd-12", "") {
		t.Error("the parts of an id run together")
	}
}

func TestIDsOfTenantsAndSources(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"main": true, "shop-1": true, "": false, "Main": false, "a b": false, "a|b": false, "1234567890123456789012345678901234567890": true,
		"12345678901234567890123456789012345678901": false, "café": false,
	} {
		if TenantID(id).Valid() != want || SourceID(id).Valid() != want {
			t.Errorf("%q valid: %v", id, !want)
		}
	}
	if k := TenantID("main").Key("a|b"); k != "main|a|b" {
		t.Errorf("key %s", k)
	}
	if a, b := NewID(), NewID(); a >= b || len(a) != 36 {
		t.Errorf("%s then %s: want two UUIDs that sort by age", a, b)
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		target Target
		want   float64
		forms  int
	}{
		"value": {Target{Value: of(.5)}, .5, 1}, "relative": {Target{Relative: of(.25)}, 250, 1}, "delta": {Target{Delta: of(10.0)}, 210, 1},
		"none": {Target{}, 200, 0}, "two": {Target{Value: of(1.0), Delta: of(1.0)}, 1, 2},
	} {
		if got := c.target.Of(200); got != c.want || c.target.Forms() != c.forms {
			t.Errorf("%s: %v of %d forms, want %v", name, got, c.target.Forms(), c.want)
		}
	}
}

func TestADirectiveIsActiveWhileItStands(t *testing.T) {
	t.Parallel()
	o := order("sd-1")
	for at, want := range map[time.Time]bool{o.ValidFrom: true, o.ValidFrom.Add(-1): false, o.Expires.Add(-1): true, o.Expires: false} {
		if o.ActiveAt(at) != want {
			t.Errorf("active at %s: %v", at, !want)
		}
	}
	o.Standing = WithdrawnEnd
	if o.ActiveAt(o.ValidFrom) || !o.Standing.Ended() || InForce.Ended() {
		t.Error("a withdrawn directive is active")
	}
}
