package expr

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// bitwise makes $bitAnd, $bitOr and $bitXor of ints and longs.
func bitwise(name string, start int64, f func(a, b int64) int64) operator {
	return operator{0, -1, func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		acc, long, null := start, false, false
		for _, a := range args {
			if bsonx.IsNullish(a) {
				null = true
				continue
			}
			n, ok := numberOf(a)
			if !ok || !n.integral() {
				return bsonx.Missing, mongoerr.New(14, "%s only supports int and long operands, found %s", name, TypeName(a))
			}
			acc, long = f(acc, n.i), long || n.kind == bson.TypeInt64
		}
		if null {
			return bsonx.Null, nil
		}
		return integer(acc, long), nil
	}}
}

func opBitNot(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	if bsonx.IsNullish(args[0]) {
		return bsonx.Null, nil
	}
	n, ok := numberOf(args[0])
	if !ok || !n.integral() {
		return bsonx.Missing, mongoerr.New(28765, "$bitNot only supports int and long, not %s", TypeName(args[0]))
	}
	return integer(^n.i, n.kind == bson.TypeInt64), nil
}
