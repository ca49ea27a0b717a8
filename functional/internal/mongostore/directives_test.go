package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/plan"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

var mia = directive.Approver{Subject: "mia", Roles: []string{"manager"}}

func TestAChangeAndItsMessagesAreOneTransaction(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	must(t, r.service(t).Receive(t.Context(), strategic("sd-1", 1)))
	if n := r.pending(t); n != 1 {
		t.Errorf("%d messages wait; want the answer", n)
	}
	failed := errors.New("no")
	err := r.Update(t.Context(), "sd-1", func(rec *directive.Record) error {
		rec.Answer.AckRevision++
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
	// What cannot be published is not stored either.
	err = r.Update(t.Context(), "sd-2", func(rec *directive.Record) error {
		rec.Answer = contract.Acknowledgement{Directive: "sd-2", AckRevision: 1, State: contract.Accepted}
		return nil
	})
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("an answer without history was stored: %v", err)
	}
	if _, err := r.Get(t.Context(), "sd-2"); !fault.Is(err, fault.NotFound) {
		t.Errorf("half of a change is there: %v", err)
	}
	rec, err := r.Get(t.Context(), "sd-1")
	must(t, err)
	if rec.Version != 1 || r.pending(t) != 1 {
		t.Errorf("version %d, %d messages wait", rec.Version, r.pending(t))
	}
}

func TestWhatRoseIsPublishedAndNothingElse(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.service(t)
	must(t, s.Receive(t.Context(), strategic("sd-1", 1)))
	rec, err := r.Get(t.Context(), "sd-1")
	must(t, err)
	_, err = s.Approve(t.Context(), "sd-1", rec.Plan.Revision, mia)
	must(t, err)
	orders := r.relay(t, contract.TopicFunctionalDirectives)
	if len(orders) != 2 {
		t.Fatalf("%d orders were published, want one for each part", len(orders))
	}
	for _, m := range orders {
		env, o, err := contract.Decode[contract.OperationalDirective](m)
		must(t, err)
		if m.Key != string(o.ID) || env.Correlation != "sd-1" || env.Source != contract.Functional || env.Tenant != "main" || o.Decision.ID != "pd-1" {
			t.Errorf("%s: %+v, decision %+v", m.Key, env, o.Decision)
		}
	}
	before := len(r.relay(t, contract.TopicFunctionalAcks))
	again := strategic("sd-1", 2) // the same, re-issued
	again.ValidFrom, again.Expires = rec.Strategic.ValidFrom, rec.Strategic.Expires
	must(t, s.Receive(t.Context(), again))
	if n := len(r.relay(t, contract.TopicFunctionalAcks)); n != before+1 {
		t.Errorf("%d answers after %d: a re-issue is answered once", n, before)
	}
	if n := len(r.bus.Messages(contract.TopicFunctionalDirectives)); n != 2 {
		t.Errorf("a re-issue published %d orders", n-2)
	}
	after, err := r.Get(t.Context(), "sd-1")
	must(t, err)
	if after.Plan.ID != rec.Plan.ID || after.Plan.State != plan.Active {
		t.Errorf("a re-issue changed plan %s to %s, %s", rec.Plan.ID, after.Plan.ID, after.Plan.State)
	}
}

func TestTheSameDirectiveAgainIsAnsweredAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s, d := r.service(t), strategic("sd-1", 1)
	must(t, s.Receive(t.Context(), d))
	n := len(r.relay(t, contract.TopicFunctionalAcks))
	must(t, s.Receive(t.Context(), d))
	if got := r.relay(t, contract.TopicFunctionalAcks); len(got) != n+1 || string(got[len(got)-1].Value) != string(got[0].Value) {
		t.Errorf("%d answers after %d; want the current one again", len(got), n)
	}
	rec, err := r.Get(t.Context(), "sd-1")
	must(t, err)
	if rec.Version != 1 {
		t.Errorf("version %d: the record changed", rec.Version)
	}
	d.Revision = 0 // older: it answers nothing
	must(t, s.Receive(t.Context(), d))
	if got := r.relay(t, contract.TopicFunctionalAcks); len(got) != n+1 {
		t.Error("an older revision was answered")
	}
}

// meeting is a store whose first change waits, with the record read, until every other has read it, too.
type meeting struct {
	*Stores
	once sync.Once
	all  *sync.WaitGroup
}

func (m *meeting) Update(ctx context.Context, id contract.DirectiveID, change func(*directive.Record) error) error {
	return m.Stores.Update(ctx, id, func(r *directive.Record) error {
		m.once.Do(func() { m.all.Done(); m.all.Wait() })
		return change(r)
	})
}

