package mongostore

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/plan"
	"github.com/strata-crm/strata/functional/internal/playbook"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/bus/bustest"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
)

// rig is the stores on a database of their own, with an outbox whose relay the test runs when it wants to.
type rig struct {
	*Stores
	db     *mongodb.DB
	bus    *bustest.Bus
	outbox *mongodb.Outbox
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{db: mongotest.Open(t, Indexes()...), bus: bustest.Memory(t, contract.Specs()...)}
	var err error
	if r.outbox, err = mongodb.NewOutbox(r.db, r.bus, mongodb.OutboxOptions{Now: time.Now, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	r.Stores = r.of(t, "main")
	return r
}

// of returns stores of another tenant on the same database.
func (r *rig) of(t *testing.T, tenant contract.TenantID) *Stores {
	t.Helper()
	s, err := New(Options{Tenant: tenant, DB: r.db, Outbox: r.outbox, Now: ticking(), NewID: contract.NewID})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ticking is a clock that never shows the same millisecond twice.
func ticking() func() time.Time {
	var calls atomic.Int64
	return func() time.Time { return time.Now().Add(time.Duration(calls.Add(1)) * time.Millisecond) }
}

// relay publishes what the outbox holds and returns the messages of a topic up to now.
func (r *rig) relay(t *testing.T, topic string) []bus.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- r.outbox.Run(ctx) }()
	look := time.NewTicker(2 * time.Millisecond) // the relay says nothing when it has published
	defer look.Stop()
	for r.pending(t) > 0 && ctx.Err() == nil {
		<-look.C
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return r.bus.Messages(topic)
}

func (r *rig) pending(t *testing.T) int {
	t.Helper()
	n, _, err := r.outbox.Status(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// allowing is a policy that allows every plan, and counts how often it was asked.
type allowing struct{ asked atomic.Int32 }

func (a *allowing) Plan(context.Context, *contract.StrategicDirective, *plan.Plan, directive.Approver) (contract.Decision, bool, error) {
	a.asked.Add(1)
	return contract.Decision{ID: "pd-1", Rule: "functional.plan"}, true, nil
}

func (a *allowing) Trial(context.Context, *plan.Plan, directive.Approver) (contract.Decision, bool, error) {
	a.asked.Add(1)
	return contract.Decision{ID: "pd-2", Rule: "functional.trial"}, true, nil
}

func (r *rig) service(t *testing.T) *directive.Service { return r.serviceOn(t, r.Stores) }

func (r *rig) serviceOn(t *testing.T, s directive.Store) *directive.Service {
	t.Helper()
	l, err := playbook.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	service, err := directive.NewService(directive.Options{
		Tenant: "main", Store: s, Library: l, Policy: &allowing{}, Now: time.Now, NewID: contract.NewID,
		Logger: slog.New(slog.DiscardHandler), Trace: func(context.Context) string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return service
}

func order(id contract.DirectiveID, revision int64) contract.Order {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return contract.Order{ID: id, Revision: revision, Standing: contract.InForce, ValidFrom: now.Add(-time.Hour), Expires: now.Add(24 * time.Hour), At: now}
}

// strategic is a directive on retention; its plan has two parts, marketing (the goal's own) and service.
func strategic(id contract.DirectiveID, revision int64) contract.StrategicDirective {
	ratio := .15
	return contract.StrategicDirective{
		Order: order(id, revision), TimeZone: "UTC", Currency: "USD",
		Goal: contract.Goal{
			ID: "goal-of-" + contract.GoalID(id), Revision: revision, Variable: contract.Retention, Metric: "month_on_month_retention", Kind: contract.Level,
			Direction: contract.Up, Grain: contract.GrainMonth, Baseline: contract.Baseline{MeasureUntil: "1997-09-30"},
			Scope:  &contract.Condition{All: []contract.Condition{{Field: "orders", Op: contract.Gte, Value: 2.0}, {Field: "country", Op: contract.In, Value: []any{"AT", "DE"}}}},
			Target: contract.Target{Relative: &ratio}, Start: "1997-01-01", Deadline: "1998-06-30", Unit: contract.Ratio,
		},
		Constraints: contract.Constraints{Purposes: []contract.Purpose{"retention_analysis"}, MinimumGroup: 10, MinimumN: 30, RequiredCoverage: .8, RetentionDays: 365},
	}
}

func governance(id contract.DirectiveID, version int, standing contract.Standing) contract.GovernanceDirective {
	g := contract.GovernanceDirective{
		Order: order(id, int64(version)), Version: version, MinimumGroup: 10,
		Purposes:  []contract.PurposeRule{{Purpose: "retention_analysis", Categories: []contract.DataType{contract.Transactional}}},
		Retention: map[contract.DataType]int{contract.Transactional: 1095, contract.Identification: 1095},
	}
	g.Standing = standing
	return g
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
