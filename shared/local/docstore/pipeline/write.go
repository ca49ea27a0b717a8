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

// outStage is $out.
type outStage struct {
	sink Sink
	into Namespace
}

func (c *compiler) out(arg bson.RawValue) (stage, error) {
	s := &outStage{sink: c.deps.Sink, into: Namespace{DB: c.db}}
	switch arg.Type {
	case bson.TypeString:
		s.into.Coll = string(bsonx.StringBytes(arg))
	case bson.TypeEmbeddedDocument:
		ns, err := outFields(arg.Value)
		if err != nil {
			return nil, err
		}
		s.into = ns
	default:
		return nil, mongoerr.New(16990, "$out only supports a string or object argument, but found %s", expr.TypeName(arg))
	}
	return s, checkTarget(s.into)
}

func outFields(body bson.Raw) (ns Namespace, err error) {
	for it := bsonx.Elements(body); it.Next(); {
		name, v := string(it.Key()), it.Value()
		switch name {
		case "db", "coll":
			if v.Type == bson.TypeNull {
				continue
			}
			if v.Type != bson.TypeString {
				return ns, mongoerr.New(mongoerr.TypeMismatch, "BSON field '$out.%s' is the wrong type '%s', expected type 'string'", name, expr.TypeName(v))
			}
			if name == "db" {
				ns.DB = string(bsonx.StringBytes(v))
			} else {
				ns.Coll = string(bsonx.StringBytes(v))
			}
			continue
		case "timeseries":
			if v.Type != bson.TypeEmbeddedDocument && v.Type != bson.TypeNull {
				return ns, mongoerr.New(mongoerr.TypeMismatch, "BSON field '$out.timeseries' is the wrong type '%s', expected type 'object'", expr.TypeName(v))
			}
			return ns, expr.ErrUnsupported("$out into a time-series collection")
		}
		return ns, mongoerr.New(40415, "BSON field '$out.%s' is an unknown field.", name)
	}
	for i, v := range []bson.RawValue{bsonx.Lookup(body, "db"), bsonx.Lookup(body, "coll")} {
		if bsonx.IsNullish(v) {
			return ns, mongoerr.New(40414, "BSON field '$out.%s' is missing but a required field", []string{"db", "coll"}[i])
		}
	}
	return ns, nil
}

// maxNamespace is MongoDB's bound of a namespace's length in bytes.
const maxNamespace = 255

// checkTarget refuses names that $out cannot write to.
func checkTarget(ns Namespace) error {
	switch {
	case ns.Coll == "" || ns.DB == "" || strings.ContainsAny(ns.DB, "$ ./\\\"\x00") || strings.Contains(ns.Coll, "\x00") || strings.HasPrefix(ns.Coll, "."):
		return mongoerr.New(mongoerr.InvalidNamespace, "Invalid $out target namespace, %s.%s", ns.DB, ns.Coll)
	case strings.HasPrefix(ns.Coll, "$") || len(ns.DB)+1+len(ns.Coll) > maxNamespace:
		return mongoerr.New(mongoerr.IllegalOperation, "Can't $out to special collection: %s", ns.Coll)
	case strings.HasPrefix(ns.Coll, "system."):
		return mongoerr.New(17385, "Can't $out to special collection: %s", ns.Coll)
	case ns.DB == "admin" || ns.DB == "config" || ns.DB == "local":
		return mongoerr.New(31321, "Can't $out to internal database: %s", ns.DB)
	}
	return nil
}

func (s *outStage) run(_ context.Context, _ *expr.Env, in Iterator) (Iterator, error) {
	if s.sink == nil {
		return nil, mongoerr.New(mongoerr.InternalError, "pipeline: Deps.Sink is required by $out")
	}
	return &lazyIter{in: in, load: func(ctx context.Context, in Iterator) (Iterator, error) {
		return Slice(nil), s.sink.Out(ctx, s.into, in)
	}}, nil
}

// mergeStage is $merge.
type mergeStage struct {
	sink  Sink
	spec  MergeSpec
	stage []stage
	slots []int
	lets  []expr.Expr
	// used tells which variables the update pipeline names.
	used []bool
	// refused is the error of an update pipeline with a stage that updates do not allow.
	refused error
}

