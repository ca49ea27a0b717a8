package egress

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Kept is what is stored with an insight that goes up: the state of its examination, which tells of no single customer.
type Kept struct {
	Version  int64 // of the record that it was made from; 0 where there was none
	State    []byte
	Contains map[int]int64 // by partition, the position of ingest that it contains
}

// InsightStore keeps the current revision of every insight with the state of its examination.
type InsightStore interface {
	// ReplaceInsight runs change on the stored insight (the zero value if there is none), stores what it leaves with k, and
	// publishes it unless change returns false, in one transaction. It fails, Conflict, where the record is not of k's
	// version any more.
	ReplaceInsight(ctx context.Context, id contract.InsightID, k Kept, change func(*contract.Insight) bool) error
}

// Tells reports whether an insight has a value, and so tells of customers.
func Tells(i *contract.Insight) bool {
	return i.State == contract.InsightPublished || i.State == contract.InsightRepublished
}

// PutInsight publishes i as the next revision if it says something else than the last one, and keeps the state in any case.
// Where a group in it is too small, or policy denies, what goes up has no value and says so: that takes an earlier value
// back. It fails: Denied, where policy does not even let that go up; Conflict, as InsightStore does.
func (e *Egress) PutInsight(ctx context.Context, i contract.Insight, smallest int64, k Kept) error {
	if e.o.Insights == nil {
		return errors.New("egress was built without a store of insights")
	}
	order, inForce := e.o.InForce(i.Directive)
	i, err := e.permittedInsight(ctx, i, inForce, smallest, int64(order.Constraints.MinimumGroup))
	if err != nil {
		return err
	}
	now := e.o.Now().UTC().Truncate(time.Millisecond)
	err = e.o.Insights.ReplaceInsight(ctx, i.ID, k, func(stored *contract.Insight) bool {
		if sameInsight(*stored, i) {
			return false
		}
		i.Revision = contract.NextRevision(stored.Revision, now)
		*stored = i
		return true
	})
	if err != nil {
		return fmt.Errorf("publish insight %s of %s: %w", i.ID, i.Metric, err)
	}
	return nil
}

// permittedInsight returns of i what policy lets go up.
func (e *Egress) permittedInsight(ctx context.Context, i contract.Insight, inForce bool, smallest, least int64) (contract.Insight, error) {
	if !Tells(&i) {
		smallest = 0
	}
	allowed, err := e.o.Policy.Insight(ctx, &i, inForce, smallest, least)
	if err != nil || allowed {
		return i, err
	}
	i = suppressedInsight(i)
	if allowed, err = e.o.Policy.Insight(ctx, &i, inForce, 0, least); err == nil && !allowed {
		err = fault.New(fault.Denied, fault.PolicyDenied, "policy lets nothing go up: is a governance directive in force?")
	}
	return i, err
}

// suppressedInsight returns i with everything removed that tells of its customers.
func suppressedInsight(i contract.Insight) contract.Insight {
	const none = contract.NotEnoughData
	return contract.Insight{
		ID: i.ID, Directive: i.Directive, Strategic: i.Strategic, Goal: i.Goal, Metric: i.Metric, Version: i.Version, State: contract.InsightCandidate,
		Unit: i.Unit, Currency: i.Currency, Tolerance: i.Tolerance, Absolute: i.Absolute, Kind: i.Kind, Scope: i.Scope, Against: i.Against,
		Grain: i.Grain, AsOf: i.AsOf, Republished: i.Republished, Withheld: &contract.Reason{Code: fault.GroupTooSmall, Item: string(i.Metric)},
		Verdicts: contract.Verdicts{Volume: none, Velocity: none, Variety: none, Variability: none, Veracity: none},
	}
}

// sameInsight reports whether two insights say the same: all but the revision.
func sameInsight(a, b contract.Insight) bool {
	if a.ID == "" || b.ID == "" {
		return false
	}
	a.Revision, b.Revision = 0, 0
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
