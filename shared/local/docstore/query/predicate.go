package query

import (
	"slices"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// predicate is a condition on one value, Missing included.
type predicate interface{ test(v bson.RawValue) bool }

// elemIndexer is a predicate on whole arrays that can tell which element satisfied it.
type elemIndexer interface{ indexOf(arr bson.RawValue) int }

type compareOp uint8

const (
	opEq compareOp = iota
	opLt
	opLte
	opGt
	opGte
)

// comparison compares within the type of its value; null also stands for undefined and missing, MinKey and MaxKey compare
// with every type.
type comparison struct {
	op    compareOp
	value bson.RawValue
	rank  byte
	nan   bool
}

func newComparison(op compareOp, v bson.RawValue) *comparison {
	return &comparison{op: op, value: v, rank: bsonx.Rank(v.Type), nan: bsonx.IsNaN(v)}
}

func (c *comparison) test(v bson.RawValue) bool {
	if c.value.Type == bson.TypeNull {
		return bsonx.IsNullish(v) && c.op != opLt && c.op != opGt
	}
	if bsonx.Rank(v.Type) != c.rank && c.value.Type != bson.TypeMinKey && c.value.Type != bson.TypeMaxKey {
		return false
	}
	if c.op != opEq && c.nan != bsonx.IsNaN(v) {
		return false
	}
	return c.op.holds(bsonx.Compare(v, c.value))
}

func (op compareOp) holds(cmp int) bool {
	switch op {
	case opLt:
		return cmp < 0
	case opLte:
		return cmp <= 0
	case opGt:
		return cmp > 0
	case opGte:
		return cmp >= 0
	}
	return cmp == 0
}

// inSet is $in: values sorted by bsonx.Compare, and regular expressions.
type inSet struct {
	values  []bson.RawValue
	regexes []*regexPredicate
	null    bool
}

func (s *inSet) test(v bson.RawValue) bool {
	if s.null && bsonx.IsNullish(v) {
		return true
	}
	if v.Type != 0 {
		if _, found := slices.BinarySearchFunc(s.values, v, bsonx.Compare); found {
			return true
		}
	}
	for _, r := range s.regexes {
		if r.test(v) {
			return true
		}
	}
	return false
}

type exists struct{}

func (exists) test(v bson.RawValue) bool { return v.Type != 0 }

// typeSet is $type: one bit of the array for each type.
type typeSet struct{ has [256]bool }

func (t *typeSet) test(v bson.RawValue) bool { return v.Type != 0 && t.has[byte(v.Type)] }

type size struct{ n int }

func (s size) test(v bson.RawValue) bool {
	return v.Type == bson.TypeArray && bsonx.Len(v.Value) == s.n
}

// negated is $not, $ne and $nin on a value that names no field.
type negated struct{ all []predicate }

func (n negated) test(v bson.RawValue) bool {
	for _, p := range n.all {
		if !p.test(v) {
			return true
		}
	}
	return false
}

// nothing is the predicate that no value satisfies: $all and $in of an empty array.
type nothing struct{}

func (nothing) test(bson.RawValue) bool { return false }

// allOf is a conjunction on one value.
type allOf struct{ all []predicate }

func (a allOf) test(v bson.RawValue) bool {
	for _, p := range a.all {
		if !p.test(v) {
			return false
		}
	}
	return true
}

// elemValue is $elemMatch with operators: one element satisfies them all.
type elemValue struct{ all []predicate }

func (e *elemValue) test(v bson.RawValue) bool { return e.indexOf(v) >= 0 }

func (e *elemValue) indexOf(v bson.RawValue) int {
	if v.Type != bson.TypeArray {
		return -1
	}
	i := 0
	for it := bsonx.Elements(v.Value); it.Next(); i++ {
		if (allOf{e.all}).test(it.Value()) {
			return i
		}
	}
	return -1
}

// elemObject is $elemMatch with a filter: one element that is a document, or an array seen as one, matches it.
type elemObject struct{ filter node }

func (e *elemObject) test(v bson.RawValue) bool { return e.indexOf(v) >= 0 }

func (e *elemObject) indexOf(v bson.RawValue) int {
	if v.Type != bson.TypeArray {
		return -1
	}
	i := 0
	for it := bsonx.Elements(v.Value); it.Next(); i++ {
		el := it.Value()
		if el.Type != bson.TypeEmbeddedDocument && el.Type != bson.TypeArray {
			continue
		}
		if ok, _ := e.filter.match(nil, el.Value); ok {
			return i
		}
	}
	return -1
}
