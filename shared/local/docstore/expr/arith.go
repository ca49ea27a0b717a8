package expr

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

func opAdd(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	acc := number{kind: bson.TypeInt32}
	var sum Summation
	date, hasDate, null, decimal := int64(0), false, false, false
	for _, a := range args {
		switch {
		case bsonx.IsNullish(a):
			null = true
		case a.Type == bson.TypeDecimal128:
			decimal = true
		case a.Type == bson.TypeDateTime:
			if hasDate {
				return bsonx.Missing, mongoerr.New(16612, "only one date allowed in an $add expression")
			}
			hasDate, date = true, int64Of(a)
		default:
			n, ok := numberOf(a)
			if !ok {
				return bsonx.Missing, mongoerr.New(14, "$add only supports numeric or date types, not %s", TypeName(a))
			}
			acc.kind = widest(acc.kind, n.kind)
			sum.Add(a)
		}
	}
	switch {
	case null:
		return bsonx.Null, nil
	case decimal:
		return bsonx.Missing, errDecimal("$add")
	case hasDate:
		return addDate(date, &sum)
	}
	return sum.Value(), nil
}

func addDate(date int64, sum *Summation) (bson.RawValue, error) {
	v := sum.Value()
	ms, ok := int64(0), true
	if n, _ := numberOf(v); n.integral() {
		ms = n.i
	} else {
		ms, ok = roundInt64(n.f)
	}
	out, fits := addInt64(date, ms)
	if !ok || !fits {
		return bsonx.Missing, mongoerr.New(15, "date overflow in $add")
	}
	return bsonx.DateTime(out), nil
}

func roundInt64(f float64) (int64, bool) {
	f = math.Round(f)
	if math.IsNaN(f) || f >= 1<<63 || f < -(1<<63) {
		return 0, false
	}
	return int64(f), true
}