// TestTwoApprovalsMeetInTheRecord has two managers approve one plan, and both have read it as not approved before either
// writes. Snapshot isolation alone would issue it twice; one of them is refused, and every part is sent once.
func TestTwoApprovalsMeetInTheRecord(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	must(t, r.service(t).Receive(t.Context(), strategic("sd", 1)))
	before, err := r.Get(t.Context(), "sd")
	must(t, err)
	var both, done sync.WaitGroup
	both.Add(2)
	errs := make([]error, 2)
	for i := range errs {
		s := r.serviceOn(t, &meeting{Stores: r.Stores, all: &both})
		done.Go(func() {
			for {
				if _, errs[i] = s.Approve(t.Context(), "sd", before.Plan.Revision, mia); !fault.Is(errs[i], fault.Transient) {
					return
				}
			}
		})
	}
	done.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || !fault.Is(errors.Join(errs...), fault.Conflict) {
		t.Errorf("%v, want one approval and one conflict", errs)
	}
	after, err := r.Get(t.Context(), "sd")
	must(t, err)
	consistent(t, after)
	if after.Version != before.Version+1 {
		t.Errorf("version %d after version %d", after.Version, before.Version)
	}
}

// TestConcurrentApprovals has several managers approve one plan, while the directive changes: whatever comes first, the
// record has at most one active plan, and the orders are that plan's.
func TestConcurrentApprovals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.service(t)
	superseded := 0
	for round := range 12 {
		id := contract.DirectiveID(fmt.Sprintf("sd-%d", round))
		must(t, s.Receive(t.Context(), strategic(id, 1)))
		rec, err := r.Get(t.Context(), id)
		must(t, err)
		errs := make([]error, 3)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { _, errs[i] = s.Approve(t.Context(), id, rec.Plan.Revision, mia) })
		}
		if round%2 == 0 {
			wg.Go(func() {
				d := strategic(id, 2)
				d.Constraints.MinimumGroup = 20
				for err := s.Receive(t.Context(), d); err != nil; err = s.Receive(t.Context(), d) {
					if a := fault.KindOf(err).Action(); a != fault.Retry {
						t.Errorf("a consumer would give the directive up: %v", err)
						return
					}
				}
			})
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			switch {
			case err == nil:
				won++
			case !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.Transient):
				t.Errorf("%v; want a conflict", err)
			}
		}
		after, err := r.Get(t.Context(), id)
		must(t, err)
		if won > 1 || (round%2 == 1 && won != 1) {
			t.Errorf("round %d: %d approvals won: %v", round, won, errs)
		}
		consistent(t, after)
		if len(after.Past) > 0 {
			superseded++
		}
	}
	if superseded == 0 {
		t.Error("no plan was ever superseded: the race never took place")
	}
}

func consistent(t *testing.T, r directive.Record) {
	t.Helper()
	activated := 0
	for _, p := range append(slices.Clone(r.Past), *r.Plan) {
		for _, c := range p.History {
			if c.To == plan.Active {
				activated++
			}
		}
	}
	for _, p := range r.Past {
		if p.State == plan.Active {
			t.Errorf("a past plan is active")
		}
	}
	if r.Plan.State == plan.Active {
		for _, o := range r.Orders {
			if o.Plan != r.Plan.ID {
				t.Errorf("order %s is of plan %s, not of the active one", o.ID, o.Plan)
			}
		}
	}
	if activated > 0 != (len(r.Orders) > 0) {
		t.Errorf("%d approvals, %d orders", activated, len(r.Orders))
	}
}

