package engine

import (
	"runtime"
	"slices"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

// Ready is a document whose keys are built and of which it is known whether its _id is taken, so that [Tx.InsertReady] has
// little left to do. It serves the transaction and the version of the collection that it was made for; for any other
// it stands for the bare document.
type Ready struct {
	Doc bson.Raw

	tx      *Tx
	coll    *Collection
	id      []byte
	key     string
	entries []readyEntry
	taken   bool // in the transaction's snapshot
}

// readyEntry is what the document adds to one index.
type readyEntry struct {
	index *Index
	key   string
}

// perWorker is for how many documents another goroutine pays.
const perWorker = 64

// Parallel calls f for parts of 0…n-1 that together are all of it, at once where n is large and there are processors,
// and returns when all calls have.
func Parallel(n int, f func(from, to int)) {
	workers := min(runtime.GOMAXPROCS(0), 8, n/perWorker)
	if workers < 2 {
		f(0, n)
		return
	}
	var wg sync.WaitGroup
	part := (n-1)/workers + 1
	for from := part; from < n; from += part {
		wg.Go(func() { f(from, min(n, from+part)) })
	}
	f(0, part)
	wg.Wait()
}

// MakeReady makes documents, which have an _id each, ready for insertion into c, with all processors where there are many. A nil
// document is passed over.
func (t *Tx) MakeReady(c *Collection, docs []bson.Raw) []Ready {
	t.expect(len(docs))
	out := make([]Ready, len(docs))
	Parallel(len(docs), func(from, to int) {
		p := preparer{tx: t, coll: c, out: out[from:to]}
		p.prepare(docs[from:to])
	})
	return out
}

// preparer makes a row of documents ready. Their keys share one piece of memory.
type preparer struct {
	tx    *Tx
	coll  *Collection
	out   []Ready
	keys  []byte
	spans []span // of the document's key and then of its entries, for one document after the other
}

// span is a key in preparer.keys; a document's id key begins at id.
type span struct{ start, id, end int }

func (p *preparer) prepare(docs []bson.Raw) {
	perDoc := 1 + len(p.coll.Indexes)
	p.keys, p.spans = make([]byte, 0, len(docs)*perDoc*plainRoom), make([]span, 0, len(docs)*perDoc)
	for i, doc := range docs {
		if p.out[i].Doc = doc; doc != nil && p.add(doc) {
			p.out[i].tx, p.out[i].coll = p.tx, p.coll
		}
	}
	text := string(p.keys)
	entries := make([]readyEntry, 0, len(p.spans))
	spans := p.spans
	for i := range p.out {
		r := &p.out[i]
		if r.tx == nil {
			continue
		}
		s := spans[0]
		r.key, r.id = text[s.start:s.end], p.keys[s.id:s.end:s.end]
		first := len(entries)
		for j, x := range p.coll.Indexes {
			if s := spans[1+j]; s.end > s.start {
				entries = append(entries, readyEntry{x, text[s.start:s.end]})
			}
		}
		r.entries = entries[first:len(entries):len(entries)]
		spans = spans[perDoc:]
	}
	if p.look() != nil { // whoever inserts meets the error again
		for i := range p.out {
			p.out[i].tx = nil
		}
	}
}

// add builds the keys of a document. It returns false, and adds nothing, for one that needs more than a key per index.
func (p *preparer) add(doc bson.Raw) bool {
	keys, spans := len(p.keys), len(p.spans)
	p.keys = append(p.keys, dataPrefix(p.coll.ID, documents, 0)...)
	id := len(p.keys)
	p.keys = bsonx.AppendKey(p.keys, bsonx.Lookup(doc, "_id"), false)
	idEnd := len(p.keys)
	p.spans = append(p.spans, span{keys, id, idEnd})
	for _, x := range p.coll.Indexes {
		start := len(p.keys)
		p.keys = append(p.keys, dataPrefix(x.coll, x.ID, 0)...)
		grown, present, plain := bsonx.AppendPlainKey(p.keys, doc, x.Fields)
		if !plain || x.Partial != nil {
			p.keys, p.spans = p.keys[:keys], p.spans[:spans]
			return false
		}
		if p.keys = grown; x.Sparse && !present {
			p.keys = p.keys[:start]
			p.spans = append(p.spans, span{start: start, end: start})
			continue
		}
		if !x.Unique {
			p.keys = append(p.keys, p.keys[id:idEnd]...)
		}
		p.spans = append(p.spans, span{start: start, end: len(p.keys)})
	}
	return true
}

// look finds out which documents are there already. Ids that follow each other, as those of new documents mostly do, cost
// one look for all.
func (p *preparer) look() error {
	order := make([]*Ready, 0, len(p.out))
	for i := range p.out {
		if p.out[i].tx != nil {
			order = append(order, &p.out[i])
		}
	}
	byKey := func(a, b *Ready) int { return strings.Compare(a.key, b.key) }
	if !slices.IsSortedFunc(order, byKey) {
		slices.SortFunc(order, byKey)
	}
	if len(order) == 0 {
		return nil
	}
	f, err := p.tx.snap.newFinder([]byte(order[0].key), []byte(order[len(order)-1].key))
	if err != nil {
		return err
	}
	var key []byte
	for _, r := range order {
		key = append(key[:0], r.key...)
		if r.taken = f.find(key); f.it.Error() != nil {
			break
		}
	}
	return f.close()
}

// InsertReady is [Tx.Insert] for a document that was made ready.
func (t *Tx) InsertReady(c *Collection, r *Ready) error {
	if r.tx != t || r.coll != c {
		return t.Insert(c, r.Doc)
	}
	if err := t.lock(r.key); err != nil {
		return err
	}
	taken := r.taken
	if t.own == nil {
		t.own = newOverlay(0)
	} else if n := t.own.byKey[r.key]; n != nil {
		taken = n.value != nil
	}
	if taken {
		return duplicateID(c, bsonx.Lookup(r.Doc, "_id"))
	}
	for i := range r.entries {
		if e := &r.entries[i]; e.index.Unique {
			if err := t.lock(e.key); err != nil {
				return err
			}
			if err := t.vacant(c, e.index, []byte(e.key), r.id, r.Doc); err != nil {
				return err
			}
		}
	}
	for i := range r.entries {
		if e := &r.entries[i]; e.index.Unique {
			t.own.set(e.key, r.id)
		} else {
			t.own.enter(e.index, e.key, idLength(len(r.id)))
		}
	}
	t.own.set(r.key, r.Doc)
	t.grow(c.state, 1)
	return nil
}
