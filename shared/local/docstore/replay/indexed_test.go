package replay

import (
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
)

// replayIndexed repeats a case that passed with indexes on the fields that it names: what it answers, and what it leaves behind, must be
// the same, but for the order of documents where it asks for none. done is false where no index can have a part in it.
func (c *testCase) replayIndexed(cl *client, cmd bson.Raw) (v verdict, text string, done bool) {
	reads := slices.Contains([]string{"find", "count", "distinct", "aggregate"}, bsonx.FirstKey(cmd))
	if reads && steady(cmd) {
		if v, text, done = c.rereadIndexed(cl, cmd); v != pass {
			return v, text, true
		}
	}
	if reads && !steady(cmd) || !reads && !writes(cmd) {
		return pass, "", done
	}
	v, text, again := c.rewriteIndexed(cl, cmd)
	return v, text, done || again
}

// steady reports whether a command answers the same when it is sent again in the same state.
func steady(cmd bson.Raw) bool {
	for _, name := range []string{"txnNumber", "startTransaction", "autocommit", "explain"} {
		if !bsonx.IsMissing(bsonx.Lookup(cmd, name)) {
			return false
		}
	}
	text := cmd.String()
	return !slices.ContainsFunc([]string{`"$sample`, `"$rand"`, "$$NOW", "$$CLUSTER_TIME", `"$out"`, `"$merge"`, `"snapshot"`, `"$natural"`},
		func(s string) bool { return strings.Contains(text, s) })
}

// reread is a command to send without and with indexes, and how the answers must agree.
type reread struct {
	cmd   bson.Raw
	agree func(without, with bson.Raw) bool
}

// rereadIndexed sends a reading case again, as it is and in forms that leave no choice of order.
func (c *testCase) rereadIndexed(cl *client, cmd bson.Raw) (v verdict, text string, done bool) {
	name := bsonx.FirstKey(cmd)
	coll := string(bsonx.StringBytes(bsonx.Lookup(cmd, name)))
	r := readingOf(cmd)
	if coll == "" || len(r.paths) == 0 && len(r.foreign) == 0 {
		return pass, "", false
	}
	without := make([]bson.Raw, len(r.again))
	for i, a := range r.again {
		var err error
		if without[i], err = cl.run(c.DB, a.cmd); err != nil {
			return wrong, err.Error(), true
		}
	}
	for _, specs := range indexesOn(r.paths) {
		made, err := cl.index(c.DB, coll, specs)
		if err != nil {
			return wrong, err.Error(), true
		}
		for from, paths := range r.foreign {
			also, err := cl.index(c.DB, from, plainIndexes(paths))
			if err != nil {
				return wrong, err.Error(), true
			}
			made += also
		}
		if made == 0 {
			continue
		}
		done = true
		if v, text := c.agrees(cl, cmd, r, without); v != pass {
			return v, fmt.Sprintf("with indexes on %s %v: %s", strings.Join(r.paths, ", "), specs, text), true
		}
		if err := cl.unindex(c.DB, coll, specs); err != nil {
			return wrong, err.Error(), true
		}
	}
	return pass, "", done
}

// agrees judges the case once more, and compares the other forms of it with what they answered without indexes.
func (c *testCase) agrees(cl *client, cmd bson.Raw, r reading, without []bson.Raw) (verdict, string) {
	if r.whole {
		reply, err := cl.run(c.DB, cmd)
		if err != nil {
			return wrong, err.Error()
		}
		judged := *c
		judged.Expect.AnyOrder = judged.Expect.AnyOrder || !r.sorted
		if v, text := judged.judge(reply); v != pass {
			return v, text
		}
	}
	for i, a := range r.again {
		with, err := cl.run(c.DB, a.cmd)
		if err != nil {
			return wrong, err.Error()
		}
		if code(with) != code(without[i]) || code(with) == 0 && !a.agree(without[i], with) {
			return wrong, fmt.Sprintf("%s\n     answers %s\n     without %s", a.cmd, short(with), short(without[i]))
		}
	}
	return pass, ""
}

// reading is what decides about indexes in a command that reads.
type reading struct {
	paths   []string            // of the collection that indexes may serve
	foreign map[string][]string // the same of other collections
	sorted  bool                // the case asks for an order
	whole   bool                // the case's own answer depends on no order that an index may change
	again   []reread
}

func readingOf(cmd bson.Raw) (r reading) {
	switch bsonx.FirstKey(cmd) {
	case "find":
		r.find(cmd)
	case "count":
		r.paths, r.whole = mongotest.AddFieldsOf(document(cmd, "query"), nil), true
	case "distinct":
		r.paths, r.whole = mongotest.AddFieldsOf(document(cmd, "query"), nil), true
	case "aggregate":
		r.aggregate(cmd)
	}
	return r
}

