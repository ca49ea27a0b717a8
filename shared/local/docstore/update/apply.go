package update

import (
	"slices"
	"strconv"
	"time"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/query"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// maxPadding is how many nulls an index beyond the end of an array may add.
const maxPadding = 1500000

// state is one application of an update to one document.
type state struct {
	root    bson.Raw // the document as it was
	index   int      // what $ stands for, -1 for nothing
	insert  bool
	filters map[string]*query.Matcher
	now     time.Time
	stamp   func() bson.Timestamp
}

func (u *Update) applyOperators(doc bson.Raw, index int, insert bool) (bson.Raw, error) {
	if u.flat != nil {
		return u.applyFlat(doc, insert)
	}
	st := &state{root: doc, index: index, insert: insert, filters: u.filters, now: u.env.Now, stamp: u.stamp}
	v, err := st.object(bsonx.Document(doc), u.root, "")
	if err != nil {
		return nil, err
	}
	before, after := bsonx.Lookup(doc, "_id"), bsonx.Lookup(v.Value, "_id")
	if !bsonx.IsMissing(before) && !bsonx.Equal(before, after) {
		return nil, immutableID()
	}
	return bsonx.IDFirst(v.Value), nil
}

func immutableID() error {
	return mongoerr.New(mongoerr.ImmutableField, "Performing an update on the path '_id' would modify the immutable field '_id'")
}

func dollarField(name string) error {
	return mongoerr.New(mongoerr.DollarPrefixedFieldName, "The dollar ($) prefixed field '%s' in '%s' is not valid for storage.", name, name)
}

// value returns what becomes of v, Missing for a field that is not there or goes away.
func (st *state) value(v bson.RawValue, t *tree, path string) (bson.RawValue, error) {
	if t.mod != nil {
		return t.mod.apply(st, v, path)
	}
	switch v.Type {
	case 0:
		return st.create(t, path)
	case bson.TypeEmbeddedDocument:
		return st.object(v, t, path)
	case bson.TypeArray:
		return st.array(v, t, path)
	}
	for _, k := range t.kids {
		if isArrayAll(k.name) {
			return v, mongoerr.New(mongoerr.BadValue, "Cannot apply array updates to non-array element %s: %s", path, v)
		}
		if k.node.creates(st) {
			return v, notViable(k.name, path, v)
		}
	}
	return v, nil
}

func notViable(name, path string, v bson.RawValue) error {
	return mongoerr.New(mongoerr.PathNotViable, "Cannot create field '%s' in element {%s: %s}", name, path, v)
}

// field names what a child stands for in this application.
func (st *state) field(name string) (string, error) {
	if name != "$" {
		return name, nil
	}
	if st.index < 0 {
		return "", mongoerr.New(mongoerr.BadValue, "The positional operator did not find the match needed from the query.")
	}
	return strconv.Itoa(st.index), nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// create makes a document of what the children make out of nothing.
func (st *state) create(t *tree, path string) (bson.RawValue, error) {
	b := bsonx.NewDoc(0)
	empty := true
	for _, k := range t.kids {
		v, name, err := st.missing(k, path)
		if err != nil {
			return bsonx.Missing, err
		}
		empty = empty && bsonx.IsMissing(v)
		b.Append(name, v)
	}
	if empty {
		return bsonx.Missing, nil
	}
	return b.Value(), nil
}

func (st *state) missing(k kid, path string) (v bson.RawValue, name string, err error) {
	if isArrayAll(k.name) {
		return v, "", mongoerr.New(mongoerr.BadValue, "The path '%s' must exist in the document in order to apply array updates.", path)
	}
	if name, err = st.field(k.name); err != nil {
		return v, "", err
	}
	v, err = st.value(bsonx.Missing, k.node, join(path, name))
	return v, name, err
}

func (st *state) object(doc bson.RawValue, t *tree, path string) (bson.RawValue, error) {
	names, err := st.fields(doc, t, path)
	if err != nil {
		return doc, err
	}
	b := bsonx.NewDoc(len(doc.Value) + 64)
	seen := make([]bool, len(t.kids))
	for it := bsonx.Elements(doc.Value); it.Next(); {
		v := it.Value()
		if i := indexOf(names, it.Key()); i >= 0 && !seen[i] {
			seen[i] = true
			if v, err = st.value(v, t.kids[i].node, join(path, names[i])); err != nil {
				return doc, err
			}
		}
		b.AppendBytes(it.Key(), v)
	}
	for i, k := range t.kids {
		if seen[i] {
			continue
		}
		v, name, err := st.missing(k, path)
		if err != nil {
			return doc, err
		}
		b.Append(name, v)
	}
	return b.Value(), nil
}

// fields returns the names that the children have in a document. An update may not write top-level names that begin
// with $, though an insert, and so an upsert, may.
func (st *state) fields(doc bson.RawValue, t *tree, path string) ([]string, error) {
	names := make([]string, 0, len(t.kids))
	for _, k := range t.kids {
		if isArrayAll(k.name) {
			return nil, mongoerr.New(mongoerr.BadValue, "Cannot apply array updates to non-array element %s: %s", path, doc)
		}
		name, err := st.field(k.name)
		switch {
		case err != nil:
			return nil, err
		case path == "" && name[0] == '$' && !st.insert && k.node.creates(st):
			return nil, dollarField(name)
		case slices.Contains(names, name): // $ and the same position by number
			return nil, conflict(join(path, name), join(path, name))
		}
		names = append(names, name)
	}
	return names, nil
}

func indexOf(names []string, key []byte) int {
	return slices.IndexFunc(names, func(n string) bool { return n == string(key) })
}

func (st *state) array(arr bson.RawValue, t *tree, path string) (bson.RawValue, error) {
	items := bsonx.Values(arr)
	nodes, err := st.elements(items, arr, t, path)
	if err != nil {
		return arr, err
	}
	b := bsonx.NewArray(len(arr.Value) + 64)
	for i, n := range nodes {
		v := bsonx.Missing
		if i < len(items) {
			v = items[i]
		}
		if n != nil {
			if v, err = st.value(v, n, join(path, strconv.Itoa(i))); err != nil {
				return arr, err
			}
		}
		b.Append(v)
	}
	return b.Value(), nil
}

// elements returns the tree to apply to each element, nil for none, as many as the array will have.
func (st *state) elements(items []bson.RawValue, arr bson.RawValue, t *tree, path string) ([]*tree, error) {
	nodes := make([]*tree, len(items))
	for _, k := range t.kids {
		if isArrayAll(k.name) {
			if err := st.selected(nodes, items, k, path); err != nil {
				return nil, err
			}
			continue
		}
		name, err := st.field(k.name)
		if err != nil {
			return nil, err
		}
		i, ok := bsonx.ArrayIndex(name)
		if !ok || i >= len(nodes) {
			if !k.node.creates(st) {
				continue
			}
			if !ok {
				return nil, notViable(name, path, arr)
			}
			if i-len(nodes) > maxPadding {
				return nil, mongoerr.New(mongoerr.CannotBackfillArray, "Can't backfill more than %d elements", maxPadding)
			}
			nodes = append(nodes, make([]*tree, i+1-len(nodes))...)
		}
		if nodes[i], err = merge(nodes[i], k.node, join(path, name)); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

// selected adds the child to the elements that $[] or $[identifier] chooses.
func (st *state) selected(nodes []*tree, items []bson.RawValue, k kid, path string) error {
	id := k.name[2 : len(k.name)-1]
	for i, item := range items {
		if id != "" {
			ok, err := st.filters[id].Match(bsonx.NewDoc(len(item.Value)+16).Append(id, item).Raw())
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
		}
		m, err := merge(nodes[i], k.node, join(path, strconv.Itoa(i)))
		if err != nil {
			return err
		}
		nodes[i] = m
	}
	return nil
}
