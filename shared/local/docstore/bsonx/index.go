package bsonx

import (
	"bytes"
	"slices"

	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// IndexField is one field of an index or of a sort.
type IndexField struct {
	Path string
	Desc bool
}

// IndexKeys returns a document's distinct keys, sorted, in an index on the fields, and whether an array made it multikey.
// Missing fields count as null, arrays fan out one level, an empty array counts as undefined. Where sparse is set, keys
// of which every field is missing are left out. Two arrays side by side are CannotIndexParallelArrays (171).
func IndexKeys(doc bson.Raw, fields []IndexField, sparse bool) (keys [][]byte, multikey bool, err error) {
	if key, present, ok := AppendPlainKey(make([]byte, 0, 16*len(fields)), doc, fields); ok {
		if sparse && !present {
			return nil, false, nil
		}
		return [][]byte{key}, false, nil
	}
	tuples, multikey, err := IndexValues(doc, fields, sparse)
	if err != nil {
		return nil, false, err
	}
	keys = make([][]byte, len(tuples))
	for i, t := range tuples {
		keys[i] = TupleKey(nil, t, fields)
	}
	if len(keys) > 1 {
		slices.SortFunc(keys, bytes.Compare)
		keys = slices.CompactFunc(keys, bytes.Equal)
	}
	return keys, multikey, nil
}

// AppendPlainKey appends the only key of a document that has no array on any of the paths; ok is false where it has one,
// and dst is then of no use. present reports whether some field is there.
func AppendPlainKey(dst []byte, doc bson.Raw, fields []IndexField) (key []byte, present, ok bool) {
	for i := range fields {
		v, array := plainAt(doc, fields[i].Path)
		if array {
			return nil, false, false
		}
		present = present || !IsMissing(v)
		dst = AppendKey(dst, v, fields[i].Desc)
	}
	return dst, present, true
}

// TupleKey appends the key of one tuple of IndexValues.
func TupleKey(dst []byte, tuple []bson.RawValue, fields []IndexField) []byte {
	for i, v := range tuple {
		dst = AppendKey(dst, v, fields[i].Desc)
	}
	return dst
}

// IndexValues is IndexKeys before encoding: one tuple, as long as fields, for each key, repeated ones included. Missing fields are Missing.
func IndexValues(doc bson.Raw, fields []IndexField, sparse bool) (tuples [][]bson.RawValue, multikey bool, err error) {
	g := keyGen{sparse: sparse}
	paths := make([]string, len(fields))
	for i, f := range fields {
		paths[i] = f.Path
	}
	if err := g.generate(Document(doc), paths, make([]bson.RawValue, len(fields))); err != nil {
		return nil, false, err
	}
	return g.out, g.multikey, nil
}

// keyGen follows all paths of an index at once, so that fields below one array are taken from the same element.
type keyGen struct {
	out      [][]bson.RawValue
	sparse   bool
	multikey bool
}

// generate extends the tuple: paths[i] is what is left of field i below at, "" once tuple[i] is settled.
func (g *keyGen) generate(at bson.RawValue, paths []string, tuple []bson.RawValue) error {
	paths, tuple = slices.Clone(paths), slices.Clone(tuple)
	var array bson.RawValue
	var below []int
	arrayPath := ""
	for i, p := range paths {
		if p == "" {
			continue
		}
		v, rest := descend(at, p)
		if v.Type != bson.TypeArray {
			tuple[i], paths[i] = v, ""
			continue
		}
		if below != nil && &array.Value[0] != &v.Value[0] {
			return mongoerr.New(mongoerr.CannotIndexParallelArrays, "cannot index parallel arrays [%s] [%s]", lastOf(p), arrayPath)
		}
		array, arrayPath = v, lastOf(p)
		below, paths[i] = append(below, i), rest
	}
	if below == nil {
		g.emit(tuple)
		return nil
	}
	g.multikey = true
	return g.expand(array, below, paths, tuple)
}

func lastOf(path string) string { head, _, _ := CutPath(path); return head }

// expand makes one branch per element of the array; elements settle the fields that end at it.
func (g *keyGen) expand(array bson.RawValue, below []int, paths []string, tuple []bson.RawValue) error {
	branch := func(el bson.RawValue) error {
		for _, i := range below {
			if paths[i] == "" {
				tuple[i] = el
			}
		}
		if el.Type != bson.TypeEmbeddedDocument {
			el = Missing // an array within an array is entered only by position
		}
		return g.generate(el, paths, tuple)
	}
	if IsEmpty(array.Value) {
		return branch(undefined)
	}
	for it := Elements(array.Value); it.Next(); {
		if err := branch(it.value); err != nil {
			return err
		}
	}
	return nil
}

func (g *keyGen) emit(tuple []bson.RawValue) {
	if g.sparse && !slices.ContainsFunc(tuple, func(v bson.RawValue) bool { return !IsMissing(v) }) {
		return
	}
	g.out = append(g.out, tuple)
}

// descend follows path below at until its end or an array that the rest does not enter by position.
func descend(at bson.RawValue, path string) (v bson.RawValue, rest string) {
	for {
		if at.Type != bson.TypeEmbeddedDocument {
			return Missing, ""
		}
		head, tail, more := CutPath(path)
		at = Lookup(at.Value, head)
		if !more {
			return at, ""
		}
		for at.Type == bson.TypeArray {
			el, left, deeper, ok := position(at, tail)
			if !ok {
				return at, tail
			}
			if at = el; !deeper {
				return at, ""
			}
			tail = left
		}
		path = tail
	}
}
