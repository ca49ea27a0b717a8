package query

import (
	"slices"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// Implies reports whether every document that matches m certainly matches other: then a partial index on other serves m.
// False means "not known to".
func (m *Matcher) Implies(other *Matcher) bool { return implies(m.root, other.root) }

func implies(q, f node) bool {
	switch t := f.(type) {
	case and:
		return !slices.ContainsFunc(t, func(c node) bool { return !implies(q, c) })
	case or:
		if slices.ContainsFunc(t, func(c node) bool { return implies(q, c) }) {
			return true
		}
	}
	switch t := q.(type) {
	case and:
		return slices.ContainsFunc(t, func(c node) bool { return implies(c, f) })
	case or:
		return !slices.ContainsFunc(t, func(c node) bool { return !implies(c, f) })
	case never:
		return true
	case *leaf:
		fl, ok := f.(*leaf)
		return ok && t.path.text == fl.path.text && impliesPredicate(t.pred, fl.pred)
	}
	return false
}

func impliesPredicate(q, f predicate) bool {
	if _, ok := f.(exists); ok {
		return !q.test(bsonx.Missing)
	}
	switch t := q.(type) {
	case *comparison:
		if t.op == opEq {
			return equalImplies(t.value, f)
		}
		fc, ok := f.(*comparison)
		return ok && rangeImplies(t, fc)
	case *inSet:
		return len(t.regexes) == 0 && !slices.ContainsFunc(t.values, func(v bson.RawValue) bool { return !equalImplies(v, f) })
	}
	return false
}

func equalImplies(v bson.RawValue, f predicate) bool {
	if v.Type == bson.TypeNull {
		return f.test(bsonx.Missing) && f.test(v) && f.test(bson.RawValue{Type: bson.TypeUndefined})
	}
	switch f.(type) {
	case *comparison, *inSet, *typeSet:
		return f.test(v)
	}
	return false
}

// rangeImplies: > 8 implies > 5 and ≥ 8, never a range that opens the other way.
func rangeImplies(q, f *comparison) bool {
	up := func(c *comparison) bool { return c.op == opGt || c.op == opGte }
	if q.rank != f.rank || q.nan || f.nan || f.op == opEq || up(q) != up(f) || q.value.Type == bson.TypeNull {
		return false
	}
	c := bsonx.Compare(q.value, f.value)
	if c == 0 {
		strict := q.op == opGt || q.op == opLt
		return strict || f.op == opGte || f.op == opLte
	}
	return (c > 0) == up(q)
}
