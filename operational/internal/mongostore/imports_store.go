package mongostore

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/collect"
	"github.com/strata-crm/strata/operational/internal/imports"
	"github.com/strata-crm/strata/operational/internal/ingest"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

// Imports implements imports.Store and ingest.Imports.
type Imports struct {
	db                                  *mongodb.DB
	runs, files, blocks, rows, progress *mongo.Collection
}

// NewImports returns the store of the database.
func NewImports(db *mongodb.DB) *Imports {
	return &Imports{db: db, runs: db.Collection(importsCollection), files: db.Collection(importFilesCollection),
		blocks: db.Collection(importBlocks), rows: db.Collection(importRows), progress: db.Collection(importProgress)}
}

var (
	_ imports.Store  = (*Imports)(nil)
	_ ingest.Imports = (*Imports)(nil)
)

type pendingDoc struct {
	First    int64       `bson:"first"`
	Last     int64       `bson:"last"`
	Received time.Time   `bson:"received"`
	Wanted   []wantedDoc `bson:"wanted"`
}

// wantedDoc keeps the parameters as the contract's JSON fields, which UseJSONStructTags stores.
type wantedDoc struct {
	Call       string               `bson:"call"`
	Event      string               `bson:"event"`
	Parameters []contract.Parameter `bson:"parameters"`
	Asked      []contract.Asked     `bson:"asked"`
	Uses       []collect.Use        `bson:"uses,omitempty"`
}

type problemDoc struct {
	Row    int64      `bson:"row"`
	Status fault.Code `bson:"status"`
	Code   fault.Code `bson:"code"`
	Detail string     `bson:"detail"`
}

type ownerDoc struct {
	Parameter contract.ParameterName `bson:"parameter"`
	Owner     string                 `bson:"owner"`
	Steward   string                 `bson:"steward"`
}

type columnDoc struct {
	Column string `bson:"column"` // a column's name may hold dots, so it is no field name
	To     string `bson:"to"`
}

// readingDoc is how an earlier run read the file.
type readingDoc struct {
	Run     imports.RunID `bson:"run"`
	Mapping []columnDoc   `bson:"mapping"`
}

func columnDocs(mapping map[string]string) (docs []columnDoc) {
	for _, column := range sorted(mapping) {
		docs = append(docs, columnDoc{Column: column, To: mapping[column]})
	}
	return docs
}

func mappingOf(docs []columnDoc) map[string]string {
	if len(docs) == 0 {
		return nil
	}
	m := map[string]string{}
	for _, c := range docs {
		m[c.Column] = c.To
	}
	return m
}

type readDoc struct {
	Published    int64 `bson:"published"`
	Quarantined  int64 `bson:"quarantined"`
	NotRequested int64 `bson:"notRequested"`
	Invalid      int64 `bson:"invalid"`
	Suppressed   int64 `bson:"suppressed,omitempty"`
}

type runDoc struct {
	ID         string            `bson:"_id"` // tenant|run
	V          int               `bson:"v"`
	Tenant     contract.TenantID `bson:"tenant"`
	Run        imports.RunID     `bson:"run"`
	Revision   int64             `bson:"revision"`
	Source     contract.SourceID `bson:"source"`
	FileName   string            `bson:"fileName"`
	Digest     string            `bson:"digest"`
	Mapping    []columnDoc       `bson:"mapping"`
	Otherwise  *readingDoc       `bson:"otherwise,omitempty"`
	Rows       *int64            `bson:"rows"`
	Next       int64             `bson:"next"`
	Pending    *pendingDoc       `bson:"pending"`
	Read       readDoc           `bson:"read"`
	Problems   []problemDoc      `bson:"problems"`
	Owners     []ownerDoc        `bson:"owners"`
	StartedAt  time.Time         `bson:"startedAt"`
	FinishedAt *time.Time        `bson:"finishedAt"`
	Barrier    map[string]int64  `bson:"barrier"`
}

