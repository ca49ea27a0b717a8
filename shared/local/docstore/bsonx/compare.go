package bsonx

import (
	"bytes"
	"encoding/binary"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Ranks of types in MongoDB's order. They are also the type bytes of keys.
const (
	rankMinKey    = 10
	rankUndefined = 15 // as a key also the empty array
	rankNull      = 20
	rankNumber    = 30
	rankString    = 60
	rankObject    = 70
	rankArray     = 80
	rankBinary    = 90
	rankObjectID  = 100
	rankBool      = 110
	rankDate      = 120
	rankTimestamp = 130
	rankRegex     = 140
	rankDBPointer = 150
	rankCode      = 160
	rankCodeScope = 170
	rankMaxKey    = 240
)

// Rank returns the place of a type in MongoDB's comparison order; types of equal rank compare by value, all others by
// rank. Missing has the rank of undefined.
func Rank(t bson.Type) byte {
	switch t {
	case bson.TypeMinKey:
		return rankMinKey
	case bson.TypeNull:
		return rankNull
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return rankNumber
	case bson.TypeString, bson.TypeSymbol:
		return rankString
	case bson.TypeEmbeddedDocument:
		return rankObject
	case bson.TypeArray:
		return rankArray
	case bson.TypeBinary:
		return rankBinary
	case bson.TypeObjectID:
		return rankObjectID
	case bson.TypeBoolean:
		return rankBool
	case bson.TypeDateTime:
		return rankDate
	case bson.TypeTimestamp:
		return rankTimestamp
	case bson.TypeRegex:
		return rankRegex
	case bson.TypeDBPointer:
		return rankDBPointer
	case bson.TypeJavaScript:
		return rankCode
	case bson.TypeCodeWithScope:
		return rankCodeScope
	case bson.TypeMaxKey:
		return rankMaxKey
	}
	return rankUndefined
}

// Compare orders two values as MongoDB does: by type, then by value; numbers of all four types by their exact value,
// NaN below all others. Missing equals undefined and precedes null. The result is -1, 0 or 1.
func Compare(a, b bson.RawValue) int {
	ra, rb := Rank(a.Type), Rank(b.Type)
	if ra != rb {
		return cmpInt(int(ra), int(rb))
	}
	switch ra {
	case rankNumber:
		return compareNumbers(a, b)
	case rankString, rankCode:
		return bytes.Compare(stringData(a.Value), stringData(b.Value))
	case rankObject:
		return compareObjects(a.Value, b.Value)
	case rankArray:
		return compareArrays(a.Value, b.Value)
	case rankBinary:
		return compareBinary(a.Value, b.Value)
	case rankDate:
		return cmpInt64(int64At(a.Value), int64At(b.Value))
	case rankTimestamp:
		return cmpUint64(binary.LittleEndian.Uint64(a.Value), binary.LittleEndian.Uint64(b.Value))
	case rankObjectID, rankBool, rankRegex: // the NULs of a regular expression end shorter patterns first
		return bytes.Compare(a.Value, b.Value)
	case rankDBPointer:
		if len(a.Value) != len(b.Value) {
			return cmpInt(len(a.Value), len(b.Value))
		}
		return bytes.Compare(a.Value, b.Value)
	case rankCodeScope:
		return compareCodeScope(a.Value, b.Value)
	}
	return 0
}

// Equal reports whether Compare finds the values equal.
func Equal(a, b bson.RawValue) bool { return Compare(a, b) == 0 }

// stringData returns the text of a length-prefixed, NUL-ended string.
func stringData(b []byte) []byte { return b[4 : len(b)-1] }

func cmpInt64(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func cmpUint64(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// compareObjects compares field by field: type, then name, then value.
func compareObjects(a, b []byte) int {
	ia, ib := Elements(a), Elements(b)
	for {
		na, nb := ia.Next(), ib.Next()
		if !na || !nb {
			return cmpBool(na, nb)
		}
		if c := cmpInt(int(Rank(ia.value.Type)), int(Rank(ib.value.Type))); c != 0 {
			return c
		}
		if c := bytes.Compare(ia.key, ib.key); c != 0 {
			return c
		}
		if c := Compare(ia.value, ib.value); c != 0 {
			return c
		}
	}
}

func compareArrays(a, b []byte) int {
	ia, ib := Elements(a), Elements(b)
	for {
		na, nb := ia.Next(), ib.Next()
		if !na || !nb {
			return cmpBool(na, nb)
		}
		if c := Compare(ia.value, ib.value); c != 0 {
			return c
		}
	}
}

func cmpBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// compareBinary compares by length, then subtype, then bytes.
func compareBinary(a, b []byte) int {
	if len(a) != len(b) {
		return cmpInt(len(a), len(b))
	}
	return bytes.Compare(a[4:], b[4:])
}

func compareCodeScope(a, b []byte) int {
	ca, sa := codeScope(a)
	cb, sb := codeScope(b)
	if c := bytes.Compare(ca, cb); c != 0 {
		return c
	}
	return compareObjects(sa, sb)
}

func codeScope(b []byte) (code, scope []byte) {
	n := int(int32At(b[4:]))
	return b[8 : 8+n-1], b[8+n:]
}

func compareNumbers(a, b bson.RawValue) int {
	if a.Type == bson.TypeDecimal128 || b.Type == bson.TypeDecimal128 {
		return compareWithDecimal(a, b)
	}
	if a.Type != bson.TypeDouble && b.Type != bson.TypeDouble {
		return cmpInt64(integerAt(a), integerAt(b))
	}
	if a.Type != bson.TypeDouble {
		return compareIntDouble(integerAt(a), doubleAt(b.Value))
	}
	if b.Type != bson.TypeDouble {
		return -compareIntDouble(integerAt(b), doubleAt(a.Value))
	}
	return compareDoubles(doubleAt(a.Value), doubleAt(b.Value))
}

func integerAt(v bson.RawValue) int64 {
	if v.Type == bson.TypeInt32 {
		return int64(int32At(v.Value))
	}
	return int64At(v.Value)
}

// compareDoubles puts NaN below everything and makes -0 equal 0.
func compareDoubles(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b:
		return 0
	}
	return cmpBool(!math.IsNaN(a), !math.IsNaN(b))
}

func compareIntDouble(i int64, f float64) int {
	if math.IsNaN(f) {
		return 1
	}
	floor, exact := floorOfInt(i)
	return compareFloor(floor, exact, f)
}

// compareFloor compares a number, given by the largest double not above it, with a double that is not NaN.
func compareFloor(floor float64, exact bool, f float64) int {
	if c := compareDoubles(floor, f); c != 0 || exact {
		return c
	}
	return 1
}

func compareWithDecimal(a, b bson.RawValue) int {
	if b.Type != bson.TypeDecimal128 {
		return -compareWithDecimal(b, a)
	}
	if a.Type == bson.TypeDouble {
		return -compareDecimalDouble(decodeDecimal(b), doubleAt(a.Value))
	}
	if a.Type == bson.TypeDecimal128 {
		return compareDecimals(decodeDecimal(a), decodeDecimal(b))
	}
	i, d := integerAt(a), decodeDecimal(b)
	if d.kind != decFinite {
		return cmpInt(0, d.special())
	}
	di, dd := digitsOfInt(i), d.digits()
	return compareSigned(i < 0, &di, d.neg, &dd)
}

// special places the values that are not finite around all others: NaN -2, -Inf -1, finite 0, +Inf 1.
func (d decimal) special() int {
	switch {
	case d.kind == decNaN:
		return -2
	case d.kind == decInf && d.neg:
		return -1
	case d.kind == decInf:
		return 1
	}
	return 0
}

func specialOfDouble(f float64) int {
	switch {
	case math.IsNaN(f):
		return -2
	case math.IsInf(f, -1):
		return -1
	case math.IsInf(f, 1):
		return 1
	}
	return 0
}

func compareDecimals(a, b decimal) int {
	if sa, sb := a.special(), b.special(); sa != 0 || sb != 0 {
		return cmpInt(sa, sb)
	}
	da, db := a.digits(), b.digits()
	return compareSigned(a.neg, &da, b.neg, &db)
}

func compareSigned(negA bool, a *digits, negB bool, b *digits) int {
	sa, sb := sign(negA, a.n == 0), sign(negB, b.n == 0)
	if sa != sb {
		return cmpInt(sa, sb)
	}
	return sa * a.cmpAbs(b)
}

func compareDecimalDouble(d decimal, f float64) int {
	if sd, sf := d.special(), specialOfDouble(f); sd != 0 || sf != 0 {
		return cmpInt(sd, sf)
	}
	floor, exact := d.floorDouble()
	return compareFloor(floor, exact, f)
}
