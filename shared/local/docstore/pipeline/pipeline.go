package pipeline

import (
	"cmp"
	"context"
	"os"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
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

// Merged is one document for $merge. Update computes the new document from the existing one; it is nil where the choice needs none.
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
	// DB and Coll are the namespace of the command; Coll is empty for a database-level aggregate (aggregate: 1), both for the pipeline
	// of an update.
	DB, Coll string
	// Let are the command's variables (values are expressions without field paths).
	Let bson.Raw
	// Scope names variables that Env already holds; nil means none.
	Scope *expr.Scope
	// Env carries the clock, $$CLUSTER_TIME, the random source and the variables of Scope. Required.
	Env *expr.Env
	// Source is required by $lookup and $unionWith, Sink by $out and $merge.
	Source Source
	Sink   Sink
	// AllowDiskUse lets $sort and $group put into TempDir what passes a third of the memory bound. Other blocking stages,
	// which cannot, may then hold four times as much in memory.
	AllowDiskUse bool
	// TempDir is where such files go; empty means the system's folder for them.
	TempDir string
	// MemoryLimit bounds each blocking stage in bytes; 0 means 100 MB.
	MemoryLimit int64
	// InTransaction refuses $out, $merge and $unionWith (263), in sub-pipelines too.
	InTransaction bool
}

// maxStages is MongoDB's bound of a pipeline's length, maxNesting of pipelines inside pipelines, maxDepth of objects inside a stage.
const (
	maxStages  = 1000
	maxNesting = 20
	maxDepth   = 199
)

// Pipeline is a compiled pipeline. It may be run again once the iterator of the run before is closed; runs do not overlap.
type Pipeline struct {
	stages []stage
	given  []int // which of the stages given each one came of
	env    *expr.Env
}

// stage turns its input into its output. env is the run's own; a stage may set variables of its own scope in it.
type stage interface {
	run(ctx context.Context, env *expr.Env, in Iterator) (Iterator, error)
}

// place tells where a pipeline stands; some stages are refused in some places.
type place int

const (
	atTop place = iota
	inLookup
	inUnion
	inFacet
)

// compiler compiles the stages of one pipeline.
type compiler struct {
	deps  *Deps
	scope *expr.Scope
	place place
	depth int
	db    string
	coll  string
}

// Compile checks and compiles the stages. Failures are *mongoerr.Error; an unknown stage is 40324.
func Compile(stages []bson.Raw, deps Deps) (*Pipeline, error) {
	if deps.Env == nil {
		return nil, mongoerr.New(mongoerr.InternalError, "pipeline: Deps.Env is required")
	}
	if deps.MemoryLimit == 0 {
		deps.MemoryLimit = 100 << 20
	}
	env := deps.Env.Clone()
	scope, err := bindLet(deps.Let, deps.Scope, env)
	if err != nil {
		return nil, err
	}
	c := &compiler{deps: &deps, scope: scope, db: deps.DB, coll: deps.Coll}
	list, given, err := c.numbered(stages)
	if err != nil {
		return nil, err
	}
	p := &Pipeline{stages: optimize(list), given: given, env: env}
	if deps.DB != "" && deps.Coll == "" && !p.HasOwnSource() {
		return nil, mongoerr.New(mongoerr.InvalidNamespace, "{aggregate: 1} is not valid for a pipeline that does not begin with $documents: name a collection")
	}
	return p, nil
}

// bindLet evaluates the command's variables into env.
func bindLet(let bson.Raw, scope *expr.Scope, env *expr.Env) (*expr.Scope, error) {
	if scope == nil {
		scope = expr.NewScope()
	}
	for it := bsonx.Elements(let); it.Next(); {
		name := string(it.Key())
		switch name {
		case "NOW", "CLUSTER_TIME", "USER_ROLES", "SEARCH_META":
			return nil, mongoerr.New(4738901, "Attempt to set internal constant: %s", name)
		}
		if err := expr.ValidateVariableName(name); err != nil {
			return nil, err
		}
		e, err := expr.CompileWithoutDocument(it.Value(), scope)
		if err != nil {
			return nil, err
		}
		v, err := e.Eval(env, nil)
		if err != nil {
			return nil, err
		}
		inner, slot := scope.Define(name)
		scope = inner
		env.Set(slot, v)
	}
	return scope, nil
}

// Run starts the pipeline over in. Closing the answered iterator closes in.
func (p *Pipeline) Run(ctx context.Context, in Iterator) (Iterator, error) {
	return runStages(ctx, p.stages, p.env, in)
}

// HasOwnSource tells that the pipeline begins with $documents and needs no input (give it Slice(nil)).
func (p *Pipeline) HasOwnSource() bool {
	if len(p.stages) == 0 {
		return false
	}
	_, ok := p.stages[0].(*documentsStage)
	return ok
}

