package expr

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

func parseSortArray(_ string, arg bson.RawValue, s *Scope) (Expr, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(2942500, "$sortArray requires an object as an argument, found: %s", TypeName(arg))
	}
	f, err := rawFields(arg, 2942501, "$sortArray found an unknown argument: %s", "input", "sortBy")
	if err != nil {
		return nil, err
	}
	if bsonx.IsMissing(f[0]) {
		return nil, mongoerr.New(2942502, "$sortArray requires 'input' to be specified")
	}
	if bsonx.IsMissing(f[1]) {
		return nil, mongoerr.New(2942503, "$sortArray requires 'sortBy' to be specified")
	}
	less, err := arrayOrder(f[1])
	if err != nil {
		return nil, err
	}
	input, err := compile(f[0], s)
	if err != nil {
		return nil, err
	}
	return newCall(func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		if bsonx.IsNullish(args[0]) {
			return bsonx.Null, nil
		}
		if args[0].Type != bson.TypeArray {
			return bsonx.Missing, mongoerr.New(2942504, "The input argument to $sortArray must be an array, but was of type: %s", TypeName(args[0]))
		}
		items := bsonx.Values(args[0])
		slices.SortStableFunc(items, less)
		return bsonx.ArrayOf(items...), nil
	}, []Expr{input})
}

// arrayOrder makes the order of $sortArray: 1 or -1 compares whole items, an object compares by fields.
func arrayOrder(by bson.RawValue) (func(a, b bson.RawValue) int, error) {
	if bsonx.IsNumber(by) {
		dir, ok := bsonx.IntegerOf(by)
		if !ok || dir != 1 && dir != -1 {
			return nil, mongoerr.New(2942506, "$sortArray: sortBy must be 1 or -1, or an object of fields and directions")
		}
		return func(a, b bson.RawValue) int { return int(dir) * Compare(a, b) }, nil
	}
	if by.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(2942507, "$sortArray requires 'sortBy' to be an object or a number, found: %s", TypeName(by))
	}
	var fields []bsonx.IndexField
	err := eachErr(by.Value, func(k string, v bson.RawValue) error {
		dir, ok := bsonx.IntegerOf(v)
		if !ok || dir != 1 && dir != -1 {
			return mongoerr.New(2942505, "$sortArray: the direction of each field must be 1 or -1 (%s)", k)
		}
		fields = append(fields, bsonx.IndexField{Path: k, Desc: dir < 0})
		return nil
	})
	if err == nil && len(fields) == 0 {
		err = mongoerr.New(2942505, "$sortArray: sortBy must name at least one field")
	}
	return func(a, b bson.RawValue) int { return compareItems(a, b, fields) }, err
}

func compareItems(a, b bson.RawValue, fields []bsonx.IndexField) int {
	for _, f := range fields {
		if c := bsonx.Compare(sortValue(a, f), sortValue(b, f)); c != 0 {
			if f.Desc {
				return -c
			}
			return c
		}
	}
	return 0
}

// sortValue reads a path through objects only: unlike $sort, $sortArray does not look into arrays.
func sortValue(item bson.RawValue, f bsonx.IndexField) bson.RawValue {
	for _, k := range strings.Split(f.Path, ".") {
		if item.Type != bson.TypeEmbeddedDocument {
			return bsonx.Null
		}
		item = bsonx.Lookup(item.Value, k)
	}
	if bsonx.IsMissing(item) {
		return bsonx.Null
	}
	return item
}
