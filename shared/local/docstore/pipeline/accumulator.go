package pipeline

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// accumulator gathers the values of one group or window.
type accumulator interface {
	// add takes a value; key is its place in the accumulator's sortBy, where it has one.
	add(v bson.RawValue, key []byte) error
	// value answers the result so far; a later add may overwrite its bytes.
	value() (bson.RawValue, error)
	// size is about how many bytes it holds.
	size() int64
}

// accSpec is a compiled accumulator of $group, $bucket or a window.
type accSpec struct {
	name string
	// arg is what is added of each document; n is the n of the firstN family, evaluated once per group.
	arg, n expr.Expr
	sortBy []bsonx.IndexField
	make   func(n int64) accumulator
	fixed  bool // its accumulators do not grow
}

func (s *accSpec) begin(env *expr.Env, group bson.Raw) (accumulator, error) {
	if s.n == nil {
		return s.make(0), nil
	}
	v, err := s.n.Eval(env, group)
	if err != nil {
		return nil, err
	}
	n, err := expr.CheckN(v, s.name)
	return s.make(n), err
}

func (s *accSpec) feed(a accumulator, env *expr.Env, d bson.Raw) error {
	v, err := s.arg.Eval(env, d)
	if err != nil {
		return err
	}
	var key []byte
	if s.sortBy != nil {
		if key, err = bsonx.SortKey(nil, d, s.sortBy); err != nil {
			return err
		}
	}
	return a.add(v, key)
}

// accumulator compiles {name: arg}.
func (c *compiler) accumulator(name string, arg bson.RawValue) (*accSpec, error) {
	switch name {
	case "$top", "$bottom", "$topN", "$bottomN":
		return c.topAccumulator(name, arg)
	case "$firstN", "$lastN", "$minN", "$maxN":
		return c.nAccumulator(name, arg)
	case "$median", "$percentile":
		p, err := expr.ParsePercentile(name, arg, c.scope)
		if err != nil {
			return nil, err
		}
		return &accSpec{name: name, arg: p.Input, make: func(int64) accumulator { return &percentileAcc{spec: p} }}, nil
	case "$count":
		if arg.Type == bson.TypeArray {
			return nil, mongoerr.New(40237, "The $count accumulator is a unary operator")
		}
		if arg.Type != bson.TypeEmbeddedDocument || !bsonx.IsEmpty(arg.Value) {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "$count takes no arguments, i.e. $count:{}")
		}
		return &accSpec{name: name, arg: expr.Const(bsonx.Int32(1)), make: func(int64) accumulator { return &sumAcc{} }, fixed: true}, nil
	case "$accumulator":
		return nil, expr.ErrUnsupported("the accumulator $accumulator")
	}
	if arg.Type == bson.TypeArray {
		return nil, mongoerr.New(40237, "The %s accumulator is a unary operator", name)
	}
	construct := simpleAccumulator(name)
	if construct == nil {
		return nil, mongoerr.New(15952, "unknown group operator '%s'", name)
	}
	e, err := expr.Compile(arg, c.scope)
	s := &accSpec{name: name, arg: e, make: func(int64) accumulator { return construct() }}
	switch name {
	case "$sum", "$avg", "$stdDevPop", "$stdDevSamp":
		s.fixed = true
	}
	return s, err
}

func simpleAccumulator(name string) func() accumulator {
	switch name {
	case "$sum":
		return func() accumulator { return &sumAcc{} }
	case "$avg":
		return func() accumulator { return &sumAcc{average: true} }
	case "$min":
		return func() accumulator { return &extremeAcc{want: -1} }
	case "$max":
		return func() accumulator { return &extremeAcc{want: 1} }
	case "$first":
		return func() accumulator { return &edgeAcc{} }
	case "$last":
		return func() accumulator { return &edgeAcc{last: true} }
	case "$push":
		return func() accumulator { return &pushAcc{} }
	case "$addToSet":
		return func() accumulator { return &setAcc{seen: map[string]struct{}{}} }
	case "$setUnion":
		return func() accumulator { return &setAcc{seen: map[string]struct{}{}, union: true} }
	case "$concatArrays":
		return func() accumulator { return &pushAcc{concat: true} }
	case "$mergeObjects":
		return func() accumulator { return &mergeAcc{} }
	case "$stdDevPop":
		return func() accumulator { return &deviationAcc{name: name} }
	case "$stdDevSamp":
		return func() accumulator { return &deviationAcc{name: name, sample: true} }
	}
	return nil
}

