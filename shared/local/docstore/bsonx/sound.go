package bsonx

import (
	"bytes"
	"encoding/binary"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Sound reports whether doc is a well-formed document, all that is embedded in it included, and nests at most depth
// levels, itself being the first. It looks at every byte once and is stricter than bson.Raw.Validate, which does not look
// into embedded documents: a document that is not sound may still be one that MongoDB stores.
func Sound(doc []byte, depth int) bool {
	if depth == 0 || len(doc) < 5 || int(int32(binary.LittleEndian.Uint32(doc))) != len(doc) || doc[len(doc)-1] != 0 {
		return false
	}
	for b := doc[4 : len(doc)-1]; len(b) > 0; {
		end := bytes.IndexByte(b[1:], 0)
		if end < 0 {
			return false
		}
		body := b[end+2:]
		t := bson.Type(b[0])
		n := valueLen(t, body)
		if n < 0 || n > len(body) || !soundValue(t, body[:n], depth) {
			return false
		}
		b = body[n:]
	}
	return true
}

// soundValue checks what the length of a value does not tell.
func soundValue(t bson.Type, v []byte, depth int) bool {
	switch t {
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		return len(v) >= 5 && v[len(v)-1] == 0
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		return Sound(v, depth-1)
	case bson.TypeBinary:
		return v[4] != byte(bson.TypeBinaryBinaryOld) // which has a second length
	case bson.TypeBoolean:
		return v[0] <= 1
	case bson.TypeCodeWithScope, bson.TypeDBPointer:
		return false // deprecated and rare: left to others
	}
	return true
}
