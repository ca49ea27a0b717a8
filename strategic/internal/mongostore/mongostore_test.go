package mongostore

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/bus/bustest"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/goal"
	gov "github.com/strata-crm/strata/strategic/internal/governance"
	"github.com/strata-crm/strata/strategic/internal/lifecycle"
	"github.com/strata-crm/strata/strategic/internal/variable"
)

func open(t *testing.T) (*Stores, *bustest.Bus) {
	t.Helper()
	db, b := mongotest.Open(t, Indexes()...), bustest.Memory(t, contract.Specs()...)
	outbox, err := mongodb.NewOutbox(db, b, mongodb.OutboxOptions{Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{Tenant: "main", DB: db, Outbox: outbox, Now: time.Now, NewID: contract.NewID})
	if err != nil {
		t.Fatal(err)
	}
	return s, b
}

func number(v float64) *float64 { return &v }

func create(t *testing.T, s *Stores, id contract.GoalID) {
	t.Helper()
	err := s.Update(t.Context(), id, func(r *directive.Record) error {
		r.Goal = goal.Goal{State: goal.Active, Goal: contract.Goal{
			ID: id, Revision: 1, Variable: "v", Metric: "m", Kind: contract.Level, Direction: contract.Up, Baseline: contract.Baseline{Value: number(1)},
			Target: contract.Target{Value: number(2)}, Start: "2026-01-01", Deadline: "2026-12-31", Grain: contract.GrainMonth,
		}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Two transactions read the same record and each adds an approval by a different executive. Snapshot isolation alone would
// let both see one approval too few, and neither send; the version of the root makes one of them run again.
func TestTwoApprovalsMeetInTheRecord(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	turn := func(by string) lifecycle.Turn { return lifecycle.Turn{Now: time.Now(), By: by} }
	if err := s.Govern(t.Context(), func(r *gov.Record) error { return r.Propose(gov.Default(), turn("strategic")) }); err != nil {
		t.Fatal(err)
	}
	var both, done sync.WaitGroup
	both.Add(2)
	for _, who := range []string{"eva", "max"} {
		done.Go(func() {
			var once sync.Once
			approve := func(r *gov.Record) error {
				once.Do(func() { both.Done(); both.Wait() }) // the first runs of both have read before either writes
				return r.Approve(1, []string{"executive"}, turn(who))
			}
			err := s.Govern(t.Context(), approve)
			for fault.Is(err, fault.Transient) {
				err = s.Govern(t.Context(), approve)
			}
			if err != nil {
				t.Errorf("%s: %v", who, err)
			}
		})
	}
	done.Wait()
	r, err := s.Governance(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if v := r.Versions[0]; v.State != gov.Issued || len(v.Approvals) != 2 || r.Version != 3 {
		t.Errorf("%s %+v version %d", v.State, v.Approvals, r.Version)
	}
}

// Two executives issue one directive, and both have read it as not issued before either writes: it is sent once, and the
// other is told that it is issued already.
func TestTwoIssuesMeetInTheRecord(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	create(t, s, "g")
	turn := func(by string) lifecycle.Turn {
		return lifecycle.Turn{Now: time.Now().UTC().Truncate(time.Millisecond), By: by}
	}
	err := s.Update(t.Context(), "g", func(r *directive.Record) error {
		return errors.Join(r.Drafted("a", directive.Wish{}, contract.Constraints{}, turn("eva")), r.Proposed("a", directive.Weight{}, turn("eva")), r.ApprovedBy("a", directive.Weight{}, nil, turn("max")))
	})
	if err != nil {
		t.Fatal(err)
	}
	var both, done sync.WaitGroup
	var sent, late atomic.Int32
	both.Add(2)
	for _, who := range []string{"eva", "max"} {
		done.Go(func() {
			var once sync.Once
			issue := func(r *directive.Record) error {
				once.Do(func() { both.Done(); both.Wait() }) // the first runs of both have read before either writes
				return r.IssuedAs("a", directive.Weight{}, directive.Tenant{ID: "main", Zone: time.UTC, Currency: "USD"}, turn(who))
			}
			err := s.Update(t.Context(), "g", issue)
			for fault.Is(err, fault.Transient) {
				err = s.Update(t.Context(), "g", issue)
			}
			switch {
			case err == nil:
				sent.Add(1)
			case fault.Is(err, fault.Conflict):
				late.Add(1)
			default:
				t.Errorf("%s: %v", who, err)
			}
		})
	}
	done.Wait()
	waiting, _, err := s.o.Outbox.Status(t.Context())
	if err != nil || waiting != 1 || sent.Load() != 1 || late.Load() != 1 {
		t.Errorf("%d waiting to be sent, issued by %d, refused to %d, %v", waiting, sent.Load(), late.Load(), err)
	}
	r, err := s.Record(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	d, err := r.Directive("a")
	if err != nil || d.State != directive.Issued || len(d.History) != 4 {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestWhatChangesNothingIsNotStored(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	create(t, s, "g")
	if err := s.Update(t.Context(), "g", func(*directive.Record) error { return nil }); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if err := s.Update(t.Context(), "g", func(r *directive.Record) error { r.Goal.Name = "x"; return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	r, err := s.Record(t.Context(), "g")
	if err != nil || r.Version != 1 || r.Goal.Name != "" {
		t.Errorf("%v version %d %q", err, r.Version, r.Goal.Name)
	}
}

func TestOnlyWhatRoseIsPublished(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	create(t, s, "g")
	at := time.Now().UTC().Truncate(time.Millisecond)
	expires := at.Add(time.Hour)
	turn := lifecycle.Turn{Now: at, By: "eva", Decision: &contract.Decision{ID: "d"}}
	err := s.Update(t.Context(), "g", func(r *directive.Record) error {
		return errors.Join(r.Drafted("a", directive.Wish{Expires: &expires}, contract.Constraints{}, turn), r.Proposed("a", directive.Weight{}, turn), r.ApprovedBy("a", directive.Weight{}, nil, turn),
			r.IssuedAs("a", directive.Weight{}, directive.Tenant{ID: "main", Zone: time.UTC, Currency: "USD"}, turn))
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, _, err := s.o.Outbox.Status(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d waiting, %v", n, err)
	}
	owner, err := s.Owner(t.Context(), "a")
	if err != nil || owner != "g" {
		t.Errorf("%v %s", err, owner)
	}
	if _, err := s.Owner(t.Context(), "b"); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	for when, want := range map[time.Duration]int{59 * time.Minute: 0, time.Hour: 1} {
		if due, err := s.Due(t.Context(), at.Add(when)); err != nil || len(due) != want {
			t.Errorf("after %s: %v %v", when, due, err)
		}
	}
	if rs, err := s.Since(t.Context(), at.Add(-time.Minute)); err != nil || len(rs) != 1 {
		t.Errorf("%v %v", rs, err)
	}
}

func TestTenantsAreApart(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	create(t, s, "g")
	o := s.o
	o.Tenant = "other"
	other, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if rs, err := other.List(t.Context(), "", 0); err != nil || len(rs) != 0 {
		t.Errorf("%v %v", rs, err)
	}
	if _, err := other.Record(t.Context(), "g"); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	v := variable.Variable{ID: "fame", Name: "Fame", Purpose: "p"}
	if err := errors.Join(s.AddVariable(t.Context(), v), other.AddVariable(t.Context(), v)); err != nil {
		t.Error(err)
	}
	if err := s.AddVariable(t.Context(), v); !fault.Is(err, fault.Conflict) {
		t.Error(err)
	}
	if vs, err := s.OwnVariables(t.Context()); err != nil || len(vs) != 1 {
		t.Errorf("%v %v", vs, err)
	}
}

// A variable whose answer was lost is not added again, which would be answered as if somebody else had taken its id.
func TestALostAnswerIsNotWorkedOutAgain(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	keys := mongodb.NewIdempotency(s.o.DB)
	claim, _, err := keys.Begin(t.Context(), "k", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	v := variable.Variable{ID: "fame", Name: "Fame", Purpose: "p"}
	if err := errors.Join(s.AddVariable(claim.Guard(t.Context()), v), claim.Finish(t.Context(), httpx.StoredResponse{})); err != nil {
		t.Fatal(err)
	}
	if again, _, err := keys.Begin(t.Context(), "k", "", nil); again != nil || fault.CodeOf(err) != fault.OutcomeUnknown {
		t.Errorf("%v, %v; want to be told that the outcome is unknown", again, err)
	}
}
