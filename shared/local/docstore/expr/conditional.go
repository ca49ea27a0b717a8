package expr

import (
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

func parseLiteral(_ string, arg bson.RawValue, _ *Scope) (Expr, error) { return constant{arg}, nil }

// Compare orders two values as expressions do: MinKey, then missing and undefined, then everything else in BSON order.
func Compare(a, b bson.RawValue) int {
	ra, rb := absentRank(a), absentRank(b)
	if ra != 2 || rb != 2 {
		return ra - rb
	}
	return bsonx.Compare(a, b)
}

func absentRank(v bson.RawValue) int {
	switch v.Type {
	case bson.TypeMinKey:
		return 0
	case 0, bson.TypeUndefined:
		return 1
	}
	return 2
}

func comparison(holds func(c int) bool) operator {
	return operator{2, 2, func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		return bsonx.Bool(holds(Compare(args[0], args[1]))), nil
	}}
}

func opCmp(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	return bsonx.Int32(int32(sign(Compare(args[0], args[1])))), nil
}

func sign(c int) int {
	switch {
	case c < 0:
		return -1
	case c > 0:
		return 1
	}
	return 0
}

func opNot(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	return bsonx.Bool(!bsonx.Truthy(args[0])), nil
}

// logic is $and (stop at the first false) and $or (stop at the first true).
type logic struct {
	args []Expr
	stop bool
}

func (n *logic) Eval(env *Env, doc bson.Raw) (bson.RawValue, error) {
	for _, a := range n.args {
		v, err := a.Eval(env, doc)
		if err != nil {
			return bsonx.Missing, err
		}
		if bsonx.Truthy(v) == n.stop {
			return bsonx.Bool(n.stop), nil
		}
	}
	return bsonx.Bool(!n.stop), nil
}

func parseLogic(name string, arg bson.RawValue, s *Scope) (Expr, error) {
	args, err := positional(name, arg, s, 0, -1)
	if err != nil {
		return nil, err
	}
	stop := name == "$or"
	for i, a := range args {
		c, ok := a.(constant)
		if !ok {
			continue
		}
		if bsonx.Truthy(c.v) == stop {
			return constant{bsonx.Bool(stop)}, nil
		}
		args[i] = nil
	}
	args = slices.DeleteFunc(args, func(e Expr) bool { return e == nil })
	return fold(&logic{args, stop}, args)
}

type cond struct{ test, then, otherwise Expr }

func (n *cond) Eval(env *Env, doc bson.Raw) (bson.RawValue, error) {
	v, err := n.test.Eval(env, doc)
	if err != nil {
		return bsonx.Missing, err
	}
	if bsonx.Truthy(v) {
		return n.then.Eval(env, doc)
	}
	return n.otherwise.Eval(env, doc)
}

func parseCond(name string, arg bson.RawValue, s *Scope) (Expr, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		args, err := positional(name, arg, s, 3, 3)
		if err != nil {
			return nil, err
		}
		return newCond(args)
	}
	args, err := named(arg, s, 17083, "Unrecognized parameter to $cond: %s", "if", "then", "else")
	if err != nil {
		return nil, err
	}
	for i, what := range []string{"if", "then", "else"} {
		if args[i] == nil {
			return nil, mongoerr.New(17080+int32(i), "Missing '%s' parameter to $cond", what)
		}
	}
	return newCond(args)
}

func newCond(args []Expr) (Expr, error) {
	if c, ok := args[0].(constant); ok {
		if bsonx.Truthy(c.v) {
			return args[1], nil
		}
		return args[2], nil
	}
	return &cond{args[0], args[1], args[2]}, nil
}

// named compiles the fields of an operator that takes an object; absent fields are nil. An unknown field is that error.
func named(arg bson.RawValue, s *Scope, unknown int32, message string, fields ...string) ([]Expr, error) {
	args := make([]Expr, len(fields))
	err := eachErr(arg.Value, func(k string, v bson.RawValue) error {
		i := slices.Index(fields, k)
		if i < 0 {
			return mongoerr.New(unknown, message, k)
		}
		e, err := compile(v, s)
		args[i] = e
		return err
	})
	return args, err
}

type ifNull struct{ args []Expr }

func (n *ifNull) Eval(env *Env, doc bson.Raw) (bson.RawValue, error) {
	for i, a := range n.args {
		v, err := a.Eval(env, doc)
		if err != nil || !bsonx.IsNullish(v) || i == len(n.args)-1 {
			return v, err
		}
	}
	return bsonx.Null, nil
}

func parseIfNull(name string, arg bson.RawValue, s *Scope) (Expr, error) {
	if n := len(bsonx.Values(arg)); arg.Type != bson.TypeArray || n < 2 {
		return nil, mongoerr.New(1257300, "$ifNull needs at least two arguments")
	}
	args, err := positional(name, arg, s, 2, -1)
	if err != nil {
		return nil, err
	}
	return fold(&ifNull{args}, args)
}

type switchNode struct {
	cases, thens []Expr
	otherwise    Expr
}

func (n *switchNode) Eval(env *Env, doc bson.Raw) (bson.RawValue, error) {
	for i, c := range n.cases {
		v, err := c.Eval(env, doc)
		if err != nil {
			return bsonx.Missing, err
		}
		if bsonx.Truthy(v) {
			return n.thens[i].Eval(env, doc)
		}
	}
	if n.otherwise == nil {
		return bsonx.Missing, mongoerr.New(40066, "$switch could not find a matching branch for an input, and no default was specified.")
	}
	return n.otherwise.Eval(env, doc)
}

