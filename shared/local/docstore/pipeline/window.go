package pipeline

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// windowStage is $setWindowFields.
type windowStage struct {
	c      *compiler
	by     expr.Expr
	sortBy []bsonx.IndexField
	sorted bool
	paths  [][]string
	fields []*windowField
}

func (c *compiler) setWindowFields(arg bson.RawValue) (stage, error) {
	if err := object(arg, mongoerr.FailedToParse, "$setWindowFields"); err != nil {
		return nil, err
	}
	s := &windowStage{c: c, by: expr.Const(bsonx.Null)}
	var output, sortBy bson.RawValue
	for it := bsonx.Elements(arg.Value); it.Next(); {
		v := it.Value()
		switch string(it.Key()) {
		case "partitionBy":
			e, err := expr.Compile(v, c.scope)
			if err != nil {
				return nil, err
			}
			if k, ok := expr.Constant(e); ok && k.Type == bson.TypeArray {
				return nil, mongoerr.New(mongoerr.TypeMismatch, "An expression used to partition cannot evaluate to value of type array")
			}
			s.by = e
		case "sortBy":
			if v.Type == bson.TypeNull {
				continue
			}
			if v.Type != bson.TypeEmbeddedDocument {
				return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field '$setWindowFields.sortBy' is the wrong type '%s', expected type 'object'", expr.TypeName(v))
			}
			sortBy = v
		case "output":
			if v.Type != bson.TypeEmbeddedDocument {
				return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field '$setWindowFields.output' is the wrong type '%s', expected type 'object'", expr.TypeName(v))
			}
			output = v
		default:
			return nil, mongoerr.New(40415, "BSON field '$setWindowFields.%s' is an unknown field.", it.Key())
		}
	}
	if bsonx.IsMissing(output) {
		return nil, mongoerr.New(40414, "BSON field '$setWindowFields.output' is missing but a required field")
	}
	s.sorted = !bsonx.IsMissing(sortBy)
	if s.sorted && !bsonx.IsEmpty(sortBy.Value) {
		fields, err := sortFields(sortBy.Value)
		if err != nil {
			return nil, err
		}
		s.sortBy = fields
	}
	return s, s.readOutput(output.Value)
}

func (s *windowStage) readOutput(output bson.Raw) error {
	root := &field{}
	for it := bsonx.Elements(output); it.Next(); {
		path := string(it.Key())
		if err := stagePath(path); err != nil {
			return err
		}
		f, err := insert(root, path, 40176, 40176)
		if err != nil {
			return err
		}
		f.leaf = true
		w, err := s.c.windowField(s, it.Value())
		if err != nil {
			return err
		}
		s.paths, s.fields = append(s.paths, strings.Split(path, ".")), append(s.fields, w)
	}
	return nil
}

// windowField computes one output field.
type windowField struct {
	name   string
	acc    *accSpec
	bounds bounds
	shift  *shiftSpec
	fill   expr.Expr
	pair   [2]expr.Expr
}

func (c *compiler) windowField(s *windowStage, v bson.RawValue) (*windowField, error) {
	if v.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(mongoerr.FailedToParse, "The field must be an object with a window function")
	}
	f := &windowField{}
	switch first := bsonx.FirstKey(v.Value); first {
	case "$rank", "$denseRank", "$documentNumber":
		if bsonx.Len(v.Value) > 1 {
			return nil, mongoerr.New(5371601, "Rank style window functions take no other arguments")
		}
	}
	var arg, window bson.RawValue
	for it := bsonx.Elements(v.Value); it.Next(); {
		k := string(it.Key())
		switch {
		case k == "window":
			window = it.Value()
			if window.Type != bson.TypeEmbeddedDocument {
				return nil, mongoerr.New(mongoerr.FailedToParse, "'window' field must be an object")
			}
		case !strings.HasPrefix(k, "$"):
			return nil, mongoerr.New(mongoerr.FailedToParse, "Window function found an unknown argument: %s", k)
		case f.name != "":
			return nil, mongoerr.New(mongoerr.FailedToParse, "Cannot specify two functions in window function spec")
		default:
			f.name, arg = k, it.Value()
		}
	}
	if f.name == "" {
		return nil, mongoerr.New(mongoerr.FailedToParse, "Must specify a window function in output field")
	}
	return f, f.compile(c, s, arg, window)
}

