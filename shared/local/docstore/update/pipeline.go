package update

import (
	"context"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/pipeline"
	"go.mongodb.org/mongo-driver/v2/bson"
)

var updateStages = map[string]bool{
	"$set": true, "$addFields": true, "$unset": true, "$project": true, "$replaceRoot": true, "$replaceWith": true,
}

// pipelineUpdate compiles its stages anew for each document, because a pipeline runs once.
type pipelineUpdate struct {
	stages []bson.Raw
	deps   pipeline.Deps
}

func (u *Update) compilePipeline(v bson.RawValue, opts Options) error {
	if len(opts.ArrayFilters) > 0 {
		return parseFail("arrayFilters may not be specified for pipeline-style updates")
	}
	p := &pipelineUpdate{deps: pipeline.Deps{Let: opts.Let, Env: opts.Env}}
	for it := bsonx.Elements(v.Value); it.Next(); {
		if it.Value().Type != bson.TypeEmbeddedDocument {
			return mismatch("Each element of the 'pipeline' array must be an object")
		}
		stage := bson.Raw(it.Value().Value)
		if name := bsonx.FirstKey(stage); !updateStages[name] && name != "$fill" && bsonx.Len(stage) == 1 {
			return mongoerr.New(mongoerr.InvalidOptions, "%s is not allowed to be used within an update", name)
		}
		p.stages = append(p.stages, stage)
	}
	u.kind, u.pipeline = byPipeline, p
	_, err := pipeline.Compile(p.stages, p.deps)
	return err
}

// run computes the document that the stages make of doc. They may not change its _id, and need not keep it.
func (p *pipelineUpdate) run(doc bson.Raw) (bson.Raw, error) {
	compiled, err := pipeline.Compile(p.stages, p.deps)
	if err != nil {
		return nil, err
	}
	ctx := context.Background() // one document in memory: nothing to wait for
	it, err := compiled.Run(ctx, &single{doc: doc})
	if err != nil {
		return nil, err
	}
	defer it.Close()
	out, ok, err := it.Next(ctx)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, mongoerr.New(mongoerr.InternalError, "an update pipeline returned no document")
	}
	return keepID(doc, out)
}

func keepID(before, after bson.Raw) (bson.Raw, error) {
	id, now := bsonx.Lookup(before, "_id"), bsonx.Lookup(after, "_id")
	switch {
	case bsonx.IsMissing(id):
		return bsonx.IDFirst(after), nil
	case bsonx.IsMissing(now):
		return bsonx.IDFirst(bsonx.With(after, "_id", id)), nil
	case !bsonx.Equal(id, now):
		return nil, immutableID()
	}
	return bsonx.IDFirst(after), nil
}

// single is an iterator over one document.
type single struct {
	doc  bson.Raw
	done bool
}

func (s *single) Next(context.Context) (bson.Raw, bool, error) {
	if s.done {
		return nil, false, nil
	}
	s.done = true
	return s.doc, true, nil
}

// Close does nothing: there is nothing to release.
func (s *single) Close() {}
