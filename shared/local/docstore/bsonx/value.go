package bsonx

import (
	"encoding/binary"
	"math"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// Missing is the value of a field that is not there. Its type is 0, which no stored value has.
var Missing = bson.RawValue{}

// Null is BSON null.
var Null = bson.RawValue{Type: bson.TypeNull}

// IsMissing reports whether the value is Missing.
func IsMissing(v bson.RawValue) bool { return v.Type == 0 }

// IsNullish reports whether the value is null, undefined or missing.
func IsNullish(v bson.RawValue) bool {
	return v.Type == bson.TypeNull || v.Type == bson.TypeUndefined || v.Type == 0
}

// Int32 returns an int32 value.
func Int32(i int32) bson.RawValue {
	return bson.RawValue{Type: bson.TypeInt32, Value: bsoncore.AppendInt32(nil, i)}
}

// Int64 returns an int64 value.
func Int64(i int64) bson.RawValue {
	return bson.RawValue{Type: bson.TypeInt64, Value: bsoncore.AppendInt64(nil, i)}
}

// Int returns an int32 value where i fits, an int64 otherwise.
func Int(i int64) bson.RawValue {
	if i >= math.MinInt32 && i <= math.MaxInt32 {
		return Int32(int32(i))
	}
	return Int64(i)
}

// Double returns a double value.
func Double(f float64) bson.RawValue {
	return bson.RawValue{Type: bson.TypeDouble, Value: bsoncore.AppendDouble(nil, f)}
}

// Decimal returns a Decimal128 value.
func Decimal(d bson.Decimal128) bson.RawValue {
	h, l := d.GetBytes()
	return bson.RawValue{Type: bson.TypeDecimal128, Value: bsoncore.AppendDecimal128(nil, h, l)}
}

// String returns a string value.
func String(s string) bson.RawValue {
	return bson.RawValue{Type: bson.TypeString, Value: bsoncore.AppendString(nil, s)}
}

var trueBytes, falseBytes = []byte{1}, []byte{0}

// Bool returns a boolean value.
func Bool(b bool) bson.RawValue {
	if b {
		return bson.RawValue{Type: bson.TypeBoolean, Value: trueBytes}
	}
	return bson.RawValue{Type: bson.TypeBoolean, Value: falseBytes}
}

// DateTime returns a date value from milliseconds since 1970 UTC.
func DateTime(ms int64) bson.RawValue {
	return bson.RawValue{Type: bson.TypeDateTime, Value: bsoncore.AppendDateTime(nil, ms)}
}

// Time returns a date value, truncated to milliseconds.
func Time(t time.Time) bson.RawValue { return DateTime(t.UnixMilli()) }

// Timestamp returns a timestamp value.
func Timestamp(t, i uint32) bson.RawValue {
	return bson.RawValue{Type: bson.TypeTimestamp, Value: bsoncore.AppendTimestamp(nil, t, i)}
}

// ObjectID returns an ObjectId value.
func ObjectID(id bson.ObjectID) bson.RawValue {
	return bson.RawValue{Type: bson.TypeObjectID, Value: id[:]}
}

// Document returns an embedded document value that shares doc's bytes.
func Document(doc bson.Raw) bson.RawValue {
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}
}

// ArrayOf returns an array value of the items.
func ArrayOf(items ...bson.RawValue) bson.RawValue {
	b := NewArray(0)
	for _, v := range items {
		b.Append(v)
	}
	return b.Value()
}

// IsNumber reports whether the value is an int32, int64, double or Decimal128.
func IsNumber(v bson.RawValue) bool {
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return true
	}
	return false
}

// StringBytes returns the bytes of a string, symbol or JavaScript value without copying, nil for any other type.
func StringBytes(v bson.RawValue) []byte {
	switch v.Type {
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		if len(v.Value) >= 5 {
			return v.Value[4 : len(v.Value)-1]
		}
	}
	return nil
}

// RegexParts returns the pattern and options of a regular expression value.
func RegexParts(v bson.RawValue) (pattern, options string) {
	p, o, _, ok := bsoncore.ReadRegex(v.Value)
	if !ok {
		return "", ""
	}
	return p, o
}

