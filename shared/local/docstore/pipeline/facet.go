package pipeline

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// facetStage is $facet. It holds its input in memory while the facets read it in turn.
type facetStage struct {
	c      *compiler
	names  []string
	facets [][]stage
}

func (c *compiler) facet(arg bson.RawValue) (stage, error) {
	if arg.Type != bson.TypeEmbeddedDocument || bsonx.IsEmpty(arg.Value) {
		return nil, mongoerr.New(40169, "the $facet specification must be a non-empty object")
	}
	s := &facetStage{c: c}
	inner := *c
	inner.place, inner.depth = inFacet, c.depth+1
	for it := bsonx.Elements(arg.Value); it.Next(); {
		name := string(it.Key())
		if it.Value().Type != bson.TypeArray {
			return nil, mongoerr.New(40170, "arguments to $facet must be arrays, %s is type %s", name, expr.TypeName(it.Value()))
		}
		if err := expr.ValidateFieldName(name); err != nil {
			return nil, err
		}
		list, err := stageList(it.Value(), 40171)
		if err != nil {
			return nil, err
		}
		stages, err := inner.stages(list)
		if err != nil {
			return nil, err
		}
		s.names, s.facets = append(s.names, name), append(s.facets, optimize(stages))
	}
	return s, nil
}

// stageList reads an array of stages.
func stageList(arr bson.RawValue, code int32) ([]bson.Raw, error) {
	var out []bson.Raw
	for it := bsonx.Items(arr); it.Next(); {
		if it.Value().Type != bson.TypeEmbeddedDocument {
			return nil, mongoerr.New(code, "Each element of the 'pipeline' array must be an object")
		}
		out = append(out, it.Value().Value)
	}
	return out, nil
}

func (s *facetStage) run(_ context.Context, env *expr.Env, in Iterator) (Iterator, error) {
	return &lazyIter{in: in, load: func(ctx context.Context, in Iterator) (Iterator, error) {
		var docs []bson.Raw
		used := int64(0)
		for {
			d, ok, err := in.Next(ctx)
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			docs = append(docs, d)
			used += int64(len(d)) + 24
			if err := s.c.exceeded(used, "$facet"); err != nil {
				return nil, err
			}
		}
		b := bsonx.NewDoc(0)
		total := 0
		for i, stages := range s.facets {
			v, err := collectArray(ctx, stages, env.Clone(), Slice(docs), func(n int) error {
				if total+n > maxAccumulated {
					return mongoerr.New(facetTooLarge, "document constructed by $facet is %d bytes, which exceeds the limit of %d bytes", total+n, maxAccumulated)
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
			total += len(v.Value)
			b.Append(s.names[i], v)
		}
		return Slice([]bson.Raw{b.Raw()}), nil
	}}, nil
}

// facetTooLarge is the code of a $facet whose outputs together exceed the bound.
const facetTooLarge = 4031700

// joinTooLarge bounds what a $lookup joins to one document.
func joinTooLarge(n int) error {
	if n > maxAccumulated {
		return mongoerr.New(4568, "the array of a nested pipeline exceeds the maximum document size")
	}
	return nil
}

// collectArray runs stages and answers their documents as an array, of which check is told the size in bytes.
func collectArray(ctx context.Context, stages []stage, env *expr.Env, in Iterator, check func(n int) error) (bson.RawValue, error) {
	out, err := runStages(ctx, stages, env, in)
	if err != nil {
		return bson.RawValue{}, err
	}
	defer out.Close()
	arr := bsonx.NewArray(0)
	used := 0
	for {
		d, ok, err := out.Next(ctx)
		if err != nil || !ok {
			return arr.Value(), err
		}
		used += len(d)
		if err := check(used); err != nil {
			return bson.RawValue{}, err
		}
		arr.Append(bsonx.Document(d))
	}
}

// redactStage is $redact.
type redactStage struct {
	e     expr.Expr
	slots [4]int
}

func (c *compiler) redact(arg bson.RawValue) (stage, error) {
	s := &redactStage{}
	scope := c.scope
	for i, name := range []string{"DESCEND", "PRUNE", "KEEP", "CURRENT"} {
		scope, s.slots[i] = scope.Define(name)
	}
	e, err := expr.Compile(arg, scope)
	s.e = e
	return s, err
}

func (s *redactStage) run(_ context.Context, env *expr.Env, in Iterator) (Iterator, error) {
	for i, word := range []string{"descend", "prune", "keep"} {
		env.Set(s.slots[i], bsonx.String(word))
	}
	return &funcIter{in, func(ctx context.Context, in Iterator) (bson.Raw, bool, error) {
		for {
			d, ok, err := in.Next(ctx)
			if err != nil || !ok {
				return nil, false, err
			}
			out, keep, err := s.level(env, d, d)
			if err != nil {
				return nil, false, err
			}
			if keep {
				return out, true, nil
			}
		}
	}}, nil
}

// level redacts one object: whole, not at all, or by its inner objects.
func (s *redactStage) level(env *expr.Env, root, d bson.Raw) (bson.Raw, bool, error) {
	env.Set(s.slots[3], bsonx.Document(d))
	v, err := s.e.Eval(env, root)
	if err != nil {
		return nil, false, err
	}
	word := ""
	if v.Type == bson.TypeString {
		word = string(bsonx.StringBytes(v))
	}
	switch word {
	case "keep":
		return d, true, nil
	case "prune":
		return nil, false, nil
	case "descend":
	default:
		return nil, false, mongoerr.New(17053, "$redact's expression should not return anything aside from the variables $$KEEP, $$DESCEND, and $$PRUNE, but returned %s", v)
	}
	b := bsonx.NewDoc(len(d))
	for it := bsonx.Elements(d); it.Next(); {
		inner, keep, err := s.value(env, root, it.Value())
		if err != nil {
			return nil, false, err
		}
		if keep {
			b.AppendBytes(it.Key(), inner)
		}
	}
	return b.Raw(), true, nil
}

func (s *redactStage) value(env *expr.Env, root bson.Raw, v bson.RawValue) (bson.RawValue, bool, error) {
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		d, keep, err := s.level(env, root, v.Value)
		return bsonx.Document(d), keep, err
	case bson.TypeArray:
		b := bsonx.NewArray(len(v.Value))
		for it := bsonx.Items(v); it.Next(); {
			item, keep, err := s.value(env, root, it.Value())
			if err != nil {
				return v, false, err
			}
			if keep {
				b.Append(item)
			}
		}
		return b.Value(), true, nil
	}
	return v, true, nil
}
