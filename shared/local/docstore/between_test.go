package docstore_test

import (
	"fmt"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/shared/local/docstore"
)

// TestMinMaxAndReturnKey reads ranges of an index, and its keys instead of documents.
func TestMinMaxAndReturnKey(t *testing.T) {
	t.Parallel()
	s, client := open(t, docstore.Options{InMemory: true})
	raw := dialRaw(t, s)
	coll := client.Database("db").Collection("c")
	for i := range 20 {
		d := doc("_id", i, "a", i/2, "b", i%2)
		if i%5 == 0 {
			d = append(d, bson.E{Key: "tags", Value: bson.A{i, i + 1}})
		}
		if _, err := coll.InsertOne(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := coll.Indexes().CreateMany(t.Context(), []mongo.IndexModel{{Keys: doc("a", 1, "b", -1)}, {Keys: doc("tags", 1), Options: options.Index().SetSparse(true)}}); err != nil {
		t.Fatal(err)
	}
	ab, tags, id := doc("a", 1, "b", -1), doc("tags", 1), doc("_id", 1)
	for what, c := range map[string]struct {
		fields []any
		want   string // the ids, or the code
	}{
		"from":                       {[]any{"hint", ab, "min", doc("a", 8, "b", 0)}, "16 19 18"},
		"up to":                      {[]any{"hint", ab, "max", doc("a", 1, "b", 0)}, "1 0 3"},
		"between":                    {[]any{"hint", "a_1_b_-1", "min", doc("a", 2, "b", 1), "max", doc("a", 3, "b", 1)}, "5 4"},
		"between values not there":   {[]any{"hint", ab, "min", doc("a", 1.5, "b", 7), "max", doc("a", int64(3), "b", 0.5)}, "5 4 7"},
		"backwards":                  {[]any{"hint", ab, "min", doc("a", 8, "b", 0), "sort", doc("a", -1, "b", 1)}, "18 19 16"},
		"with another sort":          {[]any{"hint", ab, "min", doc("a", 8, "b", 0), "sort", doc("_id", -1)}, "19 18 16"},
		"with a filter":              {[]any{"hint", ab, "min", doc("a", 8, "b", 0), "filter", doc("b", 0)}, "16 18"},
		"_id":                        {[]any{"hint", id, "min", doc("_id", 17)}, "17 18 19"},
		"each document once":         {[]any{"hint", tags, "min", doc("tags", 5), "max", doc("tags", 11)}, "5 10"},
		"no hint":                    {[]any{"min", doc("a", 1, "b", 1)}, "code 291"},
		"not all of the fields":      {[]any{"hint", ab, "min", doc("a", 1)}, "code 51174"},
		"fields in another order":    {[]any{"hint", ab, "min", doc("b", 1, "a", 1)}, "code 51174"},
		"natural":                    {[]any{"hint", doc("$natural", 1), "min", doc("a", 1, "b", 1)}, "code 51174"},
		"nothing between":            {[]any{"hint", ab, "min", doc("a", 2, "b", 1), "max", doc("a", 2, "b", 1)}, "code 51175"},
		"the wrong way round":        {[]any{"hint", ab, "min", doc("a", 2, "b", 0), "max", doc("a", 2, "b", 1)}, "code 51175"},
		"different fields":           {[]any{"hint", ab, "min", doc("a", 2, "b", 0), "max", doc("a", 2)}, "code 51176"},
		"tailable":                   {[]any{"tailable", true}, "code 2"},
		"awaitData without tailable": {[]any{"awaitData", true}, "code 9"},
		"showRecordId is left out":   {[]any{"showRecordId", true}, "code 238"},
	} {
		if got := idsOrCode(raw, append(doc("find", "c"), doc(c.fields...)...)); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
	if got := idsOrCode(raw, doc("find", "none", "hint", ab, "min", doc("a", 1, "b", 1))); got != "" {
		t.Errorf("a collection that is not there: %s", got)
	}
	for what, c := range map[string]struct {
		fields []any
		want   string
	}{
		"compound":          {[]any{"filter", doc("a", 3)}, `{"a":3,"b":1} {"a":3,"b":0}`},
		"with a projection": {[]any{"filter", doc("a", 3), "projection", doc("_id", 1)}, `{"a":3,"b":1} {"a":3,"b":0}`},
		"sorted in memory":  {[]any{"filter", doc("a", 3), "sort", doc("_id", 1)}, `{"a":3,"b":0} {"a":3,"b":1}`},
		"an element":        {[]any{"filter", doc("tags", doc("$gt", 5))}, `{"tags":6} {"tags":10} {"tags":15}`},
		"by _id":            {[]any{"filter", doc("_id", 4)}, `{"_id":4}`},
		"no index":          {[]any{"filter", doc("b", 1), "limit", 2}, `{} {}`},
	} {
		reply := raw.run("db", append(doc("find", "c", "returnKey", true), doc(c.fields...)...))
		var got []string
		for _, d := range batchOf(reply) {
			text, err := bson.MarshalExtJSON(d, false, false)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(text))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("the keys of %s: %s, want %s", what, strings.Join(got, " "), c.want)
		}
	}
}

// idsOrCode runs a find and returns the ids that it answers, or the code that it fails with.
func idsOrCode(raw *rawConn, cmd bson.D) string {
	reply := raw.run("db", cmd)
	if code, ok := reply.Lookup("code").AsInt64OK(); ok {
		return fmt.Sprint("code ", code)
	}
	var ids []string
	for _, d := range batchOf(reply) {
		ids = append(ids, fmt.Sprint(d.Lookup("_id").AsInt64()))
	}
	return strings.Join(ids, " ")
}

func batchOf(reply bson.Raw) []bson.Raw {
	list, _ := reply.Lookup("cursor", "firstBatch").ArrayOK()
	values, err := list.Values()
	if err != nil {
		return nil
	}
	docs := make([]bson.Raw, len(values))
	for i, v := range values {
		docs[i] = v.Document()
	}
	return docs
}
