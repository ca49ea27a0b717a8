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

// groupStage is $group. Groups come in the order of their first documents.
type groupStage struct {
	c  *compiler
	id expr.Expr
	// idName is the single field of an object key: MongoDB then groups by the field's value, null for missing.
	idName string
	names  []string
	accs   []*accSpec
}

func (c *compiler) group(arg bson.RawValue) (stage, error) {
	if err := object(arg, 15947, "$group"); err != nil {
		return nil, err
	}
	s := &groupStage{c: c}
	for it := bsonx.Elements(arg.Value); it.Next(); {
		name := string(it.Key())
		if name == "_id" {
			if s.id != nil {
				return nil, mongoerr.New(15948, "a group's _id may only be specified once")
			}
			if err := s.key(it.Value()); err != nil {
				return nil, err
			}
			continue
		}
		acc, err := c.accField(name, it.Value())
		if err != nil {
			return nil, err
		}
		s.names, s.accs = append(s.names, name), append(s.accs, acc)
	}
	if s.id == nil {
		return nil, mongoerr.New(15955, "a group specification must include an _id")
	}
	return s, nil
}

func (s *groupStage) key(v bson.RawValue) error {
	e, err := expr.Compile(v, s.c.scope)
	if err != nil {
		return err
	}
	s.id = e
	if keys, values, ok := expr.ObjectParts(e); ok && len(keys) == 1 {
		s.idName, s.id = keys[0], values[0]
	}
	return nil
}

// accField compiles one output field of $group, $bucket and their kind.
func (c *compiler) accField(name string, v bson.RawValue) (*accSpec, error) {
	if strings.Contains(name, ".") {
		return nil, mongoerr.New(40235, "The field name '%s' cannot contain '.'", name)
	}
	if strings.HasPrefix(name, "$") {
		return nil, mongoerr.New(40236, "The field name '%s' cannot be an operator name", name)
	}
	if v.Type != bson.TypeEmbeddedDocument || bsonx.IsEmpty(v.Value) {
		return nil, mongoerr.New(40234, "The field '%s' must be an accumulator object", name)
	}
	op := bsonx.FirstKey(v.Value)
	if bsonx.Len(v.Value) > 1 {
		return nil, mongoerr.New(40238, "The field '%s' must specify one accumulator", name)
	}
	if !strings.HasPrefix(op, "$") {
		return nil, mongoerr.New(40234, "The field '%s' must be an accumulator object", name)
	}
	return c.accumulator(op, bsonx.Lookup(v.Value, op))
}

// group is one group's state.
type group struct {
	id   bson.RawValue
	accs []accumulator
	held int64 // by the accumulators that grow
}

// ownsAll reports whether the accumulators copy whatever they keep of a document.
func (s *groupStage) ownsAll() bool {
	return !slices.ContainsFunc(s.accs, func(a *accSpec) bool {
		switch a.name {
		case "$sum", "$avg", "$count", "$min", "$max", "$first", "$last", "$push":
			return a.sortBy != nil
		}
		return true
	})
}

func (s *groupStage) run(_ context.Context, env *expr.Env, in Iterator) (Iterator, error) {
	if l, ok := in.(Lender); ok && s.ownsAll() {
		l.Lend()
	}
	return &lazyIter{in: in, load: func(ctx context.Context, in Iterator) (Iterator, error) {
		t := &groupTable{s: s, env: env, byKey: map[string]*group{}}
		for {
			d, ok, err := in.Next(ctx)
			if err == nil && ok {
				if err = t.add(d); err != nil {
					err = compiledCode(err)
				}
			}
			if err != nil {
				t.parts.close()
				return nil, err
			}
			if !ok {
				return &groupIter{t: t}, nil
			}
		}
	}}, nil
}

// compiledCode answers division errors with the codes of MongoDB's compiled engine, which runs $group.
func compiledCode(err error) error {
	switch mongoerr.CodeOf(err) {
	case mongoerr.BadValue:
		if strings.Contains(err.Error(), "$divide by zero") {
			return mongoerr.New(4848401, "can't $divide by zero")
		}
	case 16610:
		return mongoerr.New(4848403, "can't $mod by zero")
	}
	return err
}

// groupTable finds a document's group by the bytes of its key.
type groupTable struct {
	s     *groupStage
	env   *expr.Env
	byKey map[string]*group
	order []*group
	buf   []byte
	used  int64
	level int         // how often its documents were spilled before
	parts *groupParts // nil while all groups are here
}

func (t *groupTable) add(d bson.Raw) error {
	id, err := t.s.id.Eval(t.env, d)
	if err != nil {
		return err
	}
	id = orNull(id)
	t.buf = bsonx.AppendKey(t.buf[:0], id, false)
	g := t.byKey[string(t.buf)]
	if g == nil {
		if t.spills() {
			return t.spill(d)
		}
		if g, err = t.open(id); err != nil {
			return err
		}
	}
	held := int64(0)
	for i, spec := range t.s.accs {
		if err := spec.feed(g.accs[i], t.env, d); err != nil {
			return err
		}
		if !spec.fixed {
			held += g.accs[i].size()
		}
	}
	t.used += held - g.held
	g.held = held
	return t.s.c.exceeded(t.used, "$group")
}

func (t *groupTable) open(id bson.RawValue) (*group, error) {
	id = owned(id)
	if t.s.idName != "" {
		id = bsonx.NewDoc(0).Append(t.s.idName, id).Value()
	}
	g := &group{id: id, accs: make([]accumulator, len(t.s.accs))}
	root := bson.Raw(nil)
	if id.Type == bson.TypeEmbeddedDocument {
		root = id.Value
	}
	for i, spec := range t.s.accs {
		a, err := spec.begin(t.env, root)
		if err != nil {
			return nil, err
		}
		if g.accs[i] = a; spec.fixed {
			t.used += a.size()
		}
	}
	t.byKey[string(t.buf)] = g
	t.order = append(t.order, g)
	t.used += int64(len(t.buf)+len(id.Value)) + 160
	return g, nil
}

// groupIter gives the groups as documents.
type groupIter struct {
	t    *groupTable
	at   int
	rest []groupRest // what was spilled and is still to be grouped
}

func (i *groupIter) Next(ctx context.Context) (bson.Raw, bool, error) {
	for i.at >= len(i.t.order) {
		if len(i.rest) == 0 && i.t.parts == nil {
			return nil, false, nil
		}
		if err := i.nextPart(ctx); err != nil {
			return nil, false, err
		}
	}
	g := i.t.order[i.at]
	i.t.order[i.at] = nil
	i.at++
	b := bsonx.NewDoc(0).Append("_id", g.id)
	for n, a := range g.accs {
		v, err := a.value()
		if err != nil {
			return nil, false, err
		}
		b.Append(i.t.s.names[n], v)
	}
	return b.Raw(), true, nil
}

func (i *groupIter) Close() {
	i.t.order, i.t.byKey = nil, nil
	i.t.parts.close()
	i.t.parts = nil
	for _, r := range i.rest {
		_ = r.file.Close() // temporary files: nothing depends on them
	}
	i.rest = nil
}