func widest(a, b bson.Type) bson.Type {
	rank := func(t bson.Type) int {
		switch t {
		case bson.TypeDouble:
			return 2
		case bson.TypeInt64:
			return 1
		}
		return 0
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}

func opSubtract(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	a, b := args[0], args[1]
	switch {
	case bsonx.IsNullish(a) || bsonx.IsNullish(b):
		return bsonx.Null, nil
	case a.Type == bson.TypeDateTime:
		return subtractFromDate(int64Of(a), b)
	case bsonx.IsNumber(a) && bsonx.IsNumber(b):
		return subtractNumbers(a, b)
	}
	return bsonx.Missing, mongoerr.New(14, "can't $subtract %s from %s", TypeName(b), TypeName(a))
}

func subtractNumbers(a, b bson.RawValue) (bson.RawValue, error) {
	x, ok1 := numberOf(a)
	y, ok2 := numberOf(b)
	if !ok1 || !ok2 {
		return bsonx.Missing, errDecimal("$subtract")
	}
	if x.integral() && y.integral() {
		if d, ok := subInt64(x.i, y.i); ok {
			return integer(d, x.kind == bson.TypeInt64 || y.kind == bson.TypeInt64), nil
		}
	}
	return bsonx.Double(x.f - y.f), nil
}

var errSubtractOverflow = mongoerr.New(mongoerr.Overflow, "date overflow in $subtract")

func subtractFromDate(date int64, b bson.RawValue) (bson.RawValue, error) {
	switch b.Type {
	case bson.TypeDateTime:
		d, ok := subInt64(date, int64Of(b))
		if !ok {
			return bsonx.Missing, errSubtractOverflow
		}
		return bsonx.Int64(d), nil
	case bson.TypeDecimal128:
		return bsonx.Missing, errDecimal("$subtract")
	}
	n, ok := numberOf(b)
	if !ok {
		return bsonx.Missing, mongoerr.New(14, "can't $subtract %s from date", TypeName(b))
	}
	ms := n.i
	if !n.integral() {
		if ms, ok = roundInt64(n.f); !ok {
			return bsonx.Missing, errSubtractOverflow
		}
	}
	d, ok := subInt64(date, ms)
	if !ok {
		return bsonx.Missing, errSubtractOverflow
	}
	return bsonx.DateTime(d), nil
}

func opMultiply(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	decimal, exact := false, true
	kind, product, f := bson.TypeInt32, int64(1), 1.0
	for _, a := range args {
		if bsonx.IsNullish(a) {
			return bsonx.Null, nil
		}
		if a.Type == bson.TypeDecimal128 {
			decimal = true
			continue
		}
		n, ok := numberOf(a)
		if !ok {
			return bsonx.Missing, mongoerr.New(14, "$multiply only supports numeric types, not %s", TypeName(a))
		}
		kind = widest(kind, n.kind)
		f *= n.f
		if exact && n.integral() {
			product, exact = mulInt64(product, n.i)
		}
	}
	switch {
	case decimal:
		return bsonx.Missing, errDecimal("$multiply")
	case kind == bson.TypeDouble || !exact:
		return bsonx.Double(f), nil
	}
	return integer(product, kind == bson.TypeInt64), nil
}

func opDivide(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	a, b := args[0], args[1]
	switch {
	case bsonx.IsNumber(a) && bsonx.IsNumber(b):
		if a.Type != bson.TypeDecimal128 && !bsonx.Truthy(b) {
			return bsonx.Missing, mongoerr.New(2, "can't $divide by zero")
		}
		x, ok1 := numberOf(a)
		y, ok2 := numberOf(b)
		if !ok1 || !ok2 {
			return bsonx.Missing, errDecimal("$divide")
		}
		return bsonx.Double(x.f / y.f), nil
	case bsonx.IsNullish(a) || bsonx.IsNullish(b):
		return bsonx.Null, nil
	}
	return bsonx.Missing, mongoerr.New(14, "$divide only supports numeric types, not %s and %s", TypeName(a), TypeName(b))
}

func opMod(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	a, b := args[0], args[1]
	switch {
	case bsonx.IsNumber(a) && bsonx.IsNumber(b):
		if a.Type == bson.TypeDecimal128 || b.Type == bson.TypeDecimal128 {
			if !bsonx.Truthy(b) {
				return bsonx.Missing, mongoerr.New(5733415, "can't $mod by zero")
			}
			return bsonx.Missing, errDecimal("$mod")
		}
		if !bsonx.Truthy(b) {
			return bsonx.Missing, mongoerr.New(16610, "can't $mod by zero")
		}
		x, _ := numberOf(a)
		y, _ := numberOf(b)
		return modNumbers(x, y), nil
	case bsonx.IsNullish(a) || bsonx.IsNullish(b):
		return bsonx.Null, nil
	}
	return bsonx.Missing, mongoerr.New(16611, "$mod only supports numeric types, not %s and %s", TypeName(a), TypeName(b))
}

func modNumbers(x, y number) bson.RawValue {
	if !x.integral() || !y.integral() {
		return bsonx.Double(math.Mod(x.f, y.f))
	}
	long := x.kind == bson.TypeInt64 || y.kind == bson.TypeInt64
	if y.i == -1 {
		return integer(0, long)
	}
	return integer(x.i%y.i, long)
}

// unary makes an operator of one numeric argument: null for null, error 28765 for other types.
func unary(name string, f func(v bson.RawValue, n number) (bson.RawValue, error)) operator {
	return operator{1, 1, func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		v := args[0]
		if bsonx.IsNullish(v) {
			return bsonx.Null, nil
		}
		if v.Type == bson.TypeDecimal128 {
			return bsonx.Missing, errDecimal(name)
		}
		n, ok := numberOf(v)
		if !ok {
			return bsonx.Missing, mongoerr.New(28765, "%s only supports numeric types, not %s", name, TypeName(v))
		}
		return f(v, n)
	}}
}

