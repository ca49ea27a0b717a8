package pipeline

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/spill"
)

// sortStage is $sort. It is stable; keep > 0 bounds how many documents it holds.
type sortStage struct {
	c      *compiler
	spec   bson.Raw
	fields []bsonx.IndexField
	keep   int64
}

const maxSortFields = 32

func (c *compiler) sort(arg bson.RawValue) (stage, error) {
	if err := object(arg, 15973, "$sort key"); err != nil {
		return nil, err
	}
	fields, err := sortFields(arg.Value)
	if err != nil {
		return nil, err
	}
	return &sortStage{c: c, spec: plainSort(fields), fields: fields}, nil
}

// sortFields reads a sort specification.
func sortFields(spec bson.Raw) ([]bsonx.IndexField, error) {
	var fields []bsonx.IndexField
	for it := bsonx.Elements(spec); it.Next(); {
		path, v := string(it.Key()), it.Value()
		if v.Type == bson.TypeEmbeddedDocument {
			if err := sortMeta(v.Value); err != nil {
				return nil, err
			}
			return nil, expr.ErrUnsupported("$sort by $meta")
		}
		if err := stagePath(path); err != nil {
			return nil, err
		}
		if !bsonx.IsNumber(v) {
			return nil, mongoerr.New(15974, "Illegal key in $sort specification: %s", it.Key())
		}
		f, err := expr.CoerceLong(v)
		if err != nil || f != 1 && f != -1 {
			return nil, mongoerr.New(15975, "$sort key ordering must be 1 (for ascending) or -1 (for descending)")
		}
		if len(fields) == maxSortFields {
			return nil, mongoerr.New(13103, "too many compound keys")
		}
		for _, have := range fields {
			if have.Path == path {
				return nil, mongoerr.New(7472500, "$sort key must not contain duplicate keys: %s", path)
			}
		}
		fields = append(fields, bsonx.IndexField{Path: path, Desc: f < 0})
	}
	if len(fields) == 0 {
		return nil, mongoerr.New(15976, "$sort stage must have at least one sort key")
	}
	return fields, nil
}

func sortMeta(v bson.Raw) error {
	if bsonx.FirstKey(v) != "$meta" {
		return mongoerr.New(17312, "$meta is the only expression supported by $sort right now")
	}
	if bsonx.Len(v) > 1 {
		return mongoerr.New(mongoerr.FailedToParse, "Cannot have additional keys in a $meta sort specification")
	}
	name := bsonx.Lookup(v, "$meta")
	if name.Type == bson.TypeString {
		switch string(bsonx.StringBytes(name)) {
		case "textScore", "geoNearDistance":
			return mongoerr.New(40218, "query requires metadata that is not available")
		case "randVal", "searchScore", "vectorSearchScore", "score":
			return nil
		}
	}
	return mongoerr.New(31138, "Illegal $meta sort: %s", v)
}

// plainSort writes a sort specification with directions of 1 and -1, which the planner reads.
func plainSort(fields []bsonx.IndexField) bson.Raw {
	b := bsonx.NewDoc(0)
	for _, f := range fields {
		dir := int32(1)
		if f.Desc {
			dir = -1
		}
		b.Append(f.Path, bsonx.Int32(dir))
	}
	return b.Raw()
}

type sortEntry struct {
	key []byte
	seq int
	doc bson.Raw
}

func compareEntries(a, b sortEntry) int {
	if c := bytes.Compare(a.key, b.key); c != 0 {
		return c
	}
	return a.seq - b.seq
}

func (s *sortStage) run(_ context.Context, _ *expr.Env, in Iterator) (Iterator, error) {
	return &lazyIter{in: in, load: s.load}, nil
}

func (s *sortStage) load(ctx context.Context, in Iterator) (Iterator, error) {
	if s.keep == 0 && s.c.deps.AllowDiskUse {
		return s.loadSpilling(ctx, in)
	}
	var h entryHeap
	used := int64(0)
	for seq := 0; ; seq++ {
		d, ok, err := in.Next(ctx)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		key, err := bsonx.SortKey(nil, d, s.fields)
		if err != nil {
			return nil, err
		}
		e := sortEntry{key, seq, d}
		used += int64(len(e.key) + len(d) + 64)
		switch {
		case s.keep == 0:
			h = append(h, e)
		case int64(len(h)) < s.keep:
			heap.Push(&h, e)
		case compareEntries(e, h[0]) < 0:
			used -= int64(len(h[0].key) + len(h[0].doc) + 64)
			h[0] = e
			heap.Fix(&h, 0)
		default:
			used -= int64(len(e.key) + len(d) + 64)
		}
		if err := s.c.exceeded(used, "sort"); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(h, compareEntries)
	docs := make([]bson.Raw, len(h))
	for i, e := range h {
		docs[i] = e.doc
	}
	return Slice(docs), nil
}

// loadSpilling sorts any number of documents.
func (s *sortStage) loadSpilling(ctx context.Context, in Iterator) (Iterator, error) {
	sorter := spill.NewSorter(s.c.tempDir(), int(s.c.spillAt()))
	for {
		d, ok, err := in.Next(ctx)
		var key []byte
		if err == nil && ok {
			key, err = bsonx.SortKey(nil, d, s.fields)
		}
		if err == nil && ok {
			err = sorter.Add(key, d)
		}
		if err != nil {
			return nil, errors.Join(err, sorter.Close())
		}
		if !ok {
			break
		}
	}
	sorted, err := sorter.Sorted()
	if err != nil {
		return nil, errors.Join(err, sorter.Close())
	}
	return &sortedIter{sorted}, nil
}

// sortedIter gives what a spill.Sorter has sorted.
type sortedIter struct{ from *spill.Sorted }

func (i *sortedIter) Next(ctx context.Context) (bson.Raw, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	d, ok, err := i.from.Next()
	return d, ok, err
}

func (i *sortedIter) Close() { _ = i.from.Close() } // temporary files: nothing depends on them

// entryHeap keeps the largest entry on top.
type entryHeap []sortEntry

func (h entryHeap) Len() int           { return len(h) }
func (h entryHeap) Less(i, j int) bool { return compareEntries(h[i], h[j]) > 0 }
func (h entryHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *entryHeap) Push(x any)        { *h = append(*h, x.(sortEntry)) }
func (h *entryHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}
