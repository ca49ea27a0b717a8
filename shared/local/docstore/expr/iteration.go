package expr

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// mapNode is $map: the array of body's values, with each item bound to slot.
type mapNode struct {
	input Expr
	slot  int
	body  Expr
}

func (n *mapNode) Eval(env *Env, doc bson.Raw) (bson.RawValue, error) {
	arr, err := n.input.Eval(env, doc)
	if err != nil || bsonx.IsNullish(arr) {
		return bsonx.Null, err
	}
	if arr.Type != bson.TypeArray {
		return bsonx.Missing, mongoerr.New(16883, "input to $map must be an array not %s", TypeName(arr))
	}
	b := bsonx.NewArray(0)
	err = eachErr(arr.Value, func(_ string, item bson.RawValue) error {
		env.Set(n.slot, item)
		v, err := n.body.Eval(env, doc)
		b.Append(v)
		return err
	})
	return b.Value(), err
}

func parseMap(_ string, arg bson.RawValue, s *Scope) (Expr, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(16878, "$map only supports an object as its argument")
	}
	f, err := rawFields(arg, 16879, "Unrecognized parameter to $map: %s", "input", "as", "in")
	if err != nil {
		return nil, err
	}
	if bsonx.IsMissing(f[0]) {
		return nil, mongoerr.New(16880, "Missing 'input' parameter to $map")
	}
	if bsonx.IsMissing(f[2]) {
		return nil, mongoerr.New(16882, "Missing 'in' parameter to $map")
	}
	n := &mapNode{}
	if n.input, err = compile(f[0], s); err != nil {
		return nil, err
	}
	inner, slot, err := bindItem(f[1], s)
	if err != nil {
		return nil, err
	}
	n.slot = slot
	n.body, err = compile(f[2], inner)
	return n, err
}

// bindItem defines the variable of an iteration: "this", or what 'as' says.
func bindItem(as bson.RawValue, s *Scope) (*Scope, int, error) {
	name := "this"
	if !bsonx.IsMissing(as) {
		if as.Type != bson.TypeString {
			return nil, 0, mongoerr.New(10065, "invalid parameter: expected a string (as)")
		}
		name = stringOf(as)
		if err := ValidateVariableName(name); err != nil {
			return nil, 0, err
		}
	}
	inner, slot := s.Define(name)
	return inner, slot, nil
}

// rawFields answers the fields of an operator's object uncompiled; absent fields are missing.
func rawFields(arg bson.RawValue, unknown int32, message string, fields ...string) ([]bson.RawValue, error) {
	out := make([]bson.RawValue, len(fields))
	err := eachErr(arg.Value, func(k string, v bson.RawValue) error {
		for i, f := range fields {
			if f == k {
				out[i] = v
				return nil
			}
		}
		return mongoerr.New(unknown, message, k)
	})
	return out, err
}

// filterNode is $filter.
type filterNode struct {
	input, test, limit Expr
	slot               int
}

func (n *filterNode) Eval(env *Env, doc bson.Raw) (bson.RawValue, error) {
	arr, err := n.input.Eval(env, doc)
	if err != nil || bsonx.IsNullish(arr) {
		return bsonx.Null, err
	}
	if arr.Type != bson.TypeArray {
		return bsonx.Missing, mongoerr.New(28651, "input to $filter must be an array not %s", TypeName(arr))
	}
	limit, err := n.evalLimit(env, doc)
	if err != nil {
		return bsonx.Missing, err
	}
	b := bsonx.NewArray(0)
	walk(arr.Value, func(_ []byte, item bson.RawValue) bool {
		env.Set(n.slot, item)
		var v bson.RawValue
		if v, err = n.test.Eval(env, doc); err != nil {
			return false
		}
		if bsonx.Truthy(v) {
			b.Append(item)
		}
		return limit < 0 || b.Len() < limit
	})
	return b.Value(), err
}

// evalLimit answers the most items to keep; -1 means all.
func (n *filterNode) evalLimit(env *Env, doc bson.Raw) (int, error) {
	if n.limit == nil {
		return -1, nil
	}
	v, err := n.limit.Eval(env, doc)
	if err != nil || bsonx.IsNullish(v) {
		return -1, err
	}
	l, ok := IntegralInt32(v)
	if !ok {
		return 0, mongoerr.New(327391, "$filter: limit must be represented as a 32-bit integral value: %s", TypeName(v))
	}
	if l <= 0 {
		return 0, mongoerr.New(327392, "$filter: limit must be greater than 0: %d", l)
	}
	return int(l), nil
}

func parseFilter(_ string, arg bson.RawValue, s *Scope) (Expr, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(28646, "$filter only supports an object as its argument")
	}
	f, err := rawFields(arg, 28647, "Unrecognized parameter to $filter: %s", "input", "as", "cond", "limit")
	if err != nil {
		return nil, err
	}
	if bsonx.IsMissing(f[0]) {
		return nil, mongoerr.New(28648, "Missing 'input' parameter to $filter")
	}
	if bsonx.IsMissing(f[2]) {
		return nil, mongoerr.New(28650, "Missing 'cond' parameter to $filter")
	}
	n := &filterNode{}
	if n.input, err = compile(f[0], s); err != nil {
		return nil, err
	}
	inner, slot, err := bindItem(f[1], s)
	if err != nil {
		return nil, err
	}
	n.slot = slot
	if n.test, err = compile(f[2], inner); err != nil || bsonx.IsMissing(f[3]) {
		return n, err
	}
	n.limit, err = compile(f[3], s)
	return n, err
}

// reduceNode is $reduce with $$this and $$value.
type reduceNode struct {
	input, initial, in  Expr
	thisSlot, valueSlot int
}

func (n *reduceNode) Eval(env *Env, doc bson.Raw) (bson.RawValue, error) {
	arr, err := n.input.Eval(env, doc)
	if err != nil || bsonx.IsNullish(arr) {
		return bsonx.Null, err
	}
	if arr.Type != bson.TypeArray {
		return bsonx.Missing, mongoerr.New(40080, "$reduce requires that 'input' be an array, found: %s", TypeName(arr))
	}
	acc, err := n.initial.Eval(env, doc)
	if err != nil {
		return bsonx.Missing, err
	}
	err = eachErr(arr.Value, func(_ string, item bson.RawValue) (err error) {
		env.Set(n.thisSlot, item)
		env.Set(n.valueSlot, acc)
		acc, err = n.in.Eval(env, doc)
		return err
	})
	return acc, err
}

func parseReduce(_ string, arg bson.RawValue, s *Scope) (Expr, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(40075, "$reduce requires an object as an argument, found: %s", TypeName(arg))
	}
	f, err := rawFields(arg, 40076, "$reduce found an unknown argument: %s", "input", "initialValue", "in")
	if err != nil {
		return nil, err
	}
	for i, what := range []string{"input", "initialValue", "in"} {
		if bsonx.IsMissing(f[i]) {
			return nil, mongoerr.New(40077+int32(i), "$reduce requires '%s' to be specified", what)
		}
	}
	n := &reduceNode{}
	if n.input, err = compile(f[0], s); err != nil {
		return nil, err
	}
	if n.initial, err = compile(f[1], s); err != nil {
		return nil, err
	}
	inner, slot := s.Define("this")
	n.thisSlot = slot
	inner, n.valueSlot = inner.Define("value")
	n.in, err = compile(f[2], inner)
	return n, err
}
