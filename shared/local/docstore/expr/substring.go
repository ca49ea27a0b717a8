package expr

import (
	"math"
	"math/big"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

func opSubstrBytes(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	s, err := coerceString(args[0])
	if err != nil {
		return bsonx.Missing, err
	}
	if !bsonx.IsNumber(args[1]) {
		return bsonx.Missing, mongoerr.New(16034, "$substrBytes: starting index must be a numeric type (is BSON type %s)", TypeName(args[1]))
	}
	if !bsonx.IsNumber(args[2]) {
		return bsonx.Missing, mongoerr.New(16035, "$substrBytes: length must be a numeric type (is BSON type %s)", TypeName(args[2]))
	}
	start, err := coerceLong(args[1])
	if err != nil {
		return bsonx.Missing, err
	}
	length, err := coerceLong(args[2])
	if err != nil {
		return bsonx.Missing, err
	}
	if start < 0 {
		return bsonx.Missing, mongoerr.New(50752, "$substrBytes: starting index must be non-negative (got: %d)", start)
	}
	if start >= int64(len(s)) {
		return bsonx.String(""), nil
	}
	if !utf8.RuneStart(s[start]) {
		return bsonx.Missing, mongoerr.New(28656, "$substrBytes: Invalid range, starting index is a UTF-8 continuation byte.")
	}
	rest := s[start:]
	if length >= 0 && length < int64(len(rest)) {
		if !utf8.RuneStart(rest[length]) {
			return bsonx.Missing, mongoerr.New(28657, "$substrBytes: Invalid range, ending index is in the middle of a UTF-8 character.")
		}
		rest = rest[:length]
	}
	return bsonx.String(rest), nil
}

// CoerceLong is coerceLong for stages whose sizes and directions MongoDB reads the same way.
func CoerceLong(v bson.RawValue) (int64, error) { return coerceLong(v) }

// coerceLong reads a number as MongoDB's coerceToLong: doubles truncate (error 31109 out of range), decimals round half to even and
// answer the smallest long where they do not fit.
func coerceLong(v bson.RawValue) (int64, error) {
	if v.Type != bson.TypeDecimal128 {
		i, ok := bsonx.TruncatedOf(v)
		if !ok {
			return 0, mongoerr.New(31109, "Can't coerce out of range value %s to long", v)
		}
		return i, nil
	}
	r, ok := rationalOf(v)
	if !ok {
		return math.MinInt64, nil
	}
	q := quantize(r.Num(), r.Denom(), true)
	if !q.IsInt64() {
		return math.MinInt64, nil
	}
	return new(big.Int).Set(q).Int64(), nil
}

func opSubstrCP(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	s, err := coerceString(args[0])
	if err != nil {
		return bsonx.Missing, err
	}
	var pos [2]int
	for i, what := range []string{"starting index", "length"} {
		v := args[i+1]
		if !bsonx.IsNumber(v) {
			return bsonx.Missing, mongoerr.New(34450+int32(2*i), "$substrCP: %s must be a numeric type (is BSON type %s)", what, TypeName(v))
		}
		n, ok := IntegralInt32(v)
		if !ok {
			return bsonx.Missing, mongoerr.New(34451+int32(2*i), "$substrCP: %s cannot be represented as a 32-bit integral value", what)
		}
		pos[i] = int(n)
	}
	if pos[1] < 0 {
		return bsonx.Missing, mongoerr.New(34454, "$substrCP: length must be a nonnegative integer.")
	}
	if pos[0] < 0 {
		return bsonx.Missing, mongoerr.New(34455, "$substrCP: the starting index must be nonnegative integer.")
	}
	return bsonx.String(cutRunes(s, pos[0], pos[1])), nil
}

func cutRunes(s string, start, length int) string {
	from, to, n := len(s), len(s), 0
	for i := range s {
		if n == start {
			from = i
		}
		if n == start+length {
			to = i
			break
		}
		n++
	}
	if from > to {
		return ""
	}
	return s[from:to]
}

func opIndexOfBytes(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	if bsonx.IsNullish(args[0]) {
		return bsonx.Null, nil
	}
	if args[0].Type != bson.TypeString {
		return bsonx.Missing, mongoerr.New(40091, "$indexOfBytes requires a string as the first argument, found: %s", TypeName(args[0]))
	}
	if args[1].Type != bson.TypeString {
		return bsonx.Missing, mongoerr.New(40092, "$indexOfBytes requires a string as the second argument, found: %s", TypeName(args[1]))
	}
	s := stringOf(args[0])
	start, end, err := indexRange(args, len(s), "$indexOfBytes", 40096, 40097)
	if err != nil {
		return bsonx.Missing, err
	}
	if start > end {
		return bsonx.Int32(-1), nil
	}
	if at := strings.Index(s[start:end], stringOf(args[1])); at >= 0 {
		return bsonx.Int32(int32(start + at)), nil
	}
	return bsonx.Int32(-1), nil
}

func opIndexOfCP(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	if bsonx.IsNullish(args[0]) {
		return bsonx.Null, nil
	}
	if args[0].Type != bson.TypeString {
		return bsonx.Missing, mongoerr.New(40093, "$indexOfCP requires a string as the first argument, found: %s", TypeName(args[0]))
	}
	if args[1].Type != bson.TypeString {
		return bsonx.Missing, mongoerr.New(40094, "$indexOfCP requires a string as the second argument, found: %s", TypeName(args[1]))
	}
	s := stringOf(args[0])
	start, end, err := indexRange(args, utf8.RuneCountInString(s), "$indexOfCP", 40096, 40097)
	if err != nil || start > end || len(args) > 2 && start == end {
		return bsonx.Int32(-1), err
	}
	// A match has to begin before the end; it may go beyond it.
	rest := cutRunes(s, start, len(s))
	if at := strings.Index(rest, stringOf(args[1])); at >= 0 {
		if found := start + utf8.RuneCountInString(rest[:at]); found < end || len(args) == 2 {
			return bsonx.Int32(int32(found)), nil
		}
	}
	return bsonx.Int32(-1), nil
}

func opSplit(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	if bsonx.IsNullish(args[0]) || bsonx.IsNullish(args[1]) {
		return bsonx.Null, nil
	}
	if args[0].Type != bson.TypeString {
		return bsonx.Missing, mongoerr.New(40085, "$split requires an expression that evaluates to a string as a first argument, found: %s", TypeName(args[0]))
	}
	if args[1].Type != bson.TypeString {
		return bsonx.Missing, mongoerr.New(40086, "$split requires an expression that evaluates to a string as a second argument, found: %s", TypeName(args[1]))
	}
	sep := stringOf(args[1])
	if sep == "" {
		return bsonx.Missing, mongoerr.New(40087, "$split requires a non-empty separator")
	}
	b := bsonx.NewArray(0)
	for _, part := range strings.Split(stringOf(args[0]), sep) {
		b.Append(bsonx.String(part))
	}
	return b.Value(), nil
}

// defaultTrim are the characters that $trim removes unless told others.
const defaultTrim = "\x00 \t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"

func parseTrim(name string, arg bson.RawValue, s *Scope) (Expr, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(50696, "%s only supports an object as an argument, found %s", name, TypeName(arg))
	}
	args, err := named(arg, s, 50694, name+" found an unknown argument: %s", "input", "chars")
	if err != nil {
		return nil, err
	}
	if args[0] == nil {
		return nil, mongoerr.New(50695, "%s requires an 'input' field", name)
	}
	custom := args[1] != nil
	return newCall(func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		cut := defaultTrim
		if bsonx.IsNullish(args[0]) {
			return bsonx.Null, nil
		}
		if args[0].Type != bson.TypeString {
			return bsonx.Missing, mongoerr.New(50699, "%s requires its input to be a string, got %s instead", name, TypeName(args[0]))
		}
		if custom {
			if bsonx.IsNullish(args[1]) {
				return bsonx.Null, nil
			}
			if args[1].Type != bson.TypeString {
				return bsonx.Missing, mongoerr.New(50700, "%s requires 'chars' to be a string, got %s instead", name, TypeName(args[1]))
			}
			cut = stringOf(args[1])
		}
		str := stringOf(args[0])
		if name != "$rtrim" {
			str = strings.TrimLeft(str, cut)
		}
		if name != "$ltrim" {
			str = strings.TrimRight(str, cut)
		}
		return bsonx.String(str), nil
	}, args)
}

