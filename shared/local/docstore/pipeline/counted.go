package pipeline

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// StageCount tells how many documents one of the stages given to [Compile] has let through.
type StageCount struct {
	Stage    int // its place among those given
	Returned int64
}

// Counts returns a count of 0 for each stage that is left, of what [Compile] was given, after [Pipeline.TakePushdown].
func (p *Pipeline) Counts() []StageCount {
	var all []StageCount
	for _, n := range p.given {
		if len(all) == 0 || all[len(all)-1].Stage != n {
			all = append(all, StageCount{Stage: n})
		}
	}
	return all
}

// RunCounted is Run that also counts what each stage lets through; the counts are whole once the iterator is at its end.
func (p *Pipeline) RunCounted(ctx context.Context, in Iterator) (Iterator, []StageCount, error) {
	counts := p.Counts()
	at := 0
	for i, s := range p.stages {
		out, err := s.run(ctx, p.env, in)
		if err != nil {
			in.Close()
			return nil, nil, err
		}
		in = out
		if i == len(p.stages)-1 || p.given[i+1] != p.given[i] {
			in = &countedIter{in, &counts[at].Returned}
			at++
		}
	}
	return in, counts, nil
}

type countedIter struct {
	in Iterator
	n  *int64
}

func (c *countedIter) Next(ctx context.Context) (bson.Raw, bool, error) {
	d, ok, err := c.in.Next(ctx)
	if ok && err == nil {
		*c.n++
	}
	return d, ok, err
}

// Lend implements Lender.
func (c *countedIter) Lend() {
	if l, ok := c.in.(Lender); ok {
		l.Lend()
	}
}

func (c *countedIter) Close() { c.in.Close() }
