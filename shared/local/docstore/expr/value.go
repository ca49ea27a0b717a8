package expr

import (
	"encoding/binary"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

// Binary makes BSON binary data.
func Binary(subtype byte, data []byte) bson.RawValue {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(data)))
	b = append(b, subtype)
	return bson.RawValue{Type: bson.TypeBinary, Value: append(b, data...)}
}

// TypeName is MongoDB's name of a value's type, "missing" for an absent value.
func TypeName(v bson.RawValue) string { return bsonx.TypeName(v.Type) }

// IntegralInt32 answers the value of a number that is integral and fits an int, of any numeric type.
func IntegralInt32(v bson.RawValue) (int32, bool) {
	i, ok := bsonx.IntegerOf(v)
	if !ok || i < math.MinInt32 || i > math.MaxInt32 {
		return 0, false
	}
	return int32(i), true
}

// walk calls f for the elements of a document or array body until f answers false.
func walk(body []byte, f func(key []byte, v bson.RawValue) bool) {
	for it := bsonx.Elements(body); it.Next(); {
		if !f(it.Key(), it.Value()) {
			return
		}
	}
}

// eachErr walks a document body and stops at the first error.
func eachErr(body []byte, f func(key string, v bson.RawValue) error) error {
	for it := bsonx.Elements(body); it.Next(); {
		if err := f(string(it.Key()), it.Value()); err != nil {
			return err
		}
	}
	return nil
}

func int32Of(v bson.RawValue) int32 { return int32(binary.LittleEndian.Uint32(v.Value)) }
func int64Of(v bson.RawValue) int64 { return int64(binary.LittleEndian.Uint64(v.Value)) }
func float64Of(v bson.RawValue) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(v.Value))
}
func stringOf(v bson.RawValue) string { return string(v.Value[4 : len(v.Value)-1]) }

func decimalBits(v bson.RawValue) (hi, lo uint64) {
	return binary.LittleEndian.Uint64(v.Value[8:]), binary.LittleEndian.Uint64(v.Value)
}
