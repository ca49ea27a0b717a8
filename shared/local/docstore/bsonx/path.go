package bsonx

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// CutPath splits a dotted path at its first dot.
func CutPath(path string) (head, rest string, more bool) { return strings.Cut(path, ".") }

// ArrayIndex returns the number a path component stands for as a position in an array: decimal digits without leading zeros.
func ArrayIndex(s string) (int, bool) {
	if s == "" || len(s) > 9 || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// LookupPath follows a dotted path through documents, and through arrays by position, to one value. It does not fan out
// over arrays. Missing where the path ends early.
func LookupPath(doc bson.Raw, path string) bson.RawValue {
	cur := Document(doc)
	for {
		head, rest, more := CutPath(path)
		switch cur.Type {
		case bson.TypeEmbeddedDocument:
			cur = Lookup(cur.Value, head)
		case bson.TypeArray:
			i, ok := ArrayIndex(head)
			if !ok {
				return Missing
			}
			cur = At(cur.Value, i)
		default:
			return Missing
		}
		if !more || IsMissing(cur) {
			return cur
		}
		path = rest
	}
}

// EachAt calls fn with each value that an index or a sort sees at the path: arrays on the way fan out one level, or are
// entered by position where the next component is one they have. The last value is given whole, even an array. A branch
// that ends early gives Missing. It stops when fn returns false, and then returns false.
func EachAt(doc bson.Raw, path string, fn func(bson.RawValue) bool) bool {
	head, rest, more := CutPath(path)
	v := Lookup(doc, head)
	if !more {
		return fn(v)
	}
	return eachIn(v, rest, fn)
}

func eachIn(v bson.RawValue, path string, fn func(bson.RawValue) bool) bool {
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		return EachAt(bson.Raw(v.Value), path, fn)
	case bson.TypeArray:
	default:
		return fn(Missing)
	}
	if el, rest, more, ok := position(v, path); ok {
		if !more {
			return fn(el)
		}
		return eachIn(el, rest, fn)
	}
	if IsEmpty(v.Value) {
		return fn(Missing)
	}
	for it := Elements(v.Value); it.Next(); {
		if it.value.Type != bson.TypeEmbeddedDocument {
			if !fn(Missing) {
				return false
			}
			continue
		}
		if !EachAt(bson.Raw(it.value.Value), path, fn) {
			return false
		}
	}
	return true
}

// position enters an array by the path's first component where that is the position of an element it has.
func position(arr bson.RawValue, path string) (el bson.RawValue, rest string, more, ok bool) {
	head, rest, more := CutPath(path)
	i, isIndex := ArrayIndex(head)
	if !isIndex {
		return Missing, "", false, false
	}
	el = At(arr.Value, i)
	return el, rest, more, !IsMissing(el)
}

// CompareNames orders field names as an update adds them: numeric ones by number, all others as text.
func CompareNames(a, b string) int {
	if i, ok := ArrayIndex(a); ok {
		if j, ok := ArrayIndex(b); ok {
			return i - j
		}
	}
	return strings.Compare(a, b)
}