func newRunDoc(r *imports.Run) *runDoc {
	d := &runDoc{ID: r.Tenant.Key(string(r.ID)), V: version, Tenant: r.Tenant, Run: r.ID, Revision: r.Revision, Source: r.Source, FileName: r.FileName,
		Digest: r.Digest, Rows: r.Rows, Next: r.Next, Read: readDoc(r.Read), StartedAt: r.StartedAt, FinishedAt: r.FinishedAt}
	d.Mapping = columnDocs(r.Mapping)
	if o := r.Otherwise; o != nil {
		d.Otherwise = &readingDoc{o.Run, columnDocs(o.Mapping)}
	}
	if p := r.Pending; p != nil {
		d.Pending = &pendingDoc{First: p.First, Last: p.Last, Received: p.Received}
		for _, w := range p.Wanted {
			d.Pending.Wanted = append(d.Pending.Wanted, wantedDoc(w))
		}
	}
	d.Problems = problemDocs(r.Problems)
	for _, o := range r.Owners {
		d.Owners = append(d.Owners, ownerDoc(o))
	}
	if r.Barrier != nil {
		d.Barrier = fromPosition(r.Barrier)
	}
	return d
}

func (d *runDoc) run() imports.Run {
	r := imports.Run{Tenant: d.Tenant, ID: d.Run, Revision: d.Revision, Source: d.Source, FileName: d.FileName, Digest: d.Digest, Rows: d.Rows,
		Next: d.Next, Read: imports.Read(d.Read), StartedAt: d.StartedAt.UTC(), Problems: problems(d.Problems)}
	r.Mapping = mappingOf(d.Mapping)
	if o := d.Otherwise; o != nil {
		r.Otherwise = &imports.Reading{Run: o.Run, Mapping: mappingOf(o.Mapping)}
	}
	if p := d.Pending; p != nil {
		r.Pending = &imports.Pending{First: p.First, Last: p.Last, Received: p.Received.UTC()}
		for _, w := range p.Wanted {
			r.Pending.Wanted = append(r.Pending.Wanted, collect.Wanted(w))
		}
	}
	for _, o := range d.Owners {
		r.Owners = append(r.Owners, imports.Owner(o))
	}
	if d.FinishedAt != nil {
		at := d.FinishedAt.UTC()
		r.FinishedAt, r.Barrier = &at, toPosition(d.Barrier)
	}
	return r
}

func problemDocs(ps []imports.Problem) []problemDoc {
	out := make([]problemDoc, len(ps))
	for i, p := range ps {
		out[i] = problemDoc(p)
	}
	return out
}

func problems(ds []problemDoc) []imports.Problem {
	var out []imports.Problem
	for _, d := range ds {
		out = append(out, imports.Problem(d))
	}
	return out
}

// fileDoc is the aggregate root of the runs of one file from one source: it names the open one, and the last finished one.
type fileDoc struct {
	Open imports.RunID `bson:"open"`
	Last imports.RunID `bson:"last"`
}

func fileID(r *imports.Run) string { return id(r.Tenant, string(r.Source), r.Digest) }

// Start implements imports.Store.
func (s *Imports) Start(ctx context.Context, r imports.Run) (imports.Run, error) {
	var started imports.Run
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		var file fileDoc
		err := mongodb.Fault(s.files.FindOne(ctx, byID(fileID(&r))).Decode(&file))
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if file.Open != "" {
			started, err = s.Get(ctx, r.Tenant, file.Open)
			return err
		}
		started = r
		if file.Last != "" {
			last, err := s.Get(ctx, r.Tenant, file.Last)
			if err != nil {
				return err
			}
			started.Differ(&last)
		}
		_, err = s.files.ReplaceOne(ctx, byID(fileID(&r)), bson.D{{Key: "v", Value: version}, {Key: "tenant", Value: r.Tenant}, {Key: "open", Value: r.ID}, {Key: "last", Value: file.Last}}, upsert)
		if err != nil {
			return err
		}
		_, err = s.runs.InsertOne(ctx, newRunDoc(&started))
		return err
	})
	if err != nil {
		return imports.Run{}, fmt.Errorf("start an import: %w", mongodb.Fault(err))
	}
	return started, nil
}

