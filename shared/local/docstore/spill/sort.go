package spill

import (
	"bytes"
	"container/heap"
	"errors"
	"slices"
)

// Sorter sorts payloads by the bytes of their keys; equal keys stay in the order they came. It holds about as much in
// memory as its limit says, and the rest in files.
type Sorter struct {
	dir   string
	limit int
	rows  []row
	used  int
	runs  []*File
}

type row struct{ key, payload []byte }

// rowBytes is about what a row takes beside its bytes.
const rowBytes = 64

// NewSorter returns an empty Sorter that spills into dir when it holds more than limit bytes.
func NewSorter(dir string, limit int) *Sorter { return &Sorter{dir: dir, limit: limit} }

// Add takes a row over.
func (s *Sorter) Add(key, payload []byte) error {
	s.rows = append(s.rows, row{key, payload})
	if s.used += len(key) + len(payload) + rowBytes; s.used <= s.limit {
		return nil
	}
	return s.spill()
}

// Spilled returns how many files the rows are in.
func (s *Sorter) Spilled() int { return len(s.runs) }

func (s *Sorter) order() {
	slices.SortStableFunc(s.rows, func(a, b row) int { return bytes.Compare(a.key, b.key) })
}

func (s *Sorter) spill() error {
	s.order()
	f, err := Create(s.dir)
	if err != nil {
		return err
	}
	s.runs = append(s.runs, f)
	for i, r := range s.rows {
		if err := errors.Join(f.Write(r.key), f.Write(r.payload)); err != nil {
			return err
		}
		s.rows[i] = row{}
	}
	s.rows, s.used = s.rows[:0], 0
	return f.Rewind()
}

// Sorted ends the adding and returns the payloads in order. The Sorter must not be used any more, but for Close.
func (s *Sorter) Sorted() (*Sorted, error) {
	s.order()
	out := &Sorted{sorter: s}
	for i, f := range s.runs {
		if err := out.begin(source{run: i, next: func() (row, bool, error) { return read(f) }}); err != nil {
			return nil, err
		}
	}
	at := 0
	last := func() (row, bool, error) {
		if at == len(s.rows) {
			return row{}, false, nil
		}
		at++
		return s.rows[at-1], true, nil
	}
	return out, out.begin(source{run: len(s.runs), next: last})
}

func read(f *File) (r row, ok bool, err error) {
	if r.key, ok, err = f.Read(); err != nil || !ok {
		return r, false, err
	}
	r.payload, ok, err = f.Read()
	if err == nil && !ok {
		err = errors.New("spill: a row without its payload")
	}
	return r, ok, err
}

// Close gives memory and files free.
func (s *Sorter) Close() error {
	var err error
	for _, f := range s.runs {
		err = errors.Join(err, f.Close())
	}
	s.rows, s.runs = nil, nil
	return err
}

// Sorted merges the runs of a Sorter.
type Sorted struct {
	sorter *Sorter
	heads  sources
}

// source is one run with its first row.
type source struct {
	run  int
	row  row
	next func() (row, bool, error)
}

// sources is a heap with the smallest row on top; of equal ones, the one that came first.
type sources []source

func (h sources) Len() int { return len(h) }
func (h sources) Less(i, j int) bool {
	if c := bytes.Compare(h[i].row.key, h[j].row.key); c != 0 {
		return c < 0
	}
	return h[i].run < h[j].run
}
func (h sources) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *sources) Push(x any)   { *h = append(*h, x.(source)) }
func (h *sources) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func (s *Sorted) begin(src source) error {
	r, ok, err := src.next()
	if ok {
		src.row = r
		heap.Push(&s.heads, src)
	}
	return err
}

// Next returns the next payload; ok is false at the end.
func (s *Sorted) Next() (payload []byte, ok bool, err error) {
	if len(s.heads) == 0 {
		return nil, false, nil
	}
	payload = s.heads[0].row.payload
	r, ok, err := s.heads[0].next()
	switch {
	case err != nil:
		return nil, false, err
	case ok:
		s.heads[0].row = r
		heap.Fix(&s.heads, 0)
	default:
		heap.Pop(&s.heads)
	}
	return payload, true, nil
}

// Close closes the Sorter.
func (s *Sorted) Close() error { return s.sorter.Close() }
