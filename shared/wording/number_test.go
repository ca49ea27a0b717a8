package wording

import (
	"math"
	"testing"

	"github.com/strata-crm/strata/shared/contract"
)

func TestValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		unit     contract.Unit
		currency string
		v        float64
		want     string
	}{
		{contract.Ratio, "", 528.0 / 1772, "29.8 %"},
		{contract.Ratio, "", 0.1235, "12.4 %"}, // a tie in decimal, though not in binary
		{contract.Ratio, "", 0.1225, "12.2 %"},
		{contract.Ratio, "", -0.02, "−2.0 %"},
		{contract.Ratio, "", -0.0001, "0.0 %"},
		{contract.Money, "USD", 3451.4, "USD 34.51"},
		{contract.Money, "USD", 3450.5, "USD 34.50"},
		{contract.Money, "USD", 250031563, "USD 2,500,315.63"},
		{contract.Money, "JPY", 250031, "JPY 250,031"},
		{contract.Money, "BHD", 1234567, "BHD 1,234.567"},
		{contract.Money, "", 5, "0.05"},
		{contract.Count, "", 23570, "23,570"},
		{contract.Points, "", -35.897, "−35.9 points"},
		{contract.PerPerson, "", 1.425, "1.42 per customer"},
		{contract.Ratio, "", math.NaN(), "– %"},
	} {
		if got := (Unit{c.unit, c.currency}).Value(c.v); got != c.want {
			t.Errorf("%s %v: got %q, want %q", c.unit, c.v, got, c.want)
		}
	}
}

func TestChange(t *testing.T) {
	t.Parallel()
	u := Unit{Unit: contract.Ratio}
	if got := u.Change(-0.032); got != "−3.2 percentage points" {
		t.Error(got)
	}
	if got := u.Change(0); got != "0.0 percentage points" {
		t.Error(got)
	}
	if got := (Unit{contract.Money, "EUR"}).Change(250); got != "+EUR 2.50" {
		t.Error(got)
	}
}

func TestRelativeFromZeroIsNew(t *testing.T) { // business-areas section 9, check 9
	t.Parallel()
	if got := Relative(0, 14); got != "new" {
		t.Error(got)
	}
	if got := Relative(-10, -5); got != "+50.0 %" {
		t.Error(got)
	}
	if got := Relative(20, 19); got != "−5.0 %" {
		t.Error(got)
	}
}

func TestBesideAnotherNumber(t *testing.T) {
	t.Parallel()
	if got := (Unit{contract.Money, "JPY"}).Bare(255); got != "255" {
		t.Error(got)
	}
	if got := (Unit{Unit: contract.Ratio}).Bare(.0216); got != "2.2" {
		t.Error(got)
	}
	if got := Day("1998-03-31"); got != "31 March 1998" {
		t.Error(got)
	}
}
