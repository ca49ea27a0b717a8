package expr

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// keySet is a set of values by MongoDB's equality.
type keySet map[string]struct{}

// add inserts a value; false when it was there.
func (s keySet) add(v bson.RawValue) bool {
	k := string(bsonx.AppendKey(nil, v, false))
	if _, ok := s[k]; ok {
		return false
	}
	s[k] = struct{}{}
	return true
}

func (s keySet) has(v bson.RawValue) bool {
	_, ok := s[string(bsonx.AppendKey(nil, v, false))]
	return ok
}

func setOf(arr bson.RawValue) keySet {
	s := keySet{}
	walk(arr.Value, func(_ []byte, v bson.RawValue) bool {
		s.add(v)
		return true
	})
	return s
}

func needArray(v bson.RawValue, code int32, what string) error {
	if v.Type == bson.TypeArray {
		return nil
	}
	return mongoerr.New(code, "%s must be an array, but is %s", what, TypeName(v))
}

// parseSetUnion moves constant operands to the end, as MongoDB does with commutative operators: which error or null is met first depends on it.
func parseSetUnion(name string, arg bson.RawValue, s *Scope) (Expr, error) {
	args, err := positional(name, arg, s, 0, -1)
	if err != nil {
		return nil, err
	}
	var fixed, rest []Expr
	for _, a := range args {
		if _, ok := a.(constant); ok {
			fixed = append(fixed, a)
		} else {
			rest = append(rest, a)
		}
	}
	return newCall(opSetUnion, append(rest, fixed...))
}

func opSetUnion(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	b := bsonx.NewArray(0)
	seen := keySet{}
	for _, a := range args {
		if bsonx.IsNullish(a) {
			return bsonx.Null, nil
		}
		if err := needArray(a, 17043, "All operands of $setUnion"); err != nil {
			return bsonx.Missing, err
		}
		walk(a.Value, func(_ []byte, v bson.RawValue) bool {
			if seen.add(v) {
				b.Append(v)
			}
			return true
		})
	}
	return b.Value(), nil
}

func opSetIntersection(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	var items []bson.RawValue
	for i, a := range args {
		if bsonx.IsNullish(a) {
			return bsonx.Null, nil
		}
		if err := needArray(a, 17047, "All operands of $setIntersection"); err != nil {
			return bsonx.Missing, err
		}
		if i == 0 {
			items = distinctItems(a, nil)
			continue
		}
		set := setOf(a)
		kept := items[:0]
		for _, v := range items {
			if set.has(v) {
				kept = append(kept, v)
			}
		}
		items = kept
	}
	return bsonx.ArrayOf(items...), nil
}

// distinctItems answers the distinct items of an array that are not in without.
func distinctItems(arr bson.RawValue, without keySet) []bson.RawValue {
	var out []bson.RawValue
	seen := keySet{}
	walk(arr.Value, func(_ []byte, v bson.RawValue) bool {
		if !without.has(v) && seen.add(v) {
			out = append(out, v)
		}
		return true
	})
	return out
}

func opSetDifference(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	if bsonx.IsNullish(args[0]) || bsonx.IsNullish(args[1]) {
		return bsonx.Null, nil
	}
	if err := needArray(args[0], 17048, "both operands of $setDifference (first)"); err != nil {
		return bsonx.Missing, err
	}
	if err := needArray(args[1], 17049, "both operands of $setDifference (second)"); err != nil {
		return bsonx.Missing, err
	}
	return bsonx.ArrayOf(distinctItems(args[0], setOf(args[1]))...), nil
}

func parseSetEquals(name string, arg bson.RawValue, s *Scope) (Expr, error) {
	args, err := positional(name, arg, s, 0, -1)
	if err != nil {
		return nil, err
	}
	if len(args) < 2 {
		return nil, mongoerr.New(17045, "$setEquals needs at least two arguments had: %d", len(args))
	}
	for _, a := range args {
		if c, ok := a.(constant); ok {
			if err := needArray(c.v, 5887502, "All operands of $setEquals"); err != nil {
				return nil, err
			}
		}
	}
	return newCall(opSetEquals, args)
}

func opSetEquals(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	equal := true
	var first keySet
	for i, a := range args {
		if err := needArray(a, 17044, "All operands of $setEquals"); err != nil {
			return bsonx.Missing, err
		}
		set := setOf(a)
		if i == 0 {
			first = set
			continue
		}
		equal = equal && len(set) == len(first) && contains(first, set)
	}
	return bsonx.Bool(equal), nil
}

func contains(all, part keySet) bool {
	for k := range part {
		if _, ok := all[k]; !ok {
			return false
		}
	}
	return true
}

func opSetIsSubset(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	if err := needArray(args[0], 17046, "both operands of $setIsSubset (first)"); err != nil {
		return bsonx.Missing, err
	}
	if err := needArray(args[1], 17042, "both operands of $setIsSubset (second)"); err != nil {
		return bsonx.Missing, err
	}
	return bsonx.Bool(contains(setOf(args[1]), setOf(args[0]))), nil
}

// elementsTrue is $anyElementTrue (want true) and $allElementsTrue (want false).
func elementsTrue(name string, code int32, want bool) operator {
	return operator{1, 1, func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		if err := needArray(args[0], code, name+"'s argument"); err != nil {
			return bsonx.Missing, err
		}
		found := false
		walk(args[0].Value, func(_ []byte, v bson.RawValue) bool {
			found = bsonx.Truthy(v) == want
			return !found
		})
		return bsonx.Bool(found == want), nil
	}}
}
