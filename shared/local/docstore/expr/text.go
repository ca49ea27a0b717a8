package expr

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// coerceString is how the older string operators read their operands: nothing as "", numbers and dates as text; error 16007 else.
func coerceString(v bson.RawValue) (string, error) {
	switch v.Type {
	case 0, bson.TypeNull, bson.TypeUndefined:
		return "", nil
	case bson.TypeString, bson.TypeJavaScript, bson.TypeSymbol:
		return stringOf(v), nil
	case bson.TypeDouble:
		return sixDigits(float64Of(v)), nil
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDecimal128:
		return numberText(v), nil
	case bson.TypeDateTime:
		return dateText(int64Of(v))
	case bson.TypeTimestamp:
		t, i, _ := v.TimestampOK()
		return time.Unix(int64(t), 0).UTC().Format("Jan _2 15:04:05") + ":" + strconv.Itoa(int(i)), nil
	}
	return "", mongoerr.New(16007, "can't convert from BSON type %s to String", TypeName(v))
}

// sixDigits writes a double as the older string operators do: six significant digits.
func sixDigits(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 0):
		return strings.ToLower(strings.TrimSuffix(doubleText(f), "inity"))
	}
	return strconv.FormatFloat(f, 'g', 6, 64)
}

func numberText(v bson.RawValue) string {
	switch v.Type {
	case bson.TypeInt32:
		return strconv.Itoa(int(int32Of(v)))
	case bson.TypeInt64:
		return strconv.FormatInt(int64Of(v), 10)
	case bson.TypeDouble:
		return doubleText(float64Of(v))
	}
	return decimalOf(v).String()
}

func doubleText(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// dateText formats a date as ISO 8601 in UTC; error 18537 outside of the years 0 to 9999.
func dateText(ms int64) (string, error) {
	t := time.UnixMilli(ms).UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		return "", mongoerr.New(18537, "$dateToString is only defined on year 0-9999, tried to use year %d", y)
	}
	return t.Format("2006-01-02T15:04:05.000Z"), nil
}

func opConcat(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	var b strings.Builder
	for _, a := range args {
		if bsonx.IsNullish(a) {
			return bsonx.Null, nil
		}
		if a.Type != bson.TypeString {
			return bsonx.Missing, mongoerr.New(16702, "$concat only supports strings, not %s", TypeName(a))
		}
		b.Write(a.Value[4 : len(a.Value)-1])
	}
	return bsonx.String(b.String()), nil
}

// caseMapping maps ASCII letters only, as MongoDB does.
func caseMapping(from, to byte) callFunc {
	return func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		s, err := coerceString(args[0])
		if err != nil {
			return bsonx.Missing, err
		}
		return bsonx.String(mapCase(s, from, to)), nil
	}
}

func mapCase(s string, from, to byte) string {
	b := []byte(s)
	for i, c := range b {
		if c >= from && c < from+26 {
			b[i] = c - from + to
		}
	}
	return string(b)
}

func opStrcasecmp(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	a, err := coerceString(args[0])
	if err != nil {
		return bsonx.Missing, err
	}
	b, err := coerceString(args[1])
	if err != nil {
		return bsonx.Missing, err
	}
	return bsonx.Int32(int32(strings.Compare(mapCase(a, 'a', 'A'), mapCase(b, 'a', 'A')))), nil
}

func opStrLenBytes(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	if args[0].Type != bson.TypeString {
		return bsonx.Missing, mongoerr.New(34473, "$strLenBytes requires a string argument, found: %s", TypeName(args[0]))
	}
	return bsonx.Int32(int32(len(args[0].Value) - 5)), nil
}

func opStrLenCP(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	if args[0].Type != bson.TypeString {
		return bsonx.Missing, mongoerr.New(34471, "$strLenCP requires a string argument, found: %s", TypeName(args[0]))
	}
	return bsonx.Int32(int32(utf8.RuneCount(args[0].Value[4 : len(args[0].Value)-1]))), nil
}
