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
	"github.com/strata-crm/strata/shared/local/docstore/query"
)

// lookupStage is $lookup: equality of fields, a pipeline with variables, or both.
type lookupStage struct {
	source Source
	from   Namespace
	local  []string
	// foreign is the foreign field of an equality; empty means none
	foreign string
	as      []string
	stages  []stage
	own     bool
	slots   []int
	lets    []expr.Expr
	// pushed are conditions of the pipeline's front that the scan of the foreign collection takes over
	pushed []bson.Raw
}

type lookupArgs struct {
	from, local, foreign, as, let, pipeline bson.RawValue
}

func (c *compiler) lookup(arg bson.RawValue) (stage, error) {
	if err := object(arg, mongoerr.FailedToParse, "$lookup"); err != nil {
		return nil, err
	}
	if from := bsonx.Lookup(arg.Value, "from"); bsonx.IsMissing(from) && bsonx.Lookup(arg.Value, "pipeline").Type != bson.TypeArray {
		return nil, mongoerr.New(mongoerr.FailedToParse, "must specify 'pipeline' when 'from' is empty")
	}
	a, err := lookupFields(arg.Value)
	if err != nil {
		return nil, err
	}
	s := &lookupStage{source: c.deps.Source, from: Namespace{DB: c.db}}
	if err := s.readFrom(c, a); err != nil {
		return nil, err
	}
	if err := s.readPaths(a); err != nil {
		return nil, err
	}
	scope, err := s.readLet(c, a.let)
	if err != nil {
		return nil, err
	}
	if bsonx.IsMissing(a.pipeline) {
		return s, nil
	}
	list, err := stageList(a.pipeline, mongoerr.TypeMismatch)
	if err != nil {
		return nil, err
	}
	inner := &compiler{deps: c.deps, scope: scope, place: inLookup, depth: c.depth + 1, db: c.db, coll: s.from.Coll}
	if s.stages, err = inner.stages(list); err != nil {
		return nil, err
	}
	if !s.own {
		s.pushed, s.stages = pushFilters(s.stages)
	}
	s.stages = optimize(s.stages)
	return s, nil
}

// pushFilters splits off the leading $match stages that use no variables, so that an index may serve them.
func pushFilters(stages []stage) (filters []bson.Raw, rest []stage) {
	for i, s := range stages {
		m, ok := s.(*matchStage)
		if !ok || bytes.Contains(m.filter, []byte("$expr\x00")) {
			return filters, stages[i:]
		}
		filters = append(filters, m.filter)
	}
	return filters, nil
}

func lookupFields(body bson.Raw) (a lookupArgs, err error) {
	seen := map[string]bool{}
	for it := bsonx.Elements(body); it.Next(); {
		v := it.Value()
		if seen[string(it.Key())] {
			return a, mongoerr.New(40413, "BSON field '$lookup.%s' is a duplicate field", it.Key())
		}
		seen[string(it.Key())] = true
		switch name := string(it.Key()); name {
		case "from":
			a.from = v
		case "localField", "foreignField", "as":
			if v.Type == bson.TypeNull {
				continue
			}
			if v.Type != bson.TypeString {
				return a, mongoerr.New(mongoerr.TypeMismatch, "BSON field '$lookup.%s' is the wrong type '%s', expected type 'string'", name, expr.TypeName(v))
			}
			if name != "as" && len(bsonx.StringBytes(v)) == 0 {
				continue
			}
			switch name {
			case "localField":
				a.local = v
			case "foreignField":
				a.foreign = v
			default:
				a.as = v
			}
		case "let":
			if v.Type == bson.TypeNull {
				continue
			}
			if v.Type != bson.TypeEmbeddedDocument {
				return a, mongoerr.New(mongoerr.TypeMismatch, "BSON field '$lookup.let' is the wrong type '%s', expected type 'object'", expr.TypeName(v))
			}
			a.let = v
		case "pipeline":
			if v.Type != bson.TypeArray {
				return a, mongoerr.New(mongoerr.TypeMismatch, "BSON field '$lookup.pipeline' is the wrong type '%s', expected type 'array'", expr.TypeName(v))
			}
			a.pipeline = v
		default:
			return a, mongoerr.New(40415, "BSON field '$lookup.%s' is an unknown field.", name)
		}
	}
	if bsonx.IsMissing(a.as) {
		return a, mongoerr.New(40414, "BSON field '$lookup.as' is missing but a required field")
	}
	return a, nil
}

