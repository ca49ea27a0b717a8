package bsonx

import (
	"bytes"

	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"go.mongodb.org/mongo-driver/v2/bson"
)

var undefined = bson.RawValue{Type: bson.TypeUndefined}

// SortValue returns what a value sorts as: an array as its smallest element, or, descending, its largest, an empty
// array as undefined, missing as null. Arrays within arrays are not opened.
func SortValue(v bson.RawValue, desc bool) bson.RawValue {
	switch v.Type {
	case 0:
		return Null
	case bson.TypeArray:
	default:
		return v
	}
	it := Elements(v.Value)
	if !it.Next() {
		return undefined
	}
	best := it.value
	for it.Next() {
		if c := Compare(it.value, best); c < 0 && !desc || c > 0 && desc {
			best = it.value
		}
	}
	return best
}

// CompareSort orders two values of one sort field by the array rule of SortValue; desc reverses the result.
func CompareSort(a, b bson.RawValue, desc bool) int {
	c := Compare(SortValue(a, desc), SortValue(b, desc))
	if desc {
		return -c
	}
	return c
}

// SortKey appends the joined key of a document for a sort by the fields: bytes.Compare of two such keys is the order
// of the sort. A path through arrays takes the smallest, or largest, of the values it reaches; fields below one array are
// taken from the same element, as in an index. Two fields in different arrays are refused with MongoDB's BadValue (2).
func SortKey(dst []byte, doc bson.Raw, fields []IndexField) ([]byte, error) {
	start := len(dst)
	for i := range fields {
		v, array := plainAt(doc, fields[i].Path)
		if array && len(fields) > 1 {
			return compoundSortKey(dst[:start], doc, fields)
		}
		if array {
			v = SortValueAt(doc, fields[i].Path, fields[i].Desc)
		}
		dst = AppendKey(dst, v, fields[i].Desc)
	}
	return dst, nil
}

// plainAt follows a path through documents and reports whether it met an array, at the end too.
func plainAt(doc []byte, path string) (v bson.RawValue, array bool) {
	for {
		head, rest, more := CutPath(path)
		v = Lookup(doc, head)
		if v.Type == bson.TypeArray {
			return v, true
		}
		if !more {
			return v, false
		}
		if v.Type != bson.TypeEmbeddedDocument {
			return Missing, false
		}
		doc, path = v.Value, rest
	}
}

func compoundSortKey(dst []byte, doc bson.Raw, fields []IndexField) ([]byte, error) {
	tuples, _, err := IndexValues(doc, fields, false)
	if err != nil {
		return nil, mongoerr.New(mongoerr.BadValue, "cannot sort with keys that are parallel arrays")
	}
	var best []byte
	for _, t := range tuples {
		if k := TupleKey(nil, t, fields); best == nil || bytes.Compare(k, best) < 0 {
			best = k
		}
	}
	return append(dst, best...), nil
}

// SortValueAt returns what a document sorts by at a dotted path.
func SortValueAt(doc bson.Raw, path string, desc bool) bson.RawValue {
	best := Missing
	EachAt(doc, path, func(v bson.RawValue) bool {
		s := SortValue(v, desc)
		if IsMissing(best) {
			best = s
			return true
		}
		if c := Compare(s, best); c < 0 && !desc || c > 0 && desc {
			best = s
		}
		return true
	})
	if IsMissing(best) {
		return Null
	}
	return best
}
