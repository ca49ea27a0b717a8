package project_test

import (
	"bytes"
	"slices"
	"time"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/project"
	"github.com/strata-crm/strata/shared/local/docstore/query"
	"github.com/strata-crm/strata/shared/local/docstore/update"
	"go.mongodb.org/mongo-driver/v2/bson"
)

type scopeError struct{}

func (scopeError) Error() string { return "not a case for this replay" }

var errScope error = scopeError{}

type answer struct {
	docs []bson.Raw
	doc  bson.Raw
}

type collection struct {
	name string
	docs []bson.Raw
}

var testEnv = expr.Env{Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}

func (c *collection) command(cmd bson.Raw) (answer, error) {
	name := bsonx.FirstKey(cmd)
	target := bsonx.Lookup(cmd, name)
	if target.Type != bson.TypeString {
		return answer{}, errScope
	}
	if c.name == "" {
		c.name = target.StringValue()
	}
	if c.name != target.StringValue() {
		return answer{}, errScope
	}
	switch name {
	case "create":
		if bsonx.Len(cmd) > 1 {
			return answer{}, errScope
		}
		return answer{}, nil
	case "insert":
		for _, d := range bsonx.Values(bsonx.Lookup(cmd, "documents")) {
			c.docs = append(c.docs, bsonx.IDFirst(d.Value))
		}
		return answer{}, nil
	case "find":
		return c.find(cmd)
	case "update":
		return c.update(cmd)
	case "findAndModify":
		return c.findAndModify(cmd)
	}
	return answer{}, errScope
}

func onlyFields(cmd bson.Raw, fields ...string) bool {
	for it := bsonx.Elements(cmd); it.Next(); {
		if !slices.Contains(fields, string(it.Key())) {
			return false
		}
	}
	return true
}

func docOf(v bson.RawValue) (bson.Raw, bool) {
	return v.Value, bsonx.IsMissing(v) || v.Type == bson.TypeEmbeddedDocument
}

func (c *collection) find(cmd bson.Raw) (answer, error) {
	if !onlyFields(cmd, "find", "filter", "projection", "sort", "limit", "skip") {
		return answer{}, errScope
	}
	filter, ok := docOf(bsonx.Lookup(cmd, "filter"))
	spec, ok2 := docOf(bsonx.Lookup(cmd, "projection"))
	if !ok || !ok2 {
		return answer{}, errScope
	}
	env := testEnv
	m, err := query.Compile(filter, query.Options{Env: &env})
	if err != nil {
		return answer{}, err
	}
	p, err := project.Compile(spec, project.Options{Env: &env, Filter: m})
	if err != nil {
		return answer{}, err
	}
	found, err := c.matching(m, bsonx.Lookup(cmd, "sort"))
	if err != nil {
		return answer{}, err
	}
	if n, ok := bsonx.IntegerOf(bsonx.Lookup(cmd, "skip")); ok {
		if n < 0 {
			return answer{}, errScope
		}
		found = found[min(int(n), len(found)):]
	}
	if n, ok := bsonx.IntegerOf(bsonx.Lookup(cmd, "limit")); ok && n != 0 {
		if n < 0 {
			return answer{}, errScope
		}
		found = found[:min(int(n), len(found))]
	}
	var out answer
	for _, i := range found {
		_, index, err := m.MatchArray(c.docs[i])
		if err != nil {
			return answer{}, err
		}
		d, err := p.Apply(c.docs[i], index)
		if err != nil {
			return answer{}, err
		}
		out.docs = append(out.docs, d)
	}
	return out, nil
}

func (c *collection) matching(m *query.Matcher, sort bson.RawValue) ([]int, error) {
	var out []int
	for i, d := range c.docs {
		ok, err := m.Match(d)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, i)
		}
	}
	var fields []bsonx.IndexField
	for it := bsonx.Items(sort); it.Next(); {
		n, ok := bsonx.IntegerOf(it.Value())
		if !ok || n != 1 && n != -1 {
			return nil, errScope
		}
		fields = append(fields, bsonx.IndexField{Path: string(it.Key()), Desc: n < 0})
	}
	keys := make([][]byte, len(c.docs))
	for i, d := range c.docs {
		var err error
		if keys[i], err = bsonx.SortKey(nil, d, fields); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out, func(a, b int) int { return bytes.Compare(keys[a], keys[b]) })
	return out, nil
}

func (c *collection) update(cmd bson.Raw) (answer, error) {
	if !onlyFields(cmd, "update", "updates", "ordered") {
		return answer{}, errScope
	}
	items := bsonx.Lookup(cmd, "updates")
	if items.Type != bson.TypeArray || bsonx.IsEmpty(items.Value) {
		return answer{}, errScope
	}
	var n, modified int64
	upserted := bsonx.NewArray(0)
	for i, v := range bsonx.Values(items) {
		if v.Type != bson.TypeEmbeddedDocument {
			return answer{}, errScope
		}
		r, err := c.updateOne(v.Value)
		if err != nil {
			return answer{}, err
		}
		n, modified = n+r.n, modified+r.modified
		if !bsonx.IsMissing(r.upserted) {
			upserted.Append(bsonx.NewDoc(0).Append("index", bsonx.Int32(int32(i))).Append("_id", r.upserted).Value())
		}
	}
	b := bsonx.NewDoc(0).Append("n", bsonx.Int32(int32(n))).Append("nModified", bsonx.Int32(int32(modified)))
	if upserted.Len() > 0 {
		b.Append("upserted", upserted.Value())
	}
	return answer{doc: b.Raw()}, nil
}

