package bsonx

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// AppendKey appends bytes whose order, by bytes.Compare, is the order of Compare, ascending, or the reverse where desc is set.
// Equal values give equal bytes whatever their numeric type, no key is a prefix of another, and so keys may be
// joined one after the other. Missing and null have the same key. Keys cannot be decoded.
func AppendKey(dst []byte, v bson.RawValue, desc bool) []byte {
	start := len(dst)
	if v.Type == 0 {
		v = Null
	}
	dst = appendBody(append(dst, Rank(v.Type)), v)
	if desc {
		complement(dst[start:])
	}
	return dst
}

func complement(b []byte) {
	for i := range b {
		b[i] = ^b[i]
	}
}

func appendBody(dst []byte, v bson.RawValue) []byte {
	switch Rank(v.Type) {
	case rankNumber:
		return appendNumber(dst, v)
	case rankString, rankCode:
		return appendText(dst, stringData(v.Value))
	case rankObject:
		return appendObject(dst, v.Value)
	case rankArray:
		return appendArray(dst, v.Value)
	case rankBinary:
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(v.Value)-5))
		return append(dst, v.Value[4:]...)
	case rankDate:
		return binary.BigEndian.AppendUint64(dst, uint64(int64At(v.Value))^(1<<63))
	case rankTimestamp:
		return binary.BigEndian.AppendUint64(dst, binary.LittleEndian.Uint64(v.Value))
	case rankDBPointer:
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(v.Value)))
		return append(dst, v.Value...)
	case rankCodeScope:
		code, scope := codeScope(v.Value)
		return appendObject(appendText(dst, code), scope)
	}
	return append(dst, v.Value...) // of fixed size, or ended by NUL
}

// appendText escapes NUL as 00 FF and ends with 00 01, so that a shorter text precedes what extends it.
func appendText(dst, s []byte) []byte {
	for {
		i := bytes.IndexByte(s, 0)
		if i < 0 {
			return append(append(dst, s...), 0, 1)
		}
		dst = append(append(dst, s[:i]...), 0, 0xFF)
		s = s[i+1:]
	}
}

func appendObject(dst, doc []byte) []byte {
	for it := Elements(doc); it.Next(); {
		dst = append(dst, Rank(it.value.Type))
		dst = append(append(dst, it.key...), 0)
		dst = appendBody(dst, it.value)
	}
	return append(dst, 0)
}

func appendArray(dst, arr []byte) []byte {
	for it := Elements(arr); it.Next(); {
		dst = appendBody(append(dst, Rank(it.value.Type)), it.value)
	}
	return append(dst, 0)
}

// appendNumber writes the largest double not above v as sortable bits, then 0 where it is v, else 1 and v's decimal
// digits. NaN has bits that no other double sorts to.
func appendNumber(dst []byte, v bson.RawValue) []byte {
	switch v.Type {
	case bson.TypeDouble:
		return append(appendDouble(dst, doubleAt(v.Value)), 0)
	case bson.TypeDecimal128:
		return appendDecimal(dst, decodeDecimal(v))
	}
	i := integerAt(v)
	f, exact := floorOfInt(i)
	if dst = appendDouble(dst, f); exact {
		return append(dst, 0)
	}
	dg := digitsOfInt(i)
	return appendDigits(append(dst, 1), &dg, i < 0)
}

func appendDecimal(dst []byte, d decimal) []byte {
	if d.kind != decFinite {
		return append(appendDouble(dst, d.nearestDouble()), 0)
	}
	f, exact := d.floorDouble()
	if dst = appendDouble(dst, f); exact {
		return append(dst, 0)
	}
	dg := d.digits()
	return appendDigits(append(dst, 1), &dg, d.neg)
}

func appendDouble(dst []byte, f float64) []byte {
	if f == 0 {
		f = 0 // -0 has the key of 0
	}
	u := math.Float64bits(f)
	switch {
	case math.IsNaN(f):
		u = 0
	case u>>63 == 1:
		u = ^u
	default:
		u |= 1 << 63
	}
	return binary.BigEndian.AppendUint64(dst, u)
}

// appendDigits writes exponent and digits so that a larger number has larger bytes, complemented for negative ones.
func appendDigits(dst []byte, dg *digits, neg bool) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, uint16(dg.point+0x4000))
	for _, c := range dg.d[:dg.n] {
		dst = append(dst, c+1)
	}
	dst = append(dst, 0)
	if neg {
		complement(dst[start:])
	}
	return dst
}

// AppendSortKey appends the key by which a sort orders the value of one field: an array counts as its smallest element,
// or, descending, its largest, an empty array as undefined.
func AppendSortKey(dst []byte, v bson.RawValue, desc bool) []byte {
	return AppendKey(dst, SortValue(v, desc), desc)
}

// PrefixEnd returns the first key after all keys that begin with prefix, nil where there is none.
func PrefixEnd(prefix []byte) []byte { return PrefixEndOf(slices.Clone(prefix)) }

// PrefixEndOf is PrefixEnd that overwrites the prefix.
func PrefixEndOf(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xFF {
			prefix[i]++
			return prefix[:i+1]
		}
	}
	return nil
}
