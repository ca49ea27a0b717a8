package bsonx

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
)

type decKind uint8

const (
	decFinite decKind = iota
	decInf
	decNaN
)

// decimal is a decoded Decimal128: (-1)^neg × (hi·2^64 + lo) × 10^exp.
type decimal struct {
	kind   decKind
	neg    bool
	hi, lo uint64
	exp    int
}

// Limits of the BID encoding (IEEE 754-2008, 3.5.2): exponent bias and the largest coefficient, 10^34-1.
const (
	decBias    = 6176
	decMaxHigh = 0x1ED09BEAD87C0
	decMaxLow  = 0x378D8E63FFFFFFFF
)

func decodeDecimal(v bson.RawValue) decimal {
	lo, hi := binary.LittleEndian.Uint64(v.Value), binary.LittleEndian.Uint64(v.Value[8:])
	d := decimal{neg: hi>>63 == 1}
	switch {
	case hi>>58&0x1F == 0x1F:
		d.kind = decNaN
	case hi>>58&0x1F == 0x1E:
		d.kind = decInf
	case hi>>61&3 == 3: // the large form exceeds 10^34-1 and so stands for zero
		d.exp = int(hi>>47&0x3FFF) - decBias
	default:
		d.exp = int(hi>>49&0x3FFF) - decBias
		d.hi, d.lo = hi&(1<<49-1), lo
		if d.hi > decMaxHigh || d.hi == decMaxHigh && d.lo > decMaxLow {
			d.hi, d.lo = 0, 0
		}
	}
	return d
}

func (d decimal) isZero() bool { return d.kind == decFinite && d.hi|d.lo == 0 }

// digits is |v| = 0.d₁d₂…dₙ × 10^point with d₁ and dₙ not zero; zero has n = 0.
type digits struct {
	d     [40]byte
	n     int
	point int
}

func (d decimal) digits() digits {
	const chunk = 1e17
	var out digits
	q1, r1 := bits.Div64(0, d.hi, chunk)
	q2, low := bits.Div64(r1, d.lo, chunk)
	top, mid := bits.Div64(q1, q2, chunk)
	out.put(top, 17)
	out.put(mid, 17)
	out.put(low, 17)
	out.point += d.exp
	out.trim()
	return out
}

func digitsOfInt(i int64) digits {
	u := uint64(i)
	if i < 0 {
		u = -u
	}
	var out digits
	out.put(u, 20)
	out.trim()
	return out
}

// put appends u as width digits, leaving out zeros that lead the whole number.
func (o *digits) put(u uint64, width int) {
	var tmp [20]byte
	for i := width - 1; i >= 0; i-- {
		tmp[i] = byte(u % 10)
		u /= 10
	}
	for _, c := range tmp[:width] {
		if o.n == 0 && c == 0 {
			continue
		}
		o.d[o.n] = c
		o.n++
	}
	o.point = o.n
}

func (o *digits) trim() {
	for o.n > 0 && o.d[o.n-1] == 0 {
		o.n--
	}
}

// cmpAbs compares magnitudes.
func (o *digits) cmpAbs(p *digits) int {
	if o.n == 0 || p.n == 0 {
		return cmpInt(o.n, p.n)
	}
	if o.point != p.point {
		return cmpInt(o.point, p.point)
	}
	for i := 0; i < o.n && i < p.n; i++ {
		if o.d[i] != p.d[i] {
			return cmpInt(int(o.d[i]), int(p.d[i]))
		}
	}
	return cmpInt(o.n, p.n)
}

func cmpInt(a, b int) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (d decimal) text() string {
	switch {
	case d.kind == decNaN:
		return "NaN"
	case d.kind == decInf && d.neg:
		return "-Inf"
	case d.kind == decInf:
		return "Inf"
	}
	dg := d.digits()
	buf := make([]byte, 0, 48)
	if d.neg {
		buf = append(buf, '-')
	}
	buf = append(buf, "0."...)
	for _, c := range dg.d[:dg.n] {
		buf = append(buf, '0'+c)
	}
	buf = append(buf, '0', 'e')
	return string(strconv.AppendInt(buf, int64(dg.point), 10))
}

// nearestDouble rounds to the nearest double, ±Inf beyond the range.
func (d decimal) nearestDouble() float64 {
	f, _ := strconv.ParseFloat(d.text(), 64) // out of range answers ±Inf with an error that says the same
	return f
}

func (d decimal) int64() (int64, bool) {
	if d.kind != decFinite {
		return 0, false
	}
	dg := d.digits()
	if dg.n == 0 {
		return 0, true
	}
	if dg.point < dg.n || dg.point > 19 {
		return 0, false
	}
	var u uint64
	for i := range dg.point {
		u *= 10
		if i < dg.n {
			u += uint64(dg.d[i])
		}
	}
	switch {
	case d.neg && u <= 1<<63:
		return -int64(u), true
	case !d.neg && u < 1<<63:
		return int64(u), true
	}
	return 0, false
}

// floorDouble returns the largest double ≤ d and whether it equals d, for a finite d.
func (d decimal) floorDouble() (f float64, exact bool) {
	if i, ok := d.int64(); ok {
		return floorOfInt(i)
	}
	f = d.nearestDouble()
	switch {
	case math.IsInf(f, 1):
		return math.MaxFloat64, false
	case math.IsInf(f, -1):
		return f, false
	}
	switch c := d.cmpDouble(f); {
	case c < 0:
		return math.Nextafter(f, math.Inf(-1)), false
	default:
		return f, c == 0
	}
}

func floorOfInt(i int64) (float64, bool) {
	f := float64(i)
	if f >= 1<<63 { // rounded up to 2^63, which no int64 reaches
		return math.Nextafter(f, 0), false
	}
	switch back := int64(f); {
	case back > i:
		return math.Nextafter(f, math.Inf(-1)), false
	default:
		return f, back == i
	}
}

// cmpDouble compares a finite decimal with a finite double exactly, by the double's full decimal expansion, which has
// at most 767 significant digits.
func (d decimal) cmpDouble(f float64) int {
	dg := d.digits()
	if f == 0 || dg.n == 0 || d.neg != (f < 0) {
		return cmpInt(sign(d.neg, dg.n == 0), sign(f < 0, f == 0))
	}
	var buf [800]byte
	out := strconv.AppendFloat(buf[:0], math.Abs(f), 'e', 766, 64)
	c := cmpDigitsText(&dg, out)
	if d.neg {
		return -c
	}
	return c
}

func sign(neg, zero bool) int {
	switch {
	case zero:
		return 0
	case neg:
		return -1
	}
	return 1
}

// cmpDigitsText compares dg with text of the form d.ddd…e±dd.
func cmpDigitsText(dg *digits, text []byte) int {
	e := len(text) - 1
	for text[e] != 'e' {
		e--
	}
	exp, _ := strconv.Atoi(string(text[e+1:]))
	if dg.point != exp+1 {
		return cmpInt(dg.point, exp+1)
	}
	mant := text[:e]
	for i, pos := 0, 0; pos < len(mant); pos++ {
		if mant[pos] == '.' {
			continue
		}
		c := byte(0)
		if i < dg.n {
			c = dg.d[i]
		}
		if t := mant[pos] - '0'; c != t {
			return cmpInt(int(c), int(t))
		}
		i++
	}
	return 0
}

// truncate takes the fraction away.
func (d decimal) truncate() decimal {
	for ; d.kind == decFinite && d.exp < 0 && d.hi|d.lo != 0; d.exp++ {
		var r uint64
		d.hi, r = d.hi/10, d.hi%10
		d.lo, _ = bits.Div64(r, d.lo, 10)
	}
	return d
}
