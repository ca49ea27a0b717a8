package expr

import (
	"encoding/binary"
	"math"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Missing is the value of an absent field.
var Missing = bson.RawValue{}

// Null is BSON null.
var Null = bson.RawValue{Type: bson.TypeNull}

// IsMissing tells whether v is absent.
func IsMissing(v bson.RawValue) bool { return v.Type == 0 }

// IsNullish tells whether v is missing, null or undefined.
func IsNullish(v bson.RawValue) bool {
	return v.Type == 0 || v.Type == bson.TypeNull || v.Type == bson.TypeUndefined
}

// IsNumber tells whether v is an int, long, double or decimal.
func IsNumber(v bson.RawValue) bool {
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return true
	}
	return false
}

// Bool makes a BSON bool.
func Bool(b bool) bson.RawValue {
	if b {
		return bson.RawValue{Type: bson.TypeBoolean, Value: trueBytes}
	}
	return bson.RawValue{Type: bson.TypeBoolean, Value: falseBytes}
}

var (
	trueBytes  = []byte{1}
	falseBytes = []byte{0}
)

// Int32 makes a BSON int.
func Int32(i int32) bson.RawValue {
	return bson.RawValue{Type: bson.TypeInt32, Value: binary.LittleEndian.AppendUint32(nil, uint32(i))}
}

// Int64 makes a BSON long.
func Int64(i int64) bson.RawValue {
	return bson.RawValue{Type: bson.TypeInt64, Value: binary.LittleEndian.AppendUint64(nil, uint64(i))}
}

// IntOrLong makes an int where i fits, else a long.
func IntOrLong(i int64) bson.RawValue {
	if i >= math.MinInt32 && i <= math.MaxInt32 {
		return Int32(int32(i))
	}
	return Int64(i)
}

// Double makes a BSON double.
func Double(f float64) bson.RawValue {
	return bson.RawValue{Type: bson.TypeDouble, Value: binary.LittleEndian.AppendUint64(nil, math.Float64bits(f))}
}

// DateMillis makes a BSON date of milliseconds since 1970 UTC.
func DateMillis(ms int64) bson.RawValue {
	return bson.RawValue{Type: bson.TypeDateTime, Value: binary.LittleEndian.AppendUint64(nil, uint64(ms))}
}

// Timestamp makes a BSON timestamp.
func Timestamp(t bson.Timestamp) bson.RawValue {
	b := binary.LittleEndian.AppendUint32(nil, t.I)
	return bson.RawValue{Type: bson.TypeTimestamp, Value: binary.LittleEndian.AppendUint32(b, t.T)}
}

// String makes a BSON string.
func String(s string) bson.RawValue {
	b := make([]byte, 0, len(s)+5)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s)+1))
	b = append(b, s...)
	return bson.RawValue{Type: bson.TypeString, Value: append(b, 0)}
}

// Doc makes a value of a document.
func Doc(d bson.Raw) bson.RawValue { return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: d} }

// Array makes a BSON array; missing items become null.
func Array(items []bson.RawValue) bson.RawValue {
	var b ArrayBuilder
	for _, it := range items {
		b.Append(it)
	}
	return b.Value()
}

// AppendElement appends one element to dst; a missing value appends nothing.
func AppendElement(dst []byte, key string, v bson.RawValue) []byte {
	if v.Type == 0 {
		return dst
	}
	dst = append(dst, byte(v.Type))
	dst = append(dst, key...)
	dst = append(dst, 0)
	return append(dst, v.Value...)
}

// DocBuilder builds a document element by element.
type DocBuilder struct{ buf []byte }

// Set appends an element; a missing value appends nothing. The caller keeps keys distinct.
func (b *DocBuilder) Set(key string, v bson.RawValue) {
	if b.buf == nil {
		b.buf = append(b.buf, 0, 0, 0, 0)
	}
	b.buf = AppendElement(b.buf, key, v)
}

// Doc ends the document and answers it. The builder must not be used afterwards.
func (b *DocBuilder) Doc() bson.Raw {
	if b.buf == nil {
		b.buf = append(b.buf, 0, 0, 0, 0)
	}
	b.buf = append(b.buf, 0)
	binary.LittleEndian.PutUint32(b.buf, uint32(len(b.buf)))
	return b.buf
}

// ArrayBuilder builds an array item by item.
type ArrayBuilder struct {
	buf []byte
	n   int
}

// Append adds an item; a missing value becomes null, as in MongoDB.
func (b *ArrayBuilder) Append(v bson.RawValue) {
	if b.buf == nil {
		b.buf = append(b.buf, 0, 0, 0, 0)
	}
	t := v.Type
	if t == 0 {
		t = bson.TypeNull
	}
	b.buf = append(b.buf, byte(t))
	b.buf = strconv.AppendInt(b.buf, int64(b.n), 10)
	b.buf = append(b.buf, 0)
	b.buf = append(b.buf, v.Value...)
	b.n++
}

