package query

import (
	"math"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// bitTest is $bitsAllSet and its three sisters: positions, counted from the least significant bit, that are all or any
// set or clear. Whole numbers are sign-extended; in binary data missing bits are clear.
type bitTest struct {
	positions []int
	set, all  bool
}

func (b *bitTest) test(v bson.RawValue) bool {
	var bit func(pos int) bool
	switch v.Type {
	case bson.TypeBinary:
		data := v.Value[5:] // of the old subtype 2 too, whose data then begin with their length
		bit = func(pos int) bool { return pos/8 < len(data) && data[pos/8]>>(pos%8)&1 == 1 }
	default:
		n, ok := bsonx.IntegerOf(v)
		if !ok {
			return false
		}
		bit = func(pos int) bool { return n>>min(pos, 63)&1 == 1 }
	}
	for _, pos := range b.positions {
		if (bit(pos) == b.set) != b.all {
			return !b.all
		}
	}
	return b.all
}

func parseBits(name string, arg bson.RawValue) (predicate, error) {
	b := &bitTest{
		set: name == "$bitsAllSet" || name == "$bitsAnySet",
		all: name == "$bitsAllSet" || name == "$bitsAllClear",
	}
	var err error
	switch arg.Type {
	case bson.TypeArray:
		b.positions, err = listedPositions(arg)
	case bson.TypeBinary:
		_, data := arg.Binary()
		b.positions = maskPositions(len(data)*8, func(i int) bool { return data[i/8]>>(i%8)&1 == 1 })
	default:
		b.positions, err = numberPositions(name, arg)
	}
	return b, err
}

func maskPositions(n int, bit func(int) bool) []int {
	var out []int
	for i := range n {
		if bit(i) {
			out = append(out, i)
		}
	}
	return out
}

func numberPositions(name string, arg bson.RawValue) ([]int, error) {
	if !bsonx.IsNumber(arg) {
		return nil, bad("%s takes an Array, a number, or a BinData but received: %s", name, arg)
	}
	n, ok := bsonx.IntegerOf(arg)
	if !ok {
		return nil, mongoerr.New(mongoerr.FailedToParse, "Expected an integer: %s: %s", name, arg)
	}
	if n < 0 {
		return nil, mongoerr.New(mongoerr.FailedToParse, "Expected a non-negative number in: %s: %s", name, arg)
	}
	return maskPositions(64, func(i int) bool { return n>>i&1 == 1 }), nil
}

func listedPositions(arg bson.RawValue) ([]int, error) {
	var out []int
	for it := bsonx.Elements(arg.Value); it.Next(); {
		v := it.Value()
		n, ok := bsonx.IntegerOf(v)
		switch {
		case !bsonx.IsNumber(v):
			return nil, bad("bit positions must be an integer but got: %s", v)
		case !ok || n > math.MaxInt32:
			return nil, bad("bit positions cannot be represented as a 32-bit signed integer: %s", v)
		case n < 0:
			return nil, bad("bit positions must be >= 0 but got: %s", v)
		}
		out = append(out, int(n))
	}
	return out, nil
}
