package pipeline_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/pipeline"
)

// sales makes documents as the CRM loop groups them.
func sales(n int) []bson.Raw {
	out := make([]bson.Raw, n)
	for i := range out {
		d, err := bson.Marshal(bson.D{{Key: "_id", Value: fmt.Sprintf("sale-%d", i)}, {Key: "customerId", Value: fmt.Sprintf("customer-%d", i%997)},
			{Key: "region", Value: []string{"north", "south", "east"}[i%3]}, {Key: "amountMinor", Value: int64(i % 5000)}, {Key: "weight", Value: float64(i) / 7},
			{Key: "at", Value: time.UnixMilli(1700000000000 + int64(i)*60000)}})
		if err != nil {
			panic(err)
		}
		out[i] = d
	}
	return out
}

func compileText(tb testing.TB, text string, deps pipeline.Deps) *pipeline.Pipeline {
	tb.Helper()
	p, err := tryCompile(text, deps)
	if err != nil {
		tb.Fatalf("compile %s: %v", text, err)
	}
	return p
}

func tryCompile(text string, deps pipeline.Deps) (*pipeline.Pipeline, error) {
	var d struct{ P []bson.Raw }
	if err := bson.UnmarshalExtJSON([]byte(`{"p":`+text+`}`), false, &d); err != nil {
		return nil, err
	}
	if deps.Env == nil {
		deps.Env = &expr.Env{Now: time.UnixMilli(1700000000000)}
	}
	return pipeline.Compile(d.P, deps)
}

func BenchmarkPipeline(b *testing.B) {
	docs := sales(100_000)
	for name, text := range map[string]string{
		"group":     `[{"$group":{"_id":"$region","n":{"$sum":1},"total":{"$sum":"$amountMinor"},"avg":{"$avg":"$weight"}}}]`,
		"matchSort": `[{"$match":{"region":"north","amountMinor":{"$gte":1000}}},{"$sort":{"amountMinor":-1}},{"$limit":20}]`,
		"months":    `[{"$group":{"_id":{"c":"$customerId","m":{"$dateTrunc":{"date":"$at","unit":"month"}}},"total":{"$sum":{"$multiply":["$amountMinor",2]}}}}]`,
		"project":   `[{"$project":{"customerId":1,"double":{"$add":["$amountMinor","$amountMinor"]}}}]`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p := compileText(b, text, pipeline.Deps{Coll: "c"})
				it, err := p.Run(context.Background(), pipeline.Slice(docs))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := pipeline.Collect(context.Background(), it); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*float64(len(docs))/b.Elapsed().Seconds(), "docs/s")
		})
	}
}
