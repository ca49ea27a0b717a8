package pipeline

import (
	"context"
	"math/rand/v2"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/query"
)

// matchStage is $match.
type matchStage struct {
	filter  bson.Raw
	matcher *query.Matcher
}

func (c *compiler) match(arg bson.RawValue) (stage, error) {
	if err := object(arg, 15959, "$match filter"); err != nil {
		return nil, err
	}
	m, err := query.Compile(arg.Value, query.Options{Scope: c.scope, Env: c.deps.Env, InMatch: true})
	if err != nil {
		return nil, err
	}
	return &matchStage{arg.Value, m}, nil
}

func (s *matchStage) run(_ context.Context, env *expr.Env, in Iterator) (Iterator, error) {
	return &funcIter{in, func(ctx context.Context, in Iterator) (bson.Raw, bool, error) {
		for {
			d, ok, err := in.Next(ctx)
			if err != nil || !ok {
				return nil, false, err
			}
			ok, err = s.matcher.MatchEnv(env, d)
			if err != nil {
				return nil, false, err
			}
			if ok {
				return d, true, nil
			}
		}
	}}, nil
}

// limitStage and skipStage are $limit and $skip.
type (
	limitStage struct{ n int64 }
	skipStage  struct{ n int64 }
)

func (c *compiler) limit(arg bson.RawValue) (stage, error) {
	n, ok := bsonx.IntegerOf(arg)
	if !ok || n < 0 {
		return nil, mongoerr.New(5107201, "invalid argument to $limit stage: Expected a non-negative integer: %s", arg)
	}
	if n == 0 {
		return nil, mongoerr.New(15958, "the limit must be positive")
	}
	return &limitStage{n}, nil
}

func (s *limitStage) run(_ context.Context, _ *expr.Env, in Iterator) (Iterator, error) {
	left := s.n
	return &funcIter{in, func(ctx context.Context, in Iterator) (bson.Raw, bool, error) {
		if left == 0 {
			return nil, false, nil
		}
		left--
		d, ok, err := in.Next(ctx)
		if left == 0 {
			in.Close()
		}
		return d, ok, err
	}}, nil
}

func (c *compiler) skip(arg bson.RawValue) (stage, error) {
	n, ok := bsonx.IntegerOf(arg)
	if !ok || n < 0 {
		return nil, mongoerr.New(5107200, "invalid argument to $skip stage: Expected a non-negative integer: %s", arg)
	}
	return &skipStage{n}, nil
}

func (s *skipStage) run(_ context.Context, _ *expr.Env, in Iterator) (Iterator, error) {
	left := s.n
	return &funcIter{in, func(ctx context.Context, in Iterator) (bson.Raw, bool, error) {
		for ; left > 0; left-- {
			if _, ok, err := in.Next(ctx); err != nil || !ok {
				left = 0
				return nil, false, err
			}
		}
		return in.Next(ctx)
	}}, nil
}

// count is $count: a $group and a $project in MongoDB, one stage here.
func (c *compiler) count(arg bson.RawValue) ([]stage, error) {
	if arg.Type != bson.TypeString {
		return nil, mongoerr.New(40156, "the count field must be a non-empty string")
	}
	name := string(bsonx.StringBytes(arg))
	switch {
	case name == "":
		return nil, mongoerr.New(40157, "the count field must be a non-empty string")
	case name[0] == '$':
		return nil, mongoerr.New(40158, "the count field cannot be a $-prefixed path")
	case strings.Contains(name, "\x00"):
		return nil, mongoerr.New(40159, "the count field cannot contain a null byte")
	case strings.Contains(name, "."):
		return nil, mongoerr.New(40160, "the count field cannot contain '.'")
	case name == "_id":
		return nil, mongoerr.New(9039800, "the count field cannot be '_id'")
	}
	return []stage{&countStage{name}}, nil
}

type countStage struct{ field string }

func (s *countStage) run(_ context.Context, _ *expr.Env, in Iterator) (Iterator, error) {
	return &lazyIter{in: in, load: func(ctx context.Context, in Iterator) (Iterator, error) {
		n := int64(0)
		for {
			_, ok, err := in.Next(ctx)
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			n++
		}
		if n == 0 {
			return Slice(nil), nil
		}
		return Slice([]bson.Raw{bsonx.NewDoc(0).Append(s.field, bsonx.Int(n)).Raw()}), nil
	}}, nil
}

// sortByCount is short for a $group that counts and a $sort by the counts.
func (c *compiler) sortByCount(arg bson.RawValue) ([]stage, error) {
	switch arg.Type {
	case bson.TypeEmbeddedDocument:
		if !strings.HasPrefix(bsonx.FirstKey(arg.Value), "$") {
			return nil, mongoerr.New(40147, "the sortByCount field must be defined as a $-prefixed path or an expression")
		}
	case bson.TypeString:
		if !strings.HasPrefix(string(bsonx.StringBytes(arg)), "$") {
			return nil, mongoerr.New(40148, "the sortByCount field must be defined as a $-prefixed path or an expression")
		}
	default:
		return nil, mongoerr.New(40149, "the sortByCount field must be specified as a string or as an object")
	}
	one := bsonx.NewDoc(0).Append("$sum", bsonx.Int32(1)).Value()
	group, err := c.group(bsonx.NewDoc(0).Append("_id", arg).Append("count", one).Value())
	if err != nil {
		return nil, err
	}
	sort, err := c.sort(bsonx.NewDoc(0).Append("count", bsonx.Int32(-1)).Value())
	return []stage{group, sort}, err
}