func (c *compiler) merge(arg bson.RawValue) (stage, error) {
	s := &mergeStage{sink: c.deps.Sink, spec: MergeSpec{Into: Namespace{DB: c.db}, WhenMatched: "merge", WhenNotMatched: "insert"}}
	if arg.Type == bson.TypeString {
		if s.spec.Into.Coll = string(bsonx.StringBytes(arg)); s.spec.Into.Coll == "" {
			return nil, mongoerr.New(mongoerr.InvalidNamespace, "Invalid $merge target namespace, '%s.'", c.db)
		}
		return s, checkMergeTarget(s.spec.Into)
	}
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(mongoerr.TypeMismatch, "$merge requires a string or object argument, but found %s", expr.TypeName(arg))
	}
	var let, pipeline bson.RawValue
	for it := bsonx.Elements(arg.Value); it.Next(); {
		v := it.Value()
		var err error
		switch name := string(it.Key()); name {
		case "into":
			err = s.readInto(v)
		case "on":
			err = s.readOn(v)
		case "whenMatched":
			pipeline, err = s.readMatched(v)
		case "whenNotMatched", "let":
			switch {
			case v.Type == bson.TypeNull: // as if it were not there
			case name == "let":
				if v.Type != bson.TypeEmbeddedDocument {
					err = mongoerr.New(mongoerr.TypeMismatch, "BSON field '$merge.let' is the wrong type '%s', expected type 'object'", expr.TypeName(v))
				}
				let = v
			default:
				err = s.readNotMatched(v)
			}
		case "targetCollectionVersion", "allowMergeOnNullishValues":
		default:
			err = mongoerr.New(40415, "BSON field '$merge.%s' is an unknown field.", it.Key())
		}
		if err != nil {
			return nil, err
		}
	}
	if bsonx.IsMissing(bsonx.Lookup(arg.Value, "into")) {
		return nil, mongoerr.New(40414, "BSON field '$merge.into' is missing but a required field")
	}
	if err := checkMergeTarget(s.spec.Into); err != nil {
		return nil, err
	}
	return s, s.finish(c, let, pipeline)
}

func checkMergeTarget(ns Namespace) error {
	switch {
	case ns.Coll == "":
		return mongoerr.New(5786800, "$merge 'into' needs the name of a collection")
	case ns.DB == "admin" || ns.DB == "config" || ns.DB == "local":
		return mongoerr.New(31320, "Cannot $merge to internal database: %s", ns.DB)
	case strings.HasPrefix(ns.Coll, "system."):
		return mongoerr.New(31319, "Cannot $merge to special collection: %s", ns.Coll)
	case strings.HasPrefix(ns.Coll, ".") || strings.ContainsAny(ns.Coll, "$\x00") || strings.ContainsAny(ns.DB, "$ ./\\\"\x00"):
		return mongoerr.New(mongoerr.InvalidNamespace, "Invalid $merge target namespace, %s.%s", ns.DB, ns.Coll)
	}
	return nil
}

func (s *mergeStage) readInto(v bson.RawValue) error {
	switch v.Type {
	case bson.TypeString:
		s.spec.Into.Coll = string(bsonx.StringBytes(v))
		return nil
	case bson.TypeEmbeddedDocument:
		for it := bsonx.Elements(v.Value); it.Next(); {
			name := string(it.Key())
			if name != "db" && name != "coll" {
				return mongoerr.New(40415, "BSON field 'into.%s' is an unknown field.", name)
			}
			if it.Value().Type == bson.TypeNull {
				continue
			}
			if it.Value().Type != bson.TypeString {
				return mongoerr.New(mongoerr.TypeMismatch, "BSON field 'into.%s' is the wrong type '%s', expected type 'string'", name, expr.TypeName(it.Value()))
			}
			if name != "db" {
				s.spec.Into.Coll = string(bsonx.StringBytes(it.Value()))
			} else if db := string(bsonx.StringBytes(it.Value())); db != "" {
				s.spec.Into.DB = db
			}
		}
		return nil
	}
	return mongoerr.New(51178, "$merge 'into' field must be either a string or an object, but found %s", expr.TypeName(v))
}

func (s *mergeStage) readOn(v bson.RawValue) error {
	list := []bson.RawValue{v}
	switch v.Type {
	case bson.TypeString:
	case bson.TypeArray:
		if list = bsonx.Values(v); len(list) == 0 {
			return mongoerr.New(51187, "if explicitly specifying $merge 'on', must include at least one field")
		}
	default:
		return mongoerr.New(51186, "$merge 'on' field must be either a string or an array of strings, but found %s", expr.TypeName(v))
	}
	for _, f := range list {
		if f.Type != bson.TypeString {
			return mongoerr.New(51134, "$merge 'on' array elements must be strings, but found %s", expr.TypeName(f))
		}
		path := string(bsonx.StringBytes(f))
		if err := stagePath(path); err != nil {
			return err
		}
		for _, have := range s.spec.On {
			if have == path {
				return mongoerr.New(31465, "Found a duplicate field '%s' in $merge.on", path)
			}
		}
		s.spec.On = append(s.spec.On, path)
	}
	return nil
}

