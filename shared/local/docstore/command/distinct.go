package command

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// distinctTooBig is the code of a distinct reply that would not fit a document.
const distinctTooBig = 17217

// distinctValues collects the different values at a path; arrays count by their elements.
type distinctValues struct {
	seen   map[string]bool
	values []bson.RawValue
	bytes  int
}

func (d *distinctValues) add(doc bson.Raw, path string) error {
	bsonx.EachAt(doc, path, func(v bson.RawValue) bool {
		if v.Type != bson.TypeArray {
			d.one(v)
			return true
		}
		for it := bsonx.Items(v); it.Next(); {
			d.one(it.Value())
		}
		return true
	})
	if d.bytes > maxDocument {
		return mongoerr.New(distinctTooBig, "distinct too big, 16mb cap")
	}
	return nil
}

func (d *distinctValues) one(v bson.RawValue) {
	if bsonx.IsMissing(v) {
		return
	}
	key := string(bsonx.AppendKey(nil, v, false))
	if d.seen[key] {
		return
	}
	d.seen[key] = true
	d.values = append(d.values, v)
	d.bytes += len(v.Value) + 8
}

func (d *distinctValues) sorted() bson.RawValue {
	slices.SortStableFunc(d.values, bsonx.Compare)
	return bsonx.ArrayOf(d.values...)
}