func TestOwnerFindsWhoIssued(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.service(t)
	for _, id := range []contract.DirectiveID{"sd-1", "sd-2"} {
		must(t, s.Receive(t.Context(), strategic(id, 1)))
		rec, err := r.Get(t.Context(), id)
		must(t, err)
		_, err = s.Approve(t.Context(), id, rec.Plan.Revision, mia)
		must(t, err)
	}
	must(t, s.Govern(t.Context(), governance("gd-1", 1, contract.InForce)))
	for of, want := range map[contract.DirectiveID]contract.DirectiveID{
		contract.OperationalIdentity("main", "sd-1", "service"): "sd-1", contract.OperationalIdentity("main", "sd-2", "marketing"): "sd-2", "gd-1": "gd-1",
	} {
		if got, err := r.Owner(t.Context(), of); err != nil || got != want {
			t.Errorf("%s was issued for %s, %v; want %s", of, got, err, want)
		}
	}
	if _, err := r.Owner(t.Context(), "od-nobody"); !fault.Is(err, fault.NotFound) {
		t.Errorf("%v; want NotFound", err)
	}
	if err := s.Answered(t.Context(), contract.Acknowledgement{Directive: "od-nobody"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("%v; want NotFound", err)
	}
}

func TestListPagesByID(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.service(t)
	for i := range 5 {
		must(t, s.Receive(t.Context(), strategic(contract.DirectiveID(fmt.Sprintf("sd-%d", 4-i)), 1)))
	}
	must(t, s.Govern(t.Context(), governance("gd-1", 1, contract.InForce)))
	var got []string
	after := ""
	for {
		page, err := r.List(t.Context(), after, 2)
		must(t, err)
		if len(page) == 0 {
			break
		}
		for _, rec := range page {
			got = append(got, string(rec.ID()))
		}
		after = got[len(got)-1]
	}
	if d := cmp.Diff([]string{"sd-0", "sd-1", "sd-2", "sd-3", "sd-4"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestGovernanceIsTheHighestVersionInForce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.service(t)
	if _, err := r.Governance(t.Context()); !fault.Is(err, fault.NotFound) {
		t.Errorf("%v; want NotFound", err)
	}
	must(t, s.Govern(t.Context(), governance("gd-2", 2, contract.InForce)))
	must(t, s.Govern(t.Context(), governance("gd-10", 10, contract.InForce)))
	must(t, s.Govern(t.Context(), governance("gd-1", 1, contract.InForce)))
	must(t, s.Govern(t.Context(), governance("gd-11", 11, contract.WithdrawnEnd)))
	g, err := r.Governance(t.Context())
	must(t, err)
	if g.Version != 10 || !contract.Same(g.Purposes, governance("gd-10", 10, contract.InForce).Purposes) || g.Retention[contract.Transactional] != 1095 {
		t.Errorf("in force: %+v", g)
	}
	if last, err := r.LatestGovernance(t.Context()); err != nil || last.Version != 11 || last.Standing != contract.WithdrawnEnd {
		t.Errorf("the latest: %+v, %v; want the one that was withdrawn", last, err)
	}
	ms := r.relay(t, contract.TopicFunctionalDirectives)
	if len(ms) != 4 {
		t.Fatalf("%d passed on, want all four", len(ms))
	}
	for _, m := range ms {
		if _, g, err := contract.Decode[contract.GovernanceDirective](m); err != nil || m.Header("ce_type") != contract.TypeGovernance || m.Key != string(g.ID) {
			t.Errorf("%s: %v", m.Key, err)
		}
	}
}

func TestDraftedAndUnanswered(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.service(t)
	must(t, s.Receive(t.Context(), strategic("sd-1", 1)))
	must(t, s.Receive(t.Context(), strategic("sd-2", 1)))
	refused := strategic("sd-3", 1)
	refused.Requires = []contract.Feature{"teleport"}
	must(t, s.Receive(t.Context(), refused))
	rec, err := r.Get(t.Context(), "sd-2")
	must(t, err)
	_, err = s.Approve(t.Context(), "sd-2", rec.Plan.Revision, mia)
	must(t, err)
	ids, err := r.Drafted(t.Context())
	must(t, err)
	if d := cmp.Diff([]contract.DirectiveID{"sd-1"}, ids); d != "" {
		t.Errorf("drafted (-want +got):\n%s", d)
	}
	if n, err := r.Unanswered(t.Context()); err != nil || n != 2 {
		t.Errorf("%d unanswered, %v; want sd-1 and sd-2", n, err)
	}
}

func TestTenantsSeeNothingOfEachOther(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.service(t)
	must(t, s.Receive(t.Context(), strategic("sd-1", 1)))
	must(t, s.Govern(t.Context(), governance("gd-1", 1, contract.InForce)))
	other := r.of(t, "other")
	if _, err := other.Get(t.Context(), "sd-1"); !fault.Is(err, fault.NotFound) {
		t.Errorf("get: %v", err)
	}
	if list, err := other.List(t.Context(), "", 10); err != nil || len(list) > 0 {
		t.Errorf("list: %v, %v", list, err)
	}
	if _, err := other.Governance(t.Context()); !fault.Is(err, fault.NotFound) {
		t.Errorf("governance: %v", err)
	}
	if _, err := other.Owner(t.Context(), "gd-1"); !fault.Is(err, fault.NotFound) {
		t.Errorf("owner: %v", err)
	}
	if n, err := other.Unanswered(t.Context()); err != nil || n != 0 {
		t.Errorf("unanswered: %d, %v", n, err)
	}
	if ids, err := other.Drafted(t.Context()); err != nil || ids != nil {
		t.Errorf("drafted: %v, %v", ids, err)
	}
}
