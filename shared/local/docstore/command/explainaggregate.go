package command

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/pipeline"
	"github.com/strata-crm/strata/shared/local/docstore/plan"
)

// Codes of the stages that explain does not run, since they write.
const (
	explainedOut   = 51029
	explainedMerge = 51184
)

// explainAggregate tells how a pipeline is carried out: how the front of it finds its documents, then the stages that follow. Where that
// is more than the plan it runs all of it, which is refused where the pipeline would write.
func (r *request) explainAggregate(ctx context.Context, ns engine.Namespace, whole bool, verbosity string) (*bsonx.DocBuilder, error) {
	t, done, err := r.reader()
	if err != nil {
		return nil, err
	}
	defer done()
	stages := r.docs("pipeline")
	d := r.deps(t, ns, whole)
	p, err := pipeline.Compile(stages, d)
	if err == nil {
		err = p.CheckTarget(ctx)
	}
	if err == nil && verbosity != "queryPlanner" {
		err = readsOnly(stages, verbosity)
	}
	if err != nil {
		return nil, err
	}
	x := explainedPipeline{r: r, ns: ns, p: p, counts: p.Counts(), stats: verbosity != "queryPlanner"}
	if !whole {
		if err := x.plan(t, d.Env); err != nil {
			return nil, err
		}
	}
	if x.stats {
		if err := x.run(ctx, t, d.Env); err != nil {
			return nil, err
		}
	}
	return r.explainTail(x.tell(stages)), nil
}

func readsOnly(stages []bson.Raw, verbosity string) error {
	if len(stages) == 0 {
		return nil
	}
	name, code := bsonx.FirstKey(stages[len(stages)-1]), int32(explainedOut)
	switch name {
	case "$merge":
		code = explainedMerge
	case "$out":
	default:
		return nil
	}
	return mongoerr.New(code, "explain with verbosity %s is not possible for a pipeline that ends in %s", verbosity, name)
}

// explainedPipeline is what explain finds out about a pipeline.
type explainedPipeline struct {
	r      *request
	ns     engine.Namespace
	p      *pipeline.Pipeline
	stats  bool       // the pipeline is run as well
	front  *plan.Plan // nil where the pipeline has documents of its own
	found  plan.Stats // by the front
	counts []pipeline.StageCount
}

func (x *explainedPipeline) plan(t *engine.Tx, env *expr.Env) error {
	q, err := x.r.frontQuery(x.p, env)
	if err != nil {
		return err
	}
	x.counts = x.p.Counts()
	x.front, err = plan.Choose(t, t.Collection(x.ns), q)
	return err
}

func (x *explainedPipeline) run(ctx context.Context, t *engine.Tx, env *expr.Env) error {
	var cur *plan.Cursor
	in := pipeline.Slice(nil)
	if x.front != nil {
		cur = x.front.Open(ctx, t, env)
		in = &findStream{cur: cur}
	}
	out, counts, err := x.p.RunCounted(ctx, in)
	if err != nil {
		return err
	}
	defer out.Close()
	for ok := true; ok; {
		if _, ok, err = out.Next(ctx); err != nil {
			return err
		}
	}
	if x.counts = counts; cur != nil {
		x.found = cur.Stats()
	}
	return nil
}

// tell describes a pipeline that is nothing but its front as a find, as MongoDB does, any other as a list of stages.
func (x *explainedPipeline) tell(given []bson.Raw) *bsonx.DocBuilder {
	out := bsonx.NewDoc(1024).Append("explainVersion", bsonx.String("1"))
	if x.front != nil && len(x.counts) == 0 {
		return x.tellFront(out)
	}
	stages := bsonx.NewArray(512)
	if x.front != nil {
		stages.Append(bsonx.NewDoc(512).Append("$cursor", x.tellFront(bsonx.NewDoc(512)).Value()).Append("nReturned", x.returned(x.found.Returned)).Value())
	}
	for _, c := range x.counts {
		name := bsonx.FirstKey(given[c.Stage])
		stages.Append(bsonx.NewDoc(256).Append(name, bsonx.Lookup(given[c.Stage], name)).Append("nReturned", x.returned(c.Returned)).Value())
	}
	return out.Append("stages", stages.Value())
}

func (x *explainedPipeline) tellFront(out *bsonx.DocBuilder) *bsonx.DocBuilder {
	out.Append("queryPlanner", bsonx.Document(x.front.Explain(x.ns.String(), x.front.Stages())))
	if x.stats {
		out.Append("executionStats", bsonx.Document(x.r.executionStats(x.found, x.front.Stages())))
	}
	return out
}

// returned is what a stage is said to have let through: nothing, and no field for it, where it was not run.
func (x *explainedPipeline) returned(n int64) bson.RawValue {
	if !x.stats {
		return bsonx.Missing
	}
	return bsonx.Int64(n)
}
