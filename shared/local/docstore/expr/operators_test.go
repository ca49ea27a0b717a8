package expr

import (
	"errors"
	"math"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// everyType has values of every BSON type and the awkward ones of some.
func everyType(t *testing.T) []bson.RawValue {
	t.Helper()
	raw, err := bson.Marshal(bson.D{
		{Key: "a", Value: nil}, {Key: "b", Value: int32(math.MinInt32)}, {Key: "c", Value: int64(math.MinInt64)}, {Key: "d", Value: int64(math.MaxInt64)},
		{Key: "e", Value: math.NaN()}, {Key: "f", Value: math.Inf(-1)}, {Key: "g", Value: 0.5}, {Key: "h", Value: ""}, {Key: "i", Value: "2024-02-30T25:61:61.9999+99:99"},
		{Key: "j", Value: "\xff\xfe"}, {Key: "k", Value: bson.D{}}, {Key: "l", Value: bson.A{}}, {Key: "m", Value: bson.A{nil, int32(1), bson.A{}, bson.D{{Key: "k", Value: "x"}, {Key: "v", Value: 1}}}},
		{Key: "n", Value: bson.Binary{Subtype: 2, Data: []byte{1}}}, {Key: "o", Value: bson.Undefined{}}, {Key: "p", Value: bson.ObjectID{0xff}}, {Key: "q", Value: true},
		{Key: "r", Value: bson.DateTime(math.MaxInt64)}, {Key: "s", Value: bson.DateTime(math.MinInt64)}, {Key: "t", Value: bson.Regex{Pattern: "(", Options: "z"}},
		{Key: "u", Value: bson.JavaScript("f")}, {Key: "v", Value: bson.Symbol("s")}, {Key: "w", Value: bson.CodeWithScope{Code: "f", Scope: bson.D{}}},
		{Key: "x", Value: bson.Timestamp{T: math.MaxUint32, I: 1}}, {Key: "y", Value: bson.MinKey{}}, {Key: "z", Value: bson.MaxKey{}}, {Key: "D", Value: bson.NewDecimal128(math.MaxUint64, 0)},
		{Key: "E", Value: bson.DBPointer{DB: "d"}}, {Key: "F", Value: int32(-1)}, {Key: "G", Value: int32(200)}, {Key: "H", Value: "$x"}, {Key: "I", Value: "UTC"}, {Key: "J", Value: "month"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return bsonx.Values(bsonx.Document(raw))
}

var specials = map[string][]string{
	"$cond": {"if", "then", "else"}, "$switch": {"branches", "default"}, "$let": {"vars", "in"}, "$map": {"input", "as", "in"}, "$filter": {"input", "cond", "limit"},
	"$reduce": {"input", "initialValue", "in"}, "$zip": {"inputs", "useLongestLength", "defaults"}, "$sortArray": {"input", "sortBy"}, "$firstN": {"n", "input"}, "$maxN": {"n", "input"},
	"$trim": {"input", "chars"}, "$replaceAll": {"input", "find", "replacement"}, "$regexFind": {"input", "regex", "options"}, "$regexFindAll": {"input", "regex"}, "$getField": {"field", "input"},
	"$setField": {"field", "input", "value"}, "$convert": {"input", "to", "onError", "format"}, "$dateToParts": {"date", "timezone", "iso8601"}, "$year": {"date", "timezone"}, "$isoWeek": {"date"},
	"$dateFromParts": {"year", "month", "timezone"}, "$dateToString": {"date", "format", "timezone"}, "$dateFromString": {"dateString", "format", "timezone"},
	"$dateAdd": {"startDate", "unit", "amount"}, "$dateSubtract": {"startDate", "unit", "amount", "timezone"}, "$dateDiff": {"startDate", "endDate", "unit", "startOfWeek"},
	"$dateTrunc": {"date", "unit", "binSize"}, "$percentile": {"input", "p", "method"}, "$ifNull": nil, "$and": nil, "$setUnion": nil, "$setEquals": nil, "$rand": nil, "$meta": nil,
}

// Whatever the operands, an operator answers a value or an error with a code; it never panics.
func TestOperatorsNeverPanic(t *testing.T) {
	t.Parallel()
	values := everyType(t)
	check := func(name string, arg bson.RawValue) {
		defer func() {
			if p := recover(); p != nil {
				t.Errorf("%s of %s panics: %v", name, arg, p)
			}
		}()
		e, err := Compile(bsonx.NewDoc(0).Append(name, arg).Value(), nil)
		if err == nil {
			_, err = e.Eval(&Env{Now: time.UnixMilli(1)}, emptyDoc)
		}
		var me *mongoerr.Error
		if err != nil && !errors.As(err, &me) {
			t.Errorf("%s of %s: an error without a code: %v", name, arg, err)
		}
	}
	for name, op := range functions {
		n := max(op.min, 1)
		for i := range values {
			for j := range values {
				args := []bson.RawValue{literal(values[i]), literal(values[j]), literal(values[(i+j)%len(values)])}
				check(name, bsonx.ArrayOf(args[:min(max(n, 1), 3)]...))
				if op.max != n {
					check(name, bsonx.ArrayOf(args...))
				}
			}
			check(name, values[i])
		}
	}
	for name, fields := range specials {
		for i := range values {
			for j := range values {
				b := bsonx.NewDoc(0)
				for k, f := range fields {
					b.Append(f, values[(i+j*k)%len(values)])
				}
				check(name, b.Value())
			}
			check(name, values[i])
			check(name, bsonx.ArrayOf(values[i], values[(i*7)%len(values)]))
		}
	}
}

func literal(v bson.RawValue) bson.RawValue { return bsonx.NewDoc(0).Append("$literal", v).Value() }
