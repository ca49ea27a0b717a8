package validity

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// int128 is a two's complement integer. Addition wraps; [Moments] keeps its inputs so small that no sum can.
type int128 struct {
	hi int64
	lo uint64
}

func wide(v int64) int128 { return int128{v >> 63, uint64(v)} }

func (a int128) add(b int128) int128 {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi, _ := bits.Add64(uint64(a.hi), uint64(b.hi), carry)
	return int128{int64(hi), lo}
}

func (a int128) sub(b int128) int128 {
	lo, borrow := bits.Sub64(a.lo, b.lo, 0)
	hi, _ := bits.Sub64(uint64(a.hi), uint64(b.hi), borrow)
	return int128{int64(hi), lo}
}

// product is x times y, exactly.
func product(x, y int64) int128 {
	hi, lo := bits.Mul64(uint64(x), uint64(y))
	return int128{int64(hi) - x>>63&y - y>>63&x, lo}
}

func (a int128) neg() int128 { return int128{}.sub(a) }

// float is within one unit in the last place of the integer; equal integers give equal bits.
func (a int128) float() float64 {
	if a.hi < 0 {
		return -a.neg().float()
	}
	return math.Ldexp(float64(a.hi), 64) + float64(a.lo)
}

// int192 is a two's complement integer, lowest word first.
type int192 [3]uint64

func (a int128) extend() int192 { return int192{a.lo, uint64(a.hi), uint64(a.hi >> 63)} }

// times is a times b modulo 2^192: exact where |a b| < 2^191.
func (a int128) times(b int128) (p int192) {
	x, y := a.extend(), b.extend()
	for i := range 3 {
		var carry uint64
		for j := range 3 - i {
			hi, lo := bits.Mul64(x[i], y[j])
			var c uint64
			lo, c = bits.Add64(lo, carry, 0)
			hi += c
			p[i+j], c = bits.Add64(p[i+j], lo, 0)
			carry = hi + c
		}
	}
	return p
}

func (a int192) sub(b int192) (d int192) {
	var borrow uint64
	for i := range d {
		d[i], borrow = bits.Sub64(a[i], b[i], borrow)
	}
	return d
}

// float is within two units in the last place of the integer.
func (a int192) float() float64 {
	if int64(a[2]) < 0 {
		return -int192{}.sub(a).float()
	}
	return math.Ldexp(float64(a[2]), 128) + math.Ldexp(float64(a[1]), 64) + float64(a[0])
}

func (a int128) append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, uint64(a.hi)), a.lo)
}

// readInt128 reads what append wrote; b has at least 16 bytes.
func readInt128(b []byte) int128 {
	return int128{int64(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint64(b[8:])}
}
