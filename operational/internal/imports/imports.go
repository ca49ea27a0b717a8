package imports

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/strata-crm/strata/operational/internal/collect"
	"github.com/strata-crm/strata/operational/internal/lake"
	"github.com/strata-crm/strata/operational/internal/source"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Store keeps runs.
type Store interface {
	// Start stores a new run, or returns the open run of the same source and digest, if there is one. A new one differs from the
	// last finished one of the same, as Run.Differ says.
	Start(ctx context.Context, r Run) (Run, error)
	// Get returns a run, or fault.NotFound.
	Get(ctx context.Context, t contract.TenantID, id RunID) (Run, error)
	// Save replaces a run if the stored revision is previous, else fault.Conflict; with it the answer to a block, unless nil.
	Save(ctx context.Context, r Run, previous int64, a *Answer) error
	// Answered returns the stored answer to the block that begins with a row.
	Answered(ctx context.Context, t contract.TenantID, id RunID, first int64) (Answer, bool, error)
	// Outcomes returns what ingest has counted for a run.
	Outcomes(ctx context.Context, t contract.TenantID, id RunID) (Outcomes, error)
}

// Gateway judges and takes rows; collect.Gateway does.
type Gateway interface {
	Finder(at time.Time) (func(call, event string) collect.Wanted, error)
	Rows(s source.Source, run, idPrefix string, received time.Time, find func(call, event string) collect.Wanted, rows []collect.Row) []collect.Verdict
	Seen(ctx context.Context, s contract.SourceID, verdicts []collect.Verdict) map[string]lake.Seen
	Take(ctx context.Context, s contract.SourceID, verdicts []collect.Verdict) error
}

// Sources finds the registered source of a file.
type Sources interface {
	Get(ctx context.Context, id contract.SourceID) (source.Source, error)
}

// Options are what Imports needs; all are required.
type Options struct {
	Tenant  contract.TenantID
	Store   Store
	Sources Sources
	Gateway Gateway
	Logs    source.Logs
	Now     func() time.Time
	NewID   func() string
}

// Imports runs imports. Safe for concurrent use: of two requests with the same rows one is taken, and both get its answer.
type Imports struct{ o Options }

// New returns imports, or fault.Invalid when something is missing.
func New(o Options) (*Imports, error) {
	if !o.Tenant.Valid() || o.Store == nil || o.Sources == nil || o.Gateway == nil || o.Logs == nil || o.Now == nil || o.NewID == nil {
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "imports need a tenant, a store, sources, a gateway, logs, a clock and ids")
	}
	return &Imports{o: o}, nil
}

var digest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Start begins a run, or returns the open one of the same file and source, which goes on at its Next row. A file whose
// run is finished begins a new run, in which its rows are duplicates. An open run that reads the file otherwise is
// fault.Conflict: half a file read one way and half another would add up to an account of nothing.
func (im *Imports) Start(ctx context.Context, r Run) (Run, error) {
	wrong := func(at, text string) error {
		e := fault.New(fault.Invalid, fault.BadRequest, "%s", text)
		e.At = at
		return e
	}
	switch {
	case !digest.MatchString(r.Digest):
		return Run{}, wrong("/digest", "must be the file's SHA-256 as 64 hex digits")
	case r.FileName == "" || len(r.FileName) > 300:
		return Run{}, wrong("/fileName", "must have 1 to 300 bytes")
	case r.Rows != nil && *r.Rows < 0, len(r.Mapping) > 500:
		return Run{}, wrong("/rows", "must not be negative, with at most 500 mapped columns")
	}
	if _, err := im.o.Sources.Get(ctx, r.Source); err != nil {
		return Run{}, fmt.Errorf("source of the import: %w", err)
	}
	now := im.now()
	r.Tenant, r.ID, r.Next, r.StartedAt, r.Revision = im.o.Tenant, RunID(im.o.NewID()), 1, now, contract.NextRevision(0, now)
	r.Pending, r.Read, r.Problems, r.Owners, r.FinishedAt, r.Barrier = nil, Read{}, nil, nil, nil, nil
	r.Otherwise = nil
	started, err := im.o.Store.Start(ctx, r)
	if err == nil && started.ID != r.ID && started.otherwise(r.Mapping) {
		return Run{}, fault.New(fault.Conflict, fault.IllegalTransition, "import %s of this file is not finished and reads it otherwise: %s. Go on from row %d "+
			"as it began, or finish it first (POST /api/operational/v1/imports/%s/finish); rows that were taken stay as they were read",
			started.ID, differences(started.Mapping, r.Mapping), started.Next, started.ID)
	}
	return started, err
}

func (im *Imports) now() time.Time { return im.o.Now().UTC().Truncate(time.Millisecond) }

