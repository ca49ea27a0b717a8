package command

import (
	"context"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/pipeline"
	"github.com/strata-crm/strata/shared/local/docstore/plan"
	"github.com/strata-crm/strata/shared/local/docstore/query"
)

// aggregateNamespace returns the collection, or db.$cmd.aggregate for aggregate: 1.
func (r *request) aggregateNamespace() (ns engine.Namespace, whole bool, err error) {
	v := r.get("aggregate")
	if n, ok := bsonx.FloatOf(v); ok {
		if n != 1 {
			return ns, false, mongoerr.New(mongoerr.FailedToParse, "Invalid command format: the 'aggregate' field must specify a collection name or 1")
		}
		return engine.Namespace{DB: r.db, Name: "$cmd.aggregate"}, true, checkDatabase(r.db)
	}
	if v.Type != bson.TypeString {
		return ns, false, mongoerr.New(mongoerr.TypeMismatch, "collection name has invalid type: %s", bsonx.TypeName(v.Type))
	}
	ns, err = r.namespace()
	return ns, false, err
}

func aggregate(ctx context.Context, r *request) (*bsonx.DocBuilder, error) {
	ns, whole, err := r.aggregateNamespace()
	if err != nil {
		return nil, err
	}
	if err := r.checkAggregate(); err != nil {
		return nil, err
	}
	if r.flag("explain") {
		return r.explainAggregate(ctx, ns, whole, "queryPlanner")
	}
	t, done, err := r.reader()
	if err != nil {
		return nil, err
	}
	stream, err := r.openPipeline(ctx, t, ns, whole)
	if err != nil {
		done()
		return nil, err
	}
	return r.firstBatch(ctx, ns, stream, t, done)
}

func (r *request) checkAggregate() error {
	if !bsonx.IsEmpty(r.doc("collation")) {
		return unsupported("collation")
	}
	if r.flag("explain") && r.hasWriteConcern {
		return mongoerr.New(mongoerr.FailedToParse, "Aggregation explain does not support the 'writeConcern' option")
	}
	if stages := r.docs("pipeline"); r.readConcern == "linearizable" && len(stages) > 0 {
		if last := bsonx.FirstKey(stages[len(stages)-1]); last == "$out" || last == "$merge" {
			return mongoerr.New(mongoerr.InvalidOptions, "%s cannot be used with a 'linearizable' read concern level", last)
		}
	}
	c := r.get("cursor")
	if bsonx.IsMissing(c) && !r.flag("explain") {
		return mongoerr.New(mongoerr.FailedToParse, "The 'cursor' option is required, except for aggregate with the explain argument")
	}
	if bsonx.IsMissing(c) {
		return nil
	}
	_, err := parseFields("aggregate.cursor", c.Value, fields{"batchSize": isBatchSize})
	return err
}

// openPipeline compiles and starts the pipeline over what the planner finds for its front.
func (r *request) openPipeline(ctx context.Context, t *engine.Tx, ns engine.Namespace, whole bool) (pipeline.Iterator, error) {
	d := r.deps(t, ns, whole)
	p, err := pipeline.Compile(r.docs("pipeline"), d)
	if err != nil {
		return nil, err
	}
	var in pipeline.Iterator = pipeline.Slice(nil)
	if !whole {
		if in, err = r.front(ctx, t, ns, p, d.Env); err != nil {
			return nil, err
		}
	}
	return p.Run(ctx, in)
}

func (r *request) deps(t *engine.Tx, ns engine.Namespace, whole bool) pipeline.Deps {
	d := pipeline.Deps{DB: ns.DB, Coll: ns.Name, Let: r.doc("let"), Env: &expr.Env{Now: r.at}, AllowDiskUse: r.spill() != "", TempDir: r.spill(), InTransaction: r.tx != nil,
		Source: &collections{r: r, t: t}, Sink: &sink{r: r}}
	if whole {
		d.Coll = ""
	}
	return d
}

