package plan

import (
	"context"
	"errors"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/query"
)

// Found is one document with the key it is stored under.
type Found struct {
	ID       []byte
	Doc      bson.Raw
	IndexKey bson.Raw // where Query.ReturnKey asks for it; empty where no index led to the document
}

// source yields documents one by one.
type source interface {
	next() (Found, bool, error)
	close() error
}

// Cursor yields the documents of a plan in order. It must be closed.
type Cursor struct {
	src   source
	stats *Stats
	err   error
	calls uint // of Next: only some look at the context, which costs as much as the document
}

// Next returns the next document; false at the end.
func (c *Cursor) Next(ctx context.Context) (Found, bool, error) {
	if c.err != nil {
		return Found{}, false, c.err
	}
	if c.calls++; c.calls&15 == 1 {
		if err := ctx.Err(); err != nil {
			return Found{}, false, err
		}
	}
	f, ok, err := c.src.next()
	if ok {
		c.stats.Returned++
	}
	c.err = err
	return f, ok, err
}

// Lend asks for documents that are valid only until the next call, where the plan can save copies by it: in a scan of
// the collection that nothing sorts. It is called before Next.
func (c *Cursor) Lend() {
	if f, ok := c.src.(*filtered); ok {
		if s, ok := f.in.(*docScan); ok {
			s.lend = true
		}
	}
}

// Close releases what the cursor holds; it may be repeated.
func (c *Cursor) Close() error { return c.src.close() }

// Stats counts what a plan did.
type Stats struct{ KeysExamined, DocsExamined, Returned int64 }

// run is what most plans need to run, in one piece of memory: a scan, what keeps the documents that match, and a window.
type run struct {
	cursor   Cursor
	stats    Stats
	docs     docScan
	index    indexScan
	filtered filtered
	window   window
}

// Open runs the plan in a transaction. env holds the variables and the clock of the filter.
func (p *Plan) Open(ctx context.Context, t *engine.Tx, env *expr.Env) *Cursor {
	r := &run{}
	c := &r.cursor
	c.stats = &r.stats
	if p.Collection == nil {
		c.src = nothing{}
		return c
	}
	var src source
	if len(p.branches) == 1 {
		src = p.filtered(ctx, t, env, p.branches[0], c.stats, r)
	} else {
		u := &union{seen: map[string]bool{}}
		for _, a := range p.branches {
			u.in = append(u.in, p.filtered(ctx, t, env, a, c.stats, &run{}))
		}
		src = u
	}
	if p.sortInMemory {
		src = &sorted{in: src, fields: p.Query.Sort, limit: p.sortLimit(), spill: p.Query.Spill}
	}
	if p.Query.Skip > 0 || p.Query.Limit > 0 {
		r.window = window{in: src, skip: p.Query.Skip, limit: p.Query.Limit}
		src = &r.window
	}
	c.src = src
	return c
}

// filtered opens one way to the documents; it takes the room that it needs of r.
func (p *Plan) filtered(ctx context.Context, t *engine.Tx, env *expr.Env, a access, stats *Stats, r *run) source {
	src := a.open(t, p.Collection, stats, r)
	if p.covered(a) {
		return asKeys(src)
	}
	if x, ok := src.(*indexScan); ok {
		x.batch = p.firstFetch()
	}
	r.filtered = filtered{ctx: ctx, in: src, filter: a.filter, env: env}
	if p.Query.ReturnKey {
		return &keyed{source: &r.filtered, a: a}
	}
	return &r.filtered
}

// Documents that an index leads to are fetched in groups, which grow from what the query surely wants up to a limit.
const (
	firstFetch = 16
	mostFetch  = 256
)

func (p *Plan) firstFetch() int {
	if limit := p.sortLimit(); limit > 0 && !p.sortInMemory {
		return int(min(limit, mostFetch))
	}
	return firstFetch
}

// Stats returns what the cursor did so far.
func (c *Cursor) Stats() Stats { return *c.stats }

