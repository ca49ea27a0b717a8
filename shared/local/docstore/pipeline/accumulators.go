package pipeline

import (
	"bytes"
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// sumAcc is $sum, $count and $avg.
type sumAcc struct {
	sum     expr.Summation
	average bool
}

func (a *sumAcc) add(v bson.RawValue, _ []byte) error {
	a.sum.Add(v)
	return nil
}

func (a *sumAcc) value() (bson.RawValue, error) {
	if a.sum.Decimal {
		return bson.RawValue{}, expr.ErrUnsupported("$sum and $avg on Decimal128 (store money as integer minor units)")
	}
	if a.average {
		return a.sum.Average(), nil
	}
	return a.sum.Value(), nil
}

func (a *sumAcc) size() int64 { return 96 }

// owned copies a value out of its document, so that the document need not stay in memory.
func owned(v bson.RawValue) bson.RawValue {
	v.Value = bytes.Clone(v.Value)
	return v
}

// retain copies v into dst, whose memory it uses again.
func retain(dst *bson.RawValue, v bson.RawValue) {
	dst.Type, dst.Value = v.Type, append(dst.Value[:0], v.Value...)
}

// extremeAcc is $min and $max; null and missing count only where there is nothing else.
type extremeAcc struct {
	best bson.RawValue
	want int
}

func (a *extremeAcc) add(v bson.RawValue, _ []byte) error {
	if bsonx.IsNullish(v) {
		return nil
	}
	if bsonx.IsMissing(a.best) || expr.Compare(v, a.best)*a.want > 0 {
		retain(&a.best, v)
	}
	return nil
}

func (a *extremeAcc) value() (bson.RawValue, error) { return orNull(a.best), nil }
func (a *extremeAcc) size() int64                   { return int64(len(a.best.Value)) + 64 }

func orNull(v bson.RawValue) bson.RawValue {
	if bsonx.IsMissing(v) {
		return bsonx.Null
	}
	return v
}

// edgeAcc is $first and $last.
type edgeAcc struct {
	v         bson.RawValue
	set, last bool
}

func (a *edgeAcc) add(v bson.RawValue, _ []byte) error {
	if a.last || !a.set {
		retain(&a.v, v)
		a.set = true
	}
	return nil
}

func (a *edgeAcc) value() (bson.RawValue, error) { return orNull(a.v), nil }
func (a *edgeAcc) size() int64                   { return int64(len(a.v.Value)) + 64 }

// pushAcc is $push and, with concat, $concatArrays.
type pushAcc struct {
	items  []bson.RawValue
	used   int64
	concat bool
}

// maxAccumulated bounds one $push or $addToSet, as MongoDB does.
const (
	maxAccumulated     = 100 << 20
	codeExceededMemory = 146
)

func (a *pushAcc) add(v bson.RawValue, _ []byte) error {
	if bsonx.IsMissing(v) {
		return nil
	}
	if !a.concat {
		a.items = append(a.items, owned(v))
		a.used += int64(len(v.Value)) + 48
	} else {
		if v.Type != bson.TypeArray {
			return mongoerr.New(mongoerr.TypeMismatch, "$concatArrays requires array inputs, but input is of type %s", expr.TypeName(v))
		}
		a.items = append(a.items, bsonx.Values(owned(v))...)
		a.used += int64(len(v.Value)) * 4
	}
	return overAccumulated(a.used, "$push")
}

func overAccumulated(used int64, name string) error {
	if used > maxAccumulated {
		return mongoerr.New(codeExceededMemory, "%s used too much memory and cannot spill to disk. Memory limit: %d bytes", name, int64(maxAccumulated))
	}
	return nil
}

func (a *pushAcc) value() (bson.RawValue, error) { return bsonx.ArrayOf(a.items...), nil }
func (a *pushAcc) size() int64                   { return a.used + 64 }

// setAcc is $addToSet and, with union, $setUnion.
type setAcc struct {
	seen  map[string]struct{}
	items []bson.RawValue
	used  int64
	union bool
}

func (a *setAcc) add(v bson.RawValue, _ []byte) error {
	if bsonx.IsMissing(v) {
		return nil
	}
	if !a.union {
		a.put(v)
	} else {
		if v.Type != bson.TypeArray {
			return mongoerr.New(mongoerr.TypeMismatch, "$setUnion requires array inputs, but input is of type %s", expr.TypeName(v))
		}
		for it := bsonx.Items(v); it.Next(); {
			a.put(it.Value())
		}
	}
	return overAccumulated(a.used, "$addToSet")
}

func (a *setAcc) put(v bson.RawValue) {
	var space [64]byte
	key := bsonx.AppendKey(space[:0], v, false)
	if _, ok := a.seen[string(key)]; ok {
		return
	}
	a.seen[string(key)] = struct{}{}
	a.items = append(a.items, owned(v))
	a.used += int64(len(v.Value)+len(key)) + 64
}

func (a *setAcc) value() (bson.RawValue, error) { return bsonx.ArrayOf(a.items...), nil }
func (a *setAcc) size() int64                   { return a.used + 64 }

// mergeAcc is $mergeObjects.
type mergeAcc struct {
	keys   []string
	values map[string]bson.RawValue
	used   int64
}

func (a *mergeAcc) add(v bson.RawValue, _ []byte) error {
	if bsonx.IsNullish(v) {
		return nil
	}
	if v.Type != bson.TypeEmbeddedDocument {
		return mongoerr.New(5911200, "$mergeObjects requires object inputs, but input is of type %s", expr.TypeName(v))
	}
	if a.values == nil {
		a.values = map[string]bson.RawValue{}
	}
	for it := bsonx.Elements(bytes.Clone(v.Value)); it.Next(); {
		k := string(it.Key())
		if _, ok := a.values[k]; !ok {
			a.keys = append(a.keys, k)
		}
		a.values[k] = it.Value()
		a.used += int64(len(it.Value().Value)) + 32
	}
	return nil
}

func (a *mergeAcc) value() (bson.RawValue, error) {
	b := bsonx.NewDoc(0)
	for _, k := range a.keys {
		b.Append(k, a.values[k])
	}
	return b.Value(), nil
}

func (a *mergeAcc) size() int64 { return a.used + 64 }

// deviationAcc is $stdDevPop and $stdDevSamp.
type deviationAcc struct {
	d      expr.Deviation
	name   string
	sample bool
}

func (a *deviationAcc) add(v bson.RawValue, _ []byte) error {
	a.d.Add(v)
	return nil
}

func (a *deviationAcc) value() (bson.RawValue, error) {
	if a.d.Decimal {
		return bson.RawValue{}, expr.ErrUnsupported("%s on Decimal128", a.name)
	}
	return a.d.Value(a.sample), nil
}

func (a *deviationAcc) size() int64 { return 64 }

// percentileAcc is $percentile and $median; it keeps the numbers.
type percentileAcc struct {
	spec   *expr.PercentileSpec
	values []float64
}

func (a *percentileAcc) add(v bson.RawValue, _ []byte) error {
	if f, ok := bsonx.FloatOf(v); ok && !math.IsNaN(f) {
		a.values = append(a.values, f)
	}
	return nil
}

func (a *percentileAcc) value() (bson.RawValue, error) { return a.spec.Compute(a.values), nil }
func (a *percentileAcc) size() int64                   { return int64(8*len(a.values)) + 64 }

// keyed is a value with its place in an order.
type keyed struct {
	key []byte
	v   bson.RawValue
}

// topAcc is $top, $bottom, $topN and $bottomN: the first or last n of an order, equal ones in the order they came.
type topAcc struct {
	n              int64
	items          []keyed
	bottom, single bool
	used           int64
}

func (a *topAcc) add(v bson.RawValue, key []byte) error {
	at, _ := slices.BinarySearchFunc(a.items, key, func(it keyed, key []byte) int {
		if bytes.Compare(it.key, key) <= 0 {
			return -1
		}
		return 1
	})
	if int64(len(a.items)) == a.n {
		if !a.bottom {
			if at == len(a.items) {
				return nil
			}
			a.items = a.items[:len(a.items)-1]
		} else {
			if at == 0 {
				return nil
			}
			a.items = a.items[1:]
			at--
		}
	}
	a.items = slices.Insert(a.items, at, keyed{key, owned(v)})
	a.used += int64(len(key)+len(v.Value)) + 64
	return overAccumulated(a.used, "$topN")
}

func (a *topAcc) value() (bson.RawValue, error) {
	if a.single {
		if len(a.items) == 0 {
			return bsonx.Null, nil
		}
		return orNull(a.items[0].v), nil
	}
	b := bsonx.NewArray(0)
	for _, it := range a.items {
		b.Append(orNull(it.v))
	}
	return b.Value(), nil
}

func (a *topAcc) size() int64 { return a.used + 64 }

// nAcc is $firstN, $lastN, $minN and $maxN.
type nAcc struct {
	name  string
	n     int64
	items []bson.RawValue
	used  int64
}

func (a *nAcc) add(v bson.RawValue, _ []byte) error {
	full := int64(len(a.items)) == a.n
	switch a.name {
	case "$firstN":
		if full {
			return nil
		}
		a.items = append(a.items, owned(orNull(v)))
	case "$lastN":
		if full {
			a.items = a.items[1:]
		}
		a.items = append(a.items, owned(orNull(v)))
	default:
		if bsonx.IsNullish(v) {
			return nil
		}
		dir := 1
		if a.name == "$maxN" {
			dir = -1
		}
		at, _ := slices.BinarySearchFunc(a.items, v, func(it, v bson.RawValue) int {
			if expr.Compare(it, v)*dir <= 0 {
				return -1
			}
			return 1
		})
		if full {
			if at == len(a.items) {
				return nil
			}
			a.items = a.items[:len(a.items)-1]
		}
		a.items = slices.Insert(a.items, at, owned(v))
	}
	a.used += int64(len(v.Value)) + 48
	return overAccumulated(a.used, a.name)
}

func (a *nAcc) value() (bson.RawValue, error) { return bsonx.ArrayOf(a.items...), nil }
func (a *nAcc) size() int64                   { return a.used + 64 }
