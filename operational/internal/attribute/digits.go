package attribute

import (
	"math"
	"math/bits"

	"github.com/RoaringBitmap/roaring/v2"
)

// number is a value that counts as one: without a fraction it is an integer, else a float.
type number struct {
	whole bool
	n     int64
	f     float64
}

// beyond is the first float64 above every int64; minus it is the smallest int64.
const beyond = 1 << 63

func numberOf(v any) (number, bool) {
	switch v := v.(type) {
	case int64:
		return number{whole: true, n: v}, true
	case int32:
		return number{whole: true, n: int64(v)}, true
	case int:
		return number{whole: true, n: int64(v)}, true
	case float64:
		switch {
		case math.IsNaN(v):
			return number{}, false
		case v == math.Trunc(v) && v >= -beyond && v < beyond:
			return number{whole: true, n: int64(v)}, true
		}
		return number{f: v}, true
	}
	return number{}, false
}

// order maps a number to an unsigned one of the same order among its kind.
func (n number) order() uint64 {
	const sign = 1 << 63
	if n.whole {
		return uint64(n.n) ^ sign
	}
	b := math.Float64bits(n.f)
	if b&sign != 0 {
		return ^b
	}
	return b | sign
}

// floor returns the largest number of either kind that is at most n, for comparing n with numbers of the other kind; ok is
// false where there is none.
func (n number) floor(whole bool) (number, bool) {
	switch {
	case n.whole == whole:
		return n, true
	case whole && n.f >= beyond:
		return number{whole: true, n: math.MaxInt64}, true
	case whole && n.f < -beyond:
		return number{}, false
	case whole:
		return number{whole: true, n: int64(math.Floor(n.f))}, true
	}
	return number{f: min(float64(n.n), math.Nextafter(beyond, 0))}, true
}

// digits keeps a number per customer: one bitmap per binary digit.
type digits struct {
	some  *roaring.Bitmap
	digit [64]*roaring.Bitmap // nil where all are 0
}

func newDigits() *digits { return &digits{some: roaring.New()} }

func (d *digits) set(at uint32, v uint64) {
	d.some.Add(at)
	for i := range d.digit {
		if v>>i&1 == 0 {
			continue
		}
		if d.digit[i] == nil {
			d.digit[i] = roaring.New()
		}
		d.digit[i].Add(at)
	}
}

func (d *digits) clear(at uint32) {
	if !d.some.CheckedRemove(at) {
		return
	}
	for _, b := range d.digit {
		if b != nil {
			b.Remove(at)
		}
	}
}

// atLeast returns those who have v or more. From the lowest digit up: where v has the digit, who lacks it is below; where v
// has not, who has it is above, whatever came before.
func (d *digits) atLeast(v uint64) *roaring.Bitmap {
	first := bits.TrailingZeros64(v)
	if first == len(d.digit) { // v is 0
		return d.some.Clone()
	}
	if d.digit[first] == nil {
		return d.aboveOnly(roaring.New(), v, first+1)
	}
	return d.aboveOnly(d.digit[first].Clone(), v, first+1)
}

// aboveOnly goes on with the digits from i up; have is who is at least v by those below i.
func (d *digits) aboveOnly(have *roaring.Bitmap, v uint64, i int) *roaring.Bitmap {
	for ; i < len(d.digit); i++ {
		switch b, set := d.digit[i], v>>i&1 == 1; {
		case set && b == nil:
			have.Clear()
		case set && b.GetCardinality() == d.some.GetCardinality(): // everybody has it, such as the sign of a positive number
		case set:
			have.And(b)
		case b != nil:
			have.Or(b)
		}
	}
	return have
}

// equal returns those equal to v.
func (d *digits) equal(v uint64) *roaring.Bitmap {
	same := d.some.Clone()
	for i := 63; i >= 0 && !same.IsEmpty(); i-- {
		switch b, set := d.digit[i], v>>i&1 == 1; {
		case set && b == nil:
			same.Clear()
		case set:
			same.And(b)
		case b != nil:
			same.AndNot(b)
		}
	}
	return same
}

func (d *digits) bytes() uint64 {
	n := d.some.GetSizeInBytes()
	for _, b := range d.digit {
		if b != nil {
			n += b.GetSizeInBytes()
		}
	}
	return n
}