func (p *Plan) sortLimit() int64 {
	if p.Query.Limit == 0 {
		return 0
	}
	return p.Query.Limit + min(p.Query.Skip, math.MaxInt64-p.Query.Limit)
}

type nothing struct{}

func (nothing) next() (Found, bool, error) { return Found{}, false, nil }
func (nothing) close() error               { return nil }

// filtered keeps the documents that match. It looks at the context between them, since it may run long without result.
type filtered struct {
	ctx    context.Context
	in     source
	filter *query.Matcher
	env    *expr.Env
	n      int
}

func (f *filtered) next() (Found, bool, error) {
	for {
		if f.n++; f.n&127 == 0 && f.ctx.Err() != nil {
			return Found{}, false, f.ctx.Err()
		}
		d, ok, err := f.in.next()
		if err != nil || !ok {
			return Found{}, false, err
		}
		ok, err = f.filter.MatchEnv(f.env, d.Doc)
		if err != nil {
			return Found{}, false, err
		}
		if ok {
			return d, true, nil
		}
	}
}

func (f *filtered) close() error { return f.in.close() }

// union reads its inputs one after the other and leaves out what it has seen.
type union struct {
	in   []source
	at   int
	seen map[string]bool
}

func (u *union) next() (Found, bool, error) {
	for u.at < len(u.in) {
		f, ok, err := u.in[u.at].next()
		switch {
		case err != nil:
			return Found{}, false, err
		case !ok:
			u.at++
		case !u.seen[string(f.ID)]:
			u.seen[string(f.ID)] = true
			return f, true, nil
		}
	}
	return Found{}, false, nil
}

func (u *union) close() error {
	var err error
	for _, in := range u.in {
		err = errors.Join(err, in.close())
	}
	return err
}

// window skips and limits.
type window struct {
	in          source
	skip, limit int64
	out         int64
}

func (w *window) next() (Found, bool, error) {
	for ; w.skip > 0; w.skip-- {
		if _, ok, err := w.in.next(); err != nil || !ok {
			return Found{}, false, err
		}
	}
	if w.limit > 0 && w.out >= w.limit {
		return Found{}, false, nil
	}
	w.out++
	return w.in.next()
}

func (w *window) close() error { return w.in.close() }

// docScan reads documents in the order of _id, within ranges of id keys.
type docScan struct {
	t     *engine.Tx
	c     *engine.Collection
	a     access
	at    int
	docs  *engine.Docs
	lend  bool
	stats *Stats

	fetched []Found // documents that were asked for by _id, read together; without Doc where there is none
}

func (s *docScan) next() (Found, bool, error) {
	for {
		for len(s.fetched) > 0 {
			f := s.fetched[0]
			s.fetched = s.fetched[1:]
			s.stats.KeysExamined++
			if f.Doc != nil {
				s.stats.DocsExamined++
				return f, true, nil
			}
		}
		if s.docs == nil {
			if s.at >= len(s.a.ranges) {
				return Found{}, false, nil
			}
			r := s.a.ranges[s.at]
			if r.point {
				if err := s.fetch(); err != nil {
					return Found{}, false, err
				}
				continue
			}
			s.at++
			var err error
			if s.docs, err = s.t.ScanDocs(s.c, r.lower, r.upper, s.a.reverse); err != nil {
				s.docs = nil
				return Found{}, false, err
			}
			if s.lend {
				s.docs.Lend()
			}
		}
		id, doc, ok, err := s.docs.Next()
		if ok {
			s.stats.DocsExamined++
			return Found{ID: id, Doc: doc}, true, nil
		}
		if err = errors.Join(err, s.close()); err != nil {
			return Found{}, false, err
		}
	}
}

