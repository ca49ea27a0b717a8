package docstore_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore"
)

// TestWhatIsLeftOutSaysSo asks for what docs/docstore.md lists as left out.
func TestWhatIsLeftOutSaysSo(t *testing.T) {
	t.Parallel()
	s, _ := open(t, docstore.Options{InMemory: true})
	raw := dialRaw(t, s)
	raw.run("db", doc("insert", "c", "documents", bson.A{doc("_id", 1, "a", 1)}))
	some := doc("x", 1)
	for code, cmds := range map[int][]bson.D{
		238: {
			doc("create", "n", "capped", true, "size", 4096), doc("create", "n", "clusteredIndex", doc("key", doc("_id", 1), "unique", true)),
			doc("create", "n", "timeseries", doc("timeField", "t")), doc("create", "n", "encryptedFields", doc("fields", bson.A{})),
			doc("create", "n", "viewOn", "c"), doc("create", "n", "changeStreamPreAndPostImages", doc("enabled", true)),
			doc("create", "n", "storageEngine", doc("wiredTiger", bson.D{})), doc("create", "n", "indexOptionDefaults", doc("storageEngine", some)),
			doc("create", "n", "collation", doc("locale", "de")),
			doc("collMod", "c", "changeStreamPreAndPostImages", doc("enabled", true)), doc("collMod", "c", "index", doc("name", "_id_", "unique", true)),
			index("text"), index("2d"), index("2dsphere"), index("hashed"),
			doc("createIndexes", "c", "indexes", bson.A{doc("key", doc("$**", 1), "name", "w")}),
			doc("createIndexes", "c", "indexes", bson.A{doc("key", doc("a", 1), "name", "w", "prepareUnique", true)}),
			filter(doc("$where", "true")), filter(doc("$text", doc("$search", "x"))), filter(doc("a", doc("$geoWithin", doc("$box", bson.A{})))),
			filter(doc("a", doc("$near", bson.A{0, 0}))), filter(doc("a", doc("$regex", "(?=x)"))), filter(doc("a", doc("$regex", `(a)\1`))),
			filter(doc("$jsonSchema", doc("dependencies", bson.D{}))),
			doc("find", "c", "showRecordId", true), doc("find", "c", "sort", doc("s", doc("$meta", "randVal"))),
			doc("find", "c", "projection", doc("s", doc("$meta", "indexKey"))), doc("find", "c", "collation", doc("locale", "de")),
			stage("$project", doc("r", doc("$function", doc("body", "x", "args", bson.A{}, "lang", "js")))), stage("$project", doc("r", doc("$toHashedIndexKey", 1))),
			stage("$group", doc("_id", nil, "r", doc("$accumulator", some))),
			stage("$group", doc("_id", nil, "r", doc("$sum", bson.NewDecimal128(0x3040000000000000, 1)))),
			window("$derivative", doc("input", "$a")), window("$integral", doc("input", "$a")), window("$expMovingAvg", doc("input", "$a", "N", 2)),
			window("$minMaxScaler", doc("input", "$a")), window("$linearFill", "$a"),
			stage("$densify", some), stage("$fill", some), stage("$graphLookup", some), stage("$geoNear", some), stage("$changeStream", bson.D{}),
			stage("$collStats", bson.D{}), stage("$indexStats", bson.D{}), stage("$planCacheStats", bson.D{}), stage("$rankFusion", some), stage("$search", some),
			stage("$querySettings", bson.D{}), stage("$listSessions", bson.D{}), stage("$listClusterCatalog", bson.D{}), stage("$queryStats", bson.D{}),
			stage("$bucketAuto", doc("groupBy", "$a", "buckets", 2, "granularity", "R5")),
		},
		59: {doc("bulkWrite", 1, "ops", bson.A{}, "nsInfo", bson.A{}), doc("replSetGetStatus", 1), doc("shardCollection", "db.c"), doc("createUser", "x")},
		2:  {doc("find", "c", "tailable", true)},
	} {
		for _, cmd := range cmds {
			if got := raw.code("db", cmd); got != code {
				t.Errorf("%v: code %d, want %d", cmd, got, code)
			}
		}
	}
}

func index(kind string) bson.D {
	return doc("createIndexes", "c", "indexes", bson.A{doc("key", doc("a", kind), "name", kind)})
}

func filter(f bson.D) bson.D { return doc("find", "c", "filter", f) }

func stage(name string, arg bson.D) bson.D {
	return doc("aggregate", "c", "pipeline", bson.A{doc(name, arg)}, "cursor", bson.D{})
}

func window(name string, arg any) bson.D {
	return stage("$setWindowFields", doc("sortBy", doc("a", 1), "output", doc("r", doc(name, arg))))
}
