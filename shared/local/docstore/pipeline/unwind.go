package pipeline

import (
	"context"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// unwindStage is $unwind.
type unwindStage struct {
	path     []string
	index    []string
	preserve bool
}

func (c *compiler) unwind(arg bson.RawValue) (stage, error) {
	s := &unwindStage{}
	path := arg
	switch arg.Type {
	case bson.TypeString:
	case bson.TypeEmbeddedDocument:
		path = bson.RawValue{}
		for it := bsonx.Elements(arg.Value); it.Next(); {
			v := it.Value()
			switch string(it.Key()) {
			case "path":
				if v.Type != bson.TypeString {
					return nil, mongoerr.New(28808, "expected a string as the path for $unwind stage, got %s", expr.TypeName(v))
				}
				path = v
			case "preserveNullAndEmptyArrays":
				if v.Type != bson.TypeBoolean {
					return nil, mongoerr.New(28809, "expected a boolean for the preserveNullAndEmptyArrays option to $unwind stage, got %s", expr.TypeName(v))
				}
				s.preserve = bsonx.Truthy(v)
			case "includeArrayIndex":
				if v.Type != bson.TypeString || len(bsonx.StringBytes(v)) == 0 {
					return nil, mongoerr.New(28810, "expected a non-empty string for the includeArrayIndex  option to $unwind stage")
				}
				name := string(bsonx.StringBytes(v))
				if strings.HasPrefix(name, "$") {
					return nil, mongoerr.New(28822, "includeArrayIndex option to $unwind stage should not be prefixed with a '$': %s", name)
				}
				keys, err := expr.SplitPath(name)
				if err != nil {
					return nil, err
				}
				s.index = keys
			default:
				return nil, mongoerr.New(28811, "unrecognized option to $unwind stage: %s", it.Key())
			}
		}
	default:
		return nil, mongoerr.New(15981, "expected either a string or an object as specification for $unwind stage, got %s", expr.TypeName(arg))
	}
	if bsonx.IsMissing(path) || len(bsonx.StringBytes(path)) == 0 {
		return nil, mongoerr.New(28812, "no path specified to $unwind stage")
	}
	name := string(bsonx.StringBytes(path))
	if name[0] != '$' {
		return nil, mongoerr.New(28818, "path option to $unwind stage should be prefixed with a '$': %s", name)
	}
	keys, err := expr.SplitPath(name[1:])
	s.path = keys
	return s, err
}

func (s *unwindStage) run(_ context.Context, _ *expr.Env, in Iterator) (Iterator, error) {
	return &unwindIter{s: s, in: in}, nil
}

type unwindIter struct {
	s     *unwindStage
	in    Iterator
	doc   bson.Raw
	items []bson.RawValue
	at    int
}

func (u *unwindIter) Close() { u.in.Close() }

func (u *unwindIter) Next(ctx context.Context) (bson.Raw, bool, error) {
	for u.at >= len(u.items) {
		d, ok, err := u.in.Next(ctx)
		if err != nil || !ok {
			return nil, false, err
		}
		if out, done := u.start(d); done {
			return out, true, nil
		}
	}
	i := u.at
	u.at++
	out := setPath(u.doc, u.s.path, u.items[i])
	if u.s.index != nil {
		out = setPath(out, u.s.index, bsonx.Int64(int64(i)))
	}
	return out, true, nil
}

// start looks at the next document; it answers the document where there is nothing to unwind and it stays.
func (u *unwindIter) start(d bson.Raw) (bson.Raw, bool) {
	v := valueAt(d, u.s.path)
	u.items, u.at = nil, 0
	switch {
	case v.Type == bson.TypeArray && !bsonx.IsEmpty(v.Value):
		u.doc, u.items = d, bsonx.Values(v)
		return nil, false
	case v.Type == bson.TypeArray:
		if !u.s.preserve {
			return nil, false
		}
		d = setPath(d, u.s.path, bson.RawValue{})
	case bsonx.IsNullish(v) && !u.s.preserve:
		return nil, false
	}
	if u.s.index != nil {
		d = setPath(d, u.s.index, bsonx.Null)
	}
	return d, true
}

// valueAt reads a path through objects only.
func valueAt(d bson.Raw, path []string) bson.RawValue {
	v := bsonx.Document(d)
	for _, k := range path {
		if v.Type != bson.TypeEmbeddedDocument {
			return bson.RawValue{}
		}
		v = bsonx.Lookup(v.Value, k)
	}
	return v
}

// setPath answers d with v at the path; objects are made on the way, other values replaced. A missing v removes the field.
func setPath(d bson.Raw, path []string, v bson.RawValue) bson.Raw {
	b := bsonx.NewDoc(len(d) + len(v.Value))
	done := false
	for it := bsonx.Elements(d); it.Next(); {
		if done || string(it.Key()) != path[0] {
			b.AppendBytes(it.Key(), it.Value())
			continue
		}
		done = true
		if n := nested(it.Value(), path, v); !bsonx.IsMissing(n) {
			b.AppendBytes(it.Key(), n)
		}
	}
	if !done && !bsonx.IsMissing(v) {
		b.Append(path[0], nested(bson.RawValue{}, path, v))
	}
	return b.Raw()
}

func nested(old bson.RawValue, path []string, v bson.RawValue) bson.RawValue {
	if len(path) == 1 {
		return v
	}
	var body bson.Raw
	if old.Type == bson.TypeEmbeddedDocument {
		body = old.Value
	}
	return bsonx.Document(setPath(body, path[1:], v))
}
