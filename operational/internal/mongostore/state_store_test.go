package mongostore

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/directive"
	"github.com/strata-crm/strata/operational/internal/egress"
	"github.com/strata-crm/strata/operational/internal/ingest"
	"github.com/strata-crm/strata/shared/bus/bustest"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

// states are the stores of directives and measurements on one database, and its outbox.
type states struct {
	directives   *Directives
	measurements *Measurements
	outbox       *mongodb.Outbox
}

func openStates(t *testing.T) states {
	t.Helper()
	db := mongotest.Open(t, append(DirectiveIndexes(), MeasurementIndexes()...)...)
	o, err := mongodb.NewOutbox(db, bustest.Memory(t, contract.Specs()...), mongodb.OutboxOptions{Now: clock, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return states{NewDirectives(tenant, db, o, clock, contract.NewID), NewMeasurements(tenant, db, o, contract.NewID), o}
}

func (s states) pending(t *testing.T) int {
	t.Helper()
	n, _, err := s.outbox.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func command(id contract.DirectiveID, revision int64) *contract.OperationalDirective {
	return &contract.OperationalDirective{
		Order:     contract.Order{ID: id, Revision: revision, Standing: contract.InForce, ValidFrom: noon.Add(-time.Hour), Expires: noon.Add(time.Hour)},
		Strategic: "sd-1", Goal: "g-1", Part: "sales",
		Compute: []contract.Computation{{Metric: contract.Definition{ID: "m", Version: "1.0.0"}, Until: "2026-12-31",
			Scope: &contract.Condition{Field: "segment", Op: contract.In, Value: []any{"a", 2.5}}}},
	}
}

var anything = directive.World{
	Offers:   func(contract.ParameterName) []contract.SourceID { return []contract.SourceID{"shop"} },
	Compiles: func(*contract.Computation) *contract.Reason { return nil },
}

func (s states) receive(t *testing.T, d *contract.OperationalDirective, at time.Time) {
	t.Helper()
	err := s.directives.Update(t.Context(), d.ID, func(r *directive.Record) error {
		return directive.Received(r, d, directive.Verdict{Allowed: true}, anything, directive.Turn{Now: at})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDirectiveStored(t *testing.T) {
	t.Parallel()
	s := openStates(t)
	s.receive(t, command("od-1", 1), noon)
	r, err := s.directives.Get(t.Context(), "od-1")
	if err != nil {
		t.Fatal(err)
	}
	plain := cmp.FilterValues(func(a, b any) bool { _, x := a.(bson.A); _, y := b.(bson.A); return x != y }, cmp.Comparer(func(a, b any) bool { return cmp.Equal(elements(a), elements(b)) })) // a list in a condition has the store's type
	if d := cmp.Diff(command("od-1", 1), r.Order, plain); d != "" {
		t.Errorf("the directive came back changed (-want +got):\n%s", d)
	}
	if scope := r.Order.Compute[0].Scope; contract.MeasurementIdentity(tenant, "d", "m", 1, scope, "month", noon) !=
		contract.MeasurementIdentity(tenant, "d", "m", 1, command("od-1", 1).Compute[0].Scope, "month", noon) {
		t.Error("the scope names another measurement than the one that was sent")
	}
	if !r.Running() || r.Version != 1 || s.pending(t) != 1 {
		t.Errorf("it is %s in version %d with %d messages to send, want executing, 1, 1", r.Answer.State, r.Version, s.pending(t))
	}
	if err := s.directives.Update(t.Context(), "od-1", func(*directive.Record) error { return nil }); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err = s.directives.Update(t.Context(), "od-1", func(r *directive.Record) error { r.Answer.State = contract.Refused; return broken })
	if r, _ := s.directives.Get(t.Context(), "od-1"); !errors.Is(err, broken) || r.Version != 1 || !r.Running() {
		t.Errorf("after %v it is %s in version %d, want it as it was", err, r.Answer.State, r.Version)
	}
	if _, err := s.directives.Get(t.Context(), "od-2"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("an unknown directive: %v, want not_found", err)
	}
	if n, err := s.directives.Unanswered(t.Context()); n != 0 || err != nil {
		t.Errorf("%d are unanswered, %v; want none", n, err)
	}
}

// TestConcurrentUpdates: each of many changes at once is made upon the one before, also where there was nothing.
func TestConcurrentUpdates(t *testing.T) {
	t.Parallel()
	s := openStates(t)
	const n = 12
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			errs[i] = s.directives.Update(t.Context(), "od-1", func(r *directive.Record) error {
				next := int64(1)
				if r.Order != nil {
					next = r.Order.Revision + 1
				}
				return directive.Received(r, command("od-1", next), directive.Verdict{Allowed: true}, anything, directive.Turn{Now: noon})
			})
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	r, err := s.directives.Get(t.Context(), "od-1")
	if err != nil || r.Version != n || r.Order.Revision != n || len(r.Answer.History) != 3*n || r.Answer.AckRevision != noon.UnixMilli()+n-1 {
		t.Errorf("after %d changes: version %d, revision %d, %d steps, answer %d, %v", n, r.Version, r.Order.Revision, len(r.Answer.History), r.Answer.AckRevision, err)
	}
}

func TestValidity(t *testing.T) {
	t.Parallel()
	s := openStates(t)
	valid := func(id contract.DirectiveID) (ingest.Validity, bool) {
		t.Helper()
		all, err := s.directives.Validity(t.Context(), []contract.DirectiveID{id, "od-none"})
		if err != nil {
			t.Fatal(err)
		}
		v, ok := all[id]
		return v, ok
	}
	d := command("od-1", 1)
	s.receive(t, d, noon)
	if v, ok := valid("od-1"); !ok || !v.From.Equal(d.ValidFrom) || !v.Until.Equal(d.Expires) {
		t.Errorf("in force it holds %v, %v", v, ok)
	}
	end := command("od-1", 2)
	end.Standing = contract.WithdrawnEnd
	s.receive(t, end, noon.Add(10*time.Minute))
	again := command("od-1", 3)
	again.Standing = contract.SupersededEnd
	s.receive(t, again, noon.Add(20*time.Minute))
	if v, ok := valid("od-1"); !ok || !v.Until.Equal(noon.Add(10*time.Minute)) {
		t.Errorf("withdrawn it holds %v, %v; want until its first end", v, ok)
	}
	s.receive(t, command("od-1", 4), noon.Add(30*time.Minute))
	if v, _ := valid("od-1"); !v.Until.Equal(d.Expires) {
		t.Errorf("in force again it holds %v", v)
	}
	never := command("od-2", 1)
	never.Standing = contract.WithdrawnEnd
	s.receive(t, never, noon)
	if _, ok := valid("od-2"); ok {
		t.Error("what never was in force has a validity")
	}
}

func TestGovernanceOfHighestVersion(t *testing.T) {
	t.Parallel()
	s := openStates(t)
	if _, err := s.directives.Governance(t.Context()); fault.KindOf(err) != fault.NotFound {
		t.Errorf("without one: %v, want not_found", err)
	}
	for i, version := range []int{2, 10, 9} {
		g := &contract.GovernanceDirective{Order: contract.Order{ID: contract.DirectiveID("gd-" + string(rune('a'+i))), Revision: int64(version), Standing: contract.InForce},
			Version: version, Purposes: []contract.PurposeRule{{Purpose: "retention_analysis"}}, Retention: map[contract.DataType]int{contract.Transactional: 365}, MinimumGroup: 10}
		err := s.directives.Update(t.Context(), g.ID, func(r *directive.Record) error {
			_, err := directive.Governed(r, g, directive.Turn{Now: noon})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	g, err := s.directives.Governance(t.Context())
	if err != nil || g.Version != 10 || g.Retention[contract.Transactional] != 365 {
		t.Errorf("in force is version %d, %v; want 10", g.Version, err)
	}
	if all, err := s.directives.All(t.Context()); len(all) != 0 || err != nil {
		t.Errorf("%d of them count as directives to carry out, %v", len(all), err)
	}
}

func measured(value float64) contract.Measurement {
	return contract.Measurement{ID: "m-1", Directive: "od-1", Strategic: "sd-1", Goal: "g-1", Metric: "repeat_rate", Version: "1.0.0", Grain: contract.GrainMonth,
		Window: contract.Window{Start: noon.AddDate(0, -1, 0), End: noon}, AsOf: noon, Value: &value, N: 100,
		Quality: contract.Quality{Coverage: map[contract.ParameterName]float64{"order_time": 1}}}
}

// replace stores a value as egress does.
func (s states) replace(ctx context.Context, value float64, b egress.Basis) error {
	return s.measurements.Replace(ctx, "m-1", b, func(stored *contract.Measurement) bool {
		m := measured(value)
		m.Revision = stored.Revision + 1
		*stored = m
		return true
	})
}

func TestMeasurementStored(t *testing.T) {
	t.Parallel()
	s := openStates(t)
	if _, ok, err := s.measurements.Known(t.Context(), "m-1"); ok || err != nil {
		t.Errorf("unknown: %v, %v", ok, err)
	}
	if err := s.replace(t.Context(), .5, egress.Basis{Contains: map[int]int64{0: 7, 23: 9}, Revision: 2}); err != nil {
		t.Fatal(err)
	}
	if b, ok, err := s.measurements.Known(t.Context(), "m-1"); err != nil || !ok || b.Closed || b.Revision != 2 || b.Contains[23] != 9 || b.Model != "" {
		t.Errorf("known is %+v, %v", b, err)
	}
	err := s.measurements.Replace(t.Context(), "m-1", egress.Basis{Contains: map[int]int64{0: 8, 23: 9}, Revision: 2, Model: "1 active", Closed: true}, func(*contract.Measurement) bool { return false })
	if b, _, _ := s.measurements.Known(t.Context(), "m-1"); err != nil || !b.Closed || b.Contains[0] != 8 || b.Model != "1 active" {
		t.Errorf("unchanged it is made from %+v, %v; want its basis kept", b, err)
	}
	for name, older := range map[string]egress.Basis{
		"fewer events":      {Contains: map[int]int64{0: 8, 23: 8}, Revision: 2},
		"an older revision": {Contains: map[int]int64{0: 9, 23: 9}, Revision: 1},
	} {
		if err := s.replace(t.Context(), .9, older); err != nil {
			t.Fatal(err)
		}
		series, err := s.measurements.List(t.Context(), "repeat_rate", egress.Place{}, 10)
		if err != nil || len(series) != 1 || *series[0].Value != .5 || series[0].Revision != 1 {
			t.Errorf("a value from %s replaced a later one: %+v, %v", name, series, err)
		}
	}
	if series, err := s.measurements.List(t.Context(), "other", egress.Place{}, 10); len(series) != 0 || err != nil {
		t.Errorf("another metric has %d measurements, %v", len(series), err)
	}
}

// TestMeasurementsAtOnce: of many writers at once every one sees the revision before its own.
func TestMeasurementsAtOnce(t *testing.T) {
	t.Parallel()
	s := openStates(t)
	const n = 12
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			errs[i] = s.replace(t.Context(), float64(i), egress.Basis{Contains: map[int]int64{0: 1}, Revision: 1})
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if series, err := s.measurements.List(t.Context(), "", egress.Place{}, 10); err != nil || len(series) != 1 || series[0].Revision != n {
		t.Errorf("%d measurements, the first of revision %d, %v; want one of %d", len(series), series[0].Revision, err, n)
	}
}

// elements returns a list whatever type it has.
func elements(v any) []any {
	list, _ := (&contract.Condition{Value: v}).List()
	return list
}

// TestPages: going on from each page's end gives everything once, in order.
func TestPages(t *testing.T) {
	t.Parallel()
	s := openStates(t)
	var want []contract.MeasurementID
	for _, m := range []contract.Measurement{
		{ID: "c", Metric: "a_rate", Window: contract.Window{Start: noon}}, {ID: "b", Metric: "a_rate", Window: contract.Window{Start: noon.AddDate(0, 1, 0)}},
		{ID: "d", Metric: "a_rate", Window: contract.Window{Start: noon.AddDate(0, 1, 0)}}, {ID: "a", Metric: "b_rate", Window: contract.Window{Start: noon}},
	} {
		full := measured(.5)
		full.ID, full.Metric, full.Window.Start, full.Window.End = m.ID, m.Metric, m.Window.Start, m.Window.Start.AddDate(0, 1, 0)
		full.Revision = 1
		want = append(want, m.ID)
		if err := s.measurements.Replace(t.Context(), m.ID, egress.Basis{}, func(stored *contract.Measurement) bool { *stored = full; return true }); err != nil {
			t.Fatal(err)
		}
		s.receive(t, command(contract.DirectiveID("od-"+m.ID), 1), noon)
	}
	var got []contract.MeasurementID
	for at := (egress.Place{}); ; {
		page, err := s.measurements.List(t.Context(), "", at, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		got, at = append(got, page[0].ID), egress.PlaceOf(&page[0])
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("measurements (-want +got):\n%s", d)
	}
	page, err := s.directives.List(t.Context(), "od-b", 1)
	if err != nil || len(page) != 1 || page[0].ID() != "od-c" {
		t.Errorf("after od-b come %v, %v; want od-c", page, err)
	}
}