func (f *windowField) compile(c *compiler, s *windowStage, arg, window bson.RawValue) (err error) {
	switch f.name {
	case "$rank", "$denseRank", "$documentNumber":
		return f.compileRank(s, arg, window)
	case "$shift":
		if !bsonx.IsMissing(window) {
			return mongoerr.New(mongoerr.FailedToParse, "$shift does not accept a 'window' field")
		}
		if !s.sorted {
			return mongoerr.New(mongoerr.FailedToParse, "$shift requires a sortBy")
		}
		f.shift, err = c.shift(arg)
		return err
	case "$locf", "$linearFill":
		if !bsonx.IsMissing(window) {
			return mongoerr.New(mongoerr.FailedToParse, "'window' field is not allowed in %s", f.name)
		}
		if f.name == "$linearFill" {
			return expr.ErrUnsupported("the window function $linearFill")
		}
		f.fill, err = expr.Compile(arg, c.scope)
		return err
	case "$covariancePop", "$covarianceSamp":
		if err := f.compilePair(c, arg); err != nil {
			return err
		}
	case "$derivative", "$integral", "$expMovingAvg", "$minMaxScaler":
		return expr.ErrUnsupported("the window function %s", f.name)
	default:
		if simpleAccumulator(f.name) == nil && !windowAccumulator(f.name) {
			return mongoerr.New(mongoerr.FailedToParse, "Unrecognized window function, %s", f.name)
		}
		if f.acc, err = c.windowAccumulator(f.name, arg); err != nil {
			return err
		}
	}
	f.bounds, err = c.bounds(window, s)
	return err
}

// windowAccumulator compiles an accumulator; unlike in $group, an array is an expression.
func (c *compiler) windowAccumulator(name string, arg bson.RawValue) (*accSpec, error) {
	construct := simpleAccumulator(name)
	if construct == nil {
		return c.accumulator(name, arg)
	}
	e, err := expr.Compile(arg, c.scope)
	return &accSpec{name: name, arg: e, make: func(int64) accumulator { return construct() }}, err
}

func windowAccumulator(name string) bool {
	switch name {
	case "$count", "$top", "$bottom", "$topN", "$bottomN", "$firstN", "$lastN", "$minN", "$maxN", "$median", "$percentile":
		return true
	}
	return false
}

func (f *windowField) compileRank(s *windowStage, arg, window bson.RawValue) error {
	if !bsonx.IsMissing(window) {
		return mongoerr.New(5371601, "Rank style window functions take no other arguments")
	}
	if len(s.sortBy) != 1 {
		return mongoerr.New(5371602, "%s must be specified with a top level sortBy expression with exactly one element", f.name)
	}
	if arg.Type != bson.TypeEmbeddedDocument || !bsonx.IsEmpty(arg.Value) {
		return mongoerr.New(5371603, "%s must be specified with '{}' as the value", f.name)
	}
	return nil
}

func (f *windowField) compilePair(c *compiler, arg bson.RawValue) error {
	items := bsonx.Values(arg)
	if arg.Type != bson.TypeArray || len(items) != 2 {
		// Compiling first reports an error inside the expression, as MongoDB does.
		if _, err := expr.Compile(arg, c.scope); err != nil {
			return err
		}
		f.pair = [2]expr.Expr{expr.Const(bsonx.Null), expr.Const(bsonx.Null)}
		return nil
	}
	for i, it := range items {
		e, err := expr.Compile(it, c.scope)
		if err != nil {
			return err
		}
		f.pair[i] = e
	}
	return nil
}

