package audience_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/strata-crm/strata/operational/internal/attribute"
	"github.com/strata-crm/strata/operational/internal/audience"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// rows is a warehouse that says what it was asked.
type rows struct {
	at       map[int]int64
	all      []attribute.Change
	since    []attribute.Change
	fails    error
	allAsked int
	asked    []map[int]int64
}

func (r *rows) Position(context.Context) (map[int]int64, error) { return r.at, r.fails }

func (r *rows) All(_ context.Context, f func([]attribute.Change) error) error {
	r.allAsked++
	return f(r.all)
}

func (r *rows) Since(_ context.Context, p map[int]int64, f func([]attribute.Change) error) error {
	r.asked = append(r.asked, p)
	return f(r.since)
}

func one(orders int64) []attribute.Change {
	return []attribute.Change{{Customer: "0123456789abcdef0123456789abcdef", Attributes: attribute.Attributes{"orders": orders}}}
}

func TestItFollowsOnlyWhatIsNew(t *testing.T) {
	t.Parallel()
	r := &rows{at: map[int]int64{0: 5}, all: one(1)}
	k, err := audience.NewKeeper(audience.Options{Rows: r, Positions: r, Now: time.Now, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	two := &contract.Condition{Field: "orders", Op: contract.Eq, Value: 2.0}
	if _, err := k.Count(t.Context(), two); !fault.Is(err, fault.Transient) {
		t.Errorf("before anything was read: %v", err)
	}
	round := func() {
		t.Helper()
		if err := k.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	round()
	round() // nothing new
	if c, err := k.Count(t.Context(), two); err != nil || c.Customers != 0 || c.Of != 1 || c.Through[0] != 5 || len(r.asked) != 0 {
		t.Errorf("%+v, asked %v (%v)", c, r.asked, err)
	}
	r.at, r.since = map[int]int64{0: 5, 1: 3}, one(2)
	round()
	if c, err := k.Count(t.Context(), two); err != nil || c.Customers != 1 || c.Through[1] != 3 || len(r.asked) != 1 || r.asked[0][0] != 5 || r.allAsked != 1 {
		t.Errorf("%+v, asked %v and all %d times (%v)", c, r.asked, r.allAsked, err)
	}
	r.fails = errors.New("away")
	if err := k.Round(t.Context()); !errors.Is(err, r.fails) {
		t.Errorf("the store is away: %v", err)
	}
	if c, err := k.Count(t.Context(), two); err != nil || c.Customers != 1 {
		t.Errorf("and it still counts %+v (%v)", c, err)
	}
	odd := &contract.Condition{All: []contract.Condition{*two, {Not: &contract.Condition{Field: "ordres", Op: contract.Eq, Value: 2.0}}, {Field: "colour", Op: contract.Exists, Value: true}}}
	if c, err := k.Count(t.Context(), odd); err != nil || !slices.Equal(c.Unknown, []string{"colour", "ordres"}) {
		t.Errorf("of %+v the fields %v are unknown (%v)", odd, c.Unknown, err)
	}
}

// TestItIsMadeAnewAfterExpiry: whom an expiry concerned is kept nowhere, so nobody who is gone may stay.
func TestItIsMadeAnewAfterExpiry(t *testing.T) {
	t.Parallel()
	r := &rows{at: map[int]int64{0: 5, audience.ExpiredPartition: 1}, all: one(1)}
	k, err := audience.NewKeeper(audience.Options{Rows: r, Positions: r, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	count := func() int64 {
		t.Helper()
		if err := k.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		c, err := k.Count(t.Context(), &contract.Condition{Field: "orders", Op: contract.Eq, Value: 1.0})
		if err != nil {
			t.Fatal(err)
		}
		return c.Customers
	}
	if n := count(); n != 1 {
		t.Fatalf("%d customers, want one", n)
	}
	r.at, r.all = map[int]int64{0: 5, audience.ExpiredPartition: 2}, nil
	if n := count(); n != 0 || r.allAsked != 2 || len(r.asked) != 0 {
		t.Errorf("%d customers are left after all expired; all were read %d times", n, r.allAsked)
	}
	if count(); r.allAsked != 2 {
		t.Error("it was made anew though nothing else expired")
	}
}
