package mongostore

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/functional/internal/definition"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

func scoped(version string) contract.Definition {
	return contract.Definition{ID: "repeat_rate", Version: version, Filter: &contract.Condition{Field: "country", Op: contract.In, Value: []any{"AT"}}}
}

func TestFamiliesAreChangedByCompareAndSet(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	add := func(version string) func(*definition.Family) error {
		return func(f *definition.Family) error {
			f.Versions = append(f.Versions, definition.Version{Definition: scoped(version), State: definition.Draft, Authors: []string{"mia"}})
			return nil
		}
	}
	must(t, r.ChangeFamily(t.Context(), "repeat_rate", add("2.0.0")))
	f, err := r.Family(t.Context(), "repeat_rate")
	must(t, err)
	if len(f.Versions) != 1 || f.Revision <= 0 || !contract.Same(f.Versions[0].Definition, scoped("2.0.0")) {
		t.Errorf("%+v", f)
	}
	refused := fault.New(fault.Conflict, "", "no")
	if err := r.ChangeFamily(t.Context(), "repeat_rate", func(f *definition.Family) error { f.Versions = nil; return refused }); !fault.Is(err, fault.Conflict) {
		t.Errorf("%v; want the refusal", err)
	}
	var wg sync.WaitGroup // two people at once: both changes are kept
	for _, v := range []string{"2.1.0", "3.0.0"} {
		wg.Go(func() {
			if err := r.ChangeFamily(t.Context(), "repeat_rate", add(v)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	all, err := r.Families(t.Context())
	must(t, err)
	if len(all) != 1 || len(all[0].Versions) != 3 || all[0].Revision <= f.Revision {
		t.Errorf("%+v", all)
	}
	if none, err := r.of(t, "other").Families(t.Context()); err != nil || len(none) > 0 {
		t.Errorf("another tenant sees %v, %v", none, err)
	}
}

func TestDefinitionsFromBeforeLivesAreTakenOver(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, err := r.db.Collection("metrics").InsertMany(t.Context(), []any{
		bson.D{{Key: "_id", Value: "main|repeat_rate|2.0.0"}, {Key: "tenant", Value: "main"}, {Key: "metric", Value: "repeat_rate"}, {Key: "at", Value: time.Now()}, {Key: "by", Value: "mia"}, {Key: "definition", Value: scoped("2.0.0")}},
		bson.D{{Key: "_id", Value: "main|repeat_rate|2.1.0"}, {Key: "tenant", Value: "main"}, {Key: "metric", Value: "repeat_rate"}, {Key: "at", Value: time.Now()}, {Key: "by", Value: "sam"}, {Key: "definition", Value: scoped("2.1.0")}},
	})
	must(t, err)
	for range 2 { // harmless when repeated
		must(t, Migrations()[0].Run(t.Context(), r.db))
	}
	f, err := r.Family(t.Context(), "repeat_rate")
	must(t, err)
	if use := f.InUse(nil); len(f.Versions) != 2 || use == nil || !contract.Same(*use, scoped("2.1.0")) {
		t.Errorf("%+v", f)
	}
}

// shelf is a library of nothing but what is put to use.
type shelf struct{ base *contract.Definition }

func (shelf) Check(*contract.Definition) error                 { return nil }
func (s shelf) Shipped(contract.MetricID) *contract.Definition { return s.base }
func (shelf) Needs(contract.MetricID) bool                     { return false }
func (shelf) Use(...definition.Family)                         {}
func (s shelf) service(t *testing.T, r *rig) *definition.Service {
	t.Helper()
	d, err := definition.NewService(definition.Options{Store: r.Stores, Library: s, Now: ticking(), Trace: func(context.Context) string { return "" }})
	must(t, err)
	return d
}

// TestTwoCertificationsAtOnceMeet has two drafts made from one version certified at the same moment. 2.0.0 may come after
// 1.0.1, but 1.0.1 not after 2.0.0: whoever comes second must see the first.
func TestTwoCertificationsAtOnceMeet(t *testing.T) {
	t.Parallel()
	base := scoped("1.0.0")
	for round := range 10 {
		r := newRig(t)
		s := shelf{&base}.service(t, r)
		words, history := base, base
		words.Version, words.Label = "1.0.1", "another"
		history.Version, history.Unit = "2.0.0", contract.Money
		seen := map[string]int64{}
		for _, d := range []contract.Definition{words, history} {
			v, err := s.Draft(t.Context(), d, "mia")
			must(t, err)
			v, err = s.Move(t.Context(), d.ID, d.Version, v.Revision, definition.Review, "sam", "")
			must(t, err)
			seen[d.Version] = v.Revision
		}
		var wg sync.WaitGroup
		var refused atomic.Int32
		for version, revision := range seen {
			wg.Go(func() {
				_, err := s.Move(t.Context(), base.ID, version, revision, definition.Certify, "eva", "")
				for fault.Is(err, fault.Transient) {
					_, err = s.Move(t.Context(), base.ID, version, revision, definition.Certify, "eva", "")
				}
				switch {
				case err == nil:
				case version == "1.0.1" && fault.Is(err, fault.Invalid):
					refused.Add(1)
				default:
					t.Errorf("round %d, %s: %v", round, version, err)
				}
			})
		}
		wg.Wait()
		vs, err := s.Versions(t.Context(), base.ID)
		must(t, err)
		last := func(n int) time.Time { return vs[n].History[len(vs[n].History)-1].At }
		if vs[0].Definition.Version != "2.0.0" || !vs[0].InUse || refused.Load() == 0 && last(1).After(last(0)) {
			t.Errorf("round %d: %s was certified behind %s", round, vs[1].Definition.Version, vs[0].Definition.Version)
		}
	}
}
