package command

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
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
		ns, whole, err := sub.aggregateNamespace()
		if err != nil {
			return nil, err
		}
		return sub.explainAggregate(ctx, ns, whole, verbosity)
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
	case "count":
		return r.countQuery(a)
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
	out := bsonx.NewDoc(1024).Append("explainVersion", bsonx.String("1")).Append("queryPlanner", bsonx.Document(p.Explain(ns.String(), r.root(p, nil))))
	if verbosity == "queryPlanner" {
		return r.explainTail(out), nil
	}
	var stats plan.Stats
	if r.bySize(p) {
		n, err := r.countAll(ctx, ns, q)
		if err != nil {
			return nil, err
		}
		stats.Returned, _ = bsonx.IntegerOf(bsonx.Lookup(n.Raw(), "n"))
	} else if stats, err = runAll(ctx, p.Open(ctx, t, env)); err != nil {
		return nil, err
	}
	return r.explainTail(out.Append("executionStats", bsonx.Document(r.executionStats(stats, r.root(p, &stats))))), nil
}

// bySize reports whether the command is a count that asks for no more than the size of a collection that exists.
func (r *request) bySize(p *plan.Plan) bool {
	return r.name == "count" && p.Collection != nil && isSize(p.Query)
}

// root describes a plan with what the command does with it: count puts a stage of its own on top. With stats it also tells
// what that has counted.
func (r *request) root(p *plan.Plan, stats *plan.Stats) bson.Raw {
	if r.name != "count" {
		return p.Stages()
	}
	name := "COUNT"
	if r.bySize(p) {
		name = "RECORD_STORE_FAST_COUNT"
	}
	out := bsonx.NewDoc(512).Append("stage", bsonx.String(name))
	if stats != nil {
		out.Append("nReturned", bsonx.Int(0)).Append("nCounted", bsonx.Int(stats.Returned))
	}
	if !r.bySize(p) {
		out.Append("inputStage", bsonx.Document(p.Stages()))
	}
	return out.Raw()
}

// runAll reads a cursor to its end and closes it.
func runAll(ctx context.Context, cur *plan.Cursor) (plan.Stats, error) {
	_, err := drain(ctx, cur, func(bson.Raw) error { return nil })
	return cur.Stats(), err
}

// executionStats tells what a plan has done. A count returns no documents, however many it has counted.
func (r *request) executionStats(s plan.Stats, stages bson.Raw) bson.Raw {
	returned := s.Returned
	if r.name == "count" {
		returned = 0
	}
	return bsonx.NewDoc(512).Append("executionSuccess", bsonx.Bool(true)).Append("nReturned", bsonx.Int(returned)).
		Append("executionTimeMillis", bsonx.Int(r.now().Sub(r.at).Milliseconds())).Append("totalKeysExamined", bsonx.Int(s.KeysExamined)).
		Append("totalDocsExamined", bsonx.Int(s.DocsExamined)).Append("executionStages", bsonx.Document(stages)).Raw()
}

func (r *request) explainTail(out *bsonx.DocBuilder) *bsonx.DocBuilder {
	return out.Append("command", bsonx.Document(r.body)).
		Append("serverInfo", bsonx.NewDoc(64).Append("host", bsonx.String(r.conn.Address)).Append("version", bsonx.String(version)).Value()).
		Append("serverParameters", bsonx.NewDoc(0).Value())
}
