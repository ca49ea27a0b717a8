package query

import (
	"math"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// modulo is $mod: the value, cut to a whole number, leaves the remainder.
type modulo struct{ divisor, remainder int64 }

func (m modulo) test(v bson.RawValue) bool {
	n, ok := bsonx.TruncatedOf(v)
	if !ok {
		return false
	}
	if m.divisor == -1 { // MinInt64 % -1 traps on some processors
		return m.remainder == 0
	}
	return n%m.divisor == m.remainder
}

func parseMod(arg bson.RawValue) (predicate, error) {
	if arg.Type != bson.TypeArray {
		return nil, bad("malformed mod, needs to be an array")
	}
	items := bsonx.Values(arg)
	switch {
	case len(items) < 2:
		return nil, bad("malformed mod, not enough elements")
	case len(items) > 2:
		return nil, bad("malformed mod, too many elements")
	}
	if !bsonx.IsNumber(items[0]) {
		return nil, bad("malformed mod, divisor not a number")
	}
	if !bsonx.IsNumber(items[1]) {
		return nil, bad("malformed mod, remainder not a number")
	}
	d, ok := bsonx.TruncatedOf(items[0])
	if !ok {
		return nil, bad("malformed mod, divisor value is invalid")
	}
	r, ok := bsonx.TruncatedOf(items[1])
	if !ok {
		return nil, bad("malformed mod, remainder value is invalid")
	}
	if d == 0 {
		return nil, bad("divisor cannot be 0")
	}
	return modulo{d, r}, nil
}

func parseSize(arg bson.RawValue) (predicate, error) {
	n, ok := bsonx.IntegerOf(arg)
	switch {
	case !bsonx.IsNumber(arg):
		return nil, bad("Failed to parse $size. Expected a number in: $size: %s", arg)
	case !ok || n > math.MaxInt32:
		return nil, bad("Failed to parse $size. Expected an integer: $size: %s", arg)
	case n < 0:
		return nil, bad("Failed to parse $size. Expected a non-negative number in: $size: %s", arg)
	}
	return size{int(n)}, nil
}

func parseTypes(arg bson.RawValue) (predicate, error) {
	t := &typeSet{}
	if arg.Type != bson.TypeArray {
		return t, t.add(arg)
	}
	if bsonx.IsEmpty(arg.Value) {
		return nil, mongoerr.New(mongoerr.FailedToParse, "a must match at least one type")
	}
	for it := bsonx.Elements(arg.Value); it.Next(); {
		if err := t.add(it.Value()); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *typeSet) add(v bson.RawValue) error {
	if v.Type == bson.TypeString {
		return t.addName(v.StringValue())
	}
	if !bsonx.IsNumber(v) {
		return mongoerr.New(mongoerr.TypeMismatch, "type must be represented as a number or a string")
	}
	n, ok := bsonx.IntegerOf(v)
	if n == -1 {
		n = int64(bson.TypeMinKey)
	} else if n == int64(bson.TypeMinKey) {
		ok = false // 255 is how MinKey is stored, not its code
	}
	if !ok || n <= 0 || n > 255 || bsonx.TypeName(bson.Type(n)) == "unknown" {
		return bad("Invalid numerical type code: %s", v)
	}
	t.has[n] = true
	return nil
}

func (t *typeSet) addName(name string) error {
	if name == "number" {
		for _, k := range []bson.Type{bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128} {
			t.has[k] = true
		}
		return nil
	}
	k, ok := bsonx.TypeByName(name)
	if !ok {
		return bad("Unknown type name alias: %s", name)
	}
	t.has[k] = true
	return nil
}
