package pipeline_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/pipeline"
)

// options names the options of the stages that take an object.
var options = map[string][]string{
	"$match": {"a"}, "$project": {"a", "b.c"}, "$addFields": {"a", "b.c"}, "$unset": nil, "$replaceRoot": {"newRoot"}, "$replaceWith": nil, "$group": {"_id", "r"}, "$sort": {"a"},
	"$limit": nil, "$skip": nil, "$unwind": {"path", "includeArrayIndex", "preserveNullAndEmptyArrays"}, "$sample": {"size"}, "$bucket": {"groupBy", "boundaries", "default", "output"},
	"$bucketAuto": {"groupBy", "buckets", "output"}, "$redact": nil, "$facet": {"a"}, "$lookup": {"from", "localField", "foreignField", "as", "let", "pipeline"}, "$unionWith": {"coll", "pipeline"},
	"$documents": nil, "$setWindowFields": {"partitionBy", "sortBy", "output"}, "$out": {"db", "coll"}, "$merge": {"into", "on", "whenMatched", "whenNotMatched", "let"}, "$count": nil, "$sortByCount": nil,
}

// Whatever its argument, a stage answers documents or an error with a code; it never panics.
func TestStagesNeverPanic(t *testing.T) {
	t.Parallel()
	raw, err := bson.Marshal(bson.D{{Key: "a", Value: nil}, {Key: "b", Value: int32(-1)}, {Key: "c", Value: int64(math.MaxInt64)}, {Key: "d", Value: math.NaN()}, {Key: "e", Value: ""},
		{Key: "f", Value: "$a"}, {Key: "g", Value: "a"}, {Key: "h", Value: bson.D{}}, {Key: "i", Value: bson.A{}}, {Key: "j", Value: bson.A{int32(1), "x", bson.D{{Key: "$sum", Value: 1}}}},
		{Key: "k", Value: bson.D{{Key: "$sum", Value: "$a"}}}, {Key: "l", Value: bson.D{{Key: "x", Value: bson.D{{Key: "$push", Value: "$a"}, {Key: "window", Value: bson.D{{Key: "documents", Value: bson.A{-1, "current"}}}}}}}},
		{Key: "m", Value: true}, {Key: "n", Value: bson.MinKey{}}, {Key: "o", Value: bson.Undefined{}}, {Key: "p", Value: bson.DateTime(0)}, {Key: "q", Value: bson.Binary{}}, {Key: "r", Value: int32(2)},
		{Key: "s", Value: bson.A{bson.D{{Key: "$match", Value: bson.D{}}}}}, {Key: "t", Value: bson.A{int32(0), int32(5)}}, {Key: "u", Value: bson.D{{Key: "a", Value: 1}}}, {Key: "v", Value: bson.NewDecimal128(math.MaxUint64, 7)}})
	if err != nil {
		t.Fatal(err)
	}
	values := bsonx.Values(bsonx.Document(raw))
	in := docs(t, `{"_id":1,"a":[1,"x",{"b":null}]}`, `{"_id":2,"a":{"b":[]}}`, `{"_id":3}`)
	check := func(name string, arg bson.RawValue) {
		defer func() {
			if p := recover(); p != nil {
				t.Errorf("%s of %s panics: %v", name, arg, p)
			}
		}()
		_, err := runRaw(name, arg, in)
		var me *mongoerr.Error
		if err != nil && !errors.As(err, &me) {
			t.Errorf("%s of %s: an error without a code: %v", name, arg, err)
		}
	}
	for name, fields := range options {
		for i := range values {
			check(name, values[i])
			for j := range values {
				b := bsonx.NewDoc(0)
				for k, f := range fields {
					b.Append(f, values[(i+j*k)%len(values)])
				}
				check(name, b.Value())
			}
		}
	}
}

func runRaw(name string, arg bson.RawValue, in []bson.Raw) ([]bson.Raw, error) {
	deps := pipeline.Deps{DB: "db", Coll: "c", Env: &expr.Env{Now: time.UnixMilli(0)}, Source: memory{"o": in}, Sink: &recorder{have: map[string]bson.Raw{}}}
	p, err := pipeline.Compile([]bson.Raw{bsonx.NewDoc(0).Append(name, arg).Raw()}, deps)
	if err != nil {
		return nil, err
	}
	it, err := p.Run(context.Background(), pipeline.Slice(in))
	if err != nil {
		return nil, err
	}
	return pipeline.Collect(context.Background(), it)
}