// rootStage is $replaceRoot and $replaceWith.
type rootStage struct {
	e expr.Expr
}

func (c *compiler) replaceRoot(arg bson.RawValue) (stage, error) {
	if err := object(arg, 40229, "$replaceRoot"); err != nil {
		return nil, err
	}
	for it := bsonx.Elements(arg.Value); it.Next(); {
		if string(it.Key()) != "newRoot" {
			return nil, mongoerr.New(40415, "BSON field '$replaceRoot.%s' is an unknown field.", it.Key())
		}
	}
	root := bsonx.Lookup(arg.Value, "newRoot")
	if bsonx.IsMissing(root) {
		return nil, mongoerr.New(40414, "BSON field '$replaceRoot.newRoot' is missing but a required field")
	}
	return c.replaceWith(root)
}

func (c *compiler) replaceWith(arg bson.RawValue) (stage, error) {
	e, err := expr.Compile(arg, c.scope)
	if err != nil {
		return nil, err
	}
	if v, ok := expr.Constant(e); ok && v.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(40228, "'replacement document' must evaluate to an object, but resulting value was: %s", v)
	}
	return &rootStage{e}, nil
}

func (s *rootStage) run(_ context.Context, env *expr.Env, in Iterator) (Iterator, error) {
	return mapDocs(in, func(d bson.Raw) (bson.Raw, error) {
		v, err := s.e.Eval(env, d)
		if err != nil {
			return nil, err
		}
		if v.Type != bson.TypeEmbeddedDocument {
			return nil, mongoerr.New(40228, "'replacement document' must evaluate to an object, but resulting value was of type: %s", expr.TypeName(v))
		}
		return v.Value, nil
	}), nil
}

// mapDocs makes one document of each.
func mapDocs(in Iterator, f func(d bson.Raw) (bson.Raw, error)) Iterator {
	return &funcIter{in, func(ctx context.Context, in Iterator) (bson.Raw, bool, error) {
		d, ok, err := in.Next(ctx)
		if err != nil || !ok {
			return nil, false, err
		}
		out, err := f(d)
		return out, err == nil, err
	}}
}

// sampleStage is $sample.
type sampleStage struct {
	c *compiler
	n int64
}

func (c *compiler) sample(arg bson.RawValue) (stage, error) {
	if err := object(arg, 28745, "$sample"); err != nil {
		return nil, err
	}
	size := bsonx.Lookup(arg.Value, "size")
	for it := bsonx.Elements(arg.Value); it.Next(); {
		if string(it.Key()) != "size" {
			return nil, mongoerr.New(28748, "unrecognized option to $sample: %s", it.Key())
		}
	}
	if bsonx.IsMissing(size) {
		return nil, mongoerr.New(28749, "$sample stage must specify a size")
	}
	if !bsonx.IsNumber(size) {
		return nil, mongoerr.New(28746, "size argument to $sample must be a number")
	}
	n, err := expr.CoerceLong(size)
	if f, _ := bsonx.FloatOf(size); f > 1<<62 {
		n, err = 1<<62, nil
	}
	if err != nil || n < 1 {
		return nil, mongoerr.New(28747, "size argument to $sample must be a positive integer")
	}
	return &sampleStage{c, n}, nil
}

// run keeps n documents by reservoir sampling (Vitter 1985, algorithm R), then shuffles them.
func (s *sampleStage) run(_ context.Context, env *expr.Env, in Iterator) (Iterator, error) {
	random := env.Rand
	if random == nil {
		random = rand.Float64
	}
	return &lazyIter{in: in, load: func(ctx context.Context, in Iterator) (Iterator, error) {
		var kept []bson.Raw
		used, seen := int64(0), int64(0)
		for {
			d, ok, err := in.Next(ctx)
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			seen++
			if int64(len(kept)) < s.n {
				kept = append(kept, d)
				used += int64(len(d))
			} else if at := int64(random() * float64(seen)); at < s.n {
				used += int64(len(d) - len(kept[at]))
				kept[at] = d
			}
			if err := s.c.exceeded(used, "$sample"); err != nil {
				return nil, err
			}
		}
		for i := len(kept) - 1; i > 0; i-- {
			j := int(random() * float64(i+1))
			kept[i], kept[j] = kept[j], kept[i]
		}
		return Slice(kept), nil
	}}, nil
}

// documentsStage is $documents: the pipeline's own input.
type documentsStage struct{ e expr.Expr }

func (c *compiler) documents(arg bson.RawValue) (stage, error) {
	e, err := expr.Compile(arg, c.scope)
	if err != nil {
		return nil, err
	}
	return &documentsStage{e}, nil
}

func (s *documentsStage) run(_ context.Context, env *expr.Env, in Iterator) (Iterator, error) {
	v, err := s.e.Eval(env, nil)
	if err != nil {
		return nil, err
	}
	if v.Type != bson.TypeArray {
		return nil, mongoerr.New(5858203, "an array is expected as the argument of $documents")
	}
	var docs []bson.Raw
	for it := bsonx.Items(v); it.Next(); {
		if it.Value().Type != bson.TypeEmbeddedDocument {
			return nil, mongoerr.New(40228, "'replacement document' must evaluate to an object: $documents takes objects")
		}
		docs = append(docs, it.Value().Value)
	}
	in.Close()
	return Slice(docs), nil
}