// Writes tells that the pipeline ends in $out or $merge: its result is empty and it changes data.
func (p *Pipeline) Writes() bool {
	if len(p.stages) == 0 {
		return false
	}
	switch p.stages[len(p.stages)-1].(type) {
	case *outStage, *mergeStage:
		return true
	}
	return false
}

// CheckTarget answers what [Sink.CheckMerge] does where the pipeline ends in $merge: explain wants to know.
func (p *Pipeline) CheckTarget(ctx context.Context) error {
	if len(p.stages) == 0 {
		return nil
	}
	if m, ok := p.stages[len(p.stages)-1].(*mergeStage); ok && m.sink != nil {
		return m.sink.CheckMerge(ctx, m.spec)
	}
	return nil
}

func runStages(ctx context.Context, stages []stage, env *expr.Env, in Iterator) (Iterator, error) {
	out := in
	for _, s := range stages {
		next, err := s.run(ctx, env, out)
		if err != nil {
			out.Close()
			return nil, err
		}
		out = next
	}
	return out, nil
}

func (c *compiler) stages(list []bson.Raw) ([]stage, error) {
	out, _, err := c.numbered(list)
	return out, err
}

// numbered compiles stages and tells of each which of the given ones it came of.
func (c *compiler) numbered(list []bson.Raw) (out []stage, given []int, err error) {
	if len(list) > maxStages {
		return nil, nil, mongoerr.New(7749501, "Pipeline length must be no longer than %d stages.", maxStages)
	}
	if c.depth > maxNesting {
		return nil, nil, mongoerr.New(mongoerr.MaxSubPipelineDepthExceeded, "Maximum number of nested sub-pipelines exceeded. Limit is %d", maxNesting)
	}
	for i, raw := range list {
		if c.depth == 0 && deeperThan(raw, maxDepth) {
			return nil, nil, mongoerr.New(mongoerr.Overflow, "a pipeline stage exceeds the nesting limit of %d levels", maxDepth)
		}
		name, arg, err := stageOf(raw)
		if err != nil {
			return nil, nil, err
		}
		if err := c.allowed(name, i, len(list)); err != nil {
			return nil, nil, err
		}
		s, err := c.stage(name, arg)
		if err != nil {
			return nil, nil, err
		}
		for range s {
			given = append(given, i)
		}
		out = append(out, s...)
	}
	return out, given, nil
}

// deeperThan tells whether a document nests more than limit levels, itself counted.
func deeperThan(body bson.Raw, limit int) bool {
	if limit == 0 {
		return true
	}
	for it := bsonx.Elements(body); it.Next(); {
		switch it.Value().Type {
		case bson.TypeEmbeddedDocument, bson.TypeArray:
			if deeperThan(it.Value().Value, limit-1) {
				return true
			}
		}
	}
	return false
}

func stageOf(raw bson.Raw) (string, bson.RawValue, error) {
	if bsonx.Len(raw) != 1 {
		return "", bson.RawValue{}, mongoerr.New(40323, "A pipeline stage specification object must contain exactly one field.")
	}
	name := bsonx.FirstKey(raw)
	return name, bsonx.Lookup(raw, name), nil
}

// allowed checks where a stage stands.
func (c *compiler) allowed(name string, i, n int) error {
	switch name {
	case "$out", "$merge":
		switch {
		case c.place == inLookup:
			return mongoerr.New(51047, "%s is not allowed within a $lookup's sub-pipeline", name)
		case c.place == inUnion:
			return mongoerr.New(31441, "%s is not allowed within a $unionWith's sub-pipeline", name)
		case c.place == inFacet:
			return mongoerr.New(40600, "%s is not allowed to be used within a $facet stage", name)
		case i != n-1:
			return mongoerr.New(40601, "%s can only be the final stage in the pipeline", name)
		case c.deps.InTransaction:
			return mongoerr.New(mongoerr.OperationNotSupportedInTransaction, "%s cannot be used in a transaction", name)
		}
	case "$unionWith":
		if c.deps.InTransaction {
			return mongoerr.New(mongoerr.OperationNotSupportedInTransaction, "Stage not supported inside of a multi-document transaction: %s", name)
		}
	case "$documents":
		switch {
		case c.place == inFacet:
			return mongoerr.New(40600, "$documents is not allowed to be used within a $facet stage")
		case i != 0:
			return mongoerr.New(40602, "$documents is only valid as the first stage in a pipeline")
		case c.coll != "":
			return mongoerr.New(mongoerr.InvalidNamespace, "$documents can only be run with {aggregate: 1}")
		}
	case "$facet":
		if c.place == inFacet {
			return mongoerr.New(40600, "$facet is not allowed to be used within a $facet stage")
		}
	case "$currentOp", "$listLocalSessions":
		if c.coll != "" {
			return mongoerr.New(mongoerr.InvalidNamespace, "%s must be run with {aggregate: 1}", name)
		}
	}
	return c.allowedSource(name, i)
}

