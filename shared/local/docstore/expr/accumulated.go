package expr

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

// spread answers what an accumulator used as an expression works on: the items of a single array argument, else the arguments.
func spread(args []bson.RawValue) []bson.RawValue {
	if len(args) == 1 && args[0].Type == bson.TypeArray {
		return bsonx.Values(args[0])
	}
	return args
}

func opSum(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	var s Summation
	for _, a := range spread(args) {
		s.Add(a)
	}
	if s.Decimal {
		return bsonx.Missing, errDecimal("$sum")
	}
	return s.Value(), nil
}

func opAvg(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	s := Summation{AsDoubles: true}
	for _, a := range spread(args) {
		s.Add(a)
	}
	if s.Decimal {
		return bsonx.Missing, errDecimal("$avg")
	}
	return s.Average(), nil
}

func extreme(want int) callFunc {
	return func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		best := bsonx.Null
		for _, a := range spread(args) {
			if !bsonx.IsNullish(a) && (bsonx.IsNullish(best) || sign(Compare(a, best)) == want) {
				best = a
			}
		}
		return best, nil
	}
}

func stdDev(name string, sample bool) callFunc {
	return func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		var d Deviation
		for _, a := range spread(args) {
			d.Add(a)
		}
		if d.Decimal {
			return bsonx.Missing, errDecimal(name)
		}
		return d.Value(sample), nil
	}
}

// Deviation accumulates a standard deviation (Welford 1962). The zero value is empty.
type Deviation struct {
	n        int64
	mean, m2 float64
	// Decimal tells that a Decimal128 was added: the result is then not supported.
	Decimal bool
}

// Add adds a number; other types are ignored.
func (d *Deviation) Add(v bson.RawValue) {
	if v.Type == bson.TypeDecimal128 {
		d.Decimal = true
		return
	}
	n, ok := numberOf(v)
	if !ok {
		return
	}
	d.n++
	delta := n.f - d.mean
	d.mean += delta / float64(d.n)
	d.m2 += delta * (n.f - d.mean)
}

// Value answers the deviation of a population or of a sample; null where it is not defined.
func (d *Deviation) Value(sample bool) bson.RawValue {
	n := d.n
	if sample {
		n--
	}
	if n <= 0 {
		return bsonx.Null
	}
	return bsonx.Double(math.Sqrt(d.m2 / float64(n)))
}
