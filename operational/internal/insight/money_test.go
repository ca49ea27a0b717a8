package insight

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// wealthy adds customers who each spend about so much, in minor units, in every month of 2025: January to December.
func wealthy(r *rig, customers int, spend float64) {
	for c := range customers {
		x := rand.New(rand.NewPCG(3, uint64(c)))
		for m := 1; m <= 12; m++ {
			r.add(fmt.Sprint(c), order(contract.Day(fmt.Sprintf("2025-%02d-10", m)), int64(spend*math.Exp(.3*x.NormFloat64()))))
		}
	}
}

// TestLargeMoney: money of ten million orders in a month is told to the cent, and no move is seen in it that was none.
func TestLargeMoney(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	wealthy(r, 2000, 1e7) // 2000 customers with 5,000 orders of 20.00 each
	id := r.want(contract.InsightOrder{Kind: contract.LevelInsight, Metric: shipped(t, "revenue_month"), Tolerance: .10})
	r.until("2025-12-01")
	published := r.insight(id)
	r.until("2026-01-01")
	i := r.insight(id)
	if i.State != contract.InsightPublished || published.Value != published.Published || !(i.Published > 1.9e10) {
		t.Fatalf("%s, then %s", show(published), show(i))
	}
	if moved := i.Value - i.Published; math.Abs(moved) > .05*i.Published || moved != i.Findings[0].Effect {
		t.Errorf("it moved by %g, volume found %g: %s", moved, i.Findings[0].Effect, show(i))
	}
	if finite(math.Inf(-1)) != -endless || finite(math.NaN()) != 0 || finite(3e18) != 3e18 {
		t.Error("a number that a message can hold is another one")
	}
}

// TestChangeOfLargeMoney: later windows of a change of a total are judged however much money it is, and that customers come who
// hardly spend anything moves it by what they spend.
func TestChangeOfLargeMoney(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	wealthy(r, 2000, 1e6)
	for c := range 1000 {
		r.add(fmt.Sprintf("new-%d", c), order("2025-11-20", 1))
	}
	id := r.want(contract.InsightOrder{Kind: contract.ChangeInsight, Metric: shipped(t, "revenue_month"), Tolerance: .10, OfLevel: true})
	r.until("2025-11-01")
	if i := r.insight(id); i.State != contract.InsightPublished {
		t.Fatal(show(i))
	}
	r.until("2025-12-01")
	r.until("2026-01-01")
	i := r.insight(id)
	if f := i.Findings[1]; f.Windows != 2 || f.Verdict == contract.NotEnoughData || !(f.Margin > 0) || math.Abs(f.Effect) > .03**i.Base || len(i.Windows) != 2 {
		t.Errorf("two windows later, of %g: %s", *i.Base, show(i))
	}
}

// TestUnjudgedWindow: a window that cannot be judged takes back what the one before said, with the reason.
func TestUnjudgedWindow(t *testing.T) {
	t.Parallel()
	v, err := validity.NewVelocity(.1, .01)
	if err != nil {
		t.Fatal(err)
	}
	w := watch{Velocity: *v}
	good := validity.Shift{Effect: .01, StdErr: .01, N: 500}
	for _, c := range []struct {
		shift validity.Shift
		err   error
		want  contract.Verdict
		why   validity.Reason
	}{
		{good, nil, contract.Holds, ""},
		{validity.Shift{Effect: .01, StdErr: .01, N: 399}, nil, contract.NotEnoughData, "too_few"},
		{good, nil, contract.Holds, ""},
		{validity.Shift{}, fault.New(fault.Invalid, fault.ZeroDenominator, "none"), contract.NotEnoughData, "undefined"},
		{validity.Shift{Effect: 2, StdErr: .01, N: 500}, nil, contract.Fails, "beyond_tolerance"},
		{validity.Shift{}, fault.New(fault.Invalid, fault.ZeroDenominator, "none"), contract.Fails, "beyond_tolerance"},
	} {
		if _, err := w.close(c.shift, .01, true, c.err); err != nil {
			t.Fatal(err)
		}
		if f := w.finding(); f.Verdict != c.want || f.Reason != c.why {
			t.Errorf("after window %d it %s (%s), want %s (%s)", w.Fed, f.Verdict, f.Reason, c.want, c.why)
		}
	}
	if f := w.finding(); w.Fed != 6 || f.Windows != 5 {
		t.Errorf("of %d windows number %d proved it false, want 5 of 6", w.Fed, f.Windows)
	}
	w.Velocity.Bounded = true
	if judged, err := w.close(validity.Shift{Effect: .01, StdErr: .01, N: 100}, .01, true, nil); !judged || err != nil {
		t.Errorf("a window of 100 customers of a share is not judged: %v", err)
	}
	if _, err := w.close(good, .01, true, errors.New("the disk is full")); err == nil || w.Fed != 7 {
		t.Error("a failure that is no property of the data was taken for a window")
	}
}