func parseReplace(name string, arg bson.RawValue, s *Scope) (Expr, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(51751, "%s requires an object as an argument, found: %s", name, TypeName(arg))
	}
	args, err := named(arg, s, 51750, name+" found an unknown argument: %s", "input", "find", "replacement")
	if err != nil {
		return nil, err
	}
	for i, what := range []string{"input", "find", "replacement"} {
		if args[i] == nil {
			return nil, mongoerr.New(51749-int32(i), "%s requires '%s' to be specified", name, what)
		}
	}
	limit := 1
	if name == "$replaceAll" {
		limit = -1
	}
	return newCall(func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		null := false
		for i, code := range []int32{10503904, 10503901, 10503902} {
			if bsonx.IsNullish(args[i]) {
				null = true
			} else if args[i].Type != bson.TypeString {
				return bsonx.Missing, mongoerr.New(code, "%s requires strings, found: %s", name, TypeName(args[i]))
			}
		}
		if null {
			return bsonx.Null, nil
		}
		return bsonx.String(replace(stringOf(args[0]), stringOf(args[1]), stringOf(args[2]), limit)), nil
	}, args)
}

// replace puts with in place of find; an empty find matches before every byte and at the end.
func replace(s, find, with string, limit int) string {
	if find != "" || limit == 1 {
		return strings.Replace(s, find, with, limit)
	}
	return strings.ReplaceAll(s, "", with)
}