func (s *lookupStage) readFrom(c *compiler, a lookupArgs) error {
	switch a.from.Type {
	case bson.TypeString:
		s.from.Coll = string(bsonx.StringBytes(a.from))
		if s.from.Coll == "" || s.from.Coll[0] == '.' || strings.Contains(s.from.Coll, "\x00") {
			return mongoerr.New(mongoerr.InvalidNamespace, "$lookup 'from' must not be empty")
		}
		return nil
	case 0, bson.TypeNull:
		list := bsonx.Values(a.pipeline)
		if len(list) > 0 && list[0].Type == bson.TypeEmbeddedDocument && bsonx.FirstKey(list[0].Value) == "$documents" {
			s.own = true
			return nil
		}
		return mongoerr.New(mongoerr.FailedToParse, "must specify 'pipeline' when 'from' is empty")
	case bson.TypeEmbeddedDocument:
		for it := bsonx.Elements(a.from.Value); it.Next(); {
			if k := string(it.Key()); k != "db" && k != "coll" {
				return mongoerr.New(40415, "BSON field 'from.%s' is an unknown field.", k)
			}
			if it.Value().Type != bson.TypeString {
				return mongoerr.New(mongoerr.TypeMismatch, "BSON field 'from.%s' is the wrong type '%s', expected type 'string'", it.Key(), expr.TypeName(it.Value()))
			}
		}
	}
	return mongoerr.New(mongoerr.FailedToParse, "$lookup 'from' must be a string, but found: %s", expr.TypeName(a.from))
}

func (s *lookupStage) readPaths(a lookupArgs) error {
	as := string(bsonx.StringBytes(a.as))
	if err := stagePath(as); err != nil {
		return err
	}
	s.as = strings.Split(as, ".")
	if bsonx.IsMissing(a.local) != bsonx.IsMissing(a.foreign) {
		return mongoerr.New(mongoerr.FailedToParse, "$lookup requires both or neither of 'localField' and 'foreignField' to be specified")
	}
	if bsonx.IsMissing(a.pipeline) {
		if bsonx.IsMissing(a.local) {
			return mongoerr.New(mongoerr.FailedToParse, "$lookup requires either 'pipeline' or both 'localField' and 'foreignField' to be specified")
		}
		if !bsonx.IsMissing(a.let) {
			return mongoerr.New(mongoerr.FailedToParse, "$lookup with a 'let' argument must also specify 'pipeline'")
		}
	}
	if bsonx.IsMissing(a.local) {
		return nil
	}
	for _, v := range []bson.RawValue{a.local, a.foreign} {
		if err := stagePath(string(bsonx.StringBytes(v))); err != nil {
			return err
		}
	}
	s.local = strings.Split(string(bsonx.StringBytes(a.local)), ".")
	s.foreign = string(bsonx.StringBytes(a.foreign))
	return nil
}

func (s *lookupStage) readLet(c *compiler, let bson.RawValue) (*expr.Scope, error) {
	scope := c.scope
	for it := bsonx.Elements(let.Value); it.Next(); {
		name := string(it.Key())
		if err := expr.ValidateVariableName(name); err != nil {
			return nil, err
		}
		e, err := expr.Compile(it.Value(), c.scope)
		if err != nil {
			return nil, err
		}
		inner, slot := scope.Define(name)
		scope = inner
		s.slots, s.lets = append(s.slots, slot), append(s.lets, e)
	}
	return scope, nil
}

