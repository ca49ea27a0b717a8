package expr

import (
	"math/rand/v2"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

func opMergeObjects(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	var d orderedDoc
	for _, a := range spread(args) {
		if bsonx.IsNullish(a) {
			continue
		}
		if a.Type != bson.TypeEmbeddedDocument {
			return bsonx.Missing, mongoerr.New(40400, "$mergeObjects requires object inputs, but input is of type %s", TypeName(a))
		}
		walk(a.Value, func(k []byte, v bson.RawValue) bool {
			d.set(string(k), v)
			return true
		})
	}
	return d.value(), nil
}

func parseGetField(_ string, arg bson.RawValue, s *Scope) (Expr, error) {
	var field, input bson.RawValue
	if arg.Type == bson.TypeEmbeddedDocument && !strings.HasPrefix(bsonx.FirstKey(arg.Value), "$") {
		f, err := rawFields(arg, 3041701, "$getField found an unknown argument: %s", "field", "input")
		if err != nil {
			return nil, err
		}
		if bsonx.IsMissing(f[0]) {
			return nil, mongoerr.New(3041702, "$getField requires 'field' to be specified")
		}
		if bsonx.IsMissing(f[1]) {
			return nil, mongoerr.New(3041703, "$getField requires 'input' to be specified")
		}
		field, input = f[0], f[1]
	} else {
		field, input = arg, bsonx.String("$$CURRENT")
	}
	fieldExpr, err := compile(field, s)
	if err != nil {
		return nil, err
	}
	inputExpr, err := compile(input, s)
	if err != nil {
		return nil, err
	}
	if c, ok := fieldExpr.(constant); ok && c.v.Type != bson.TypeString {
		return nil, mongoerr.New(5654602, "$getField requires 'field' to evaluate to type String, but got %s", TypeName(c.v))
	}
	return newCall(opGetField, []Expr{fieldExpr, inputExpr})
}

func opGetField(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	if args[0].Type != bson.TypeString {
		return bsonx.Missing, mongoerr.New(3041704, "$getField requires 'field' to evaluate to type String, but got %s", TypeName(args[0]))
	}
	switch {
	case bsonx.IsMissing(args[1]):
		return bsonx.Missing, nil
	case bsonx.IsNullish(args[1]):
		return bsonx.Null, nil
	case args[1].Type != bson.TypeEmbeddedDocument:
		return bsonx.Missing, nil
	}
	return bsonx.Lookup(args[1].Value, stringOf(args[0])), nil
}

// parseSetField is $setField and $unsetField.
func parseSetField(name string, arg bson.RawValue, s *Scope) (Expr, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(4161100, "%s only supports an object as its argument", name)
	}
	fields := []string{"field", "input", "value"}
	if name == "$unsetField" {
		fields = fields[:2]
	}
	f, err := rawFields(arg, 4161101, name+" found an unknown argument: %s", fields...)
	if err != nil {
		return nil, err
	}
	switch {
	case bsonx.IsMissing(f[0]):
		return nil, mongoerr.New(4161102, "%s requires 'field' to be specified", name)
	case len(f) == 3 && bsonx.IsMissing(f[2]):
		return nil, mongoerr.New(4161103, "%s requires 'value' to be specified", name)
	case bsonx.IsMissing(f[1]):
		return nil, mongoerr.New(4161109, "%s requires 'input' to be specified", name)
	}
	args, err := positional(name, bsonx.ArrayOf(f[1:]...), s, 1, 2)
	if err != nil {
		return nil, err
	}
	key, err := constantKey(name, f[0], s)
	if err != nil {
		return nil, err
	}
	return newCall(func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		if bsonx.IsNullish(args[0]) {
			return bsonx.Null, nil
		}
		if args[0].Type != bson.TypeEmbeddedDocument {
			return bsonx.Missing, mongoerr.New(4161105, "%s requires 'input' to evaluate to type Object", name)
		}
		var v bson.RawValue
		if len(args) == 2 {
			v = args[1]
		}
		return setField(args[0], key, v), nil
	}, args)
}

