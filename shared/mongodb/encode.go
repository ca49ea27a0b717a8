package mongodb

import (
	"bytes"

	"github.com/strata-crm/strata/shared/fault"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// registry is used by this package alone, and always with json tags. A registry remembers the names of a type's fields as
// the first who encoded or decoded that type had them, with json tags or without (bson/struct_codec.go, describeStruct):
// with the driver's default registry, one bson.Marshal anywhere in the process would decide what is stored here.
var registry = bson.NewRegistry()

// Marshal encodes a document as the collections of a [DB] do: under json names where there is no bson tag. The error is of
// kind fault.Invalid.
func Marshal(doc any) (bson.Raw, error) {
	var buf bytes.Buffer
	enc := bson.NewEncoder(bson.NewDocumentWriter(&buf))
	enc.SetRegistry(registry)
	enc.UseJSONStructTags()
	if err := enc.Encode(doc); err != nil {
		return nil, fault.Wrap(fault.Invalid, fault.BadRequest, err, "the value cannot be stored as a document")
	}
	return buf.Bytes(), nil
}

// Unmarshal decodes a stored document as the collections of a [DB] do.
func Unmarshal(raw bson.Raw, into any) error {
	dec := bson.NewDecoder(bson.NewDocumentReader(bytes.NewReader(raw)))
	dec.SetRegistry(registry)
	dec.UseJSONStructTags()
	return dec.Decode(into)
}