type updateResult struct {
	n, modified   int64
	upserted      bson.RawValue
	before, after bson.Raw
}

func (c *collection) updateOne(spec bson.Raw) (updateResult, error) {
	q, ok := docOf(bsonx.Lookup(spec, "q"))
	if !ok || !onlyFields(spec, "q", "u", "multi", "upsert", "arrayFilters", "c", "sort") {
		return updateResult{}, errScope
	}
	for _, f := range []string{"multi", "upsert"} {
		if v := bsonx.Lookup(spec, f); !bsonx.IsMissing(v) && v.Type != bson.TypeBoolean {
			return updateResult{}, errScope
		}
	}
	if !bsonx.IsMissing(bsonx.Lookup(spec, "c")) {
		return updateResult{}, errScope
	}
	env := testEnv
	m, err := query.Compile(q, query.Options{Env: &env})
	if err != nil {
		return updateResult{}, err
	}
	multi := bsonx.Truthy(bsonx.Lookup(spec, "multi"))
	opts := update.Options{Multi: multi, Env: &env}
	filters := bsonx.Lookup(spec, "arrayFilters")
	if !bsonx.IsMissing(filters) && filters.Type != bson.TypeArray {
		return updateResult{}, errScope
	}
	for _, f := range bsonx.Values(filters) {
		if f.Type != bson.TypeEmbeddedDocument {
			return updateResult{}, errScope
		}
		opts.ArrayFilters = append(opts.ArrayFilters, f.Value)
	}
	u, err := update.Compile(bsonx.Lookup(spec, "u"), opts)
	if err != nil {
		return updateResult{}, err
	}
	found, err := c.matching(m, bsonx.Lookup(spec, "sort"))
	if err != nil {
		return updateResult{}, err
	}
	if len(found) == 0 && bsonx.Truthy(bsonx.Lookup(spec, "upsert")) {
		return c.upsert(u, m)
	}
	if !multi && len(found) > 1 {
		found = found[:1]
	}
	return c.apply(u, m, found)
}

func (c *collection) upsert(u *update.Update, m *query.Matcher) (updateResult, error) {
	d, err := u.Upsert(m)
	if err != nil {
		return updateResult{}, err
	}
	id := bsonx.Lookup(d, "_id")
	if bsonx.IsMissing(id) {
		d = bsonx.IDFirst(bsonx.With(d, "_id", bsonx.ObjectID(bson.NewObjectID())))
		id = bsonx.Lookup(d, "_id")
	}
	c.docs = append(c.docs, d)
	return updateResult{n: 1, upserted: id, after: d}, nil
}

func (c *collection) apply(u *update.Update, m *query.Matcher, found []int) (updateResult, error) {
	var r updateResult
	for _, i := range found {
		_, index, err := m.MatchArray(c.docs[i])
		if err != nil {
			return r, err
		}
		out, changed, err := u.Apply(c.docs[i], index)
		if err != nil {
			return r, err
		}
		r.n, r.before, r.after = r.n+1, c.docs[i], out
		if changed {
			r.modified++
		}
		c.docs[i] = out
	}
	return r, nil
}

func (c *collection) findAndModify(cmd bson.Raw) (answer, error) {
	if !onlyFields(cmd, "findAndModify", "query", "update", "upsert", "new", "arrayFilters", "sort", "fields") || bsonx.IsMissing(bsonx.Lookup(cmd, "update")) {
		return answer{}, errScope
	}
	for _, f := range []string{"new", "upsert"} {
		if v := bsonx.Lookup(cmd, f); !bsonx.IsMissing(v) && v.Type != bson.TypeBoolean {
			return answer{}, errScope
		}
	}
	fields, ok := docOf(bsonx.Lookup(cmd, "fields"))
	_, okQ := docOf(bsonx.Lookup(cmd, "query"))
	_, okS := docOf(bsonx.Lookup(cmd, "sort"))
	if !ok || !okQ || !okS {
		return answer{}, errScope
	}
	p, err := project.Compile(fields, project.Options{})
	if err != nil {
		return answer{}, err
	}
	spec := bsonx.NewDoc(0)
	for from, to := range map[string]string{"query": "q", "update": "u", "upsert": "upsert", "arrayFilters": "arrayFilters", "sort": "sort"} {
		spec.Append(to, bsonx.Lookup(cmd, from))
	}
	r, err := c.updateOne(spec.Raw())
	if err != nil {
		return answer{}, err
	}
	last := bsonx.NewDoc(0).Append("n", bsonx.Int32(int32(r.n))).Append("updatedExisting", bsonx.Bool(r.before != nil)).Append("upserted", r.upserted)
	value := bsonx.Null
	d := r.before
	if bsonx.Truthy(bsonx.Lookup(cmd, "new")) {
		d = r.after
	}
	if d != nil {
		if d, err = p.Apply(d, -1); err != nil {
			return answer{}, err
		}
		value = bsonx.Document(d)
	}
	return answer{doc: bsonx.NewDoc(0).Append("lastErrorObject", last.Value()).Append("value", value).Raw()}, nil
}