// Take judges and publishes the next rows of a run and answers for them. Rows must follow each other, and begin with the
// row wanted next, or repeat a request that was answered. Those of the next block may come while the one before is being
// taken: they wait for it. The answer may end before the last row sent: go on with its Next. After fault.Transient the
// same rows are sent again.
func (im *Imports) Take(ctx context.Context, id RunID, rows []collect.Row) (Answer, error) {
	if err := consecutive(rows); err != nil {
		return Answer{}, err
	}
	a, err := im.once(ctx, id, rows)
	if fault.CodeOf(err) != fault.PreconditionFailed {
		return a, err
	}
	// Another request has the same rows in hand. It answers for both, or it has died over them and leaves them to this one.
	if err := im.answers(ctx, id, rows[0].Row); err != nil {
		return Answer{}, err
	}
	if a, err = im.once(ctx, id, rows); fault.CodeOf(err) == fault.PreconditionFailed {
		err = fault.Wrap(fault.Transient, fault.Unavailable, err, "another request has the same rows in hand: send them again")
	}
	return a, err
}

// once takes rows as the run stands now; fault.PreconditionFailed if another request changes it meanwhile.
func (im *Imports) once(ctx context.Context, id RunID, rows []collect.Row) (Answer, error) {
	run, err := im.turn(ctx, id, rows[0].Row)
	if err != nil {
		return Answer{}, err
	}
	if first := rows[0].Row; first != run.Next {
		return im.answered(ctx, run, first)
	}
	if run.FinishedAt != nil {
		return Answer{}, fault.New(fault.Conflict, fault.IllegalTransition, "the import is finished: start a new one for more rows")
	}
	return im.take(ctx, run, rows)
}

const (
	// patience is how long rows wait for the block before them, and lookEvery how often the run is looked at meanwhile: it
	// may be another replica that takes that block.
	patience  = 5 * time.Second
	lookEvery = 5 * time.Millisecond
)

// turn returns the run, when the first of the rows is wanted or it is clear that it will not be in time.
func (im *Imports) turn(ctx context.Context, id RunID, first int64) (Run, error) {
	return im.watch(ctx, id, func(r *Run) bool {
		return first <= r.Next || first > r.Next+collect.MaxItems || r.FinishedAt != nil
	})
}

// answers waits, as long as it is worth it, until a row has its answer.
func (im *Imports) answers(ctx context.Context, id RunID, row int64) error {
	_, err := im.watch(ctx, id, func(r *Run) bool { return row < r.Next })
	return err
}

// watch returns the run as soon as it is as it should be, or as it is when patience is over.
func (im *Imports) watch(ctx context.Context, id RunID, ok func(*Run) bool) (Run, error) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for limit := time.After(patience); ; {
		run, err := im.o.Store.Get(ctx, im.o.Tenant, id)
		if err != nil || ok(&run) {
			return run, err
		}
		select {
		case <-tick.C:
		case <-limit:
			return run, nil
		case <-ctx.Done():
			return run, ctx.Err()
		}
	}
}

func consecutive(rows []collect.Row) error {
	if len(rows) == 0 || len(rows) > collect.MaxItems {
		return fault.New(fault.Invalid, fault.BadRequest, "the request has %d rows: send 1 to %d", len(rows), collect.MaxItems)
	}
	for i := range rows {
		if rows[i].Row != rows[0].Row+int64(i) || rows[i].Row < 1 {
			return fault.New(fault.Invalid, fault.BadRequest, "row numbers must follow each other, from 1: row %d stands at place %d after row %d", rows[i].Row, i, rows[0].Row)
		}
	}
	return nil
}

func (im *Imports) answered(ctx context.Context, run Run, first int64) (Answer, error) {
	if first < run.Next {
		if a, ok, err := im.o.Store.Answered(ctx, run.Tenant, run.ID, first); err != nil || ok {
			return a, err
		}
	}
	return Answer{}, fault.New(fault.Conflict, fault.IllegalTransition, "row %d is wanted next, not row %d: go on from there", run.Next, first)
}

func (im *Imports) take(ctx context.Context, run Run, rows []collect.Row) (Answer, error) {
	src, err := im.o.Sources.Get(ctx, run.Source)
	if err != nil {
		return Answer{}, err
	}
	if run.Pending != nil && rows[len(rows)-1].Row > run.Pending.Last {
		rows = rows[:run.Pending.Last-rows[0].Row+1] // those were judged before; the rest comes with the next request
	}
	f, err := im.finder(&run)
	if err != nil {
		return Answer{}, err
	}
	verdicts := im.o.Gateway.Rows(src, string(run.ID), run.Digest[:prefixDigits], f.received, f.find, rows)
	found := make(chan map[string]lake.Seen, 1)
	go func(run Run) { found <- im.seen(ctx, run, verdicts) }(run)
	run, err = im.prepare(ctx, run, f, rows)
	seen := <-found
	if err != nil {
		return Answer{}, err
	}
	if err := im.o.Gateway.Take(ctx, run.Source, verdicts); err != nil {
		return Answer{}, err
	}
	return im.conclude(ctx, run, rows, verdicts, seen)
}

