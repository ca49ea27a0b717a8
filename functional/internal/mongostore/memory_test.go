package mongostore

import (
	"testing"
	"time"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/query"
	"github.com/strata-crm/strata/shared/mongodb"
)

// TestMemory: what is remembered is what was put at that version, and no more of it than is allowed.
func TestMemory(t *testing.T) {
	t.Parallel()
	m := newMemory[string](2)
	m.put("a", 1, "one")
	if v, ok := m.get("a", 1); !ok || v != "one" {
		t.Errorf("%q, %v", v, ok)
	}
	if _, ok := m.get("a", 2); ok {
		t.Error("an old version passed for a new one")
	}
	m.put("b", 1, "two")
	m.put("c", 1, "three")
	if len(m.of) > 2 {
		t.Errorf("%d are kept, want 2 at most", len(m.of))
	}
}

// TestTilesSeeChangesAtOnce: a restated window and a changed record are shown, though they were shown before.
func TestTilesSeeChangesAtOnce(t *testing.T) {
	t.Parallel()
	r := measuring(t)
	span := query.Span{Directive: "sd-1", Metric: own, Major: 1, Limit: 9}
	for revision, value := range []float64{.1, .2, .3} {
		r.put(t, measured(own, "1.0.0", time.January, value, int64(revision+1)), mongodb.Applied)
		for range 2 {
			ms, err := r.Windows(t.Context(), span)
			if err != nil || len(ms) != 1 || *ms[0].Value != value {
				t.Fatalf("%+v, %v; want %g", ms, err, value)
			}
		}
		for range 2 {
			want, err := r.Get(t.Context(), "sd-1")
			must(t, err)
			byGoal, err := r.Pursuing(t.Context(), "goal-of-sd-1")
			must(t, err)
			byID, err := r.Of(t.Context(), "sd-1")
			must(t, err)
			if byGoal.Version != want.Version || byID.Version != want.Version || len(byID.Trials) != len(want.Trials) {
				t.Fatalf("versions %d and %d, want %d", byGoal.Version, byID.Version, want.Version)
			}
		}
		must(t, r.Update(t.Context(), "sd-1", func(rec *directive.Record) error { rec.Past = append(rec.Past, *rec.Plan); return nil }))
	}
}
