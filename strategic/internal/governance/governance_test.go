package governance

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/strategic/internal/lifecycle"
	"github.com/strata-crm/strata/strategic/internal/lifecycle/lifecycletest"
)

func TestLifeCycle(t *testing.T) {
	t.Parallel()
	lifecycletest.Test(t, LifeCycle, Proposed, []Event{Second, Issue, Accept, Refuse, Withdraw, Supersede}, Withdrawn, Superseded)
}

func turn(by string) lifecycle.Turn {
	return lifecycle.Turn{Now: time.UnixMilli(1_800_000_000_000), By: by, Decision: &contract.Decision{ID: "d"}}
}

func approved(t *testing.T, r *Record, number int) {
	t.Helper()
	for _, who := range []string{"eva", "max"} {
		if err := r.Approve(number, []string{"executive"}, turn(who)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDefaultsAreSoundAndTravel(t *testing.T) {
	t.Parallel()
	if err := Default().Check(); err != nil {
		t.Fatal(err)
	}
	var r Record
	if err := r.Propose(Default(), turn("strategic")); err != nil {
		t.Fatal(err)
	}
	approved(t, &r, 1)
	if err := r.Sent().Order.Check(); err != nil {
		t.Error(err)
	}
	c := Default().Constraints("retention_analysis")
	if c.MinimumGroup != 10 || c.MinimumN != 30 || c.RetentionDays != 365 || c.RequiredCoverage != .8 {
		t.Errorf("%+v", c)
	}
	// Only what a purpose covers is collected for it: what is kept of visits limits nothing that asks for orders alone.
	if c := Default().Constraints("value_analysis"); c.RetentionDays != 1095 {
		t.Errorf("what is collected for the value of customers is kept for %d days by default, want 1,095", c.RetentionDays)
	}
	if c := Default().Constraints("unheard_of"); c.RetentionDays != 365 {
		t.Errorf("for a purpose that nobody knows, data is kept for %d days, want the least of all", c.RetentionDays)
	}
}

func TestRulesSayEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	r := Default()
	r.MinimumGroup, r.Regions, r.Owners = 0, nil, r.Owners[1:]
	delete(r.Retention, contract.Probe)
	r.Purposes = append(r.Purposes, r.Purposes[0], contract.PurposeRule{Purpose: "x", Basis: "y", Categories: []contract.DataType{"gossip"}})
	var joined interface{ Unwrap() []error }
	if !errors.As(r.Check(), &joined) {
		t.Fatal("nothing is wrong?")
	}
	var places []string
	for _, err := range joined.Unwrap() {
		var f *fault.Error
		if errors.As(err, &f) {
			places = append(places, f.At)
		}
	}
	slices.Sort(places)
	if want := []string{"/minimumGroup", "/owners", "/purposes/5", "/purposes/6/categories", "/regions", "/retentionDays/probe"}; !slices.Equal(places, want) {
		t.Errorf("%q", places)
	}
}

func TestTheSecondApprovalIsAnothers(t *testing.T) {
	t.Parallel()
	var r Record
	must(t, r.Propose(Default(), turn("eva")), r.Approve(1, nil, turn("eva")))
	if err := r.Approve(1, nil, turn("eva")); fault.CodeOf(err) != fault.SecondPersonRequired {
		t.Errorf("one person approved twice: %v", err)
	}
	if r.Sent() != nil {
		t.Error("one approval sent it")
	}
	must(t, r.Approve(1, nil, turn("max")))
	if err := r.Approve(1, nil, turn("kim")); fault.CodeOf(err) != fault.IllegalTransition {
		t.Errorf("a third approval: %v", err)
	}
	if err := r.Withdraw(1, turn("eva")); fault.CodeOf(err) != fault.IllegalTransition {
		t.Errorf("what rules was withdrawn: %v", err)
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestANewVersionTakesTheOldOnesPlace(t *testing.T) {
	t.Parallel()
	var r Record
	must(t, r.Propose(Default(), turn("eva")))
	if err := r.Propose(Default(), turn("eva")); fault.CodeOf(err) != fault.IllegalTransition {
		t.Errorf("two versions wait at once: %v", err)
	}
	approved(t, &r, 1)
	first := r.Sent().Order.Revision
	must(t, r.Propose(Default(), turn("eva")))
	if r.Sent().Number != 1 {
		t.Error("the old version must rule until the new one is approved")
	}
	approved(t, &r, 2)
	if r.Sent().Number != 2 || r.Versions[0].State != Superseded || r.Sent().Order.Revision <= first {
		t.Errorf("%+v", r.Versions)
	}
	ack := contract.Acknowledgement{Directive: ID, DirectiveRevision: first, AckRevision: 5, State: contract.Accepted}
	must(t, r.Answered(ack, turn("functional")))
	if r.Sent().State != Issued {
		t.Error("an answer to the old version moved the new one")
	}
	ack.DirectiveRevision = r.Sent().Order.Revision
	must(t, r.Answered(ack, turn("functional")))
	if r.Sent().State != InForce {
		t.Errorf("%s", r.Sent().State)
	}
}

func TestRestore(t *testing.T) {
	t.Parallel()
	var source Record
	must(t, source.Propose(Default(), turn("eva")))
	approved(t, &source, 1)
	one := *source.Sent().Order
	must(t, source.Propose(Default(), turn("eva")))
	approved(t, &source, 2)
	two := *source.Sent().Order
	for _, order := range [][]contract.GovernanceDirective{{one, two}, {two, one}, {two, two}} {
		var r Record
		must(t, r.Propose(Default(), turn("strategic"))) // the default, proposed before the topic could be read
		for _, g := range order {
			r.Restore(g, turn("strategic"))
		}
		if v := r.Sent(); v == nil || v.Number != 2 || v.Order.Revision != two.Revision || len(v.Approvals) != 2 {
			t.Errorf("%+v", r.Versions)
		}
	}
}
