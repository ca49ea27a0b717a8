package expr

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// codeUnsupported is NotImplemented: what this store leaves out by choice, told apart from MongoDB's own errors.
const codeUnsupported = 238

// ErrUnsupported makes the explicit answer for what this store leaves out.
func ErrUnsupported(format string, args ...any) error {
	return mongoerr.New(codeUnsupported, "not supported by the local document store: "+format, args...)
}

func errDecimal(op string) error {
	return ErrUnsupported("%s on Decimal128 (store money as integer minor units)", op)
}

// number is a numeric value unpacked: kind tells which of the fields counts.
type number struct {
	kind bson.Type
	i    int64
	f    float64
}

// numberOf unpacks ints, longs and doubles; ok is false for everything else, decimals among them.
func numberOf(v bson.RawValue) (number, bool) {
	switch v.Type {
	case bson.TypeInt32:
		i := int64(int32Of(v))
		return number{v.Type, i, float64(i)}, true
	case bson.TypeInt64:
		i := int64Of(v)
		return number{v.Type, i, float64(i)}, true
	case bson.TypeDouble:
		return number{kind: v.Type, f: float64Of(v)}, true
	}
	return number{}, false
}

func (n number) integral() bool { return n.kind != bson.TypeDouble }

// integer makes an int or long: an int only where both operands were ints and the result fits.
func integer(i int64, long bool) bson.RawValue {
	if long {
		return Int64(i)
	}
	return IntOrLong(i)
}

func addInt64(a, b int64) (int64, bool) {
	c := a + b
	return c, (c > a) == (b > 0)
}

func subInt64(a, b int64) (int64, bool) {
	c := a - b
	return c, (c < a) == (b > 0)
}

func mulInt64(a, b int64) (int64, bool) {
	if a == 0 || b == 0 {
		return 0, true
	}
	c := a * b
	return c, c/b == a && !(a == -1 && b == math.MinInt64) && !(b == -1 && a == math.MinInt64)
}

// TypeName is MongoDB's alias of a value's type, "missing" for an absent value.
func TypeName(v bson.RawValue) string {
	switch v.Type {
	case 0:
		return "missing"
	case bson.TypeDouble:
		return "double"
	case bson.TypeString:
		return "string"
	case bson.TypeEmbeddedDocument:
		return "object"
	case bson.TypeArray:
		return "array"
	case bson.TypeBinary:
		return "binData"
	case bson.TypeUndefined:
		return "undefined"
	case bson.TypeObjectID:
		return "objectId"
	case bson.TypeBoolean:
		return "bool"
	case bson.TypeDateTime:
		return "date"
	case bson.TypeNull:
		return "null"
	case bson.TypeRegex:
		return "regex"
	case bson.TypeDBPointer:
		return "dbPointer"
	case bson.TypeJavaScript:
		return "javascript"
	case bson.TypeSymbol:
		return "symbol"
	case bson.TypeCodeWithScope:
		return "javascriptWithScope"
	case bson.TypeInt32:
		return "int"
	case bson.TypeTimestamp:
		return "timestamp"
	case bson.TypeInt64:
		return "long"
	case bson.TypeDecimal128:
		return "decimal"
	case bson.TypeMinKey:
		return "minKey"
	case bson.TypeMaxKey:
		return "maxKey"
	}
	return "unknown"
}

func decimalOf(v bson.RawValue) bson.Decimal128 {
	hi, lo := decimalBits(v)
	return bson.NewDecimal128(hi, lo)
}

// rationalOf answers a finite number exactly; ok is false for NaN, infinities and values that are not numbers.
func rationalOf(v bson.RawValue) (*big.Rat, bool) {
	switch v.Type {
	case bson.TypeInt32:
		return new(big.Rat).SetInt64(int64(int32Of(v))), true
	case bson.TypeInt64:
		return new(big.Rat).SetInt64(int64Of(v)), true
	case bson.TypeDouble:
		r := new(big.Rat).SetFloat64(float64Of(v))
		return r, r != nil
	case bson.TypeDecimal128:
		coeff, exp, err := decimalOf(v).BigInt()
		if err != nil {
			return nil, false
		}
		if coeff.Sign() == 0 {
			return new(big.Rat), true
		}
		scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exp, -exp))), nil)
		r := new(big.Rat).SetInt(coeff)
		if exp >= 0 {
			return r.Mul(r, new(big.Rat).SetInt(scale)), true
		}
		return r.Quo(r, new(big.Rat).SetInt(scale)), true
	}
	return nil, false
}

// IntegralInt64 answers the value of a number that is integral and fits a long, of any numeric type.
func IntegralInt64(v bson.RawValue) (int64, bool) {
	switch v.Type {
	case bson.TypeInt32:
		return int64(int32Of(v)), true
	case bson.TypeInt64:
		return int64Of(v), true
	case bson.TypeDouble:
		f := float64Of(v)
		if f != math.Trunc(f) || f >= 1<<63 || f < -(1<<63) {
			return 0, false
		}
		return int64(f), true
	case bson.TypeDecimal128:
		r, ok := rationalOf(v)
		if !ok || !r.IsInt() || !r.Num().IsInt64() {
			return 0, false
		}
		return r.Num().Int64(), true
	}
	return 0, false
}

// IntegralInt32 is IntegralInt64 within the range of an int.
func IntegralInt32(v bson.RawValue) (int32, bool) {
	i, ok := IntegralInt64(v)
	if !ok || i < math.MinInt32 || i > math.MaxInt32 {
		return 0, false
	}
	return int32(i), true
}

// Float64 answers the nearest double of any number; ok is false where v is no number.
func Float64(v bson.RawValue) (float64, bool) {
	if n, ok := numberOf(v); ok {
		return n.f, true
	}
	if v.Type != bson.TypeDecimal128 {
		return 0, false
	}
	d := decimalOf(v)
	switch {
	case d.IsNaN():
		return math.NaN(), true
	case d.IsInf() != 0:
		return math.Inf(d.IsInf()), true
	}
	f, _ := strconv.ParseFloat(d.String(), 64)
	if f == 0 && strings.HasPrefix(d.String(), "-") {
		f = math.Copysign(0, -1)
	}
	return f, true
}

// truncInt64 truncates a number towards zero; ok is false for NaN, infinities, values out of range and other types.
func truncInt64(v bson.RawValue) (int64, bool) {
	if i, ok := IntegralInt64(v); ok {
		return i, true
	}
	r, ok := rationalOf(v)
	if !ok {
		return 0, false
	}
	q := new(big.Int).Quo(r.Num(), r.Denom())
	if !q.IsInt64() {
		return 0, false
	}
	return q.Int64(), true
}
