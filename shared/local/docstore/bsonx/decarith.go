package bsonx

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// maxDigits, maxExp and minExp bound a Decimal128 coefficient and exponent (IEEE 754-2008, decimal128).
const (
	maxDigits = 34
	maxExp    = 6111
	minExp    = -6176
)

var ten = big.NewInt(10)

// ToDecimal returns a numeric value as Decimal128: integers exactly, doubles to 15 significant digits, as MongoDB does.
func ToDecimal(v bson.RawValue) bson.RawValue {
	switch v.Type {
	case bson.TypeDecimal128:
		return v
	case bson.TypeDouble:
		return decimalOfDouble(doubleAt(v.Value))
	}
	return roundDecimal(big.NewInt(integerAt(v)), 0, false)
}

// decimalOfDouble keeps 15 significant digits, and so trailing zeros.
func decimalOfDouble(f float64) bson.RawValue {
	switch {
	case math.IsNaN(f):
		return parsedDecimal("NaN")
	case math.IsInf(f, 0):
		return infinity(f < 0)
	case f == 0:
		return roundDecimal(new(big.Int), 0, math.Signbit(f))
	}
	mant, exp, _ := strings.Cut(strconv.FormatFloat(f, 'e', 14, 64), "e")
	e, _ := strconv.Atoi(exp)
	coef, _ := new(big.Int).SetString(strings.Replace(mant, ".", "", 1), 10)
	return roundDecimal(coef, e-14, false)
}

func parsedDecimal(s string) bson.RawValue {
	d, err := bson.ParseDecimal128(s)
	if err != nil {
		d = bson.NewDecimal128(0x7C00000000000000, 0) // NaN
	}
	return Decimal(d)
}

func infinity(neg bool) bson.RawValue {
	if neg {
		return parsedDecimal("-Infinity")
	}
	return parsedDecimal("Infinity")
}

func (d decimal) coefficient() *big.Int {
	c := new(big.Int).SetUint64(d.hi)
	c.Lsh(c, 64).Or(c, new(big.Int).SetUint64(d.lo))
	if d.neg {
		c.Neg(c)
	}
	return c
}

// AddDecimal adds two numeric values as Decimal128, rounding half to even at 34 digits.
func AddDecimal(a, b bson.RawValue) bson.RawValue {
	x, y := decodeDecimal(ToDecimal(a)), decodeDecimal(ToDecimal(b))
	switch {
	case x.kind == decNaN || y.kind == decNaN || x.kind == decInf && y.kind == decInf && x.neg != y.neg:
		return parsedDecimal("NaN")
	case x.kind == decInf:
		return infinity(x.neg)
	case y.kind == decInf:
		return infinity(y.neg)
	}
	if x.exp < y.exp {
		x, y = y, x
	}
	cx, cy := x.coefficient(), y.coefficient()
	cx.Mul(cx, new(big.Int).Exp(ten, big.NewInt(int64(x.exp-y.exp)), nil))
	return roundDecimal(cx.Add(cx, cy), y.exp, x.neg && y.neg)
}

// MulDecimal multiplies two numeric values as Decimal128, rounding half to even at 34 digits.
func MulDecimal(a, b bson.RawValue) bson.RawValue {
	x, y := decodeDecimal(ToDecimal(a)), decodeDecimal(ToDecimal(b))
	neg := x.neg != y.neg
	switch {
	case x.kind == decNaN || y.kind == decNaN:
		return parsedDecimal("NaN")
	case x.kind == decInf && y.isZero() || y.kind == decInf && x.isZero():
		return parsedDecimal("NaN")
	case x.kind == decInf || y.kind == decInf:
		return infinity(neg)
	}
	c := x.coefficient()
	return roundDecimal(c.Mul(c, y.coefficient()), x.exp+y.exp, neg)
}

// roundDecimal encodes coef × 10^exp; negZero is the sign of a zero result.
func roundDecimal(coef *big.Int, exp int, negZero bool) bson.RawValue {
	neg := coef.Sign() < 0 || coef.Sign() == 0 && negZero
	c := new(big.Int).Abs(coef)
	if drop := max(len(c.String())-maxDigits, minExp-exp); drop > 0 {
		c = divideHalfEven(c, drop)
		exp += drop
		if len(c.String()) > maxDigits { // 99…9 rounded up
			c.Quo(c, ten)
			exp++
		}
	}
	for exp > maxExp && c.Sign() != 0 && len(c.String()) < maxDigits {
		c.Mul(c, ten)
		exp--
	}
	if c.Sign() == 0 {
		exp = max(minExp, min(maxExp, exp))
	}
	if exp > maxExp {
		return infinity(neg)
	}
	return encodeDecimal(c, exp, neg)
}

func encodeDecimal(c *big.Int, exp int, neg bool) bson.RawValue {
	low := new(big.Int).And(c, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
	high := new(big.Int).Rsh(c, 64).Uint64() | uint64(exp+decBias)<<49
	if neg {
		high |= 1 << 63
	}
	return Decimal(bson.NewDecimal128(high, low))
}

func divideHalfEven(c *big.Int, digits int) *big.Int {
	unit := new(big.Int).Exp(ten, big.NewInt(int64(digits)), nil)
	q, r := new(big.Int).QuoRem(c, unit, new(big.Int))
	cmp := r.Lsh(r, 1).Cmp(unit)
	if cmp > 0 || cmp == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(1))
	}
	return q
}

// ZeroLike returns zero in the type of a numeric value.
func ZeroLike(v bson.RawValue) bson.RawValue {
	switch v.Type {
	case bson.TypeInt32:
		return Int32(0)
	case bson.TypeInt64:
		return Int64(0)
	case bson.TypeDouble:
		return Double(0)
	}
	return roundDecimal(new(big.Int), 0, false)
}
