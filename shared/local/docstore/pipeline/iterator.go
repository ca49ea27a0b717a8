package pipeline

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Iterator is a stream of documents. A document stays valid after the next call.
type Iterator interface {
	// Next answers the next document; false at the end. After an error or the end it is not called again.
	Next(ctx context.Context) (bson.Raw, bool, error)
	// Close releases what the iterator holds; it may be called more than once.
	Close()
}

// Lender is an Iterator that may be asked, before the first Next, for documents that are valid only until the next call:
// for a consumer that keeps nothing of them.
type Lender interface{ Lend() }

// Slice answers an Iterator over documents in memory.
func Slice(docs []bson.Raw) Iterator { return &sliceIter{docs: docs} }

type sliceIter struct {
	docs []bson.Raw
	at   int
}

func (s *sliceIter) Next(ctx context.Context) (bson.Raw, bool, error) {
	if s.at >= len(s.docs) {
		return nil, false, nil
	}
	if s.at&255 == 0 {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
	}
	d := s.docs[s.at]
	s.at++
	return d, true, nil
}

func (s *sliceIter) Close() { s.docs = nil }

// Collect reads an iterator to its end and closes it.
func Collect(ctx context.Context, it Iterator) ([]bson.Raw, error) {
	defer it.Close()
	var out []bson.Raw
	for {
		d, ok, err := it.Next(ctx)
		if err != nil || !ok {
			return out, err
		}
		out = append(out, d)
	}
}

// funcIter makes an Iterator of a function over an input.
type funcIter struct {
	in   Iterator
	next func(ctx context.Context, in Iterator) (bson.Raw, bool, error)
}

func (f *funcIter) Next(ctx context.Context) (bson.Raw, bool, error) { return f.next(ctx, f.in) }
func (f *funcIter) Close()                                           { f.in.Close() }

// lazyIter computes its documents on the first Next: the form of a blocking stage.
type lazyIter struct {
	in   Iterator
	load func(ctx context.Context, in Iterator) (Iterator, error)
	out  Iterator
}

func (l *lazyIter) Next(ctx context.Context) (bson.Raw, bool, error) {
	if l.out == nil {
		out, err := l.load(ctx, l.in)
		if err != nil {
			return nil, false, err
		}
		l.in.Close()
		l.out = out
	}
	return l.out.Next(ctx)
}

func (l *lazyIter) Close() {
	l.in.Close()
	if l.out != nil {
		l.out.Close()
	}
}