func (s *mergeStage) readMatched(v bson.RawValue) (bson.RawValue, error) {
	switch v.Type {
	case bson.TypeArray:
		s.spec.WhenMatched = "pipeline"
		return v, nil
	case bson.TypeString:
		switch w := WhenMatched(bsonx.StringBytes(v)); w {
		case "replace", "keepExisting", "merge", "fail":
			s.spec.WhenMatched = w
			return bson.RawValue{}, nil
		}
		return v, mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field 'whenMatched' is not a valid value.", bsonx.StringBytes(v))
	}
	return v, mongoerr.New(51191, "$merge 'whenMatched' field must be either a string or an array, but found %s", expr.TypeName(v))
}

func (s *mergeStage) readNotMatched(v bson.RawValue) error {
	if v.Type != bson.TypeString {
		return mongoerr.New(mongoerr.TypeMismatch, "BSON field '$merge.whenNotMatched' is the wrong type '%s', expected type 'string'", expr.TypeName(v))
	}
	switch w := WhenNotMatched(bsonx.StringBytes(v)); w {
	case "insert", "discard", "fail":
		s.spec.WhenNotMatched = w
		return nil
	}
	return mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field '$merge.whenNotMatched' is not a valid value.", bsonx.StringBytes(v))
}

// finish checks the combination and compiles the update pipeline.
func (s *mergeStage) finish(c *compiler, let, pipeline bson.RawValue) error {
	m, n := s.spec.WhenMatched, s.spec.WhenNotMatched
	if (m == "fail" || m == "keepExisting") && n != "insert" {
		return mongoerr.New(51181, "Combination of {whenMatched: %s, whenNotMatched: %s} is not supported", m, n)
	}
	if m != "pipeline" {
		if !bsonx.IsMissing(let) {
			return mongoerr.New(51199, "Cannot use 'let' variables with 'whenMatched: %s' mode", m)
		}
		return nil
	}
	scope, err := s.bind(c, let, pipeline)
	if err != nil {
		return err
	}
	list, err := stageList(pipeline, mongoerr.TypeMismatch)
	if err != nil {
		return err
	}
	for _, raw := range list {
		switch name := bsonx.FirstKey(raw); name {
		case "$addFields", "$set", "$project", "$unset", "$replaceRoot", "$replaceWith":
		case "$fill":
			return expr.ErrUnsupported("$fill")
		default:
			// MongoDB finds this out where a document matches, not before.
			s.refused = mongoerr.New(mongoerr.InvalidOptions, "%s is not allowed to be used within an update", name)
			return nil
		}
	}
	inner := &compiler{deps: c.deps, scope: scope, place: inFacet, depth: c.depth + 1, db: c.db, coll: s.spec.Into.Coll}
	s.stage, err = inner.stages(list)
	return err
}

// bind compiles 'let'. $$new, the document that the pipeline gives, is there without one, and beside the variables of one
// where documents without a match are inserted.
func (s *mergeStage) bind(c *compiler, let, pipeline bson.RawValue) (*expr.Scope, error) {
	switch root := bsonx.String("$$ROOT"); {
	case bsonx.IsMissing(let):
		let = bsonx.NewDoc(0).Append("new", root).Value()
	case bsonx.IsMissing(bsonx.Lookup(let.Value, "new")) && s.spec.WhenNotMatched == "insert":
		let = bsonx.Document(bsonx.With(let.Value, "new", root))
	}
	scope := c.scope
	for it := bsonx.Elements(let.Value); it.Next(); {
		name, v := string(it.Key()), it.Value()
		if err := expr.ValidateVariableName(name); err != nil {
			return nil, err
		}
		if name == "new" && (v.Type != bson.TypeString || string(bsonx.StringBytes(v)) != "$$ROOT") {
			return nil, mongoerr.New(51273, "'let' may not define a value for the reserved 'new' variable other than '$$ROOT'")
		}
		e, err := expr.Compile(v, c.scope)
		if err != nil {
			return nil, err
		}
		inner, slot := scope.Define(name)
		scope = inner
		s.slots, s.lets = append(s.slots, slot), append(s.lets, e)
		s.used = append(s.used, bytes.Contains(pipeline.Value, []byte("$$"+name)))
	}
	return scope, nil
}