// Get implements imports.Store.
func (s *Imports) Get(ctx context.Context, t contract.TenantID, run imports.RunID) (imports.Run, error) {
	var d runDoc
	err := mongodb.Fault(s.runs.FindOne(ctx, byID(t.Key(string(run)))).Decode(&d))
	if fault.Is(err, fault.NotFound) {
		return imports.Run{}, fault.New(fault.NotFound, fault.BadRequest, "there is no import %s: start one with POST /api/operational/v1/imports", run)
	}
	return d.run(), err
}

// List returns the runs of a tenant, the latest first, at most limit of those that began before an instant.
func (s *Imports) List(ctx context.Context, t contract.TenantID, before time.Time, limit int) ([]imports.Run, error) {
	filter := bson.D{{Key: "tenant", Value: t}, {Key: "startedAt", Value: bson.D{{Key: "$lt", Value: before}}}}
	var docs []runDoc
	if err := all(ctx, s.runs, filter, &docs, options.Find().SetSort(bson.D{{Key: "startedAt", Value: -1}}).SetLimit(int64(limit))); err != nil {
		return nil, fmt.Errorf("list imports: %w", err)
	}
	out := make([]imports.Run, len(docs))
	for i := range docs {
		out[i] = docs[i].run()
	}
	return out, nil
}

type blockDoc struct {
	ID       string           `bson:"_id"` // tenant|run|first row
	V        int              `bson:"v"`
	First    int64            `bson:"first"`
	Last     int64            `bson:"last"`
	Counts   map[string]int64 `bson:"counts"`
	Problems []problemDoc     `bson:"problems"`
	Next     int64            `bson:"next"`
}

func blockID(t contract.TenantID, run imports.RunID, first int64) string {
	return id(t, string(run), fmt.Sprint(first))
}

// Save implements imports.Store.
func (s *Imports) Save(ctx context.Context, r imports.Run, previous int64, a *imports.Answer) error {
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		if err := swap(ctx, s.runs, r.Tenant.Key(string(r.ID)), previous, newRunDoc(&r)); err != nil {
			return err
		}
		if r.FinishedAt != nil {
			if _, err := s.files.UpdateOne(ctx, byID(fileID(&r)), set(bson.D{{Key: "open", Value: ""}, {Key: "last", Value: r.ID}})); err != nil {
				return err
			}
		}
		if a == nil {
			return nil
		}
		doc := blockDoc{ID: blockID(r.Tenant, r.ID, a.FirstRow), V: version, First: a.FirstRow, Last: a.LastRow, Counts: map[string]int64{},
			Problems: problemDocs(a.Problems), Next: a.Next}
		for code, n := range a.Counts {
			doc.Counts[string(code)] = n
		}
		_, err := s.blocks.ReplaceOne(ctx, byID(doc.ID), doc, upsert)
		return err
	})
	if err != nil {
		return fmt.Errorf("save import %s: %w", r.ID, mongodb.Fault(err))
	}
	return nil
}

// Answered implements imports.Store.
func (s *Imports) Answered(ctx context.Context, t contract.TenantID, run imports.RunID, first int64) (imports.Answer, bool, error) {
	var d blockDoc
	err := mongodb.Fault(s.blocks.FindOne(ctx, byID(blockID(t, run, first))).Decode(&d))
	if fault.Is(err, fault.NotFound) {
		return imports.Answer{}, false, nil
	}
	a := imports.Answer{FirstRow: d.First, LastRow: d.Last, Counts: map[fault.Code]int64{}, Problems: problems(d.Problems), Next: d.Next}
	for code, n := range d.Counts {
		a.Counts[fault.Code(code)] = n
	}
	return a, err == nil, err
}