func parseSwitch(_ string, arg bson.RawValue, s *Scope) (Expr, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(40060, "$switch requires an object as an argument, found: %s", TypeName(arg))
	}
	n := &switchNode{}
	err := eachErr(arg.Value, func(k string, v bson.RawValue) (err error) {
		switch k {
		case "branches":
			if v.Type != bson.TypeArray {
				return mongoerr.New(40061, "$switch expected an array for 'branches', found: %s", TypeName(v))
			}
			return eachErr(v.Value, func(_ string, b bson.RawValue) error { return n.addBranch(b, s) })
		case "default":
			n.otherwise, err = compile(v, s)
			return err
		}
		return mongoerr.New(40067, "$switch found an unknown argument: %s", k)
	})
	if err != nil {
		return nil, err
	}
	if len(n.cases) == 0 {
		return nil, mongoerr.New(40068, "$switch requires at least one branch.")
	}
	return n.simplify()
}

func (n *switchNode) addBranch(b bson.RawValue, s *Scope) error {
	if b.Type != bson.TypeEmbeddedDocument {
		return mongoerr.New(40062, "$switch expected each branch to be an object, found: %s", TypeName(b))
	}
	f, err := rawFields(b, 40063, "$switch found an unknown argument to a branch: %s", "case", "then")
	if err != nil {
		return err
	}
	if bsonx.IsMissing(f[0]) {
		return mongoerr.New(40064, "$switch requires each branch have a 'case' expression")
	}
	if bsonx.IsMissing(f[1]) {
		return mongoerr.New(40065, "$switch requires each branch have a 'then' expression.")
	}
	test, err := n.reachable(f[0], s, n.decided())
	if err != nil {
		return err
	}
	c, known := Constant(test)
	then, err := n.reachable(f[1], s, n.decided() || known && !bsonx.Truthy(c))
	n.cases, n.thens = append(n.cases, test), append(n.thens, then)
	return err
}

// decided tells that the last branch is always taken, so that the next is never reached.
func (n *switchNode) decided() bool {
	for _, c := range n.cases {
		if v, ok := Constant(c); ok && bsonx.Truthy(v) {
			return true
		}
	}
	return false
}

// reachable compiles a part of a branch; in a dead branch the failure of a constant does not count.
func (n *switchNode) reachable(v bson.RawValue, s *Scope, dead bool) (Expr, error) {
	e, err := compile(v, s)
	var fe *foldError
	if dead && errors.As(err, &fe) {
		return constant{bsonx.Null}, nil
	}
	return e, err
}

// simplify drops branches that are never taken and ends at one that always is.
func (n *switchNode) simplify() (Expr, error) {
	out := &switchNode{otherwise: n.otherwise}
	for i, c := range n.cases {
		if v, ok := Constant(c); ok {
			if !bsonx.Truthy(v) {
				continue
			}
			out.otherwise = n.thens[i]
			break
		}
		out.cases, out.thens = append(out.cases, c), append(out.thens, n.thens[i])
	}
	if len(out.cases) > 0 {
		return out, nil
	}
	if out.otherwise == nil {
		return nil, mongoerr.New(40069, "Cannot execute a switch statement where all the cases evaluate to false without a default.")
	}
	return out.otherwise, nil
}

type letNode struct {
	slots  []int
	values []Expr
	in     Expr
}

func (n *letNode) Eval(env *Env, doc bson.Raw) (bson.RawValue, error) {
	var space [4]bson.RawValue
	vals := space[:0]
	for _, e := range n.values {
		v, err := e.Eval(env, doc)
		if err != nil {
			return bsonx.Missing, err
		}
		vals = append(vals, v)
	}
	// A value may itself use the slots of this scope, so that they are set only now.
	for i, v := range vals {
		env.Set(n.slots[i], v)
	}
	return n.in.Eval(env, doc)
}

func parseLet(_ string, arg bson.RawValue, s *Scope) (Expr, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(16874, "$let only supports an object as its argument")
	}
	var vars, in bson.RawValue
	err := eachErr(arg.Value, func(k string, v bson.RawValue) error {
		switch k {
		case "vars":
			vars = v
		case "in":
			in = v
		default:
			return mongoerr.New(16875, "Unrecognized parameter to $let: %s", k)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case bsonx.IsMissing(vars):
		return nil, mongoerr.New(16876, "Missing 'vars' parameter to $let")
	case bsonx.IsMissing(in):
		return nil, mongoerr.New(16877, "Missing 'in' parameter to $let")
	case vars.Type == bson.TypeArray:
		return nil, mongoerr.New(9, "$let: 'vars' must be an object")
	case vars.Type != bson.TypeEmbeddedDocument:
		return nil, mongoerr.New(10065, "invalid parameter: expected an object (vars)")
	}
	n := &letNode{}
	inner := s
	err = eachErr(vars.Value, func(k string, v bson.RawValue) error {
		if err := ValidateVariableName(k); err != nil {
			return err
		}
		e, err := compile(v, s)
		child, slot := inner.Define(k)
		inner = child
		n.slots, n.values = append(n.slots, slot), append(n.values, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	n.in, err = compile(in, inner)
	if _, ok := n.in.(constant); ok {
		return n.in, err
	}
	return n, err
}
