package mongostore

import (
	"sync"
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
