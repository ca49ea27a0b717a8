package bsonx

import (
	"bytes"
	"encoding/binary"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Iter walks the elements of a document or array in stored order without allocating. Use it as
//
//	for it := bsonx.Elements(doc); it.Next(); { it.Key(); it.Value() }
type Iter struct {
	rest  []byte
	key   []byte
	value bson.RawValue
}

// Elements returns an iterator over a document's, or an array's, bytes. Malformed bytes end the iteration early.
func Elements(doc []byte) Iter {
	if len(doc) < 5 {
		return Iter{}
	}
	return Iter{rest: doc[4:]}
}

// Items returns an iterator over the elements of a document or array value; any other value has none.
func Items(v bson.RawValue) Iter {
	if v.Type != bson.TypeArray && v.Type != bson.TypeEmbeddedDocument {
		return Iter{}
	}
	return Elements(v.Value)
}

// Next moves to the next element and reports whether there is one.
func (it *Iter) Next() bool {
	if len(it.rest) < 2 || it.rest[0] == 0 {
		return false
	}
	end := bytes.IndexByte(it.rest[1:], 0)
	if end < 0 {
		return false
	}
	body := it.rest[end+2:]
	n := valueLen(bson.Type(it.rest[0]), body)
	if n < 0 || n > len(body) {
		it.rest = nil
		return false
	}
	it.key = it.rest[1 : end+1]
	it.value = bson.RawValue{Type: bson.Type(it.rest[0]), Value: body[:n:n]}
	it.rest = body[n:]
	return true
}

// Key returns the current element's name; the bytes belong to the document.
func (it *Iter) Key() []byte { return it.key }

// Left returns how many bytes of the document, its last NUL included, come after the current element.
func (it *Iter) Left() int { return len(it.rest) }

// Value returns the current element's value; its bytes belong to the document.
func (it *Iter) Value() bson.RawValue { return it.value }

// valueLen returns the length of the value of type t at the start of b, -1 where b is too short or t unknown.
func valueLen(t bson.Type, b []byte) int {
	if n := fixedLens[t]; n > 0 {
		return int(n) - 1
	}
	return sizedLen(t, b)
}

// fixedLens holds, for the types whose values all have one length, that length and one.
var fixedLens = [256]uint8{
	bson.TypeNull: 1, bson.TypeUndefined: 1, bson.TypeMinKey: 1, bson.TypeMaxKey: 1, bson.TypeBoolean: 2, bson.TypeInt32: 5,
	bson.TypeDouble: 9, bson.TypeInt64: 9, bson.TypeDateTime: 9, bson.TypeTimestamp: 9, bson.TypeObjectID: 13, bson.TypeDecimal128: 17,
}

func sizedLen(t bson.Type, b []byte) int {
	if t == bson.TypeRegex {
		return regexLen(b)
	}
	if len(b) < 4 {
		return -1
	}
	n := int(int32(binary.LittleEndian.Uint32(b)))
	if n < 0 {
		return -1
	}
	switch t {
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		return n + 4
	case bson.TypeEmbeddedDocument, bson.TypeArray, bson.TypeCodeWithScope:
		return n
	case bson.TypeBinary:
		return n + 5
	case bson.TypeDBPointer:
		return n + 4 + 12
	}
	return -1
}

func regexLen(b []byte) int {
	p := bytes.IndexByte(b, 0)
	if p < 0 {
		return -1
	}
	o := bytes.IndexByte(b[p+1:], 0)
	if o < 0 {
		return -1
	}
	return p + o + 2
}

// Lookup returns the value of a top-level field, Missing where there is none. It does not split dots.
func Lookup(doc []byte, key string) bson.RawValue {
	if len(doc) < 5 {
		return Missing
	}
	for b := doc[4:]; len(b) >= 2 && b[0] != 0; { // as Iter.Next does, but nothing is kept of what is passed over
		end := bytes.IndexByte(b[1:], 0)
		if end < 0 {
			break
		}
		t, body := bson.Type(b[0]), b[end+2:]
		n := valueLen(t, body)
		if n < 0 || n > len(body) {
			break
		}
		if end == len(key) && string(b[1:end+1]) == key {
			return bson.RawValue{Type: t, Value: body[:n:n]}
		}
		b = body[n:]
	}
	return Missing
}

// At returns the i-th element of an array's bytes, Missing where there is none.
func At(arr []byte, i int) bson.RawValue {
	for it := Elements(arr); it.Next(); i-- {
		if i == 0 {
			return it.value
		}
	}
	return Missing
}

// Len returns the number of elements of a document or array.
func Len(doc []byte) int {
	n := 0
	for it := Elements(doc); it.Next(); {
		n++
	}
	return n
}

// IsEmpty reports whether a document or array has no elements.
func IsEmpty(doc []byte) bool { return len(doc) <= 5 }

// StartsWithID reports whether the first element of a document is its _id.
func StartsWithID(doc []byte) bool {
	return len(doc) > 9 && doc[4] != 0 && doc[5] == '_' && doc[6] == 'i' && doc[7] == 'd' && doc[8] == 0
}

// FirstKey returns the name of the first element, "" for an empty document.
func FirstKey(doc []byte) string {
	it := Elements(doc)
	if !it.Next() {
		return ""
	}
	return string(it.key)
}

// Values returns the values of a document or array in order; they share its bytes.
func Values(v bson.RawValue) []bson.RawValue {
	var out []bson.RawValue
	for it := Items(v); it.Next(); {
		out = append(out, it.value)
	}
	return out
}
