package replay

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
)

// rewriteIndexed repeats a case that writes, by its command or in its set-up, from the beginning, with indexes on the fields that the
// writes look at and change made before the first of them: the answer must be the same, and so must what is in the collection afterwards,
// and the indexes must agree with it.
func (c *testCase) rewriteIndexed(cl *client, cmd bson.Raw) (v verdict, text string, done bool) {
	steps := append(slices.Clone(c.Setup), step{c.DB, cmd})
	first := slices.IndexFunc(steps, func(s step) bool { return s.DB == c.DB && writes(s.Cmd) })
	if first < 0 {
		return pass, "", false
	}
	coll := collectionOf(steps[first].Cmd)
	var paths []string
	for _, s := range steps[first:] {
		if collectionOf(s.Cmd) == coll && writes(s.Cmd) {
			paths, _ = writingOf(s.Cmd, paths)
		}
	}
	if coll == "" || len(paths) == 0 || slices.ContainsFunc(steps, func(s step) bool { return !repeatable(s.Cmd) }) {
		return pass, "", false
	}
	want, err := cl.content(c.DB, coll)
	if err != nil {
		return wrong, err.Error(), true
	}
	for _, specs := range indexesOn(paths) {
		v, text, ran := c.writesAlike(cl, steps, first, coll, specs, want)
		if v != pass {
			return v, fmt.Sprintf("with indexes on %s %v: %s", strings.Join(paths, ", "), specs, text), true
		}
		done = done || ran
	}
	return pass, "", done
}

func collectionOf(cmd bson.Raw) string {
	return string(bsonx.StringBytes(bsonx.Lookup(cmd, bsonx.FirstKey(cmd))))
}

func writes(cmd bson.Raw) bool {
	return slices.Contains([]string{"update", "delete", "findAndModify", "findandmodify"}, bsonx.FirstKey(cmd))
}

// repeatable reports whether a step can be sent again as it is, and does the same.
func repeatable(cmd bson.Raw) bool {
	text := cmd.String()
	return !slices.Contains([]string{"getMore", "killCursors"}, bsonx.FirstKey(cmd)) &&
		!slices.ContainsFunc([]string{"txnNumber", "lsid", `"$sample`, `"$rand"`}, func(s string) bool { return strings.Contains(text, s) })
}

// parallelArrays is the code by which an index refuses a document with two arrays on its fields: without the index it is stored.
const parallelArrays = 171

// writesAlike carries the steps out in an empty store, with the indexes made before the one numbered first. ran is false where
// that says nothing: no index can be had, or a write is free to take one of several documents.
func (c *testCase) writesAlike(cl *client, steps []step, first int, coll string, specs []bson.D, want []string) (v verdict, text string, ran bool) {
	if err := cl.reset(); err != nil {
		return wrong, "reset: " + err.Error(), true
	}
	var reply bson.Raw
	for i, s := range steps {
		if i == first {
			if made, err := cl.index(c.DB, coll, specs); err != nil || made == 0 {
				return pass, "", false
			}
		}
		if i >= first && writes(s.Cmd) {
			if choice, err := cl.choice(s.DB, s.Cmd); err != nil || choice {
				return pass, "", false
			}
		}
		var err error
		if reply, err = cl.run(s.DB, s.Cmd); err != nil {
			return wrong, fmt.Sprintf("%s: %v", s.Cmd, err), true
		}
		if code(reply) == parallelArrays {
			return pass, "", false
		}
	}
	judged := *c
	judged.Expect.AnyOrder = true
	if v, text := judged.judge(reply); v != pass {
		return v, text, true
	}
	got, err := cl.content(c.DB, coll)
	if err != nil {
		return wrong, err.Error(), true
	}
	if v, text := (&expectation{}).same(want, got); v != pass {
		return v, text, true
	}
	check, err := cl.run(c.DB, must(bson.D{{Key: "validate", Value: coll}}))
	if err != nil || len(got) > 0 && !bsonx.Truthy(bsonx.Lookup(check, "valid")) {
		return wrong, fmt.Sprintf("validate: %s, %v", check, err), true
	}
	return pass, "", true
}