// allowedSource checks the stages that bring their own documents and so stand first.
func (c *compiler) allowedSource(name string, i int) error {
	switch name {
	case "$indexStats", "$collStats", "$changeStream", "$geoNear", "$listSessions", "$currentOp", "$planCacheStats", "$listLocalSessions":
		if c.place == inFacet {
			return mongoerr.New(40600, "%s is not allowed to be used within a $facet stage", name)
		}
		if i != 0 {
			return mongoerr.New(40602, "%s is only valid as the first stage in a pipeline", name)
		}
	}
	return nil
}

// stage compiles one stage; a stage that is short for others gives several.
func (c *compiler) stage(name string, arg bson.RawValue) ([]stage, error) {
	switch name {
	case "$sortByCount":
		return c.sortByCount(arg)
	case "$count":
		return c.count(arg)
	}
	s, err := c.single(name, arg)
	return []stage{s}, err
}

func (c *compiler) single(name string, arg bson.RawValue) (stage, error) {
	switch name {
	case "$match":
		return c.match(arg)
	case "$project":
		return c.project(arg)
	case "$addFields", "$set":
		return c.addFields(name, arg)
	case "$unset":
		return c.unset(arg)
	case "$replaceRoot":
		return c.replaceRoot(arg)
	case "$replaceWith":
		return c.replaceWith(arg)
	case "$group":
		return c.group(arg)
	case "$sort":
		return c.sort(arg)
	case "$limit":
		return c.limit(arg)
	case "$skip":
		return c.skip(arg)
	case "$unwind":
		return c.unwind(arg)
	case "$sample":
		return c.sample(arg)
	case "$bucket":
		return c.bucket(arg)
	case "$bucketAuto":
		return c.bucketAuto(arg)
	case "$redact":
		return c.redact(arg)
	case "$facet":
		return c.facet(arg)
	case "$lookup":
		return c.lookup(arg)
	case "$unionWith":
		return c.unionWith(arg)
	case "$documents":
		return c.documents(arg)
	case "$setWindowFields":
		return c.setWindowFields(arg)
	case "$out":
		return c.out(arg)
	case "$merge":
		return c.merge(arg)
	}
	if name == "$listSearchIndexes" {
		return nil, mongoerr.New(mongoerr.SearchNotEnabled, mongoerr.NoSearch)
	}
	if leftOut[name] {
		return nil, expr.ErrUnsupported("the stage %s", name)
	}
	return nil, mongoerr.New(40324, "Unrecognized pipeline stage name: '%s'", name)
}

// leftOut are MongoDB's stages that this store does not have.
var leftOut = map[string]bool{
	"$densify": true, "$fill": true, "$graphLookup": true, "$geoNear": true, "$changeStream": true, "$changeStreamSplitLargeEvent": true,
	"$collStats": true, "$indexStats": true, "$planCacheStats": true, "$currentOp": true, "$listSessions": true, "$listLocalSessions": true,
	"$listSampledQueries": true, "$querySettings": true, "$queryStats": true, "$listClusterCatalog": true, "$rankFusion": true,
	"$scoreFusion": true, "$score": true, "$search": true, "$searchMeta": true, "$vectorSearch": true,
	"$shardedDataDistribution": true, "$listMqlEntities": true,
}

// exceeded is the answer of a blocking stage that passes the memory bound.
func (c *compiler) exceeded(used int64, name string) error {
	if used <= c.deps.MemoryLimit {
		return nil
	}
	if c.deps.AllowDiskUse {
		if used <= 4*c.deps.MemoryLimit {
			return nil
		}
		return mongoerr.New(mongoerr.ExceededMemoryLimit, "%s used too much memory and cannot spill to disk. Memory limit: %d bytes", name, 4*c.deps.MemoryLimit)
	}
	return mongoerr.New(mongoerr.QueryExceededMemoryLimitNoDiskUseAllowed,
		"Exceeded memory limit for %s, but didn't allow external sort. Pass allowDiskUse:true to opt in.", name)
}

// spillAt is how many bytes a stage that can spill holds in memory where it may: the rest of the bound is for what the
// garbage collector has not collected yet.
func (c *compiler) spillAt() int64 { return c.deps.MemoryLimit / 3 }

func (c *compiler) tempDir() string { return cmp.Or(c.deps.TempDir, os.TempDir()) }

// object checks that a stage's argument is an object.
func object(arg bson.RawValue, code int32, name string) error {
	if arg.Type == bson.TypeEmbeddedDocument {
		return nil
	}
	return mongoerr.New(code, "the %s specification must be an object, but found type %s", name, expr.TypeName(arg))
}

// stagePath checks a field path that a stage names without a dollar sign.
func stagePath(path string) error {
	if path == "" {
		return mongoerr.New(40352, "FieldPath cannot be constructed with empty string")
	}
	_, err := expr.SplitPath(path)
	return err
}
