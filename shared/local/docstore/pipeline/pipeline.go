package pipeline

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// Namespace names a collection.
type Namespace struct{ DB, Coll string }

// Source reads other collections for $lookup and $unionWith, in the same snapshot and session as the aggregation.
type Source interface {
	// Scan answers the documents of ns that match filter (an empty filter matches all), using an index where one helps; a collection
	// that does not exist is empty. filter follows the find command's language.
	Scan(ctx context.Context, ns Namespace, filter bson.Raw) (Iterator, error)
}

// WhenMatched and WhenNotMatched name the choices of $merge.
type (
	// WhenMatched is one of "replace", "keepExisting", "merge", "fail", "pipeline".
	WhenMatched string
	// WhenNotMatched is one of "insert", "discard", "fail".
	WhenNotMatched string
)

// MergeSpec is a checked $merge stage.
type MergeSpec struct {
	Into Namespace
	// On are the fields that identify a document; nil means _id. The Sink checks that a unique index covers them (51183 otherwise).
	On             []string
	WhenMatched    WhenMatched
	WhenNotMatched WhenNotMatched
}

// Merged is one document for $merge. Update computes the new document from the existing one (nil where the choice needs none).
type Merged struct {
	Doc    bson.Raw
	Update func(existing bson.Raw) (bson.Raw, error)
}

// Sink writes to collections for $out and $merge.
type Sink interface {
	// Out replaces the content of ns by docs atomically, keeping its indexes; it reads docs to the end before anything is visible.
	Out(ctx context.Context, ns Namespace, docs Iterator) error
	// CheckMerge is called once before the first document: it answers 51183 where no unique index covers spec.On.
	CheckMerge(ctx context.Context, spec MergeSpec) error
	// Merge writes one document: where a document with equal On fields exists it applies WhenMatched (through m.Update for "merge" and
	// "pipeline"), else WhenNotMatched. "fail" answers 11000 when matched, 13113 when not matched.
	Merge(ctx context.Context, spec MergeSpec, m Merged) error
}

// Deps is what a pipeline needs from its surroundings.
type Deps struct {
	// DB and Coll are the namespace of the command; Coll is empty for a database-level aggregate (aggregate: 1).
	DB, Coll string
	// Let are the command's variables (values are expressions without field paths).
	Let bson.Raw
	// Env carries the clock, $$CLUSTER_TIME and the random source. Required.
	Env *expr.Env
	// Source is required by $lookup and $unionWith, Sink by $out and $merge.
	Source Source
	Sink   Sink
	// AllowDiskUse lets blocking stages pass the memory bound.
	AllowDiskUse bool
	// MemoryLimit bounds each blocking stage in bytes; 0 means 100 MB.
	MemoryLimit int64
	// InTransaction refuses $out and $merge (263).
	InTransaction bool
}

// Pipeline is a compiled pipeline. It is run once.
type Pipeline struct {
	stages []stage
	env    *expr.Env
}

// stage turns its input into its output.
type stage interface {
	run(ctx context.Context, env *expr.Env, in Iterator) (Iterator, error)
}

// Compile checks and compiles the stages. Failures are *mongoerr.Error; an unknown stage is 40324.
func Compile(stages []bson.Raw, deps Deps) (*Pipeline, error) {
	if deps.Env == nil {
		return nil, mongoerr.New(8, "pipeline: Deps.Env is required")
	}
	return nil, mongoerr.New(238, "not there yet")
}

// Run starts the pipeline over in. Closing the answered iterator closes in.
func (p *Pipeline) Run(ctx context.Context, in Iterator) (Iterator, error) {
	out := in
	for _, s := range p.stages {
		next, err := s.run(ctx, p.env, out)
		if err != nil {
			out.Close()
			return nil, err
		}
		out = next
	}
	return out, nil
}

// Pushdown is what the front of a pipeline asks of its input, in this order: filter, sort, skip and limit. The planner may serve
// it from an index; Compile keeps these stages out of Run when the caller takes them (see TakePushdown).
type Pushdown struct {
	// Filter is the conjunction of the leading $match stages; nil means all.
	Filter bson.Raw
	// Sort is the $sort that follows; nil means none.
	Sort bson.Raw
	// Limit is the $limit that follows; 0 means none.
	Limit int64
	// Skip is the $skip that precedes the limit.
	Skip int64
}

// TakePushdown answers what the front of the pipeline asks of its input and removes those stages: the caller then feeds Run with
// documents that are already filtered, sorted, skipped and limited.
func (p *Pipeline) TakePushdown() Pushdown { return Pushdown{} }