// spill returns where sorts and groups may put what they cannot hold in memory: as in MongoDB they may unless told not to.
func (r *request) spill() string {
	if r.has("allowDiskUse") && !r.flag("allowDiskUse") {
		return ""
	}
	return r.engine.TempDir()
}

func (r *request) front(ctx context.Context, t *engine.Tx, ns engine.Namespace, p *pipeline.Pipeline, env *expr.Env) (pipeline.Iterator, error) {
	q, err := r.frontQuery(p, env)
	if err != nil {
		return nil, err
	}
	chosen, err := plan.Choose(t, t.Collection(ns), q)
	if err != nil {
		return nil, err
	}
	return &findStream{cur: chosen.Open(ctx, t, env)}, nil
}

func (r *request) frontQuery(p *pipeline.Pipeline, env *expr.Env) (plan.Query, error) {
	push := p.TakePushdown()
	q := plan.Query{Raw: push.Filter, Skip: push.Skip, Limit: push.Limit, Hint: r.get("hint"), Spill: r.spill(), Count: p.OnlyCounts()}
	var err error
	if q.Sort, err = sortFields(push.Sort); err != nil {
		return q, err
	}
	scoped, scope, err := r.env()
	if err != nil {
		return q, err
	}
	*env = *scoped
	q.Filter, err = query.Compile(push.Filter, query.Options{Scope: scope, Env: env, InMatch: true})
	return q, err
}

// collections reads other collections for a pipeline, in the same snapshot.
type collections struct {
	r *request
	t *engine.Tx
}

// Scan implements pipeline.Source.
func (s *collections) Scan(ctx context.Context, ns pipeline.Namespace, filter bson.Raw) (pipeline.Iterator, error) {
	env := &expr.Env{Now: s.r.at}
	m, err := query.Compile(filter, query.Options{Env: env})
	if err != nil {
		return nil, err
	}
	p, err := plan.Choose(s.t, s.t.Collection(engine.Namespace{DB: ns.DB, Name: ns.Coll}), plan.Query{Filter: m, Raw: filter})
	if err != nil {
		return nil, err
	}
	return &findStream{cur: p.Open(ctx, s.t, env)}, nil
}

func drain(ctx context.Context, cur *plan.Cursor, f func(bson.Raw) error) (n int64, err error) {
	for {
		found, ok, err := cur.Next(ctx)
		if err == nil && ok {
			err = f(found.Doc)
		}
		if err != nil || !ok {
			if cerr := cur.Close(); err == nil {
				err = cerr
			}
			return n, err
		}
		n++
	}
}

func distinct(ctx context.Context, r *request) (*bsonx.DocBuilder, error) {
	ns, err := r.namespace()
	if err != nil {
		return nil, err
	}
	if !bsonx.IsEmpty(r.doc("collation")) {
		return nil, unsupported("collation")
	}
	key := r.text("key")
	if strings.ContainsRune(key, 0) {
		return nil, mongoerr.New(31032, "'key' cannot contain an embedded null byte")
	}
	env := &expr.Env{} // $$NOW is not available here, as in MongoDB
	m, err := query.Compile(r.doc("query"), query.Options{Env: env})
	if err != nil {
		return nil, err
	}
	t, done, err := r.reader()
	if err != nil {
		return nil, err
	}
	defer done()
	p, err := plan.Choose(t, t.Collection(ns), plan.Query{Filter: m, Raw: r.doc("query"), Hint: r.get("hint")})
	if err != nil {
		return nil, err
	}
	d := distinctValues{seen: map[string]bool{}}
	if _, err := drain(ctx, p.Open(ctx, t, env), func(doc bson.Raw) error { return d.add(doc, key) }); err != nil {
		return nil, err
	}
	return r.appendAt(bsonx.NewDoc(256).Append("values", d.sorted())), r.durable(ctx, t)
}
