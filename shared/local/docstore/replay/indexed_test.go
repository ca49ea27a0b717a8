package replay

import (
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

// maxFields is how many fields the indexes of a case cover.
const maxFields = 4

// replayIndexed repeats a reading case that passed with indexes on the fields that it names: one on each, and one on all.
// The answer must be the same, but for the order of documents where the case asks for none. done is false where the case
// reads nothing by a field, or where no index may be had.
func (c *testCase) replayIndexed(cl *client, cmd bson.Raw) (v verdict, text string, done bool) {
	filter, sort, ok := c.reading()
	if !ok {
		return pass, "", false
	}
	paths := fieldsOf(filter, nil)
	for it := bsonx.Elements(sort); it.Next(); {
		paths = addPath(paths, string(it.Key()))
	}
	if len(paths) == 0 || len(paths) > maxFields {
		return pass, "", false
	}
	reply, err := cl.run(c.DB, indexesOn(string(bsonx.StringBytes(bsonx.Lookup(cmd, bsonx.FirstKey(cmd)))), paths))
	if err != nil {
		return wrong, err.Error(), true
	}
	if code(reply) != 0 {
		return pass, "", false
	}
	if reply, err = cl.run(c.DB, cmd); err != nil {
		return wrong, err.Error(), true
	}
	judged := *c
	judged.Expect.AnyOrder = judged.Expect.AnyOrder || len(sort) == 0
	v, text = judged.judge(reply)
	if v != pass {
		text = fmt.Sprintf("with indexes on %s: %s", strings.Join(paths, ", "), text)
	}
	return v, text, true
}

// reading returns what decides about indexes in a find, count, distinct or aggregate. ok is false where an index may
// change the answer: a limit on documents that come in no order.
func (c *testCase) reading() (filter, sort bson.Raw, ok bool) {
	switch bsonx.FirstKey(c.Cmd) {
	case "find":
		filter, sort = document(c.Cmd, "filter"), document(c.Cmd, "sort")
		limited := slices.ContainsFunc([]string{"limit", "skip", "singleBatch", "hint", "batchSize"}, func(name string) bool {
			return !bsonx.IsMissing(bsonx.Lookup(c.Cmd, name))
		})
		return filter, sort, !limited || len(sort) > 0
	case "count":
		return document(c.Cmd, "query"), nil, bsonx.IsMissing(bsonx.Lookup(c.Cmd, "hint"))
	case "distinct":
		return document(c.Cmd, "query"), nil, true
	case "aggregate":
		stages := bsonx.Values(bsonx.Lookup(c.Cmd, "pipeline"))
		if len(stages) == 0 || bsonx.FirstKey(stages[0].Value) != "$match" {
			return nil, nil, false
		}
		for _, s := range stages[1:] { // the others may take the documents as they come
			if name := bsonx.FirstKey(s.Value); name != "$project" && name != "$addFields" && name != "$match" {
				return nil, nil, false
			}
		}
		return document(stages[0].Value, "$match"), nil, true
	}
	return nil, nil, false
}

func document(doc bson.Raw, name string) bson.Raw {
	d, _ := bsonx.Lookup(doc, name).DocumentOK()
	return d
}

// fieldsOf collects the fields that a filter names.
func fieldsOf(filter bson.Raw, paths []string) []string {
	for it := bsonx.Elements(filter); it.Next(); {
		name, v := string(it.Key()), it.Value()
		if !strings.HasPrefix(name, "$") {
			paths = addPath(paths, name)
			continue
		}
		for at := bsonx.Items(v); v.Type == bson.TypeArray && at.Next(); {
			if d, ok := at.Value().DocumentOK(); ok {
				paths = fieldsOf(d, paths)
			}
		}
	}
	return paths
}

func addPath(paths []string, path string) []string {
	if path == "" || path == "_id" || strings.HasPrefix(path, "$") || slices.Contains(paths, path) {
		return paths
	}
	return append(paths, path)
}

func indexesOn(collection string, paths []string) bson.Raw {
	all, each := bson.D{}, bson.A{}
	for i, p := range paths {
		all = append(all, bson.E{Key: p, Value: 1})
		each = append(each, bson.D{{Key: "key", Value: bson.D{{Key: p, Value: 1 - 2*(i%2)}}}, {Key: "name", Value: fmt.Sprintf("replay_%d", i)}})
	}
	if len(paths) > 1 {
		each = append(each, bson.D{{Key: "key", Value: all}, {Key: "name", Value: "replay_all"}})
	}
	return must(bson.D{{Key: "createIndexes", Value: collection}, {Key: "indexes", Value: each}})
}
