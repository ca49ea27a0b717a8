package expr

import (
	"math"
	"math/big"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
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
		return bsonx.Int64(i)
	}
	return bsonx.Int(i)
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