// seen leaves out what this run itself has brought in by the same rows, which is no duplicate.
func (im *Imports) seen(ctx context.Context, run Run, verdicts []collect.Verdict) map[string]lake.Seen {
	seen := im.o.Gateway.Seen(ctx, run.Source, verdicts)
	for i := range verdicts {
		e := verdicts[i].Event
		if e == nil {
			continue
		}
		if s, ok := seen[verdicts[i].ID]; ok && s.Import != nil && *s.Import == *e.Import {
			delete(seen, verdicts[i].ID)
		}
	}
	return seen
}

// finder looks up what is asked and remembers every answer, so that the same rows are judged alike when they come again.
type finder struct {
	received time.Time
	used     []collect.Wanted
	live     func(call, event string) collect.Wanted
}

func (im *Imports) finder(run *Run) (*finder, error) {
	f := &finder{received: im.now()}
	var err error
	if f.live, err = im.o.Gateway.Finder(f.received); err != nil {
		return nil, err
	}
	if run.Pending != nil {
		f.received, f.used = run.Pending.Received, run.Pending.Wanted
	}
	return f, nil
}

func (f *finder) find(call, event string) collect.Wanted {
	for _, w := range f.used {
		if w.Call == call && w.Event == event {
			return w
		}
	}
	w := f.live(call, event)
	f.used = append(f.used, w)
	return w
}

// prepare stores what the rows are judged by before anything of them is published.
func (im *Imports) prepare(ctx context.Context, run Run, f *finder, rows []collect.Row) (Run, error) {
	if run.Pending != nil && len(f.used) == len(run.Pending.Wanted) {
		return run, nil
	}
	last := rows[len(rows)-1].Row
	if run.Pending != nil {
		last = run.Pending.Last
	}
	run.Pending = &Pending{First: rows[0].Row, Last: last, Received: f.received, Wanted: f.used}
	return im.save(ctx, run, nil)
}

func (im *Imports) conclude(ctx context.Context, run Run, rows []collect.Row, verdicts []collect.Verdict, seen map[string]lake.Seen) (Answer, error) {
	answers := make([]collect.Answer, len(verdicts))
	for i := range verdicts {
		answers[i] = verdicts[i].Answer(seen)
	}
	run.owned(run.Pending.Wanted)
	a := run.add(rows[0].Row, verdicts, answers)
	if a.LastRow >= run.Pending.Last {
		run.Pending = nil
	} else {
		rest := *run.Pending
		rest.First = a.Next
		run.Pending = &rest
	}
	_, err := im.save(ctx, run, &a)
	if fault.Is(err, fault.Conflict) { // the same rows came twice at once, and the other request was answered
		if stored, ok, err := im.o.Store.Answered(ctx, run.Tenant, run.ID, a.FirstRow); err != nil || ok {
			return stored, err
		}
	}
	return a, err
}

func (im *Imports) save(ctx context.Context, run Run, a *Answer) (Run, error) {
	previous := run.Revision
	run.Revision = contract.NextRevision(previous, im.o.Now())
	return run, im.o.Store.Save(ctx, run, previous, a)
}

// Finish ends a run: no more rows are taken. It may be repeated, and called by several at once.
func (im *Imports) Finish(ctx context.Context, id RunID) (Run, error) {
	run, err := im.finish(ctx, id)
	if fault.CodeOf(err) == fault.PreconditionFailed { // somebody else finished it, or took rows
		return im.finish(ctx, id)
	}
	return run, err
}

func (im *Imports) finish(ctx context.Context, id RunID) (Run, error) {
	run, err := im.o.Store.Get(ctx, im.o.Tenant, id)
	if err != nil || run.FinishedAt != nil {
		return run, err
	}
	if run.Pending != nil {
		return run, fault.New(fault.Conflict, fault.IllegalTransition, "rows %d to %d were sent and not answered: send them again, then finish", run.Pending.First, run.Pending.Last)
	}
	if run.Barrier, err = im.o.Logs.Ends(ctx); err != nil {
		return run, err
	}
	now := im.now()
	run.FinishedAt = &now
	return im.save(ctx, run, nil)
}

// Statement accounts for every row of a run, as of now.
func (im *Imports) Statement(ctx context.Context, id RunID) (Statement, error) {
	run, err := im.o.Store.Get(ctx, im.o.Tenant, id)
	if err != nil {
		return Statement{}, err
	}
	passed := false
	if run.FinishedAt != nil { // before the outcomes are read: what was passed by then has been counted
		at, err := im.o.Logs.Ingested(ctx)
		if err != nil {
			return Statement{}, err
		}
		passed = at.Passed(run.Barrier)
	}
	o, err := im.o.Store.Outcomes(ctx, im.o.Tenant, id)
	if err != nil {
		return Statement{}, err
	}
	return run.statement(o, passed), nil
}
