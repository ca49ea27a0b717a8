package expr

import (
	"cmp"
	"errors"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// maxDepth bounds the nesting of an expression, as MongoDB's BSON depth limit does.
const maxDepth = 200

// Compile compiles an expression: a field path, variable, operator, object, array or literal. Constant parts are computed at once,
// so that their errors are reported even where no document is read, as MongoDB does. Failures are *mongoerr.Error.
func Compile(v bson.RawValue, scope *Scope) (Expr, error) {
	if scope == nil {
		scope = NewScope()
	}
	return compile(v, scope)
}

// CompileWithoutDocument is Compile where no document is read, as in a command's "let": a field path is error 4890500.
func CompileWithoutDocument(v bson.RawValue, scope *Scope) (Expr, error) {
	bare := Scope{noDocument: true}
	if scope != nil {
		bare.names, bare.next = scope.names, scope.next
	}
	return compile(v, &bare)
}

var errNoDocument = mongoerr.New(4890500, "an expression that is evaluated before any document is read cannot use a field path")

func compile(v bson.RawValue, s *Scope) (Expr, error) {
	switch v.Type {
	case bson.TypeString:
		str := stringOf(v)
		if strings.HasPrefix(str, "$") {
			return compilePath(str, s)
		}
		return constant{v}, nil
	case bson.TypeEmbeddedDocument:
		return compileObject(v, s)
	case bson.TypeArray:
		return compileArray(v, s)
	}
	return constant{v}, nil
}

// Const answers an expression that always has that value.
func Const(v bson.RawValue) Expr { return constant{v} }

// Constant answers the value of an expression that does not depend on the document or on variables.
func Constant(e Expr) (bson.RawValue, bool) {
	c, ok := e.(constant)
	return c.v, ok
}

// FieldPath answers the dotted path of an expression that is a plain field path ("$a.b" answers "a.b").
func FieldPath(e Expr) (string, bool) {
	p, ok := e.(*fieldPath)
	if !ok {
		return "", false
	}
	return strings.Join(p.keys, "."), true
}

type constant struct{ v bson.RawValue }

func (c constant) Eval(*Env, bson.Raw) (bson.RawValue, error) { return c.v, nil }

func compileArray(v bson.RawValue, s *Scope) (Expr, error) {
	var items []Expr
	err := eachErr(v.Value, func(_ string, item bson.RawValue) error {
		e, err := compile(item, s)
		items = append(items, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	return fold(&arrayNode{items}, items)
}

// fold replaces a node whose parts are constant by its value.
func fold(n Expr, parts []Expr) (Expr, error) {
	for _, p := range parts {
		if p == nil {
			continue
		}
		if _, ok := p.(constant); !ok {
			return n, nil
		}
	}
	v, err := n.Eval(&Env{}, emptyDoc)
	if err != nil {
		return nil, &foldError{err}
	}
	return constant{v}, nil
}

// foldError is the failure of a constant part: an error where the part may be reached.
type foldError struct{ error }

func (e *foldError) Unwrap() error { return e.error }

var emptyDoc = bson.Raw{5, 0, 0, 0, 0}

type arrayNode struct{ items []Expr }

func (n *arrayNode) Eval(env *Env, doc bson.Raw) (bson.RawValue, error) {
	b := bsonx.NewArray(0)
	for _, it := range n.items {
		v, err := it.Eval(env, doc)
		if err != nil {
			return bsonx.Missing, err
		}
		b.Append(v)
	}
	return b.Value(), nil
}

func compileObject(v bson.RawValue, s *Scope) (Expr, error) {
	var n objectNode
	var op string
	count := 0
	err := eachErr(v.Value, func(k string, item bson.RawValue) error {
		count++
		if strings.HasPrefix(k, "$") {
			if op != "" {
				return mongoerr.New(15983, "An object representing an expression must have exactly one field: %s", bson.Raw(v.Value))
			}
			if count > 1 {
				return pathComponent(k)
			}
			op = k
			return nil
		}
		if op != "" {
			return mongoerr.New(15983, "An object representing an expression must have exactly one field: %s", bson.Raw(v.Value))
		}
		if err := ValidateFieldName(k); err != nil {
			return err
		}
		for _, have := range n.keys {
			if have == k {
				return mongoerr.New(16406, "duplicate field name specified in object literal: %s", bson.Raw(v.Value))
			}
		}
		e, err := compile(item, s)
		n.keys, n.values = append(n.keys, k), append(n.values, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	if op != "" {
		return compileOperator(op, bsonx.Lookup(v.Value, op), s)
	}
	return fold(&n, n.values)
}

// objectNode computes an object; missing values leave their field out.
type objectNode struct {
	keys   []string
	values []Expr
}

func (n *objectNode) Eval(env *Env, doc bson.Raw) (bson.RawValue, error) {
	b := bsonx.NewDoc(0)
	for i, e := range n.values {
		v, err := e.Eval(env, doc)
		if err != nil {
			return bsonx.Missing, err
		}
		b.Append(n.keys[i], v)
	}
	return b.Value(), nil
}

// callFunc computes an operator from the values of its arguments. An optional argument that was not given is missing.
type callFunc func(env *Env, args []bson.RawValue) (bson.RawValue, error)

// call evaluates all arguments, then the function.
type call struct {
	fn   callFunc
	args []Expr
}

func (c *call) Eval(env *Env, doc bson.Raw) (bson.RawValue, error) {
	var space [4]bson.RawValue
	vals := space[:0]
	for _, a := range c.args {
		if a == nil {
			vals = append(vals, bsonx.Missing)
			continue
		}
		v, err := a.Eval(env, doc)
		if err != nil {
			return bsonx.Missing, err
		}
		vals = append(vals, v)
	}
	return c.fn(env, vals)
}

func newCall(fn callFunc, args []Expr) (Expr, error) { return fold(&call{fn, args}, args) }

// operator describes a function with positional arguments; max < 0 means any number.
type operator struct {
	min, max int
	fn       callFunc
}

func compileOperator(name string, arg bson.RawValue, s *Scope) (Expr, error) {
	if parse := special(name); parse != nil {
		return parse(name, arg, s)
	}
	op, ok := functions[name]
	if !ok {
		return nil, mongoerr.New(168, "Unrecognized expression '%s'", name)
	}
	args, err := positional(name, arg, s, op.min, op.max)
	if err != nil {
		return nil, err
	}
	return newCall(op.fn, args)
}

// positional compiles operands: an array's items, or one operand standing alone.
func positional(name string, arg bson.RawValue, s *Scope, min, max int) ([]Expr, error) {
	list := []bson.RawValue{arg}
	if arg.Type == bson.TypeArray {
		list = bsonx.Values(arg)
	}
	if err := checkArity(name, len(list), min, max); err != nil {
		return nil, err
	}
	args := make([]Expr, len(list))
	var failed error
	for i, a := range list {
		e, err := compile(a, s)
		var constant *foldError
		switch {
		case errors.As(err, &constant): // MongoDB computes constants when all is parsed
			failed = cmp.Or(failed, err)
		case err != nil:
			return nil, err
		}
		args[i] = e
	}
	return args, failed
}

func checkArity(name string, n, min, max int) error {
	switch {
	case n >= min && (max < 0 || n <= max):
		return nil
	case min == max:
		if isConversion(name) {
			return mongoerr.New(50723, "%s requires a single argument, got %d", name, n)
		}
		return mongoerr.New(16020, "Expression %s takes exactly %d arguments. %d were passed in.", name, min, n)
	case max < 0:
		return mongoerr.New(28667, "Expression %s takes at least %d arguments. %d were passed in.", name, min, n)
	}
	return mongoerr.New(28667, "Expression %s takes at least %d arguments, and at most %d, but %d were passed in.", name, min, max, n)
}

// parser compiles an operator whose argument is not a plain list of operands.
type parser func(name string, arg bson.RawValue, s *Scope) (Expr, error)

// ObjectParts answers the fields of an expression that builds an object.
func ObjectParts(e Expr) (keys []string, values []Expr, ok bool) {
	n, ok := e.(*objectNode)
	if !ok {
		return nil, nil, false
	}
	return n.keys, n.values, true
}