func constantKey(name string, field bson.RawValue, s *Scope) (string, error) {
	if field.Type == bson.TypeString && strings.HasPrefix(stringOf(field), "$") {
		return "", mongoerr.New(4161108, "A field path reference which is not allowed in this context. Did you mean {$literal: '%s'}?", stringOf(field))
	}
	if field.Type == bson.TypeArray || field.Type == bson.TypeEmbeddedDocument && !bsonx.IsEmpty(field.Value) && !strings.HasPrefix(bsonx.FirstKey(field.Value), "$") {
		return "", mongoerr.New(4161106, "%s requires 'field' to evaluate to a constant, but got a non-constant argument", name)
	}
	e, err := compile(field, s)
	if err != nil {
		return "", err
	}
	c, ok := e.(constant)
	if !ok {
		return "", mongoerr.New(4161106, "%s requires 'field' to evaluate to a constant, but got a non-constant argument", name)
	}
	if c.v.Type != bson.TypeString {
		return "", mongoerr.New(4161107, "%s requires 'field' to evaluate to type String, but got %s", name, TypeName(c.v))
	}
	key := stringOf(c.v)
	if strings.Contains(key, "\x00") {
		return "", mongoerr.New(9534700, "%s: 'field' must not contain an embedded null byte", name)
	}
	return key, nil
}

// setField puts v under key; a missing v removes the field.
func setField(doc bson.RawValue, key string, v bson.RawValue) bson.RawValue {
	b := bsonx.NewDoc(0)
	done := false
	walk(doc.Value, func(k []byte, old bson.RawValue) bool {
		if string(k) != key {
			b.Append(string(k), old)
		} else if !done {
			b.Append(key, v)
			done = true
		}
		return true
	})
	if !done {
		b.Append(key, v)
	}
	return b.Value()
}

func opBsonSize(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	if bsonx.IsNullish(args[0]) {
		return bsonx.Null, nil
	}
	if args[0].Type != bson.TypeEmbeddedDocument {
		return bsonx.Missing, mongoerr.New(31393, "$bsonSize requires a document input, found: %s", TypeName(args[0]))
	}
	return bsonx.Int32(int32(len(args[0].Value))), nil
}

func opBinarySize(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	switch {
	case bsonx.IsNullish(args[0]):
		return bsonx.Null, nil
	case args[0].Type == bson.TypeString:
		return bsonx.Int32(int32(len(args[0].Value) - 5)), nil
	case args[0].Type == bson.TypeBinary:
		_, data, _ := args[0].BinaryOK()
		return bsonx.Int32(int32(len(data))), nil
	}
	return bsonx.Missing, mongoerr.New(51276, "$binarySize requires a string or BinData argument, found: %s", TypeName(args[0]))
}

func opType(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	return bsonx.String(TypeName(args[0])), nil
}

func opIsNumber(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	return bsonx.Bool(bsonx.IsNumber(args[0])), nil
}

type randNode struct{}

func (randNode) Eval(env *Env, _ bson.Raw) (bson.RawValue, error) {
	if env.Rand != nil {
		return bsonx.Double(env.Rand()), nil
	}
	return bsonx.Double(rand.Float64()), nil
}

func parseRand(_ string, arg bson.RawValue, _ *Scope) (Expr, error) {
	switch arg.Type {
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		if !bsonx.IsEmpty(arg.Value) {
			return nil, mongoerr.New(3040501, "$rand does not currently accept arguments")
		}
		return randNode{}, nil
	}
	return nil, mongoerr.New(10065, "invalid parameter: expected an object ($rand)")
}

func parseMeta(_ string, arg bson.RawValue, _ *Scope) (Expr, error) {
	if arg.Type != bson.TypeString {
		return nil, mongoerr.New(17307, "$meta only supports string arguments")
	}
	name := stringOf(arg)
	known := []string{"textScore", "randVal", "searchScore", "searchHighlights", "geoNearDistance", "geoNearPoint", "recordId", "indexKey",
		"sortKey", "searchScoreDetails", "searchSequenceToken", "timeseriesBucketMinTime", "timeseriesBucketMaxTime", "vectorSearchScore", "score", "scoreDetails", "stream"}
	if !slices.Contains(known, name) {
		return nil, mongoerr.New(17308, "Unsupported argument to $meta: %s", name)
	}
	if name == "textScore" {
		return nil, mongoerr.New(40218, "query requires text score metadata, but it is not available")
	}
	return nil, ErrUnsupported("$meta: %s", name)
}