func (s *mergeStage) run(_ context.Context, env *expr.Env, in Iterator) (Iterator, error) {
	if s.sink == nil {
		return nil, mongoerr.New(mongoerr.InternalError, "pipeline: Deps.Sink is required by $merge")
	}
	return &lazyIter{in: in, load: func(ctx context.Context, in Iterator) (Iterator, error) {
		if err := s.sink.CheckMerge(ctx, s.spec); err != nil {
			return nil, err
		}
		for {
			docs, more, err := mergeBatch(ctx, in)
			if err == nil {
				err = s.merge(ctx, env, docs)
			}
			if err != nil || !more {
				return Slice(nil), err
			}
		}
	}}, nil
}

// Bounds of what $merge writes at a time.
const (
	mergeBytes = 16 << 20
	mergeDocs  = 100_000
)

// mergeBatch reads the next documents. Nothing of a batch is written where the pipeline fails before its end.
func mergeBatch(ctx context.Context, in Iterator) (docs []bson.Raw, more bool, err error) {
	for size := 0; size < mergeBytes && len(docs) < mergeDocs; {
		d, ok, err := in.Next(ctx)
		if err != nil || !ok {
			return docs, false, err
		}
		docs = append(docs, d)
		size += len(d)
	}
	return docs, true, nil
}

// merge writes a batch. A document that cannot be written does not keep the others of its batch from it; the first such
// error is the answer.
func (s *mergeStage) merge(ctx context.Context, env *expr.Env, docs []bson.Raw) (first error) {
	for _, d := range docs {
		err := s.sink.Merge(ctx, s.spec, Merged{Doc: d, Update: s.update(ctx, env, d)})
		if first == nil {
			first = err
		}
		if err != nil && ctx.Err() != nil {
			break
		}
	}
	return first
}

// update answers how an existing document becomes the new one.
func (s *mergeStage) update(ctx context.Context, env *expr.Env, d bson.Raw) func(bson.Raw) (bson.Raw, error) {
	switch s.spec.WhenMatched {
	case "merge":
		return func(existing bson.Raw) (bson.Raw, error) { return overlay(existing, d), nil }
	case "replace":
		return func(existing bson.Raw) (bson.Raw, error) {
			if bsonx.IsMissing(bsonx.Lookup(d, "_id")) {
				return setPath(d, []string{"_id"}, bsonx.Lookup(existing, "_id")), nil
			}
			return d, nil
		}
	case "pipeline":
		return func(existing bson.Raw) (bson.Raw, error) {
			if s.refused != nil {
				return nil, s.refused
			}
			inner := env.Clone()
			for i, e := range s.lets {
				v, err := e.Eval(env, d)
				if err != nil {
					return nil, err
				}
				if bsonx.IsMissing(v) && s.used[i] {
					return nil, mongoerr.New(17276, "Use of undefined variable: the 'let' of $merge evaluated to nothing")
				}
				inner.Set(s.slots[i], v)
			}
			out, err := runStages(ctx, s.stage, inner, Slice([]bson.Raw{existing}))
			if err != nil {
				return nil, err
			}
			defer out.Close()
			updated, _, err := out.Next(ctx)
			if err == nil && bsonx.IsMissing(bsonx.Lookup(updated, "_id")) {
				updated = bsonx.IDFirst(bsonx.With(updated, "_id", bsonx.Lookup(existing, "_id")))
			}
			return updated, err
		}
	}
	return nil
}

// overlay sets the fields of d on top of existing, whose fields keep their places. New ones follow in the order in which $set makes them.
func overlay(existing, d bson.Raw) bson.Raw {
	b := bsonx.NewDoc(len(existing) + len(d))
	for it := bsonx.Elements(existing); it.Next(); {
		v := bsonx.Lookup(d, string(it.Key()))
		if bsonx.IsMissing(v) {
			v = it.Value()
		}
		b.AppendBytes(it.Key(), v)
	}
	var added []string
	for it := bsonx.Elements(d); it.Next(); {
		if name := string(it.Key()); bsonx.IsMissing(bsonx.Lookup(existing, name)) {
			added = append(added, name)
		}
	}
	slices.SortFunc(added, bsonx.CompareNames)
	for _, name := range added {
		b.Append(name, bsonx.Lookup(d, name))
	}
	return b.Raw()
}
