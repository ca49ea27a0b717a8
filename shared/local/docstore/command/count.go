package command

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/plan"
	"github.com/strata-crm/strata/shared/local/docstore/query"
)

// count tells how many documents match; where keys tell it no document is read, and without a query not even keys are.
func count(ctx context.Context, r *request) (*bsonx.DocBuilder, error) {
	ns, err := r.namespace()
	if err != nil {
		return nil, err
	}
	q, env, err := r.countQuery(r.args)
	if err != nil {
		return nil, err
	}
	if isSize(q) {
		return r.countAll(ctx, ns, q)
	}
	t, done, err := r.reader()
	if err != nil {
		return nil, err
	}
	defer done()
	p, err := plan.Choose(t, t.Collection(ns), q)
	if err != nil {
		return nil, err
	}
	n, err := drain(ctx, p.Open(ctx, t, env), func(bson.Raw) error { return nil })
	if err != nil {
		return nil, err
	}
	return counted(n), r.durable(ctx, t)
}

func (r *request) countQuery(a args) (q plan.Query, env *expr.Env, err error) {
	if !bsonx.IsEmpty(a.doc("collation")) {
		return q, nil, unsupported("collation")
	}
	limit := a.number("limit", 0)
	q = plan.Query{Raw: a.doc("query"), Hint: a.get("hint"), Skip: a.number("skip", 0), Limit: max(limit, -limit), Count: true}
	env = &expr.Env{} // $$NOW is not available here, as in MongoDB
	q.Filter, err = query.Compile(q.Raw, query.Options{Env: env})
	return q, env, err
}

// isSize reports whether a count asks for the size of the collection, but for a skip and a limit.
func isSize(q plan.Query) bool { return q.Filter.MatchesAll() && !q.Hinted() }

func (r *request) countAll(ctx context.Context, ns engine.Namespace, q plan.Query) (*bsonx.DocBuilder, error) {
	n, err := r.size(ctx, ns)
	if err != nil {
		return nil, err
	}
	n = max(0, n-q.Skip)
	if q.Limit > 0 {
		n = min(n, q.Limit)
	}
	return counted(n), nil
}

// size returns how many documents a collection has now, when all of them may be told of.
func (r *request) size(ctx context.Context, ns engine.Namespace) (int64, error) {
	n, seq := int64(0), r.engine.Seq()
	if c := r.engine.Collection(ns); c != nil {
		var err error
		if n, seq, err = r.engine.Count(c); err != nil {
			return 0, err
		}
	}
	return n, r.durableUpTo(ctx, seq)
}

func counted(n int64) *bsonx.DocBuilder { return bsonx.NewDoc(32).Append("n", bsonx.Int(n)) }