// find compares a find with _id as the last thing to sort by, which leaves no choice. One that takes a part of what comes in no order
// may take any part of that size.
func (r *reading) find(cmd bson.Raw) {
	sort := document(cmd, "sort")
	r.paths, r.sorted = sortPaths(sort, mongotest.AddFieldsOf(document(cmd, "filter"), nil)), !bsonx.IsEmpty(sort)
	part := slices.ContainsFunc([]string{"limit", "skip", "singleBatch", "batchSize"}, func(name string) bool { return !bsonx.IsMissing(bsonx.Lookup(cmd, name)) })
	r.whole = r.sorted || !part
	r.again = append(r.again, reread{set(cmd, "sort", sortedByID(sort)), sameDocs})
	if !r.sorted && part {
		all := drop(cmd, "limit", "skip", "singleBatch", "batchSize")
		r.again = append(r.again, reread{set(all, "singleBatch", bsonx.Bool(true)), sameSet}, reread{cmd, sameSize})
	}
}

// orderless are the stages that answer the same set of documents whatever order theirs come in.
var orderless = []string{"$match", "$project", "$addFields", "$set", "$unset", "$unwind", "$replaceRoot", "$replaceWith", "$count"}

// aggregate compares a pipeline that is made to sort what its first $match finds, so that no stage sees another order, and the given
// one too where its stages care for none.
func (r *reading) aggregate(cmd bson.Raw) {
	stages := bsonx.Values(bsonx.Lookup(cmd, "pipeline"))
	n := 0
	for ; n < len(stages) && bsonx.FirstKey(stages[n].Value) == "$match"; n++ {
		r.paths = mongotest.AddFieldsOf(document(stages[n].Value, "$match"), r.paths)
	}
	for _, s := range stages {
		r.lookup(document(s.Value, "$lookup"))
	}
	sort := bson.Raw(nil)
	rest := stages[n:]
	if len(rest) > 0 && bsonx.FirstKey(rest[0].Value) == "$sort" {
		sort = document(rest[0].Value, "$sort")
		rest = rest[1:]
	}
	r.paths = sortPaths(sort, r.paths)
	r.whole = len(r.foreign) == 0 && !slices.ContainsFunc(stages, func(s bson.RawValue) bool { return !slices.Contains(orderless, bsonx.FirstKey(s.Value)) })
	if len(stages) == 0 || bsonx.FirstKey(stages[0].Value) == "$documents" {
		return
	}
	made := append(slices.Clone(stages[:n]), bsonx.NewDoc(32).Append("$sort", sortedByID(sort)).Value())
	agree := sameDocs
	if len(r.foreign) > 0 {
		agree = sameButForArrays
	}
	r.again = append(r.again, reread{set(cmd, "pipeline", bsonx.ArrayOf(append(made, rest...)...)), agree})
}

// lookup notes the fields by which a $lookup looks for documents of another collection.
func (r *reading) lookup(spec bson.Raw) {
	from, field := bsonx.StringBytes(bsonx.Lookup(spec, "from")), bsonx.StringBytes(bsonx.Lookup(spec, "foreignField"))
	if len(from) == 0 || len(field) == 0 {
		return
	}
	if r.foreign == nil {
		r.foreign = map[string][]string{}
	}
	r.foreign[string(from)] = mongotest.AddPath(r.foreign[string(from)], string(field))
}

// sortedByID returns a sort with _id behind what it sorts by.
func sortedByID(sort bson.Raw) bson.RawValue {
	out := bsonx.NewDoc(len(sort) + 16)
	for it := bsonx.Elements(sort); it.Next(); {
		out.AppendBytes(it.Key(), it.Value())
	}
	if bsonx.IsMissing(bsonx.Lookup(sort, "_id")) {
		out.Append("_id", bsonx.Int32(1))
	}
	return out.Value()
}

func sortPaths(sort bson.Raw, paths []string) []string {
	for it := bsonx.Elements(sort); it.Next(); {
		paths = mongotest.AddPath(paths, string(it.Key()))
	}
	return paths
}

// set returns a command with another value for a field, at its place or at the end.
func set(cmd bson.Raw, name string, v bson.RawValue) bson.Raw {
	out, done := bsonx.NewDoc(len(cmd)+len(v.Value)), false
	for it := bsonx.Elements(cmd); it.Next(); {
		if string(it.Key()) == name {
			done = true
			out.Append(name, v)
			continue
		}
		out.AppendBytes(it.Key(), it.Value())
	}
	if !done {
		out.Append(name, v)
	}
	return out.Raw()
}

func drop(cmd bson.Raw, names ...string) bson.Raw {
	out := bsonx.NewDoc(len(cmd))
	for it := bsonx.Elements(cmd); it.Next(); {
		if !slices.Contains(names, string(it.Key())) {
			out.AppendBytes(it.Key(), it.Value())
		}
	}
	return out.Raw()
}

func document(doc bson.Raw, name string) bson.Raw {
	d, _ := bsonx.Lookup(doc, name).DocumentOK()
	return d
}
