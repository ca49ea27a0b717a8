package source_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/operational/internal/mongostore"
	"github.com/strata-crm/strata/operational/internal/source"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

func shop() source.Draft {
	return source.Draft{ID: "shop", Name: "The shop", Owner: "head of sales", Steward: "steward", Offers: []contract.ParameterName{"order_amount", "email"},
		Format: source.FormatCall, Trust: source.Verified}
}

func registry(t *testing.T) (*source.Registry, *mongostore.Sources) {
	t.Helper()
	store := mongostore.NewSources(mongotest.Open(t, mongostore.CollectIndexes()...))
	r, err := source.NewRegistry("main", store, clock, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r, store
}

func TestWriteKeys(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r, store := registry(t)
	s, first, err := r.Register(ctx, shop())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Register(ctx, shop()); !fault.Is(err, fault.Conflict) {
		t.Errorf("registering twice: %v, want a conflict", err)
	}
	opens := func(key string) bool {
		got, err := r.ByKey(ctx, key)
		if err != nil && !fault.Is(err, fault.Denied) {
			t.Fatal(err)
		}
		return err == nil && got.ID == "shop"
	}
	if !opens(first) || opens("") || opens("wk_") || opens(first+"x") || opens(s.Keys[0]) {
		t.Error("the write key, and nothing else, must open the source")
	}
	stored, err := store.Get(ctx, "main", "shop")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(strings.Join(stored.Keys, " "), first) {
		t.Error("the write key is stored as it is")
	}
	_, second, err := r.NewKey(ctx, "shop")
	if err != nil {
		t.Fatal(err)
	}
	if !opens(first) || !opens(second) {
		t.Error("while keys are changed, the one before must still open the source")
	}
	if _, _, err := r.NewKey(ctx, "shop"); err != nil {
		t.Fatal(err)
	}
	if opens(first) || !opens(second) {
		t.Error("after two changes the first key must not open the source, the second must")
	}
}

// What was done under an Idempotency-Key whose answer was lost is not done again: a second renewal would shut out the source,
// which still sends with the key before.
func TestALostAnswerIsNotWorkedOutAgain(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := mongotest.Open(t, mongostore.CollectIndexes()...)
	store, keys := mongostore.NewSources(db), mongodb.NewIdempotency(db)
	r, err := source.NewRegistry("main", store, clock, nil)
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := source.NewKeeper(source.KeeperOptions{Tenant: "main", Sources: store, Watermarks: store, Logs: &logs{}, Now: clock, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"register", func(ctx context.Context) error { _, _, err := r.Register(ctx, shop()); return err }},
		{"renew", func(ctx context.Context) error { _, _, err := r.NewKey(ctx, "shop"); return err }},
		{"declare", func(ctx context.Context) error {
			_, err := keeper.Declare(ctx, "shop", now.AddDate(0, -1, 0))
			return err
		}},
	} {
		claim, _, err := keys.Begin(ctx, step.name, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(step.do(claim.Guard(ctx)), claim.Finish(ctx, httpx.StoredResponse{})); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if again, _, err := keys.Begin(ctx, step.name, "", nil); again != nil || fault.CodeOf(err) != fault.OutcomeUnknown {
			t.Errorf("%s again: %v, %v; want to be told that the outcome is unknown", step.name, again, err)
		}
	}
}

// A claim that went to somebody else ends the declaration; it is no change of the watermark that another try could get round.
func TestADeclarationEndsWithItsClaim(t *testing.T) {
	t.Parallel()
	_, store := registry(t)
	keeper, err := source.NewKeeper(source.KeeperOptions{Tenant: "main", Sources: anySource{store}, Watermarks: lapsed{store}, Logs: &logs{}, Now: clock, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := keeper.Declare(ctx, "shop", now.AddDate(0, -1, 0)); fault.CodeOf(err) != fault.InProgress {
		t.Errorf("%v, want in_progress", err)
	}
}

// lapsed are watermarks whose writer has lost its claim.
type lapsed struct{ source.Watermarks }

func (lapsed) Put(context.Context, source.Watermark, int64) error { return httpx.ErrInProgress() }

// anySource has every source.
type anySource struct{ source.Store }

func (anySource) Get(context.Context, contract.TenantID, contract.SourceID) (source.Source, error) {
	return source.Source{}, nil
}

func TestChangeNeedsTheCurrentRevision(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r, _ := registry(t)
	s, _, err := r.Register(ctx, shop())
	if err != nil {
		t.Fatal(err)
	}
	d := shop()
	d.Offers = append(d.Offers, "nps")
	if _, err := r.Change(ctx, d, s.Revision-1); fault.CodeOf(err) != fault.PreconditionFailed {
		t.Errorf("changing an older revision: %v, want precondition_failed", err)
	}
	if _, err := r.Change(ctx, d, s.Revision); err != nil {
		t.Fatal(err)
	}
	offers, err := r.Offers(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := map[contract.ParameterName][]contract.SourceID{"order_amount": {"shop"}, "email": {"shop"}, "nps": {"shop"}}
	if diff := cmp.Diff(want, offers); diff != "" {
		t.Errorf("offers (-want +got):\n%s", diff)
	}
}

func TestDraft(t *testing.T) {
	t.Parallel()
	for at, spoil := range map[string]func(*source.Draft){
		"/id":       func(d *source.Draft) { d.ID = "The Shop" },
		"/name":     func(d *source.Draft) { d.Name = " " },
		"/owner":    func(d *source.Draft) { d.Owner = "" },
		"/steward":  func(d *source.Draft) { d.Steward = "" },
		"/offers":   func(d *source.Draft) { d.Offers = nil },
		"/format":   func(d *source.Draft) { d.Format = "fax" },
		"/trust":    func(d *source.Draft) { d.Trust = "" },
		"/lateness": func(d *source.Draft) { d.Lateness = -1 },
	} {
		d := shop()
		spoil(&d)
		if err := d.Check(); !fault.Is(err, fault.Invalid) || !strings.HasPrefix(err.Error(), at) {
			t.Errorf("%s: %v, want an invalid fault there", at, err)
		}
	}
}

// logs is a log whose ends and ingested positions the test moves.
type logs struct{ ends, ingested source.Position }

func (l *logs) Ends(context.Context) (source.Position, error)     { return l.ends, nil }
func (l *logs) Ingested(context.Context) (source.Position, error) { return l.ingested, nil }

func TestWatermarkTakesEffectBehindItsBarrier(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r, store := registry(t)
	if _, _, err := r.Register(ctx, shop()); err != nil {
		t.Fatal(err)
	}
	l := &logs{ends: source.Position{0: 10, 1: 20}, ingested: source.Position{0: 10, 1: 19}}
	keeper, err := source.NewKeeper(source.KeeperOptions{Tenant: "main", Sources: store, Watermarks: store, Logs: l, Now: clock, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	moved := 0
	keeper.OnChange(func() { moved++ })
	until := func() time.Time {
		all, err := keeper.Of(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return all["shop"].Until
	}
	january, february := now.AddDate(0, -1, 0), now.AddDate(0, 0, -1)
	if _, err := keeper.Declare(ctx, "shop", january); err != nil {
		t.Fatal(err)
	}
	if !until().IsZero() || moved != 0 {
		t.Errorf("the source is complete until %v although a record waits", until())
	}
	l.ends = source.Position{0: 11, 1: 20}
	if _, err := keeper.Declare(ctx, "shop", february); err != nil {
		t.Fatal(err)
	}
	l.ingested = source.Position{0: 10, 1: 20}
	if !until().Equal(january) || moved != 1 {
		t.Errorf("complete until %v after %d moves, want %v after 1", until(), moved, january)
	}
	l.ingested = source.Position{0: 11, 1: 25}
	if !until().Equal(february) {
		t.Errorf("complete until %v, want %v", until(), february)
	}
	if w, err := keeper.Declare(ctx, "shop", january); err != nil || len(w.Pending) != 0 || !w.Until.Equal(february) {
		t.Errorf("an earlier declaration gives %+v, %v; want no change", w, err)
	}
	if _, err := keeper.Declare(ctx, "shop", now.AddDate(0, 1, 0)); !fault.Is(err, fault.Invalid) {
		t.Errorf("declaring the future: %v, want an invalid fault", err)
	}
	if _, err := keeper.Declare(ctx, "nobody", january); !fault.Is(err, fault.NotFound) {
		t.Errorf("declaring an unknown source: %v, want not found", err)
	}
}

func TestLiveSourceFollowsItsLateness(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	r, store := registry(t)
	d := shop()
	d.Lateness = time.Hour
	if _, _, err := r.Register(ctx, d); err != nil {
		t.Fatal(err)
	}
	keeper, err := source.NewKeeper(source.KeeperOptions{Tenant: "main", Sources: store, Watermarks: store, Logs: &logs{}, Now: clock, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	moved := make(chan struct{}, 8)
	keeper.OnChange(func() { moved <- struct{}{} })
	done := make(chan error)
	go func() { done <- keeper.Run(ctx) }()
	<-moved
	all, err := keeper.Of(ctx)
	if err != nil || !all["shop"].Until.Equal(now.Add(-time.Hour)) || !all["shop"].Declared.IsZero() {
		t.Errorf("%+v, %v; want it complete until an hour ago, which nobody declared", all["shop"], err)
	}
	yesterday := now.AddDate(0, 0, -1)
	if _, err := keeper.Declare(ctx, "shop", yesterday); err != nil {
		t.Fatal(err)
	}
	if all, err = keeper.Of(ctx); err != nil || !all["shop"].Declared.Equal(yesterday) || !all["shop"].Until.Equal(now.Add(-time.Hour)) {
		t.Errorf("%+v, %v; want it declared until yesterday beside its lateness", all["shop"], err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