func (s *lookupStage) run(_ context.Context, env *expr.Env, in Iterator) (Iterator, error) {
	if s.source == nil && !s.own {
		return nil, mongoerr.New(mongoerr.InternalError, "pipeline: Deps.Source is required by $lookup")
	}
	inner := env.Clone()
	// Without variables and fields the join is the same for every document.
	var joined bson.RawValue
	same := len(s.lets) == 0 && s.foreign == ""
	return &funcIter{in, func(ctx context.Context, in Iterator) (bson.Raw, bool, error) {
		d, ok, err := in.Next(ctx)
		if err != nil || !ok {
			return nil, false, err
		}
		if !same || bsonx.IsMissing(joined) {
			if joined, err = s.join(ctx, env, inner, d); err != nil {
				return nil, false, err
			}
		}
		return setPath(d, s.as, joined), true, nil
	}}, nil
}

func (s *lookupStage) join(ctx context.Context, env, inner *expr.Env, d bson.Raw) (bson.RawValue, error) {
	for i, e := range s.lets {
		v, err := e.Eval(env, d)
		if err != nil {
			return v, err
		}
		inner.Set(s.slots[i], v)
	}
	if s.own {
		return s.joinOwn(ctx, inner, d)
	}
	filters := s.pushed
	if s.foreign != "" {
		filters = append(slices.Clone(filters), s.filter(d))
	}
	docs, err := s.source.Scan(ctx, s.from, scanFilter(filters))
	if err != nil {
		return bson.RawValue{}, err
	}
	return collectArray(ctx, s.stages, inner, docs, joinTooLarge)
}

// filter is what a foreign document must match for one local document.
func (s *lookupStage) filter(d bson.Raw) bson.Raw {
	local := localValue(bsonx.Document(d), s.local)
	if local.Type != bson.TypeArray {
		return equals(s.foreign, orNull(local))
	}
	list, regex := bsonx.NewArray(0), false
	alternatives := bsonx.NewArray(0)
	for it := bsonx.Items(local); it.Next(); {
		v := it.Value()
		regex = regex || v.Type == bson.TypeRegex
		list.Append(v)
		alternatives.Append(bsonx.Document(equals(s.foreign, v)))
	}
	if list.Len() == 0 {
		list.Append(bsonx.Null)
	}
	if regex {
		// A regular expression in $in would be a pattern; a join compares it as a value.
		return bsonx.NewDoc(0).Append("$or", alternatives.Value()).Raw()
	}
	in := bsonx.NewDoc(0).Append("$in", list.Value()).Value()
	return bsonx.NewDoc(0).Append(s.foreign, in).Raw()
}

// scanFilter joins filters for Source.Scan.
func scanFilter(filters []bson.Raw) bson.Raw {
	if f := conjunction(filters); f != nil {
		return f
	}
	return bsonx.NewDoc(0).Raw()
}

// localValue reads the local field: like a path of an expression, but a number picks an item of an array.
func localValue(v bson.RawValue, path []string) bson.RawValue {
	for i, k := range path {
		switch v.Type {
		case bson.TypeEmbeddedDocument:
			v = bsonx.Lookup(v.Value, k)
			continue
		case bson.TypeArray:
		default:
			return bson.RawValue{}
		}
		if n, ok := bsonx.ArrayIndex(k); ok {
			v = bsonx.At(v.Value, n)
			continue
		}
		out := bsonx.NewArray(0)
		for it := bsonx.Items(v); it.Next(); {
			item := localValue(it.Value(), path[i:])
			if !bsonx.IsMissing(item) {
				out.Append(item)
			}
		}
		return out.Value()
	}
	return v
}

