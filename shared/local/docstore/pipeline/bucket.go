package pipeline

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// bucketKey finds the bucket of a value: the largest boundary that is not above it.
type bucketKey struct {
	by         expr.Expr
	boundaries []bson.RawValue
	def        bson.RawValue
}

// Eval answers the lower boundary of the bucket.
func (k *bucketKey) Eval(env *expr.Env, d bson.Raw) (bson.RawValue, error) {
	v, err := k.by.Eval(env, d)
	if err != nil {
		return v, err
	}
	at, found := slices.BinarySearchFunc(k.boundaries, v, expr.Compare)
	if !found {
		at--
	}
	if at >= 0 && at < len(k.boundaries)-1 {
		return k.boundaries[at], nil
	}
	if bsonx.IsMissing(k.def) {
		return v, mongoerr.New(40066, "$switch could not find a matching branch for an input, and no default was specified.")
	}
	return k.def, nil
}

// bucketStage is $bucket: a $group by bucket, sorted by _id.
type bucketStage struct{ group, sort stage }

func (s *bucketStage) run(ctx context.Context, env *expr.Env, in Iterator) (Iterator, error) {
	return runStages(ctx, []stage{s.group, s.sort}, env, in)
}

func (c *compiler) bucket(arg bson.RawValue) (stage, error) {
	if err := object(arg, 40201, "$bucket"); err != nil {
		return nil, err
	}
	var by, boundaries, def, output bson.RawValue
	for it := bsonx.Elements(arg.Value); it.Next(); {
		switch string(it.Key()) {
		case "groupBy":
			by = it.Value()
		case "boundaries":
			boundaries = it.Value()
		case "default":
			def = it.Value()
		case "output":
			output = it.Value()
		default:
			return nil, mongoerr.New(40197, "Unrecognized option to $bucket: %s", it.Key())
		}
	}
	if !bsonx.IsMissing(by) && !isGroupBy(by) {
		return nil, mongoerr.New(40202, "The $bucket 'groupBy' field must be defined as a $-prefixed path or an expression object")
	}
	key := &bucketKey{}
	var err error
	if !bsonx.IsMissing(boundaries) {
		if key.boundaries, err = c.boundaries(boundaries); err != nil {
			return nil, err
		}
	}
	if !bsonx.IsMissing(def) {
		if key.def, err = c.constant(def, 40195, "The $bucket 'default' field must be a constant expression"); err != nil {
			return nil, err
		}
	}
	if bsonx.IsMissing(by) || bsonx.IsMissing(boundaries) {
		if err := checkOutput(output); err != nil {
			return nil, err
		}
		return nil, mongoerr.New(40198, "$bucket requires 'groupBy' and 'boundaries' to be specified.")
	}
	if err := checkOutput(output); err != nil {
		return nil, err
	}
	if !bsonx.IsMissing(key.def) && expr.Compare(key.def, key.boundaries[0]) >= 0 && expr.Compare(key.def, key.boundaries[len(key.boundaries)-1]) < 0 {
		return nil, mongoerr.New(40199, "The $bucket 'default' field must be less than the lowest boundary or greater than or equal to the highest boundary.")
	}
	if key.by, err = expr.Compile(by, c.scope); err != nil {
		return nil, err
	}
	group, err := c.outputGroup(key, output)
	if err != nil {
		return nil, err
	}
	sort, err := c.sort(bsonx.NewDoc(0).Append("_id", bsonx.Int32(1)).Value())
	return &bucketStage{group, sort}, err
}

func checkOutput(output bson.RawValue) error {
	if !bsonx.IsMissing(output) && output.Type != bson.TypeEmbeddedDocument {
		return mongoerr.New(40196, "The $bucket 'output' field must be an object, but found type: %s", expr.TypeName(output))
	}
	return nil
}

func isGroupBy(v bson.RawValue) bool {
	switch v.Type {
	case bson.TypeString:
		return strings.HasPrefix(string(bsonx.StringBytes(v)), "$")
	case bson.TypeEmbeddedDocument:
		return true
	}
	return false
}

