package plan

import (
	"bytes"
	"container/heap"
	"slices"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// sortMemory bounds what a sort without an index holds, in bytes; MongoDB's limit is the same.
const sortMemory = 100 << 20

// exceededMemory is MongoDB's QueryExceededMemoryLimitNoDiskUseAllowed.
const exceededMemory = 292

// sorted sorts its input in memory. Where a limit is known it holds only as many documents.
type sorted struct {
	in     source
	fields []bsonx.IndexField
	limit  int64
	ready  bool
	rows   rows
	at     int
}

type row struct {
	key []byte
	seq int // keeps equal keys in the order they came
	f   Found
}

func (a row) compare(b row) int {
	if c := bytes.Compare(a.key, b.key); c != 0 {
		return c
	}
	return a.seq - b.seq
}

// rows is a heap with the last row on top, so that a better one can replace it.
type rows []row

func (r rows) Len() int           { return len(r) }
func (r rows) Less(i, j int) bool { return r[i].compare(r[j]) > 0 }
func (r rows) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *rows) Push(x any)        { *r = append(*r, x.(row)) }
func (r *rows) Pop() any {
	last := (*r)[len(*r)-1]
	*r = (*r)[:len(*r)-1]
	return last
}

func (s *sorted) next() (Found, bool, error) {
	if !s.ready {
		if err := s.load(); err != nil {
			return Found{}, false, err
		}
		s.ready = true
	}
	if s.at >= len(s.rows) {
		return Found{}, false, nil
	}
	s.at++
	return s.rows[s.at-1].f, true, nil
}

func (s *sorted) load() error {
	size := 0
	for seq := 0; ; seq++ {
		f, ok, err := s.in.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		key, err := bsonx.SortKey(nil, f.Doc, s.fields)
		if err != nil {
			return err
		}
		r := row{key: key, seq: seq, f: f}
		if s.limit > 0 && int64(len(s.rows)) >= s.limit {
			if r.compare(s.rows[0]) < 0 {
				size += len(r.f.Doc) - len(s.rows[0].f.Doc)
				s.rows[0] = r
				heap.Fix(&s.rows, 0)
			}
			continue
		}
		if size += len(f.Doc) + len(r.key); size > sortMemory {
			return mongoerr.New(exceededMemory, "Sort exceeded memory limit of %d bytes, but did not opt in to external sorting; add an index that serves the sort", sortMemory)
		}
		if s.limit > 0 {
			heap.Push(&s.rows, r)
		} else {
			s.rows = append(s.rows, r)
		}
	}
	slices.SortFunc(s.rows, row.compare)
	return s.in.close()
}

func (s *sorted) close() error {
	s.rows = nil
	return s.in.close()
}