func fieldsOf(arg bson.RawValue, name string, names ...string) ([]bson.RawValue, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(5788001, "specification must be an object; found %s: %s", name, expr.TypeName(arg))
	}
	out := make([]bson.RawValue, len(names))
	for it := bsonx.Elements(arg.Value); it.Next(); {
		i := slices.Index(names, string(it.Key()))
		if i < 0 {
			return nil, mongoerr.New(5788002, "Unknown argument to %s '%s'", name, it.Key())
		}
		out[i] = it.Value()
	}
	return out, nil
}

func (c *compiler) topAccumulator(name string, arg bson.RawValue) (*accSpec, error) {
	f, err := fieldsOf(arg, name, "output", "sortBy", "n")
	if err != nil {
		return nil, err
	}
	many := name == "$topN" || name == "$bottomN"
	switch {
	case many && bsonx.IsMissing(f[2]):
		return nil, mongoerr.New(5788003, "Missing value for 'n'")
	case !many && !bsonx.IsMissing(f[2]):
		return nil, mongoerr.New(5788002, "Unknown argument to %s 'n'", name)
	case bsonx.IsMissing(f[0]):
		return nil, mongoerr.New(5788004, "Missing value for 'output'")
	case bsonx.IsMissing(f[1]):
		return nil, mongoerr.New(5788005, "Missing value for 'sortBy'")
	case f[1].Type != bson.TypeEmbeddedDocument:
		return nil, mongoerr.New(5788604, "expected 'sortBy' to already be an object in the arguments to %s", name)
	}
	s := &accSpec{name: name}
	if s.arg, err = expr.Compile(f[0], c.scope); err != nil {
		return nil, err
	}
	if s.sortBy, err = sortFields(f[1].Value); err != nil {
		return nil, err
	}
	if many {
		if s.n, err = expr.Compile(f[2], c.scope); err != nil {
			return nil, err
		}
		if v, ok := expr.Constant(s.n); ok {
			if _, err := expr.CheckN(v, name); err != nil {
				return nil, err
			}
		}
	}
	bottom := name == "$bottom" || name == "$bottomN"
	s.make = func(n int64) accumulator {
		if !many {
			n = 1
		}
		return &topAcc{n: n, bottom: bottom, single: !many}
	}
	return s, nil
}

func (c *compiler) nAccumulator(name string, arg bson.RawValue) (*accSpec, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(5787801, "specification must be an object; found %s: %s", name, expr.TypeName(arg))
	}
	s := &accSpec{name: name}
	for it := bsonx.Elements(arg.Value); it.Next(); {
		e, err := expr.Compile(it.Value(), c.scope)
		if err != nil {
			return nil, err
		}
		switch string(it.Key()) {
		case "n":
			s.n = e
		case "input":
			s.arg = e
		default:
			return nil, mongoerr.New(5787901, "Unknown argument for 'n' operator: %s", it.Key())
		}
	}
	if s.n == nil {
		return nil, mongoerr.New(5787906, "Missing value for 'n'")
	}
	if s.arg == nil {
		return nil, mongoerr.New(5787907, "Missing value for 'input'")
	}
	if v, ok := expr.Constant(s.n); ok {
		if _, err := expr.CheckN(v, name); err != nil {
			return nil, err
		}
	}
	s.make = func(n int64) accumulator { return &nAcc{name: name, n: n} }
	return s, nil
}