// Len is the number of items so far.
func (b *ArrayBuilder) Len() int { return b.n }

// Value ends the array and answers it. The builder must not be used afterwards.
func (b *ArrayBuilder) Value() bson.RawValue {
	if b.buf == nil {
		b.buf = append(b.buf, 0, 0, 0, 0)
	}
	b.buf = append(b.buf, 0)
	binary.LittleEndian.PutUint32(b.buf, uint32(len(b.buf)))
	return bson.RawValue{Type: bson.TypeArray, Value: b.buf}
}

// Walk calls f for every element of a document or array body until f answers false. A malformed body ends the walk.
func Walk(body []byte, f func(key []byte, v bson.RawValue) bool) {
	if len(body) < 5 {
		return
	}
	b := body[4:]
	for len(b) > 1 && b[0] != 0 {
		t := bson.Type(b[0])
		end := 1
		for end < len(b) && b[end] != 0 {
			end++
		}
		if end >= len(b) {
			return
		}
		key, rest := b[1:end], b[end+1:]
		n := valueLen(t, rest)
		if n < 0 || n > len(rest) {
			return
		}
		if !f(key, bson.RawValue{Type: t, Value: rest[:n:n]}) {
			return
		}
		b = rest[n:]
	}
}

// Items answers the items of an array value (or the values of a document).
func Items(v bson.RawValue) []bson.RawValue {
	out := make([]bson.RawValue, 0, len(v.Value)/12+1)
	Walk(v.Value, func(_ []byte, item bson.RawValue) bool {
		out = append(out, item)
		return true
	})
	return out
}

// Field answers the direct field of a document body; missing when absent.
func Field(body []byte, key string) bson.RawValue {
	var out bson.RawValue
	Walk(body, func(k []byte, v bson.RawValue) bool {
		if string(k) == key {
			out = v
			return false
		}
		return true
	})
	return out
}

func valueLen(t bson.Type, b []byte) int {
	u32 := func(at int) int {
		if len(b) < at+4 {
			return math.MinInt32
		}
		return int(int32(binary.LittleEndian.Uint32(b[at:])))
	}
	switch t {
	case bson.TypeDouble, bson.TypeDateTime, bson.TypeTimestamp, bson.TypeInt64:
		return 8
	case bson.TypeString, bson.TypeJavaScript, bson.TypeSymbol:
		return u32(0) + 4
	case bson.TypeEmbeddedDocument, bson.TypeArray, bson.TypeCodeWithScope:
		return u32(0)
	case bson.TypeBinary:
		return u32(0) + 5
	case bson.TypeObjectID:
		return 12
	case bson.TypeBoolean:
		return 1
	case bson.TypeInt32:
		return 4
	case bson.TypeDecimal128:
		return 16
	case bson.TypeNull, bson.TypeUndefined, bson.TypeMinKey, bson.TypeMaxKey:
		return 0
	case bson.TypeDBPointer:
		return u32(0) + 16
	case bson.TypeRegex:
		return regexLen(b)
	}
	return -1
}

func regexLen(b []byte) int {
	zeros := 0
	for i, c := range b {
		if c == 0 {
			if zeros++; zeros == 2 {
				return i + 1
			}
		}
	}
	return -1
}

func int32Of(v bson.RawValue) int32 { return int32(binary.LittleEndian.Uint32(v.Value)) }
func int64Of(v bson.RawValue) int64 { return int64(binary.LittleEndian.Uint64(v.Value)) }
func float64Of(v bson.RawValue) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(v.Value))
}
func stringOf(v bson.RawValue) string { return string(v.Value[4 : len(v.Value)-1]) }

// Truthy is MongoDB's coercion to bool: false, zero, null and missing are false; NaN, "" and [] are true.
func Truthy(v bson.RawValue) bool {
	switch v.Type {
	case 0, bson.TypeNull, bson.TypeUndefined:
		return false
	case bson.TypeBoolean:
		return v.Value[0] != 0
	case bson.TypeInt32:
		return int32Of(v) != 0
	case bson.TypeInt64:
		return int64Of(v) != 0
	case bson.TypeDouble:
		return float64Of(v) != 0
	case bson.TypeDecimal128:
		return !decimalIsZero(v)
	}
	return true
}

func decimalIsZero(v bson.RawValue) bool {
	h, l := decimalBits(v)
	d := bson.NewDecimal128(h, l)
	if d.IsNaN() || d.IsInf() != 0 {
		return false
	}
	bi, _, err := d.BigInt()
	return err == nil && bi.Sign() == 0
}

func decimalBits(v bson.RawValue) (hi, lo uint64) {
	return binary.LittleEndian.Uint64(v.Value[8:]), binary.LittleEndian.Uint64(v.Value)
}