// Truthy reports whether MongoDB takes the value for true: everything but false, zero, null, undefined and missing.
func Truthy(v bson.RawValue) bool {
	switch v.Type {
	case 0, bson.TypeNull, bson.TypeUndefined:
		return false
	case bson.TypeBoolean:
		return v.Value[0] != 0
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble:
		return v.AsFloat64() != 0
	case bson.TypeDecimal128:
		d := decodeDecimal(v)
		return d.kind != decFinite || d.hi|d.lo != 0
	}
	return true
}

// IntegerOf returns the whole number a numeric value stands for, and false where the value is not a number, has a
// fraction, is not finite or does not fit an int64.
func IntegerOf(v bson.RawValue) (int64, bool) {
	switch v.Type {
	case bson.TypeInt32:
		return int64(int32At(v.Value)), true
	case bson.TypeInt64:
		return int64At(v.Value), true
	case bson.TypeDouble:
		return integerOfDouble(doubleAt(v.Value))
	case bson.TypeDecimal128:
		return decodeDecimal(v).int64()
	}
	return 0, false
}

func integerOfDouble(f float64) (int64, bool) {
	if f != math.Trunc(f) || f < -(1<<63) || f >= 1<<63 {
		return 0, false
	}
	return int64(f), true
}

// FloatOf returns the nearest double to a numeric value, and false where it is not a number.
func FloatOf(v bson.RawValue) (float64, bool) {
	switch v.Type {
	case bson.TypeInt32:
		return float64(int32At(v.Value)), true
	case bson.TypeInt64:
		return float64(int64At(v.Value)), true
	case bson.TypeDouble:
		return doubleAt(v.Value), true
	case bson.TypeDecimal128:
		return decodeDecimal(v).nearestDouble(), true
	}
	return 0, false
}

// IsNaN reports whether the value is a double or Decimal128 NaN.
func IsNaN(v bson.RawValue) bool {
	switch v.Type {
	case bson.TypeDouble:
		return math.IsNaN(doubleAt(v.Value))
	case bson.TypeDecimal128:
		return decodeDecimal(v).kind == decNaN
	}
	return false
}

func int32At(b []byte) int32 { return int32(binary.LittleEndian.Uint32(b)) }

func int64At(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) }

func doubleAt(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }

// TypeName returns the name that $type and error messages use for the value's type, "missing" for Missing.
func TypeName(t bson.Type) string {
	if n, ok := typeNames[t]; ok {
		return n
	}
	return "unknown"
}

var typeNames = map[bson.Type]string{
	0: "missing", bson.TypeDouble: "double", bson.TypeString: "string", bson.TypeEmbeddedDocument: "object",
	bson.TypeArray: "array", bson.TypeBinary: "binData", bson.TypeUndefined: "undefined", bson.TypeObjectID: "objectId",
	bson.TypeBoolean: "bool", bson.TypeDateTime: "date", bson.TypeNull: "null", bson.TypeRegex: "regex",
	bson.TypeDBPointer: "dbPointer", bson.TypeJavaScript: "javascript", bson.TypeSymbol: "symbol",
	bson.TypeCodeWithScope: "javascriptWithScope", bson.TypeInt32: "int", bson.TypeTimestamp: "timestamp",
	bson.TypeInt64: "long", bson.TypeDecimal128: "decimal", bson.TypeMinKey: "minKey", bson.TypeMaxKey: "maxKey",
}

// TypeByName returns the type that has the name in $type, and false for an unknown name. "number" is not a type.
func TypeByName(name string) (bson.Type, bool) {
	for t, n := range typeNames {
		if n == name && t != 0 {
			return t, true
		}
	}
	return 0, false
}

// TruncatedOf returns a numeric value without its fraction, and false where it is not a number, not finite or does not
// fit an int64.
func TruncatedOf(v bson.RawValue) (int64, bool) {
	switch v.Type {
	case bson.TypeDouble:
		return integerOfDouble(math.Trunc(doubleAt(v.Value)))
	case bson.TypeDecimal128:
		return decodeDecimal(v).truncate().int64()
	}
	return IntegerOf(v)
}