// writingOf adds the fields that a write finds its documents by and changes, and returns the filters by which it takes one document of
// however many.
func writingOf(cmd bson.Raw, before []string) (paths []string, single []bson.Raw) {
	paths = before
	one := func(q, sort, u bson.Raw, multi bool) {
		paths = changedBy(u, sortPaths(sort, mongotest.AddFieldsOf(q, paths)))
		if bsonx.IsEmpty(sort) && !multi {
			single = append(single, q)
		}
	}
	switch name := bsonx.FirstKey(cmd); name {
	case "update", "delete":
		for it := bsonx.Items(bsonx.Lookup(cmd, name+"s")); it.Next(); {
			s := documentOf(it.Value())
			limit, _ := bsonx.FloatOf(bsonx.Lookup(s, "limit"))
			multi := bsonx.Lookup(s, "multi")
			one(document(s, "q"), document(s, "sort"), document(s, "u"), limit == 0 && name == "delete" || !bsonx.IsMissing(multi) && bsonx.Truthy(multi))
		}
	default:
		one(document(cmd, "query"), document(cmd, "sort"), document(cmd, "update"), false)
	}
	return paths, single
}

// changedBy adds the fields that an update names, up to the first part that stands for array elements.
func changedBy(u bson.Raw, paths []string) []string {
	for it := bsonx.Elements(u); it.Next(); {
		name := string(it.Key())
		if !strings.HasPrefix(name, "$") {
			paths = mongotest.AddPath(paths, name)
			continue
		}
		for at := bsonx.Elements(documentOf(it.Value())); at.Next(); {
			path, _, _ := strings.Cut(string(at.Key()), ".$")
			paths = mongotest.AddPath(paths, path)
		}
	}
	return paths
}

// choice reports whether a filter of the write finds more than one document, of which it may take any.
func (c *client) choice(db string, cmd bson.Raw) (bool, error) {
	_, filters := writingOf(cmd, nil)
	for _, q := range filters {
		if q == nil {
			q = bsonx.NewDoc(0).Raw()
		}
		reply, err := c.run(db, must(bson.D{{Key: "count", Value: collectionOf(cmd)}, {Key: "query", Value: q}, {Key: "hint", Value: bson.D{{Key: "$natural", Value: 1}}}}))
		if err != nil {
			return false, err
		}
		if n, _ := reply.Lookup("n").AsInt64OK(); n > 1 {
			return true, nil
		}
	}
	return false, nil
}

// content returns the documents of a collection in the order of their _id, without what is new in each run: generated ids
// and the present time.
func (c *client) content(db, coll string) ([]string, error) {
	reply, err := c.run(db, must(bson.D{{Key: "find", Value: coll}, {Key: "sort", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "batchSize", Value: 10000}}))
	if err != nil {
		return nil, err
	}
	var out []string
	for it := bsonx.Items(reply.Lookup("cursor", "firstBatch")); it.Next(); {
		out = append(out, timeless(it.Value()))
	}
	return out, nil
}

func timeless(v bson.RawValue) string {
	switch v.Type {
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		out := "{"
		for it := bsonx.Items(v); it.Next(); {
			out += string(it.Key()) + ":" + timeless(it.Value()) + ","
		}
		return out + "}"
	case bson.TypeObjectID:
		if recent(v.ObjectID().Timestamp()) {
			return "a new id"
		}
	case bson.TypeDateTime:
		if recent(v.Time()) {
			return "now"
		}
	case bson.TypeTimestamp:
		if sec, _ := v.Timestamp(); recent(time.Unix(int64(sec), 0)) {
			return "now, as a timestamp"
		}
	}
	return v.String()
}

func recent(t time.Time) bool { return time.Since(t).Abs() < time.Hour }