type shiftSpec struct {
	output expr.Expr
	by     int
	def    bson.RawValue
}

func (c *compiler) shift(arg bson.RawValue) (*shiftSpec, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(mongoerr.FailedToParse, "Argument to $shift must be an object")
	}
	s := &shiftSpec{def: bsonx.Null}
	by := false
	for it := bsonx.Elements(arg.Value); it.Next(); {
		var err error
		switch string(it.Key()) {
		case "output":
			s.output, err = expr.Compile(it.Value(), c.scope)
		case "by":
			n, ok := expr.IntegralInt32(it.Value())
			if !ok {
				return nil, mongoerr.New(mongoerr.FailedToParse, "'$shift:by' field must be an integer")
			}
			s.by, by = int(n), true
		case "default":
			s.def, err = c.constant(it.Value(), mongoerr.FailedToParse, "'$shift:default' expression must yield a constant value.")
		default:
			return nil, mongoerr.New(mongoerr.FailedToParse, "Unknown argument in $shift: %s", it.Key())
		}
		if err != nil {
			return nil, err
		}
	}
	if s.output == nil || !by {
		return nil, mongoerr.New(mongoerr.FailedToParse, "$shift requires an 'output' expression and a 'by' integer.")
	}
	return s, nil
}

// partition is the documents of one partition, in the order of sortBy.
type partition struct {
	docs []bson.Raw
	keys [][]byte
	// at are the values of the single sort field, for ranges.
	at []bson.RawValue
}

func (s *windowStage) run(_ context.Context, env *expr.Env, in Iterator) (Iterator, error) {
	return &lazyIter{in: in, load: func(ctx context.Context, in Iterator) (Iterator, error) {
		entries, err := s.read(ctx, env, in)
		if err != nil {
			return nil, err
		}
		var out []bson.Raw
		for len(entries) > 0 {
			n := 1
			for n < len(entries) && bytes.Equal(entries[n].part, entries[0].part) {
				n++
			}
			docs, err := s.partition(env, entries[:n])
			if err != nil {
				return nil, err
			}
			out = append(out, docs...)
			entries = entries[n:]
		}
		return Slice(out), nil
	}}, nil
}

type windowEntry struct {
	part, key []byte
	doc       bson.Raw
}

// read sorts the input by partition and sort key.
func (s *windowStage) read(ctx context.Context, env *expr.Env, in Iterator) ([]windowEntry, error) {
	var out []windowEntry
	used := int64(0)
	for {
		d, ok, err := in.Next(ctx)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		v, err := s.by.Eval(env, d)
		if err != nil {
			return nil, err
		}
		if v.Type == bson.TypeArray {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "An expression used to partition cannot evaluate to value of type array")
		}
		key, err := bsonx.SortKey(nil, d, s.sortBy)
		if err != nil {
			return nil, err
		}
		e := windowEntry{part: bsonx.AppendKey(nil, orNull(v), false), key: key, doc: d}
		out = append(out, e)
		used += int64(len(d)+len(e.part)+len(e.key)) + 96
		if err := s.c.exceeded(used, "$setWindowFields"); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out, func(a, b windowEntry) int {
		if c := bytes.Compare(a.part, b.part); c != 0 {
			return c
		}
		return bytes.Compare(a.key, b.key)
	})
	return out, nil
}

func (s *windowStage) partition(env *expr.Env, entries []windowEntry) ([]bson.Raw, error) {
	p := &partition{}
	for _, e := range entries {
		p.docs, p.keys = append(p.docs, e.doc), append(p.keys, e.key)
		if len(s.sortBy) == 1 {
			p.at = append(p.at, valueAt(e.doc, strings.Split(s.sortBy[0].Path, ".")))
		}
	}
	out := slices.Clone(p.docs)
	for i, f := range s.fields {
		values, err := f.values(env, p)
		if err != nil {
			return nil, err
		}
		for d := range out {
			out[d] = setPath(out[d], s.paths[i], values[d])
		}
	}
	return out, nil
}
