package update

import (
	"math/bits"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// arithmetic is $inc and $mul. The result has the wider type of the two; int32 grows to int64, int64 overflows with an
// error.
type arithmetic struct {
	op      string
	operand bson.RawValue
}

func parseArithmetic(op string, v bson.RawValue) (modifier, error) {
	if !bsonx.IsNumber(v) {
		return nil, mismatch("Cannot %s with non-numeric argument: %s", verb(op), v)
	}
	return arithmetic{op, v}, nil
}

func verb(op string) string {
	if op == "$inc" {
		return "increment"
	}
	return "multiply"
}

func (a arithmetic) creates(*state) bool { return true }

func (a arithmetic) apply(_ *state, v bson.RawValue, path string) (bson.RawValue, error) {
	switch {
	case !bsonx.IsMissing(v):
	case a.op == "$inc":
		return a.operand, nil
	default:
		return bsonx.ZeroLike(a.operand), nil
	}
	if !bsonx.IsNumber(v) {
		return v, mismatch("Cannot apply %s to a value of non-numeric type. The field '%s' is of type %s", a.op, path, bsonx.TypeName(v.Type))
	}
	if out, ok := a.compute(v); ok {
		if out.Type == v.Type && bsonx.Equal(out, v) {
			return v, nil // -0 stays -0
		}
		return out, nil
	}
	return v, badValue("Failed to apply %s operations to current value (%s) of the field '%s'", a.op, v, path)
}

func (a arithmetic) compute(v bson.RawValue) (bson.RawValue, bool) {
	switch {
	case v.Type == bson.TypeDecimal128 || a.operand.Type == bson.TypeDecimal128:
		if a.op == "$inc" {
			return bsonx.AddDecimal(v, a.operand), true
		}
		return bsonx.MulDecimal(v, a.operand), true
	case v.Type == bson.TypeDouble || a.operand.Type == bson.TypeDouble:
		x, _ := bsonx.FloatOf(v)
		y, _ := bsonx.FloatOf(a.operand)
		if a.op == "$inc" {
			return bsonx.Double(x + y), true
		}
		return bsonx.Double(x * y), true
	}
	return a.integers(v)
}

func (a arithmetic) integers(v bson.RawValue) (bson.RawValue, bool) {
	x, _ := bsonx.IntegerOf(v)
	y, _ := bsonx.IntegerOf(a.operand)
	sum, ok := x+y, true
	if a.op == "$inc" {
		ok = (sum > x) == (y > 0)
	} else {
		sum, ok = multiply(x, y)
	}
	if v.Type == bson.TypeInt32 && a.operand.Type == bson.TypeInt32 {
		return bsonx.Int(sum), ok
	}
	return bsonx.Int64(sum), ok
}

func multiply(x, y int64) (int64, bool) {
	neg := (x < 0) != (y < 0)
	hi, lo := bits.Mul64(magnitude(x), magnitude(y))
	switch {
	case hi != 0:
		return 0, false
	case neg && lo <= 1<<63:
		return -int64(lo), true
	case !neg && lo < 1<<63:
		return int64(lo), true
	}
	return 0, false
}

func magnitude(x int64) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}

// bitwise is $bit: its steps are applied in the order given.
type bitwise struct{ steps []bitStep }

type bitStep struct {
	op      string
	operand bson.RawValue
}

func parseBit(v bson.RawValue) (modifier, error) {
	if v.Type != bson.TypeEmbeddedDocument {
		return nil, badValue("The $bit modifier is not compatible with a %s. You must pass in an embedded document: {$bit: {field: {and/or/xor: #}}",
			bsonx.TypeName(v.Type))
	}
	var b bitwise
	for it := bsonx.Elements(v.Value); it.Next(); {
		op, arg := string(it.Key()), it.Value()
		if op != "and" && op != "or" && op != "xor" {
			return nil, badValue("The $bit modifier only supports 'and', 'or', and 'xor', not '%s' which is an unknown operator", op)
		}
		if arg.Type != bson.TypeInt32 && arg.Type != bson.TypeInt64 {
			return nil, badValue("The $bit modifier field must be an Integer(32/64 bit); a '%s' is not supported here: %s", bsonx.TypeName(arg.Type), arg)
		}
		b.steps = append(b.steps, bitStep{op, arg})
	}
	if len(b.steps) == 0 {
		return nil, badValue("You must pass in at least one bitwise operation. The format is: {$bit: {field: {and/or/xor: #}}")
	}
	return b, nil
}

func (bitwise) creates(*state) bool { return true }

func (b bitwise) apply(_ *state, v bson.RawValue, path string) (bson.RawValue, error) {
	if bsonx.IsMissing(v) {
		v = bsonx.Int32(0)
	}
	if v.Type != bson.TypeInt32 && v.Type != bson.TypeInt64 {
		return v, badValue("Cannot apply $bit to a value of non-integral type. The field '%s' is of type %s", path, bsonx.TypeName(v.Type))
	}
	x, _ := bsonx.IntegerOf(v)
	wide := v.Type == bson.TypeInt64
	for _, s := range b.steps {
		y, _ := bsonx.IntegerOf(s.operand)
		wide = wide || s.operand.Type == bson.TypeInt64
		switch s.op {
		case "and":
			x &= y
		case "or":
			x |= y
		case "xor":
			x ^= y
		}
	}
	if wide {
		return bsonx.Int64(x), nil
	}
	return bsonx.Int32(int32(x)), nil
}