func (c *compiler) boundaries(v bson.RawValue) ([]bson.RawValue, error) {
	if v.Type != bson.TypeArray {
		return nil, mongoerr.New(40200, "The $bucket 'boundaries' field must be an array, but found type: %s", expr.TypeName(v))
	}
	var out []bson.RawValue
	for it := bsonx.Items(v); it.Next(); {
		b, err := c.constant(it.Value(), 40191, "The $bucket 'boundaries' field must be an array of constant values")
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	if len(out) < 2 {
		return nil, mongoerr.New(40192, "The $bucket 'boundaries' field must have at least 2 values, but found %d", len(out))
	}
	for i := 1; i < len(out); i++ {
		if bsonx.Rank(out[i-1].Type) != bsonx.Rank(out[i].Type) {
			return nil, mongoerr.New(40193, "All values in the 'boundaries' option to $bucket must have the same type")
		}
		if expr.Compare(out[i-1], out[i]) >= 0 {
			return nil, mongoerr.New(40194, "The 'boundaries' option to $bucket must be sorted, but elements %d and %d are not in ascending order", i-1, i)
		}
	}
	return out, nil
}

func (c *compiler) constant(v bson.RawValue, code int32, message string) (bson.RawValue, error) {
	e, err := expr.Compile(v, c.scope)
	if err != nil {
		return v, err
	}
	out, ok := expr.Constant(e)
	if !ok {
		return v, mongoerr.New(code, "%s", message)
	}
	return out, nil
}

// outputGroup is the $group of a bucket stage; the default output counts.
func (c *compiler) outputGroup(key expr.Expr, output bson.RawValue) (*groupStage, error) {
	s := &groupStage{c: c, id: key}
	if bsonx.IsMissing(output) {
		one := bsonx.NewDoc(0).Append("$sum", bsonx.Int32(1)).Value()
		output = bsonx.NewDoc(0).Append("count", one).Value()
	}
	for it := bsonx.Elements(output.Value); it.Next(); {
		name := string(it.Key())
		if name == "_id" {
			return nil, mongoerr.New(15948, "a group's _id may only be specified once")
		}
		acc, err := c.accField(name, it.Value())
		if err != nil {
			return nil, err
		}
		s.names, s.accs = append(s.names, name), append(s.accs, acc)
	}
	return s, nil
}

// bucketAutoStage is $bucketAuto without granularity: about equal numbers of documents per bucket, equal values together.
type bucketAutoStage struct {
	group   *groupStage
	by      expr.Expr
	buckets int
}

func (c *compiler) bucketAuto(arg bson.RawValue) (stage, error) {
	if err := object(arg, 40240, "$bucketAuto"); err != nil {
		return nil, err
	}
	s := &bucketAutoStage{}
	var output, granularity bson.RawValue
	for it := bsonx.Elements(arg.Value); it.Next(); {
		v := it.Value()
		switch string(it.Key()) {
		case "groupBy":
			if !isGroupBy(v) {
				return nil, mongoerr.New(40239, "The $bucketAuto 'groupBy' field must be defined as a $-prefixed path or an expression object")
			}
			e, err := expr.Compile(v, c.scope)
			if err != nil {
				return nil, err
			}
			s.by = e
		case "buckets":
			if !bsonx.IsNumber(v) {
				return nil, mongoerr.New(40241, "The $bucketAuto 'buckets' field must be a numeric value")
			}
			n, ok := expr.IntegralInt32(v)
			if !ok {
				return nil, mongoerr.New(40242, "The $bucketAuto 'buckets' field must be representable as a 32-bit integer")
			}
			if n <= 0 {
				return nil, mongoerr.New(40243, "The $bucketAuto 'buckets' field must be greater than 0")
			}
			s.buckets = int(n)
		case "output":
			if v.Type != bson.TypeEmbeddedDocument {
				return nil, mongoerr.New(40244, "The $bucketAuto 'output' field must be an object")
			}
			output = v
		case "granularity":
			if v.Type != bson.TypeString {
				return nil, mongoerr.New(40261, "The $bucketAuto 'granularity' field must be a string")
			}
			granularity = v
		default:
			return nil, mongoerr.New(40245, "Unrecognized option to $bucketAuto: %s", it.Key())
		}
	}
	if s.by == nil || s.buckets == 0 {
		return nil, mongoerr.New(40246, "$bucketAuto requires 'groupBy' and 'buckets' to be specified")
	}
	if !bsonx.IsMissing(granularity) {
		name := string(bsonx.StringBytes(granularity))
		if !slices.Contains(granularities, name) {
			return nil, mongoerr.New(40257, "Unknown rounding granularity '%s'", name)
		}
		return nil, expr.ErrUnsupported("$bucketAuto with granularity")
	}
	if output.Type == bson.TypeEmbeddedDocument && bsonx.IsEmpty(output.Value) {
		output = bson.RawValue{}
	}
	group, err := c.outputGroup(expr.Const(bsonx.Null), output)
	s.group = group
	return s, err
}

var granularities = []string{"R5", "R10", "R20", "R40", "R80", "1-2-5", "E6", "E12", "E24", "E48", "E96", "E192", "POWERSOF2"}

type bucketItem struct {
	key bson.RawValue
	doc bson.Raw
}

func (s *bucketAutoStage) run(_ context.Context, env *expr.Env, in Iterator) (Iterator, error) {
	return &lazyIter{in: in, load: func(ctx context.Context, in Iterator) (Iterator, error) {
		var items []bucketItem
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
			items = append(items, bucketItem{orNull(v), d})
			used += int64(len(d)) + 64
			if err := s.group.c.exceeded(used, "$bucketAuto"); err != nil {
				return nil, err
			}
		}
		slices.SortStableFunc(items, func(a, b bucketItem) int { return expr.Compare(a.key, b.key) })
		docs, err := s.split(env, items)
		return Slice(docs), err
	}}, nil
}

func (s *bucketAutoStage) split(env *expr.Env, items []bucketItem) ([]bson.Raw, error) {
	n := len(items)
	if n == 0 {
		return nil, nil
	}
	size := max(1, int(float64(n)/float64(s.buckets)+0.5))
	var out []bson.Raw
	for at := 0; at < n; {
		end := min(at+size, n)
		if len(out) == s.buckets-1 {
			end = n
		}
		for end < n && expr.Compare(items[end].key, items[end-1].key) == 0 {
			end++
		}
		upper := items[n-1].key
		if end < n {
			upper = items[end].key
		}
		d, err := s.bucketDoc(env, items[at:end], upper)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
		at = end
	}
	return out, nil
}

func (s *bucketAutoStage) bucketDoc(env *expr.Env, items []bucketItem, upper bson.RawValue) (bson.Raw, error) {
	id := bsonx.NewDoc(0).Append("min", items[0].key).Append("max", upper).Value()
	b := bsonx.NewDoc(0).Append("_id", id)
	for i, spec := range s.group.accs {
		a, err := spec.begin(env, id.Value)
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			if err := spec.feed(a, env, it.doc); err != nil {
				return nil, err
			}
		}
		v, err := a.value()
		if err != nil {
			return nil, err
		}
		b.Append(s.group.names[i], v)
	}
	return b.Raw(), nil
}
