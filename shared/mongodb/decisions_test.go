package mongodb_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
	"github.com/strata-crm/strata/shared/policy"
)

func TestDecisionsOutliveTheTransactionTheyEnd(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t)
	decisions, denied := mongodb.NewDecisions(db), errors.New("denied")
	record := policy.Record{ID: "1", At: time.UnixMilli(1700000000000).UTC(), Layer: "strategic", Rule: "issue", Bundle: "b",
		Reasons: []string{"why"}, Input: map[string]any{"role": "clerk", "amount": int64(7), "email": "***"}, Took: time.Millisecond}
	err := db.Tx(t.Context(), func(ctx context.Context) error {
		return errors.Join(increment(ctx, db, "a"), decisions.Record(ctx, record), denied)
	})
	if !errors.Is(err, denied) || counter(t, db, "a") != 0 {
		t.Fatalf("Tx = %v, counter %d; want it undone", err, counter(t, db, "a"))
	}
	got, err := decisions.Get(t.Context(), "1")
	if diff := cmp.Diff(record, got); diff != "" || err != nil {
		t.Errorf("Get: %v (-want +got):\n%s", err, diff)
	}
}
