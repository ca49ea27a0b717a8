package expr

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

// Summation adds ints, longs and doubles exactly as MongoDB's $sum: integers are summed exactly, doubles with a compensation term
// (Knuth's two-sum, kept as a double-double). The zero value is an empty sum.
type Summation struct {
	kind    bson.Type
	hi, lo  float64
	special float64
	// ints is the exact sum of the integers as a 128-bit number.
	intLo uint64
	intHi int64
	// Decimal tells that a Decimal128 was added: the sum is then not supported.
	Decimal bool
	// AsDoubles adds every number as a double, as $avg does.
	AsDoubles bool
	// Count is the number of numbers added.
	Count int64
}

// Add adds a number; other types are ignored.
func (s *Summation) Add(v bson.RawValue) {
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64:
		s.addInteger(v)
	case bson.TypeDouble:
		s.addFloat(float64Of(v))
		s.kind = bson.TypeDouble
	case bson.TypeDecimal128:
		s.Decimal = true
	default:
		return
	}
	s.Count++
}

func (s *Summation) addInteger(v bson.RawValue) {
	n, _ := numberOf(v)
	if s.AsDoubles {
		s.addFloat(n.f)
		return
	}
	s.addInt(n.i)
	if s.kind == 0 || v.Type == bson.TypeInt64 && s.kind == bson.TypeInt32 {
		s.kind = v.Type
	}
}

func (s *Summation) addInt(i int64) {
	lo := s.intLo + uint64(i)
	hi := s.intHi
	if i < 0 {
		hi--
	}
	if lo < s.intLo {
		hi++
	}
	s.intLo, s.intHi = lo, hi
}

func (s *Summation) addFloat(x float64) {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		s.special += x
		return
	}
	s.hi, s.lo = twoSumAdd(s.hi, s.lo, x)
}

// twoSumAdd adds x to the double-double (hi, lo).
func twoSumAdd(hi, lo, x float64) (float64, float64) {
	sum := hi + x
	c := sum - hi
	err := (hi - (sum - c)) + (x - c)
	return sum, lo + err
}

func (s *Summation) fitsLong() bool {
	return s.intHi == 0 && s.intLo <= math.MaxInt64 || s.intHi == -1 && s.intLo > math.MaxInt64
}

// Float answers the sum as a double.
func (s *Summation) Float() float64 {
	if math.IsNaN(s.special) || math.IsInf(s.special, 0) {
		return s.special
	}
	hi, lo := s.hi, s.lo
	if s.fitsLong() {
		i := int64(s.intLo)
		top := i >> 32 << 32
		hi, lo = twoSumAdd(hi, lo, float64(top))
		hi, lo = twoSumAdd(hi, lo, float64(i-top))
	} else {
		hi, lo = twoSumAdd(hi, lo, float64(s.intHi)*(1<<64))
		hi, lo = twoSumAdd(hi, lo, float64(s.intLo>>32)*(1<<32))
		hi, lo = twoSumAdd(hi, lo, float64(s.intLo&math.MaxUint32))
	}
	if math.IsInf(hi, 0) {
		return hi
	}
	return hi + lo
}

// Value answers the sum: an int where only ints were added and it fits, a long where it fits, else a double. An empty sum is int 0.
func (s *Summation) Value() bson.RawValue {
	if s.kind != bson.TypeDouble && s.fitsLong() {
		return integer(int64(s.intLo), s.kind == bson.TypeInt64)
	}
	return bsonx.Double(s.Float())
}

// Average answers the mean as a double, null of an empty sum.
func (s *Summation) Average() bson.RawValue {
	if s.Count == 0 {
		return bsonx.Null
	}
	return bsonx.Double(s.Float() / float64(s.Count))
}
