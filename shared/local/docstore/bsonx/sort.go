package bsonx

import (
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
// of the sort. A path through arrays takes the smallest, or largest, of the values it reaches.
func SortKey(dst []byte, doc bson.Raw, fields []IndexField) []byte {
	for i := range fields {
		dst = AppendKey(dst, SortValueAt(doc, fields[i].Path, fields[i].Desc), fields[i].Desc)
	}
	return dst
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