// fetch gets the documents that the next ranges name one by one.
func (s *docScan) fetch() error {
	var ids [][]byte
	for s.at < len(s.a.ranges) && s.a.ranges[s.at].point && len(ids) < mostFetch {
		ids = append(ids, s.a.ranges[s.at].lower)
		s.at++
	}
	docs, err := s.t.GetMany(s.c, ids)
	if err != nil {
		return err
	}
	s.fetched = make([]Found, len(ids))
	for i, id := range ids {
		s.fetched[i] = Found{ID: id, Doc: docs[i]}
	}
	return nil
}

func (s *docScan) close() error {
	if s.docs == nil {
		return nil
	}
	err := s.docs.Close()
	s.docs = nil
	return err
}

// indexScan reads documents in the order of an index, within ranges of its keys. A multikey index may lead to the same
// document more than once; only the first counts.
type indexScan struct {
	t       *engine.Tx
	c       *engine.Collection
	a       access
	at      int
	entries *engine.Entries
	seen    map[string]bool
	stats   *Stats

	batch   int // how many documents to fetch next
	keys    int64
	fetched []fetched
	one     [1]fetched // for a batch of one
}

// fetched is a document read ahead, and how many keys had been read when its turn came.
type fetched struct {
	Found
	keys int64
}

func (s *indexScan) next() (Found, bool, error) {
	for {
		for len(s.fetched) > 0 {
			f := s.fetched[0]
			s.fetched = s.fetched[1:]
			s.stats.KeysExamined += f.keys
			if f.Doc != nil {
				s.stats.DocsExamined++
				return f.Found, true, nil
			}
		}
		if err := s.fetch(); err != nil || len(s.fetched) == 0 {
			return Found{}, false, err
		}
	}
}

// fetch reads the next batch of documents.
func (s *indexScan) fetch() error {
	if s.batch == 1 {
		return s.fetchOne()
	}
	ids := make([][]byte, 0, s.batch)
	s.fetched = make([]fetched, 0, s.batch)
	for len(ids) < s.batch {
		id, ok, err := s.nextID()
		if err != nil {
			return err
		}
		if !ok {
			s.stats.KeysExamined, s.keys = s.stats.KeysExamined+s.keys, 0
			break
		}
		ids, s.fetched, s.keys = append(ids, id), append(s.fetched, fetched{Found{ID: id}, s.keys}), 0
	}
	docs, err := s.t.GetMany(s.c, ids)
	if err != nil {
		return err
	}
	for i := range docs {
		s.fetched[i].Doc = docs[i]
	}
	s.batch = min(4*s.batch, mostFetch)
	return nil
}

// fetchOne is fetch for a batch of one document.
func (s *indexScan) fetchOne() error {
	id, ok, err := s.nextID()
	if err != nil {
		return err
	}
	s.batch = 4
	if !ok {
		s.stats.KeysExamined, s.keys = s.stats.KeysExamined+s.keys, 0
		return nil
	}
	doc, err := s.t.Get(s.c, id)
	if err != nil {
		return err
	}
	s.one[0] = fetched{Found{ID: id, Doc: doc}, s.keys}
	s.fetched, s.keys = s.one[:], 0
	return nil
}

func (s *indexScan) nextID() ([]byte, bool, error) {
	for {
		if s.entries == nil {
			if s.at >= len(s.a.ranges) {
				return nil, false, nil
			}
			r := s.a.ranges[s.at]
			s.at++
			var err error
			if s.entries, err = s.t.ScanIndex(s.a.index, r.lower, r.upper, s.a.reverse); err != nil {
				s.entries = nil
				return nil, false, err
			}
		}
		_, id, ok, err := s.entries.Next()
		if err != nil {
			return nil, false, err
		}
		if !ok {
			if err := s.close(); err != nil {
				return nil, false, err
			}
			continue
		}
		s.keys++
		if s.seen != nil {
			if s.seen[string(id)] {
				continue
			}
			s.seen[string(id)] = true
		}
		return id, true, nil
	}
}

func (s *indexScan) close() error {
	if s.entries == nil {
		return nil
	}
	err := s.entries.Close()
	s.entries = nil
	return err
}