// joinOwn runs a pipeline that brings its own $documents; an equality of fields follows them.
func (s *lookupStage) joinOwn(ctx context.Context, env *expr.Env, d bson.Raw) (bson.RawValue, error) {
	stages := s.stages
	if s.foreign != "" {
		m, err := query.Compile(s.filter(d), query.Options{})
		if err != nil {
			return bson.RawValue{}, err
		}
		stages = slices.Insert(slices.Clone(stages), 1, stage(&matchStage{matcher: m}))
	}
	return collectArray(ctx, stages, env, Slice(nil), joinTooLarge)
}

func equals(path string, v bson.RawValue) bson.Raw {
	return bsonx.NewDoc(0).Append(path, bsonx.NewDoc(0).Append("$eq", v).Value()).Raw()
}

// unionStage is $unionWith.
type unionStage struct {
	source Source
	from   Namespace
	pushed []bson.Raw
	stages []stage
	own    bool
}

func (c *compiler) unionWith(arg bson.RawValue) (stage, error) {
	s := &unionStage{source: c.deps.Source, from: Namespace{DB: c.db}}
	var list []bson.Raw
	switch arg.Type {
	case bson.TypeString:
		s.from.Coll = string(bsonx.StringBytes(arg))
	case bson.TypeEmbeddedDocument:
		for it := bsonx.Elements(arg.Value); it.Next(); {
			v := it.Value()
			switch string(it.Key()) {
			case "coll":
				if v.Type != bson.TypeString {
					return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field '$unionWith.coll' is the wrong type '%s', expected type 'string'", expr.TypeName(v))
				}
				s.from.Coll = string(bsonx.StringBytes(v))
			case "pipeline":
				if v.Type != bson.TypeArray {
					return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field '$unionWith.pipeline' is the wrong type '%s', expected type 'array'", expr.TypeName(v))
				}
				l, err := stageList(v, mongoerr.TypeMismatch)
				if err != nil {
					return nil, err
				}
				list = l
			default:
				return nil, mongoerr.New(40415, "BSON field '$unionWith.%s' is an unknown field.", it.Key())
			}
		}
	default:
		return nil, mongoerr.New(mongoerr.FailedToParse, "the $unionWith stage specification must be an object or string, but found %s", expr.TypeName(arg))
	}
	if s.from.Coll == "" {
		s.own = len(list) > 0 && bsonx.FirstKey(list[0]) == "$documents"
		if !s.own {
			return nil, mongoerr.New(mongoerr.FailedToParse, "$unionWith stage without explicit collection must have a pipeline with $documents as first stage")
		}
	}
	inner := &compiler{deps: c.deps, scope: c.scope, place: inUnion, depth: c.depth + 1, db: c.db, coll: s.from.Coll}
	stages, err := inner.stages(list)
	if !s.own {
		s.pushed, stages = pushFilters(stages)
	}
	s.stages = optimize(stages)
	return s, err
}

func (s *unionStage) run(_ context.Context, env *expr.Env, in Iterator) (Iterator, error) {
	if s.source == nil && !s.own {
		return nil, mongoerr.New(mongoerr.InternalError, "pipeline: Deps.Source is required by $unionWith")
	}
	return &unionIter{s: s, env: env.Clone(), first: in}, nil
}

type unionIter struct {
	s      *unionStage
	env    *expr.Env
	first  Iterator
	second Iterator
}

func (u *unionIter) Next(ctx context.Context) (bson.Raw, bool, error) {
	if u.second == nil {
		d, ok, err := u.first.Next(ctx)
		if err != nil || ok {
			return d, ok, err
		}
		u.first.Close()
		docs := Slice(nil)
		if !u.s.own {
			if docs, err = u.s.source.Scan(ctx, u.s.from, scanFilter(u.s.pushed)); err != nil {
				return nil, false, err
			}
		}
		if u.second, err = runStages(ctx, u.s.stages, u.env, docs); err != nil {
			return nil, false, err
		}
	}
	return u.second.Next(ctx)
}

func (u *unionIter) Close() {
	u.first.Close()
	if u.second != nil {
		u.second.Close()
	}
}