// floatFunc makes a unary operator that always answers a double and checks its domain.
func floatFunc(name string, f func(float64) float64, inDomain func(float64) bool, code int32, message string) operator {
	return unary(name, func(v bson.RawValue, n number) (bson.RawValue, error) {
		if inDomain != nil && !math.IsNaN(n.f) && !inDomain(n.f) {
			return bsonx.Missing, mongoerr.New(int32(code), message+", but is %v", n.f)
		}
		return bsonx.Double(f(n.f)), nil
	})
}

func absValue(v bson.RawValue, n number) (bson.RawValue, error) {
	if !n.integral() {
		return bsonx.Double(math.Abs(n.f)), nil
	}
	if n.i == math.MinInt64 {
		return bsonx.Missing, mongoerr.New(28680, "can't take $abs of long long min")
	}
	if n.i < 0 {
		n.i = -n.i
	}
	return integer(n.i, n.kind == bson.TypeInt64), nil
}

// keepIntegers makes a rounding function that answers ints and longs unchanged.
func keepIntegers(f func(float64) float64) func(bson.RawValue, number) (bson.RawValue, error) {
	return func(v bson.RawValue, n number) (bson.RawValue, error) {
		if n.integral() {
			return v, nil
		}
		return bsonx.Double(f(n.f)), nil
	}
}

func opLog(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	a, b := args[0], args[1]
	if bsonx.IsNullish(a) || bsonx.IsNullish(b) {
		return bsonx.Null, nil
	}
	if !bsonx.IsNumber(a) {
		return bsonx.Missing, mongoerr.New(28756, "$log's argument must be numeric, not %s", TypeName(a))
	}
	if !bsonx.IsNumber(b) {
		return bsonx.Missing, mongoerr.New(28757, "$log's base must be numeric, not %s", TypeName(b))
	}
	x, _ := bsonx.FloatOf(a)
	y, _ := bsonx.FloatOf(b)
	if x <= 0 {
		return bsonx.Missing, mongoerr.New(28758, "$log's argument must be a positive number, but is %v", x)
	}
	if y <= 0 || y == 1 {
		return bsonx.Missing, mongoerr.New(28759, "$log's base must be a positive number not equal to 1, but is %v", y)
	}
	if a.Type == bson.TypeDecimal128 || b.Type == bson.TypeDecimal128 {
		return bsonx.Missing, errDecimal("$log")
	}
	return bsonx.Double(math.Log(x) / math.Log(y)), nil
}

func opPow(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	a, b := args[0], args[1]
	if bsonx.IsNullish(a) || bsonx.IsNullish(b) {
		return bsonx.Null, nil
	}
	if !bsonx.IsNumber(a) {
		return bsonx.Missing, mongoerr.New(28762, "$pow's base must be numeric, not %s", TypeName(a))
	}
	if !bsonx.IsNumber(b) {
		return bsonx.Missing, mongoerr.New(28763, "$pow's exponent must be numeric, not %s", TypeName(b))
	}
	if e, _ := bsonx.FloatOf(b); e < 0 && !bsonx.Truthy(a) {
		return bsonx.Missing, mongoerr.New(28764, "$pow cannot take a base of 0 and a negative exponent")
	}
	x, ok1 := numberOf(a)
	y, ok2 := numberOf(b)
	if !ok1 || !ok2 {
		return bsonx.Missing, errDecimal("$pow")
	}
	if x.integral() && y.integral() {
		if p, ok := powInt(x.i, y.i); ok {
			return integer(p, x.kind == bson.TypeInt64 || y.kind == bson.TypeInt64), nil
		}
	}
	return bsonx.Double(math.Pow(x.f, y.f)), nil
}

// powInt computes an integral power where the result fits a long.
func powInt(base, exp int64) (int64, bool) {
	switch {
	case base == 1:
		return 1, true
	case base == -1:
		if exp%2 == 0 {
			return 1, true
		}
		return -1, true
	case exp < 0:
		return 0, false
	case base == 0 && exp > 0:
		return 0, true
	case exp > 63:
		return 0, false
	}
	out, ok := int64(1), true
	for ; exp > 0 && ok; exp-- {
		out, ok = mulInt64(out, base)
	}
	return out, ok
}