// progressDoc counts what ingest made of a run's rows, by partition: so that partitions do not wait for each other.
type progressDoc struct {
	Stored      int64 `bson:"stored"`
	Duplicate   int64 `bson:"duplicate"`
	Quarantined int64 `bson:"quarantined"`
	Suppressed  int64 `bson:"suppressed"`
	NotInForce  int64 `bson:"notInForce"`
	Amount      int64 `bson:"amountMinor"`
	Zero        int64 `bson:"zero"`
	Identical   int64 `bson:"identical"`
}

func (p *progressDoc) add(o *ingest.RowOutcome) {
	switch o.Code {
	case fault.Accepted:
		p.Stored++
		if o.Amount != nil {
			p.Amount += *o.Amount
			if *o.Amount == 0 {
				p.Zero++
			}
		}
		if o.Repeats {
			p.Identical++
		}
	case fault.Duplicate:
		p.Duplicate++
	case fault.Suppressed:
		p.Suppressed++
	case fault.NotInForce:
		p.NotInForce++
	default:
		p.Quarantined++
	}
}

// Outcomes implements imports.Store.
func (s *Imports) Outcomes(ctx context.Context, t contract.TenantID, run imports.RunID) (imports.Outcomes, error) {
	var docs []progressDoc
	if err := all(ctx, s.progress, bson.D{{Key: "run", Value: t.Key(string(run))}}, &docs); err != nil {
		return imports.Outcomes{}, fmt.Errorf("outcomes of import %s: %w", run, err)
	}
	var o imports.Outcomes
	for _, d := range docs {
		o.Stored += d.Stored
		o.Duplicate += d.Duplicate
		o.Quarantined += d.Quarantined
		o.Suppressed += d.Suppressed
		o.NotInForce += d.NotInForce
		o.Amount += d.Amount
		o.Zero += d.Zero
		o.Identical += d.Identical
	}
	return o, nil
}

// Count implements ingest.Imports. A stored row is counted once because its event is new once; of any other row the first
// outcome is kept and the only one counted, so that a row that was published twice counts once.
func (s *Imports) Count(ctx context.Context, t contract.TenantID, partition int, outcomes []ingest.RowOutcome) error {
	first, err := s.first(ctx, t, outcomes)
	if err != nil {
		return fmt.Errorf("outcomes of rows: %w", err)
	}
	sums := map[string]*progressDoc{}
	for i := range outcomes {
		if first[i] {
			run := t.Key(outcomes[i].Run)
			if sums[run] == nil {
				sums[run] = &progressDoc{}
			}
			sums[run].add(&outcomes[i])
		}
	}
	for _, run := range sorted(sums) {
		_, err := s.progress.UpdateOne(ctx, byID(fmt.Sprintf("%s|%d", run, partition)), bson.D{
			{Key: "$inc", Value: sums[run]}, {Key: "$set", Value: bson.D{{Key: "v", Value: version}, {Key: "run", Value: run}}},
		}, options.UpdateOne().SetUpsert(true))
		if err != nil {
			return fmt.Errorf("progress of %s: %w", run, mongodb.Fault(err))
		}
	}
	return nil
}

// first reports of each outcome whether it is its row's first.
func (s *Imports) first(ctx context.Context, t contract.TenantID, outcomes []ingest.RowOutcome) ([]bool, error) {
	first := make([]bool, len(outcomes))
	var writes []mongo.WriteModel
	var of []int
	for i, o := range outcomes {
		if o.Code == fault.Accepted {
			first[i] = true
			continue
		}
		of = append(of, i)
		writes = append(writes, mongo.NewUpdateOneModel().SetUpsert(true).SetFilter(byID(id(t, o.Run, fmt.Sprint(o.Row)))).
			SetUpdate(bson.D{{Key: "$setOnInsert", Value: bson.D{{Key: "v", Value: version}, {Key: "outcome", Value: o.Code}}}}))
	}
	if len(writes) == 0 {
		return first, nil
	}
	res, err := s.rows.BulkWrite(ctx, writes)
	if err != nil {
		return nil, mongodb.Fault(err)
	}
	for i, at := range of {
		_, first[at] = res.UpsertedIDs[int64(i)]
	}
	return first, nil
}
