package plan

import (
	"bytes"
	"container/heap"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/spill"
)

// sortMemory bounds what a sort without an index holds, in bytes; MongoDB's limit is the same.
const sortMemory = 100 << 20

// spillAt is what a sort that may spill holds, in bytes.
const spillAt = sortMemory / 3

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
	spill  string
	disk   *spill.Sorter // nil while all rows are in memory
	out    *spill.Sorted
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
	if s.out != nil {
		return s.nextSpilled()
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
		if s.disk != nil {
			if err := s.disk.Add(key, flatten(f)); err != nil {
				return err
			}
			continue
		}
		if s.limit > 0 && int64(len(s.rows)) >= s.limit {
			if r.compare(s.rows[0]) < 0 {
				size += len(r.f.Doc) - len(s.rows[0].f.Doc)
				s.rows[0] = r
				heap.Fix(&s.rows, 0)
			}
			continue
		}
		size += len(f.Doc) + len(r.key)
		if size > spillAt && s.spill != "" {
			if err := s.beginSpill(r); err != nil {
				return err
			}
			continue
		}
		if size > sortMemory {
			return mongoerr.New(exceededMemory, "Sort exceeded memory limit of %d bytes, but did not opt in to external sorting; add an index that serves the sort", sortMemory)
		}
		if s.limit > 0 {
			heap.Push(&s.rows, r)
		} else {
			s.rows = append(s.rows, r)
		}
	}
	if s.disk != nil {
		var err error
		s.out, err = s.disk.Sorted()
		return errors.Join(err, s.in.close())
	}
	slices.SortFunc(s.rows, row.compare)
	return s.in.close()
}

// beginSpill hands all rows so far, and r, to a sorter that keeps them on disk.
func (s *sorted) beginSpill(r row) error {
	s.disk = spill.NewSorter(s.spill, spillAt)
	slices.SortFunc(s.rows, func(a, b row) int { return a.seq - b.seq })
	for _, r := range append(s.rows, r) {
		if err := s.disk.Add(r.key, flatten(r.f)); err != nil {
			return err
		}
	}
	s.rows = nil
	return nil
}

// flatten writes a document and its key as one record.
func flatten(f Found) []byte {
	b := make([]byte, 0, binary.MaxVarintLen32+len(f.ID)+len(f.Doc))
	b = binary.AppendUvarint(b, uint64(len(f.ID)))
	return append(append(b, f.ID...), f.Doc...)
}

func (s *sorted) nextSpilled() (Found, bool, error) {
	b, ok, err := s.out.Next()
	if err != nil || !ok {
		return Found{}, false, err
	}
	n, size := binary.Uvarint(b)
	id := b[size : size+int(n)]
	return Found{ID: id, Doc: b[size+int(n):]}, true, nil
}

func (s *sorted) close() error {
	s.rows = nil
	var err error
	if s.disk != nil {
		err = s.disk.Close()
	}
	return errors.Join(err, s.in.close())
}
