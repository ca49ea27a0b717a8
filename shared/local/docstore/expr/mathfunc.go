package expr

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

func finite(f float64) bool { return !math.IsInf(f, 0) }

// ln is the natural logarithm; subnormal numbers are scaled first, because the assembly of math.Log reads them wrongly.
func ln(f float64) float64 {
	if f > 0 && f < 0x1p-1022 {
		return math.Log(f*0x1p54) - 54*math.Ln2
	}
	return math.Log(f)
}

// log10 is exact for powers of ten, which Go's own logarithm is not.
func log10(f float64) float64 {
	y := ln(f) / math.Ln10
	if r := math.Round(y); math.Abs(y-r) < 1e-9 && (math.Pow10(int(r)) == f || f < 0x1p-1022) {
		return r
	}
	return y
}

func opSigmoid(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	v := args[0]
	if bsonx.IsNullish(v) {
		return bsonx.Null, nil
	}
	if v.Type == bson.TypeDecimal128 {
		return bsonx.Missing, errDecimal("$sigmoid")
	}
	n, ok := numberOf(v)
	if !ok {
		return bsonx.Missing, mongoerr.New(14, "$sigmoid only supports numeric types, not %s", TypeName(v))
	}
	return bsonx.Double(1 / (1 + math.Exp(-n.f))), nil
}

func opAtan2(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	if bsonx.IsNullish(args[0]) || bsonx.IsNullish(args[1]) {
		return bsonx.Null, nil
	}
	if !bsonx.IsNumber(args[0]) || !bsonx.IsNumber(args[1]) {
		return bsonx.Missing, mongoerr.New(51044, "$atan2 only supports numeric types, not %s and %s", TypeName(args[0]), TypeName(args[1]))
	}
	y, ok1 := numberOf(args[0])
	x, ok2 := numberOf(args[1])
	if !ok1 || !ok2 {
		return bsonx.Missing, errDecimal("$atan2")
	}
	return bsonx.Double(math.Atan2(y.f, x.f)), nil
}

func timestampPart(name string, pick func(t, i uint32) uint32) callFunc {
	return func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		if bsonx.IsNullish(args[0]) {
			return bsonx.Null, nil
		}
		if args[0].Type != bson.TypeTimestamp {
			return bsonx.Missing, mongoerr.New(5687301, "Argument to %s must be a timestamp, but is %s", name, TypeName(args[0]))
		}
		return bsonx.Int64(int64(pick(args[0].Timestamp()))), nil
	}
}
