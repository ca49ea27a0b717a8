package bsonx

import (
	"encoding/binary"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// DocBuilder builds a document in the order of its Append calls. It does not look for repeated names.
type DocBuilder struct{ buf []byte }

// NewDoc returns a builder with room for size bytes.
func NewDoc(size int) *DocBuilder {
	return &DocBuilder{buf: append(make([]byte, 0, size+5), 0, 0, 0, 0)}
}

// Append adds a field. A Missing value adds nothing.
func (b *DocBuilder) Append(key string, v bson.RawValue) *DocBuilder {
	if v.Type == 0 {
		return b
	}
	b.buf = append(b.buf, byte(v.Type))
	b.buf = append(b.buf, key...)
	b.buf = append(b.buf, 0)
	b.buf = append(b.buf, v.Value...)
	return b
}

// AppendBytes is Append for a name that is a slice of another document.
func (b *DocBuilder) AppendBytes(key []byte, v bson.RawValue) *DocBuilder {
	if v.Type == 0 {
		return b
	}
	b.buf = append(b.buf, byte(v.Type))
	b.buf = append(b.buf, key...)
	b.buf = append(b.buf, 0)
	b.buf = append(b.buf, v.Value...)
	return b
}

// AppendTimestamp adds a timestamp.
func (b *DocBuilder) AppendTimestamp(key string, t, i uint32) *DocBuilder {
	b.buf = append(b.buf, byte(bson.TypeTimestamp))
	b.buf = append(append(b.buf, key...), 0)
	b.buf = binary.LittleEndian.AppendUint32(b.buf, i)
	b.buf = binary.LittleEndian.AppendUint32(b.buf, t)
	return b
}

// AppendInt64 adds a 64-bit integer.
func (b *DocBuilder) AppendInt64(key string, n int64) *DocBuilder {
	b.buf = append(b.buf, byte(bson.TypeInt64))
	b.buf = append(append(b.buf, key...), 0)
	b.buf = binary.LittleEndian.AppendUint64(b.buf, uint64(n))
	return b
}

// AppendString adds a string that is made of parts.
func (b *DocBuilder) AppendString(key string, parts ...string) *DocBuilder {
	b.buf = append(b.buf, byte(bson.TypeString))
	b.buf = append(append(b.buf, key...), 0)
	start := len(b.buf)
	b.buf = append(b.buf, 0, 0, 0, 0)
	for _, p := range parts {
		b.buf = append(b.buf, p...)
	}
	b.buf = append(b.buf, 0)
	binary.LittleEndian.PutUint32(b.buf[start:], uint32(len(b.buf)-start-4))
	return b
}

// Open begins an embedded document, or an array, to which Append then adds, until Close is called with what Open returned.
func (b *DocBuilder) Open(key string, t bson.Type) (start int) {
	b.buf = append(b.buf, byte(t))
	b.buf = append(append(b.buf, key...), 0)
	start = len(b.buf)
	b.buf = append(b.buf, 0, 0, 0, 0)
	return start
}

// Close ends what Open began.
func (b *DocBuilder) Close(start int) {
	b.buf = append(b.buf, 0)
	binary.LittleEndian.PutUint32(b.buf[start:], uint32(len(b.buf)-start))
}

// AppendItems adds documents to an open array, which has no items yet.
func (b *DocBuilder) AppendItems(docs []bson.Raw) {
	for i, doc := range docs {
		b.buf = append(b.buf, byte(bson.TypeEmbeddedDocument))
		b.buf = append(strconv.AppendInt(b.buf, int64(i), 10), 0)
		b.buf = append(b.buf, doc...)
	}
}

// Raw ends the document and returns it. The builder must not be used afterwards.
func (b *DocBuilder) Raw() bson.Raw {
	b.buf = append(b.buf, 0)
	binary.LittleEndian.PutUint32(b.buf, uint32(len(b.buf)))
	return b.buf
}

// Value is Raw as an embedded document value.
func (b *DocBuilder) Value() bson.RawValue { return Document(b.Raw()) }

// ArrayBuilder builds an array in the order of its Append calls.
type ArrayBuilder struct {
	buf []byte
	n   int
}

// NewArray returns a builder with room for size bytes.
func NewArray(size int) *ArrayBuilder {
	return &ArrayBuilder{buf: append(make([]byte, 0, size+5), 0, 0, 0, 0)}
}

// Append adds an item; a Missing value adds null, as MongoDB does.
func (b *ArrayBuilder) Append(v bson.RawValue) *ArrayBuilder {
	t := v.Type
	if t == 0 {
		t = bson.TypeNull
	}
	b.buf = append(b.buf, byte(t))
	b.buf = strconv.AppendInt(b.buf, int64(b.n), 10)
	b.buf = append(b.buf, 0)
	b.buf = append(b.buf, v.Value...)
	b.n++
	return b
}

// Len returns how many items were added.
func (b *ArrayBuilder) Len() int { return b.n }

// Value ends the array and returns it. The builder must not be used afterwards.
func (b *ArrayBuilder) Value() bson.RawValue {
	b.buf = append(b.buf, 0)
	binary.LittleEndian.PutUint32(b.buf, uint32(len(b.buf)))
	return bson.RawValue{Type: bson.TypeArray, Value: b.buf}
}

// With returns the document with the top-level field set to v: in its place where it has one, else at the end. A Missing v
// takes the field away.
func With(doc bson.Raw, key string, v bson.RawValue) bson.Raw {
	b := NewDoc(len(doc) + len(key) + len(v.Value) + 2)
	found := false
	for it := Elements(doc); it.Next(); {
		if !found && string(it.key) == key {
			found = true
			b.Append(key, v)
			continue
		}
		b.AppendBytes(it.key, it.value)
	}
	if !found {
		b.Append(key, v)
	}
	return b.Raw()
}

// IDFirst returns the document with its _id, if any, in the first place, as MongoDB stores documents.
func IDFirst(doc bson.Raw) bson.Raw {
	id := Lookup(doc, "_id")
	if IsMissing(id) || FirstKey(doc) == "_id" {
		return doc
	}
	b := NewDoc(len(doc)).Append("_id", id)
	for it := Elements(doc); it.Next(); {
		if string(it.key) != "_id" {
			b.AppendBytes(it.key, it.value)
		}
	}
	return b.Raw()
}
