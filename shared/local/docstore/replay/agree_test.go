package replay

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

// texts returns the documents of a reply's first batch, byte for byte.
func texts(reply bson.Raw) (out []string) {
	for it := bsonx.Items(reply.Lookup("cursor", "firstBatch")); it.Next(); {
		out = append(out, string(it.Value().Value))
	}
	return out
}

func sameDocs(without, with bson.Raw) bool { return slices.Equal(texts(without), texts(with)) }

func sameSet(without, with bson.Raw) bool {
	a, b := texts(without), texts(with)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// sameSize is for answers that may hold any of the documents.
func sameSize(without, with bson.Raw) bool {
	a, b := without.Lookup("cursor", "id"), with.Lookup("cursor", "id")
	return len(texts(without)) == len(texts(with)) && (a.AsInt64() == 0) == (b.AsInt64() == 0)
}

// sameButForArrays compares documents one by one, arrays in any order: those that $lookup makes have none.
func sameButForArrays(without, with bson.Raw) bool {
	return slices.EqualFunc(bsonx.Values(without.Lookup("cursor", "firstBatch")), bsonx.Values(with.Lookup("cursor", "firstBatch")),
		func(a, b bson.RawValue) bool { return shuffled(a) == shuffled(b) })
}

// shuffled is a text that is equal for values that differ only in the order of arrays.
func shuffled(v bson.RawValue) string {
	var parts []string
	for it := bsonx.Items(v); it.Next(); {
		part := shuffled(it.Value())
		if v.Type == bson.TypeEmbeddedDocument {
			part = string(it.Key()) + ":" + part
		}
		parts = append(parts, part)
	}
	switch v.Type {
	case bson.TypeArray:
		slices.Sort(parts)
	case bson.TypeEmbeddedDocument:
	default:
		return v.String()
	}
	out := "("
	for _, p := range parts {
		out += p + ","
	}
	return out + ")"
}
