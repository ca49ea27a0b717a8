package expr

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// rounding makes $round (half to even) and $trunc (towards zero).
func rounding(name string, halfEven bool) operator {
	return operator{1, 2, func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		v, place := args[0], 0
		if bsonx.IsNullish(v) {
			return bsonx.Null, nil
		}
		if len(args) == 2 {
			if bsonx.IsNullish(args[1]) {
				return bsonx.Null, nil
			}
			p, err := roundPlace(name, args[1])
			if err != nil {
				return bsonx.Missing, err
			}
			place = p
		}
		n, ok := numberOf(v)
		switch {
		case v.Type == bson.TypeDecimal128:
			return bsonx.Missing, errDecimal(name)
		case !ok:
			return bsonx.Missing, mongoerr.New(51081, "%s only supports numeric types, not %s", name, TypeName(v))
		case n.integral():
			return roundInteger(v, n, place, halfEven)
		}
		return bsonx.Double(roundFloat(n.f, place, halfEven)), nil
	}}
}

func roundPlace(name string, v bson.RawValue) (int, error) {
	if !bsonx.IsNumber(v) {
		return 0, mongoerr.New(16004, "can't convert from BSON type %s to long", TypeName(v))
	}
	f, _ := bsonx.FloatOf(v)
	if math.IsNaN(f) && v.Type == bson.TypeDecimal128 {
		return 0, mongoerr.New(51082, "precision argument to %s must be a integral value", name)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) || f >= 1<<63 || f < -(1<<63) {
		return 0, mongoerr.New(31109, "Can't coerce out of range value %v to long", f)
	}
	p, ok := bsonx.IntegerOf(v)
	if !ok {
		return 0, mongoerr.New(51082, "precision argument to %s must be a integral value", name)
	}
	if p < -20 || p > 100 {
		return 0, mongoerr.New(51083, "cannot apply %s with precision value %d value must be in [-20, 100]", name, p)
	}
	return int(p), nil
}

func roundInteger(v bson.RawValue, n number, place int, halfEven bool) (bson.RawValue, error) {
	if place >= 0 {
		return v, nil
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-place)), nil)
	out := quantize(big.NewInt(n.i), unit, halfEven)
	out.Mul(out, unit)
	if !out.IsInt64() {
		return bsonx.Missing, mongoerr.New(51080, "invalid conversion from Decimal128 result in $round resulting from arguments: [%d, %d]", n.i, place)
	}
	return integer(out.Int64(), n.kind == bson.TypeInt64), nil
}

// quantize answers x/unit as an integer, rounded half to even or towards zero.
func quantize(x, unit *big.Int, halfEven bool) *big.Int {
	q, r := new(big.Int).QuoRem(x, unit, new(big.Int))
	if !halfEven || r.Sign() == 0 {
		return q
	}
	c := new(big.Int).Abs(r)
	c.Lsh(c, 1)
	if cmp := c.Cmp(unit); cmp > 0 || cmp == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(int64(x.Sign())))
	}
	return q
}

// roundFloat rounds the value's 34 significant decimal digits at the given place, as MongoDB does through Decimal128.
func roundFloat(f float64, place int, halfEven bool) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) || f == 0 {
		return f
	}
	if place == 0 {
		if halfEven {
			return math.RoundToEven(f)
		}
		return math.Trunc(f)
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', 33, 64), "e")
	exp, _ := strconv.Atoi(exponent)
	coeff, _ := new(big.Int).SetString(strings.Replace(mantissa, ".", "", 1), 10)
	drop := 33 - exp - place
	if drop <= 0 {
		return f
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(drop)), nil)
	q := quantize(coeff, unit, halfEven)
	out, _ := strconv.ParseFloat(q.String()+"e"+strconv.Itoa(-place), 64)
	return math.Copysign(out, f)
}
