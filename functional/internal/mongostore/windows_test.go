package mongostore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/functional/internal/query"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

const days = 600

// history stores a long series of days beside another major version, another metric and another directive's, with the last
// two windows open.
func history(t *testing.T) *rig {
	t.Helper()
	r := measuring(t)
	first := time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC)
	var docs []any
	for _, of := range []struct {
		directive contract.DirectiveID
		metric    contract.MetricID
		version   string
	}{{"sd-1", own, "1.0.0"}, {"sd-1", own, "2.0.0"}, {"sd-1", "repeat_rate", "1.0.0"}, {"sd-2", own, "1.0.0"}} {
		for n := range days {
			m := measured(of.metric, of.version, time.January, float64(n), 1)
			m.Window = contract.Window{Start: first.AddDate(0, 0, n), End: first.AddDate(0, 0, n+1)}
			m.ID, m.Closed, m.Grain = contract.MeasurementID(fmt.Sprintf("%s-%s-%s-%d", of.directive, of.metric, of.version, n)), n < days-2, contract.GrainDay
			docs = append(docs, struct {
				ID       string         `bson:"_id"`
				Revision int64          `bson:"revision"`
				Doc      measurementDoc `bson:",inline"`
			}{r.id(string(m.ID)), 1, docOf("main", of.directive, m)})
		}
	}
	_, err := r.db.Collection(measurements).InsertMany(t.Context(), docs)
	must(t, err)
	return r
}

func at(day int) *time.Time {
	v := time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, day)
	return &v
}

// spans are what the tiles read.
var spans = map[string]query.Span{
	"latest":            {Closed: true, Limit: 1},
	"latest, open too":  {Limit: 1},
	"series":            {Closed: true, Limit: 61},
	"series, open too":  {Limit: 61},
	"a page back":       {Closed: true, Before: at(300), Limit: 61},
	"a range":           {Closed: true, From: at(100), To: at(150), Limit: 61},
	"a page of a range": {Closed: true, From: at(100), To: at(150), Before: at(120), Limit: 11},
	"breakdown":         {Closed: true, Limit: 1},
	"cohorts":           {Closed: true, Limit: 24},
	"movers":            {Closed: true, Limit: 2},
	"compare":           {Closed: true, At: at(200), Limit: 1},
}

// TestTilesReadByIndex explains every read of every tile: one range of one index, with hardly more read than returned.
func TestTilesReadByIndex(t *testing.T) {
	t.Parallel()
	r := history(t)
	for name, q := range spans {
		q.Directive, q.Metric, q.Major = "sd-1", own, 1
		ms, err := r.Windows(t.Context(), q)
		must(t, err)
		docs, keys, stages := r.explain(t, bson.D{
			{Key: "find", Value: measurements}, {Key: "filter", Value: r.windows(q)}, {Key: "sort", Value: newestFirst}, {Key: "limit", Value: q.Limit},
		})
		const open = 2 // windows that the index cannot leave out, and one key to find the end
		if len(ms) == 0 || docs > int64(len(ms)+open) || keys > int64(len(ms)+open+1) {
			t.Errorf("%s: %d windows from %d documents and %d keys", name, len(ms), docs, keys)
		}
		if !strings.Contains(stages, "IXSCAN") || strings.Contains(stages, "COLLSCAN") || strings.Contains(stages, "SORT") {
			t.Errorf("%s: read by %s", name, stages)
		}
	}
	docs, _, stages := r.explain(t, bson.D{{Key: "find", Value: directives}, {Key: "filter", Value: r.pursuing("goal-of-sd-1")}})
	if docs != 1 || !strings.Contains(stages, "IXSCAN") {
		t.Errorf("a goal's directive: %d documents by %s", docs, stages)
	}
}

// explain returns what a find examines, and its stages.
func (r *rig) explain(t *testing.T, cmd bson.D) (docs, keys int64, stages string) {
	t.Helper()
	raw, err := r.db.Database().RunCommand(t.Context(), bson.D{{Key: "explain", Value: cmd}, {Key: "verbosity", Value: "executionStats"}}).Raw()
	must(t, err)
	docs, ok1 := raw.Lookup("executionStats", "totalDocsExamined").AsInt64OK()
	keys, ok2 := raw.Lookup("executionStats", "totalKeysExamined").AsInt64OK()
	if !ok1 || !ok2 {
		t.Fatalf("explained without figures: %s", raw)
	}
	return docs, keys, raw.Lookup("queryPlanner", "winningPlan").String()
}

func TestWindowsOfASpan(t *testing.T) {
	t.Parallel()
	r := history(t)
	for name, c := range map[string]struct{ n, newest, oldest int }{
		"latest": {1, days - 3, days - 3}, "latest, open too": {1, days - 1, days - 1}, "series": {61, days - 3, days - 63},
		"a page back": {61, 299, 239}, "a range": {50, 149, 100}, "a page of a range": {11, 119, 109}, "movers": {2, days - 3, days - 4}, "compare": {1, 200, 200},
	} {
		q := spans[name]
		q.Directive, q.Metric, q.Major = "sd-1", own, 1
		ms, err := r.Windows(t.Context(), q)
		must(t, err)
		if len(ms) != c.n || *ms[0].Value != float64(c.newest) || *ms[len(ms)-1].Value != float64(c.oldest) || ms[0].Version != "1.0.0" {
			t.Errorf("%s: %d windows from %v to %v", name, len(ms), *ms[0].Value, *ms[len(ms)-1].Value)
		}
	}
}

func TestTheDirectiveThatPursuesAGoal(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.service(t)
	for _, id := range []contract.DirectiveID{"sd-1", "sd-2", "sd-3"} {
		d := strategic(id, map[contract.DirectiveID]int64{"sd-1": 5, "sd-2": 3, "sd-3": 4}[id])
		d.Goal.ID = "g"
		if id != "sd-2" {
			d.Standing = contract.SupersededEnd
		}
		must(t, s.Receive(t.Context(), d))
	}
	if rec, err := r.Pursuing(t.Context(), "g"); err != nil || rec.ID() != "sd-2" {
		t.Errorf("%s, %v; want the one in force", rec.ID(), err)
	}
	if _, err := r.Pursuing(t.Context(), "other"); !fault.Is(err, fault.NotFound) {
		t.Errorf("%v; want NotFound", err)
	}
}

func TestSeriesFromBeforeAreNumbered(t *testing.T) {
	t.Parallel()
	r := measuring(t)
	r.put(t, measured(own, "2.1.0", time.January, .1, 1), mongodb.Applied)
	_, err := r.db.Collection(measurements).UpdateMany(t.Context(), bson.D{}, bson.D{{Key: "$unset", Value: bson.D{{Key: "major", Value: ""}}}})
	must(t, err)
	for range 2 {
		must(t, Migrations()[1].Run(t.Context(), r.db))
	}
	if ms, err := r.Windows(t.Context(), query.Span{Directive: "sd-1", Metric: own, Major: 2, Limit: 9}); err != nil || len(ms) != 1 {
		t.Errorf("%v, %v", ms, err)
	}
}
