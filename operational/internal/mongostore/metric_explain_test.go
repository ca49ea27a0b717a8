package mongostore

import (
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
)

// TestExplain: a window's metric reads its days by the index, a history all rows as they lie.
func TestExplain(t *testing.T) {
	t.Parallel()
	var days []dayDoc
	for i := range 300 {
		days = append(days, bought("c", contract.Day("1997-01-01").Add(i), 100))
	}
	s := NewMetrics(tenant, warehouse(t, days, nil, nil))
	clock := time.Unix(0, 0)
	e := metric.Explainer{Zone: time.UTC, Calendar: metric.Calendar{WeekStart: time.Monday}, Warehouse: s, Planner: s, Now: func() time.Time {
		clock = clock.Add(7 * time.Millisecond)
		return clock
	}}
	if err := e.Check(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		metric       contract.MetricID
		index        string
		keys, docs   int64
		reads, stage string
	}{
		{"revenue_month", "day", 28, 28, "1997-02-01", `{"$match":{"tenant":"main","day":{"$gte":"1997-02-01","$lt":"1997-03-01"}}}`},
		{"revenue_on_year", "day", 28, 28, "1996-02-01", `{"$match":{"tenant":"main","$or":[{"day":{"$gte":"1996-02-01","$lt":"1996-03-01"}},{"day":{"$gte":"1997-02-01","$lt":"1997-03-01"}}]}}`},
		{"repeat_rate", "", 0, 300, "", `{"$match":{"tenant":"main","day":{"$gte":"","$lt":"1997-03-01"}}}`},
		{"share_alive", "", 0, 300, "", `{"$match":{"tenant":"main","day":{"$gte":"","$lt":"1997-03-01"}}}`},
		{"purchase_day_value_median", "day", 28, 28, "1997-02-01", `{"$match":{"tenant":"main","day":{"$gte":"1997-02-01","$lt":"1997-03-01"}}}`},
	} {
		got, err := e.Explain(t.Context(), &contract.Computation{Metric: shipped(t)[c.metric], Grain: contract.GrainMonth}, "1997-02-10")
		if err != nil {
			t.Fatalf("%s: %v", c.metric, err)
		}
		if len(got.Plans) != 1 || got.Milliseconds != 7 || string(got.Reads[0].From) != c.reads || got.Window.Start != time.Date(1997, 2, 1, 0, 0, 0, 0, time.UTC) {
			t.Fatalf("%s: %+v", c.metric, got)
		}
		p := got.Plans[0]
		if p.Collection != rowsCollection || p.Index != c.index || p.Keys != c.keys || p.Documents != c.docs || string(p.Pipeline[0]) != c.stage || len(p.Winning) == 0 {
			t.Errorf("%s: index %q, %d keys, %d documents, plan %s, first stage %s", c.metric, p.Index, p.Keys, p.Documents, p.Winning, p.Pipeline[0])
		}
	}
	_, err := e.Explain(t.Context(), &contract.Computation{Metric: contract.Definition{ID: "m", Version: "1.0.0", Type: contract.Simple}, Grain: contract.GrainMonth}, "1997-02-10")
	if err == nil || !strings.Contains(err.Error(), "bad_definition") {
		t.Errorf("what cannot be computed: %v", err)
	}
}

// TestReadExplanation: the forms that MongoDB's explanations have, with a lookup and with shards.
func TestReadExplanation(t *testing.T) {
	t.Parallel()
	plan := bson.D{{Key: "stage", Value: "FETCH"}, {Key: "inputStage", Value: bson.D{{Key: "stage", Value: "IXSCAN"}, {Key: "indexName", Value: "day"}}}}
	stats := func(keys, docs int32) bson.D {
		return bson.D{{Key: "totalKeysExamined", Value: keys}, {Key: "totalDocsExamined", Value: docs}, {Key: "executionStages", Value: bson.D{{Key: "docsExamined", Value: docs}}},
			{Key: "allPlansExecution", Value: bson.A{bson.D{{Key: "totalDocsExamined", Value: 999}}}}}
	}
	cursor := func(keys, docs int32) bson.D {
		return bson.D{{Key: "$cursor", Value: bson.D{{Key: "queryPlanner", Value: bson.D{{Key: "winningPlan", Value: plan},
			{Key: "rejectedPlans", Value: bson.A{bson.D{{Key: "indexName", Value: "other"}}}}}}, {Key: "executionStats", Value: stats(keys, docs)}}}}
	}
	lookup := bson.D{{Key: "$lookup", Value: bson.D{{Key: "from", Value: "persons"}}}, {Key: "totalKeysExamined", Value: int64(5)}, {Key: "totalDocsExamined", Value: int64(4)}}
	for name, c := range map[string]struct {
		raw        bson.D
		keys, docs int64
	}{
		"stages":      {bson.D{{Key: "stages", Value: bson.A{cursor(10, 20), lookup}}}, 15, 24},
		"pushed down": {bson.D{{Key: "queryPlanner", Value: bson.D{{Key: "winningPlan", Value: plan}}}, {Key: "executionStats", Value: stats(3, 4)}}, 3, 4},
		"shards":      {bson.D{{Key: "shards", Value: bson.D{{Key: "a", Value: bson.D{{Key: "stages", Value: bson.A{cursor(1, 2)}}}}, {Key: "b", Value: bson.D{{Key: "stages", Value: bson.A{cursor(3, 4)}}}}}}}, 4, 6},
	} {
		raw, err := bson.Marshal(c.raw)
		if err != nil {
			t.Fatal(err)
		}
		var e explained
		if err := e.read(raw); err != nil || e.keys != c.keys || e.documents != c.docs || e.index != "day" || !e.stats || !strings.Contains(string(e.winning), "FETCH") {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
}
