package project_test

import (
	"testing"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/project"
	"github.com/strata-crm/strata/shared/local/docstore/query"
	"github.com/strata-crm/strata/shared/local/docstore/update"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// operands are values of every type, as what an operator is given and as what it finds.
const operands = `{"v":[1,{"$numberLong":"-9223372036854775808"},0.5,{"$numberDouble":"NaN"},{"$numberDouble":"-Infinity"},{"$numberDecimal":"1E+6000"},{"$numberDecimal":"NaN"},
"","a.b",null,{"$undefined":true},true,[],[1,"x",[2]],[[]],[{"b":1},5],{},{"b":1},{"b":{"c":[1]}},{"$gt":1},{"$each":[1],"$slice":-1,"$sort":{"b":1},"$position":0},{"$each":1},{"$type":"date"},
{"$elemMatch":{"b":1}},{"$regularExpression":{"pattern":"^a","options":"i"}},{"$regularExpression":{"pattern":"(","options":""}},{"$date":{"$numberLong":"0"}},{"$timestamp":{"t":1,"i":1}},
{"$oid":"000000000000000000000001"},{"$binary":{"base64":"AAEC","subType":"00"}},{"$binary":{"base64":"","subType":"02"}},{"$code":"f"},{"$code":"f","$scope":{"a":1}},{"$minKey":1},{"$maxKey":1},{"$symbol":"s"},
{"$dbPointer":{"$ref":"c","$id":{"$oid":"000000000000000000000001"}}},{"and":1},{"$regex":"a","$options":"x"},{"required":["a"],"properties":{"a":{"bsonType":"int"}}}]}`

// check fails on an error that is no answer to a client.
func check(t *testing.T, what string, arg bson.RawValue, err error) {
	t.Helper()
	if mongoerr.CodeOf(err) == mongoerr.InternalError {
		t.Errorf("%s of %v: %v", what, arg, err)
	}
}

// TestEveryOperatorAnswersEveryOperand: no operand makes an operator panic, make a malformed document or answer with an internal error.
func TestEveryOperatorAnswersEveryOperand(t *testing.T) {
	t.Parallel()
	values := bsonx.Values(bsonx.Lookup(raw(t, operands), "v"))
	for _, arg := range values {
		for _, op := range []string{
			"$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$not", "$exists", "$type", "$mod", "$size", "$all", "$elemMatch", "$regex", "$options",
			"$bitsAllSet", "$bitsAnyClear", "$and", "$or", "$nor", "$expr", "$jsonSchema", "$sampleRate", "$near", "$x",
		} {
			filters := []bson.Raw{
				bsonx.NewDoc(0).Append(op, arg).Raw(), bsonx.NewDoc(0).Append("a", bsonx.NewDoc(0).Append(op, arg).Value()).Raw(),
				bsonx.NewDoc(0).Append("a.0.b", bsonx.NewDoc(0).Append(op, arg).Value()).Raw(),
			}
			for _, f := range filters {
				m, err := query.Compile(f, query.Options{})
				check(t, op, arg, err)
				if err != nil {
					continue
				}
				m.Bounds("a", true, true)
				for _, v := range values {
					_, _, err := m.MatchArray(bsonx.NewDoc(0).Append("a", v).Raw())
					check(t, op, arg, err)
				}
			}
		}
		for _, op := range []string{
			"$set", "$unset", "$inc", "$mul", "$min", "$max", "$rename", "$setOnInsert", "$currentDate", "$push", "$addToSet", "$pull", "$pullAll", "$pop", "$bit",
		} {
			for _, path := range []string{"a", "a.b", "a.1", "a.$[].b", "a.$", "x.y"} {
				u, err := update.Compile(bsonx.NewDoc(0).Append(op, bsonx.NewDoc(0).Append(path, arg).Value()).Value(), update.Options{})
				check(t, op, arg, err)
				if err == nil {
					applyToAll(t, op, arg, u, values)
				}
			}
		}
		for _, spec := range []bson.Raw{
			bsonx.NewDoc(0).Append("a", arg).Raw(), bsonx.NewDoc(0).Append("a.b", arg).Raw(), bsonx.NewDoc(0).Append("a.$", arg).Raw(),
			bsonx.NewDoc(0).Append("a", bsonx.NewDoc(0).Append("$slice", arg).Value()).Raw(), bsonx.NewDoc(0).Append("a", bsonx.NewDoc(0).Append("$elemMatch", arg).Value()).Raw(),
		} {
			p, err := project.Compile(spec, project.Options{})
			check(t, "projection", arg, err)
			if err == nil {
				projectAll(t, arg, p, values)
			}
		}
	}
}

func applyToAll(t *testing.T, op string, arg bson.RawValue, u *update.Update, values []bson.RawValue) {
	t.Helper()
	for _, v := range values {
		out, _, err := u.Apply(bsonx.NewDoc(0).Append("_id", bsonx.Int32(1)).Append("a", v).Raw(), 0)
		check(t, op, arg, err)
		if err == nil && out.Validate() != nil {
			t.Fatalf("%s of %v on %v makes a malformed document %x", op, arg, v, []byte(out))
		}
	}
}

func projectAll(t *testing.T, arg bson.RawValue, p *project.Projection, values []bson.RawValue) {
	t.Helper()
	for _, v := range values {
		out, err := p.Apply(bsonx.NewDoc(0).Append("_id", bsonx.Int32(1)).Append("a", v).Raw(), 0)
		check(t, "projection", arg, err)
		if err == nil && out.Validate() != nil {
			t.Fatalf("a projection of %v on %v makes a malformed document %x", arg, v, []byte(out))
		}
	}
}
