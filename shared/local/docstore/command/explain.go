package command

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/pipeline"
	"github.com/strata-crm/strata/shared/local/docstore/plan"
	"github.com/strata-crm/strata/shared/local/docstore/query"
)

// explain tells how a command would be carried out. With verbosity executionStats or more its reading part is run.
func explain(ctx context.Context, r *request) (*bsonx.DocBuilder, error) {
	inner := r.doc(r.name)
	if bsonx.IsEmpty(inner) {
		return nil, mongoerr.New(mongoerr.BadValue, "explain command requires a nested object")
	}
	verbosity := r.text("verbosity")
	if verbosity == "" {
		verbosity = "allPlansExecution"
	}
	if !slices.Contains([]string{"queryPlanner", "executionStats", "allPlansExecution"}, verbosity) {
		return nil, mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field 'verbosity' is not a valid value.", verbosity)
	}
	sub, err := r.inner(inner)
	if err != nil {
		return nil, err
	}
	if sub.name == "aggregate" {
		ns, _, err := sub.aggregateNamespace()
		if err != nil {
			return nil, err
		}
		return sub.explainAggregate(ctx, ns, sub.args, verbosity)
	}
	ns, err := sub.namespace()
	if err != nil {
		return nil, err
	}
	q, env, err := sub.explained()
	if err != nil {
		return nil, err
	}
	return sub.explainQuery(ctx, ns, q, env, verbosity)
}

// inner parses the command to explain.
func (r *request) inner(doc bson.Raw) (*request, error) {
	name := bsonx.FirstKey(doc)
	if !slices.Contains([]string{"find", "aggregate", "count", "distinct", "update", "delete", "findAndModify", "findandmodify"}, name) {
		if r.commands[name] == nil {
			return nil, mongoerr.New(mongoerr.CommandNotFound, "Explain failed due to unknown command: %s", name)
		}
		return nil, mongoerr.New(mongoerr.CommandNotSupported, "Cannot explain cmd: %s", name)
	}
	sub := *r
	sub.name, sub.body, sub.cmd, sub.args = name, doc, r.commands[name], nil
	for it := bsonx.Elements(doc); it.Next(); {
		if key := string(it.Key()); key == name {
			sub.args = append(sub.args, arg{name, it.Value()})
		} else if err := sub.field(key, it.Value()); err != nil {
			return nil, err
		}
	}
	return &sub, nil
}

// explained returns the reading part of the command.
func (r *request) explained() (plan.Query, *expr.Env, error) {
	a, filter := r.args, "query"
	switch r.name {
	case "find":
		q, err := r.findQuery(a)
		if err != nil {
			return plan.Query{}, nil, err
		}
		return q.Query, q.env, nil
	case "update", "delete":
		statements := r.documents(r.cmd.sequence)
		if len(statements) != 1 {
			return plan.Query{}, nil, mongoerr.New(mongoerr.InvalidLength, "explained write batches must be of size 1")
		}
		known := updateFields
		if r.name == "delete" {
			known = deleteFields
		}
		var err error
		if a, err = parseFields(r.name, statements[0], known, "q"); err != nil {
			return plan.Query{}, nil, err
		}
		filter = "q"
	}
	env, scope, err := r.env()
	if err != nil {
		return plan.Query{}, nil, err
	}
	q := plan.Query{Raw: a.doc(filter), Hint: a.get("hint")}
	if q.Sort, err = sortFields(a.doc("sort")); err != nil {
		return q, nil, err
	}
	if r.name == "count" {
		q.Skip, q.Limit = a.number("skip", 0), a.number("limit", 0)
	}
	q.Filter, err = query.Compile(q.Raw, query.Options{Scope: scope, Env: env})
	return q, env, err
}

func (r *request) explainQuery(ctx context.Context, ns engine.Namespace, q plan.Query, env *expr.Env, verbosity string) (*bsonx.DocBuilder, error) {
	t, done, err := r.reader()
	if err != nil {
		return nil, err
	}
	defer done()
	p, err := plan.Choose(t, t.Collection(ns), q)
	if err != nil {
		return nil, err
	}
	out := bsonx.NewDoc(1024).Append("explainVersion", bsonx.String("1")).Append("queryPlanner", bsonx.Document(p.Explain(ns.String())))
	if verbosity != "queryPlanner" {
		cur := p.Open(ctx, t, env)
		if _, err := drain(ctx, cur, func(bson.Raw) error { return nil }); err != nil {
			return nil, err
		}
		s := cur.Stats()
		out.Append("executionStats", bsonx.NewDoc(128).Append("executionSuccess", bsonx.Bool(true)).Append("nReturned", bsonx.Int(s.Returned)).
			Append("executionTimeMillis", bsonx.Int(r.now().Sub(r.at).Milliseconds())).Append("totalKeysExamined", bsonx.Int(s.KeysExamined)).
			Append("totalDocsExamined", bsonx.Int(s.DocsExamined)).Append("executionStages", bsonx.Document(p.Stages())).Value())
	}
	return r.explainTail(out), nil
}

func (r *request) explainTail(out *bsonx.DocBuilder) *bsonx.DocBuilder {
	return out.Append("command", bsonx.Document(r.body)).
		Append("serverInfo", bsonx.NewDoc(64).Append("host", bsonx.String(r.conn.Address)).Append("version", bsonx.String(version)).Value()).
		Append("serverParameters", bsonx.NewDoc(0).Value())
}

// explainAggregate tells how the front of the pipeline finds its documents; the stages are listed as given.
func (r *request) explainAggregate(ctx context.Context, ns engine.Namespace, a args, _ string) (*bsonx.DocBuilder, error) {
	t, done, err := r.reader()
	if err != nil {
		return nil, err
	}
	defer done()
	d := r.deps(t, ns, false)
	p, err := pipeline.Compile(a.docs("pipeline"), d)
	if err == nil {
		err = p.CheckTarget(ctx)
	}
	if err != nil {
		return nil, err
	}
	q, err := r.frontQuery(p, d.Env)
	if err != nil {
		return nil, err
	}
	chosen, err := plan.Choose(t, t.Collection(ns), q)
	if err != nil {
		return nil, err
	}
	stages := bsonx.NewArray(256)
	front := bsonx.NewDoc(256).Append("queryPlanner", bsonx.Document(chosen.Explain(ns.String())))
	stages.Append(bsonx.NewDoc(256).Append("$cursor", front.Value()).Value())
	for _, s := range a.docs("pipeline") {
		stages.Append(bsonx.Document(s))
	}
	return r.explainTail(bsonx.NewDoc(1024).Append("explainVersion", bsonx.String("1")).Append("stages", stages.Value())), nil
}
