package plan

import (
	"bytes"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// Codes of what min and max of a find may be wrong about.
const (
	noHint       = 291 // NoQueryExecutionPlans
	otherIndex   = 51174
	minNotBefore = 51175
	otherFields  = 51176
)

// between plans a find with min or max: a range of the keys of the index that the hint names, whatever the filter says.
func (p *Plan) between() error {
	q := p.Query
	if !q.Hinted() {
		return mongoerr.New(noHint, "error processing query: planner returned error :: caused by :: When using min()/max() a hint of which index to use must be provided")
	}
	x, natural, err := p.hinted()
	if err != nil {
		return err
	}
	a := access{index: x, fields: idFields, filter: q.Filter}
	if x != nil {
		a.fields = x.Fields
	}
	if natural != 0 || !fits(q.Min, a.fields) || !fits(q.Max, a.fields) {
		return mongoerr.New(otherIndex, "error processing query: planner returned error :: caused by :: The index chosen is not compatible with min/max")
	}
	r := keyRange{lower: tupleKey(q.Min, a.fields), upper: tupleKey(q.Max, a.fields)}
	if r.upper != nil && bytes.Compare(r.lower, r.upper) >= 0 {
		return mongoerr.New(minNotBefore, "error processing query: planner returned error :: caused by :: The value provided for min() does not come before the value provided for max() in the hinted index")
	}
	a.ranges = []keyRange{r}
	a.sorts, a.reverse = a.serves(q.Sort, x != nil && x.Multikey())
	p.use(a, nil)
	return nil
}

// CheckBetween refuses min and max that name different fields (51176).
func (q Query) CheckBetween() error {
	if bsonx.IsEmpty(q.Min) || bsonx.IsEmpty(q.Max) || slices.Equal(names(q.Min), names(q.Max)) {
		return nil
	}
	return mongoerr.New(otherFields, "min and max must have the same field names")
}

func names(doc bson.Raw) (out []string) {
	for it := bsonx.Elements(doc); it.Next(); {
		out = append(out, string(it.Key()))
	}
	return out
}

// fits reports whether a key has a value for each field of the index, in its order; an open end does.
func fits(key bson.Raw, fields []bsonx.IndexField) bool {
	return bsonx.IsEmpty(key) || slices.EqualFunc(names(key), fields, func(name string, f bsonx.IndexField) bool { return name == f.Path })
}

// tupleKey returns the bytes of a key given as a document, nil for an open end.
func tupleKey(key bson.Raw, fields []bsonx.IndexField) []byte {
	if bsonx.IsEmpty(key) {
		return nil
	}
	var values []bson.RawValue
	for it := bsonx.Elements(key); it.Next(); {
		values = append(values, it.Value())
	}
	return bsonx.TupleKey(nil, values, fields)
}

// keyed adds to each document the index key that led to it.
type keyed struct {
	source
	a access
}

func (k *keyed) next() (Found, bool, error) {
	f, ok, err := k.source.next()
	if ok && err == nil {
		f.IndexKey, err = k.a.keyOf(f.Doc)
	}
	return f, ok && err == nil, err
}

// keyOf returns the first key of the document, in the order of the scan, that lies in the ranges; an empty document where the whole
// collection is read.
func (a access) keyOf(doc bson.Raw) (bson.Raw, error) {
	if a.index == nil {
		if a.name() == "" {
			return bsonx.NewDoc(0).Raw(), nil
		}
		return bsonx.NewDoc(32).Append("_id", bsonx.Lookup(doc, "_id")).Raw(), nil
	}
	tuples, _, err := bsonx.IndexValues(doc, a.fields, a.index.Sparse)
	if err != nil {
		return nil, err
	}
	var best []bson.RawValue
	var at []byte
	for _, t := range tuples {
		key := bsonx.TupleKey(nil, t, a.fields)
		if c := bytes.Compare(key, at); a.holds(key) && (best == nil || c < 0 && !a.reverse || c > 0 && a.reverse) {
			best, at = t, key
		}
	}
	out := bsonx.NewDoc(64)
	for i, v := range best {
		if bsonx.IsMissing(v) {
			v = bsonx.Null
		}
		out.Append(a.fields[i].Path, v)
	}
	return out.Raw(), nil
}

// holds reports whether entries with that key lie in the ranges.
func (a access) holds(key []byte) bool {
	return slices.ContainsFunc(a.ranges, func(r keyRange) bool {
		if r.point && r.upper == nil {
			return bytes.HasPrefix(key, r.lower)
		}
		return bytes.Compare(r.lower, key) <= 0 && (r.upper == nil || bytes.Compare(key, r.upper) < 0)
	})
}
