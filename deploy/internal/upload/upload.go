// Package upload sends a file of orders to a running suite, in blocks in the file's order, and waits for the statement.
// It owns batches, retries and going on where an earlier attempt ended; reading the file is package orderfile's.
package upload

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/orderfile"
)

const (
	batchRows = 1000
	pollEvery = 25 * time.Millisecond
	// patience is how long a suite may be away in the middle of an import before the import gives up; it can be taken up again.
	patience = 2 * time.Minute
)

// Progress is told how many of the rows have been taken, after every batch.
type Progress func(done, of int64)

// File sends the file's rows to the source, from the row that the suite wants next. It returns once the last row has
// been taken by the gateway; [Settled] waits for ingest. After an error the same call goes on where it stopped.
func File(ctx context.Context, c *client.Client, source string, f *orderfile.File, told Progress) (client.Statement, error) {
	run, err := again(ctx, func() (client.Statement, error) {
		return c.StartImport(ctx, client.ImportDraft{
			Source: source, FileName: f.Name, Digest: f.Digest, Mapping: f.Mapping.Described(), Rows: int64(len(f.Rows)),
		})
	})
	if err != nil {
		return run, fmt.Errorf("begin the import of %s: %w", f.Name, err)
	}
	if err := send(ctx, c, run, f, told); err != nil {
		return run, err
	}
	return again(ctx, func() (client.Statement, error) { return c.FinishImport(ctx, run.Run) })
}

// ahead is how many blocks are on their way at once: the suite reads the next one while it stores the one before.
const ahead = 2

// block is rows of the file on their way.
type block struct {
	from, to int64
	follows  bool // it was sent before the one in front of it had been answered
	answer   chan reply
}

type reply struct {
	next int64 // the row that is wanted next
	err  error
}

// send sends all rows from the one that is wanted next.
func send(ctx context.Context, c *client.Client, run client.Statement, f *orderfile.File, told Progress) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	total := int64(len(f.Rows))
	var way []*block
	for next := max(run.NextRow, 1); next <= total || len(way) > 0; {
		for ; len(way) < ahead && next <= total; next = way[len(way)-1].to + 1 {
			way = append(way, start(ctx, c, run.Run, f, next, min(next+batchRows-1, total), len(way) > 0))
		}
		b := way[0]
		told(b.from-1, total)
		r := <-b.answer
		if way = way[1:]; r.err == nil && r.next == b.to+1 {
			continue
		}
		for _, other := range way { // what became of those, the suite knows
			<-other.answer
		}
		way = nil
		var err error
		if next, err = resume(ctx, c, run.Run, b, r); err != nil {
			return fmt.Errorf("rows from %d of %s: %w", b.from, f.Name, err)
		}
	}
	told(total, total)
	return nil
}

func start(ctx context.Context, c *client.Client, run string, f *orderfile.File, from, to int64, follows bool) *block {
	b := &block{from: from, to: to, follows: follows, answer: make(chan reply, 1)}
	go func() {
		rows := Rows(f, from, to)
		a, err := again(ctx, func() (client.RowsAnswer, error) { return c.SendRows(ctx, run, rows) })
		b.answer <- reply{a.NextRow, err}
	}()
	return b
}

// resume returns the row to go on with after a block that was not taken as a whole: when it was refused, its answer may
// have been lost on the way after it was taken, and one that follows another may have come before it.
func resume(ctx context.Context, c *client.Client, run string, b *block, r reply) (int64, error) {
	s, err := c.Import(ctx, run)
	if err == nil && (r.err == nil || s.NextRow > b.from || b.follows && s.NextRow == b.from) {
		return s.NextRow, nil
	}
	return 0, cmp.Or(r.err, err)
}

// Rows returns the rows of the file from one number to another, both included, as they are sent.
func Rows(f *orderfile.File, from, to int64) []client.Row {
	batch := make([]client.Row, 0, to-from+1)
	for n := from; n <= to; n++ {
		batch = append(batch, client.Row{Row: n, Item: f.Item(f.Rows[n-1])})
	}
	return batch
}

// Settled returns the statement once ingest has taken every row.
func Settled(ctx context.Context, c *client.Client, run string) (client.Statement, error) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		s, err := again(ctx, func() (client.Statement, error) { return c.Import(ctx, run) })
		if err != nil || s.CaughtUp {
			return s, err
		}
		select {
		case <-ctx.Done():
			return s, fmt.Errorf("%d rows of %s still wait for ingest: look at /readyz (%w)", s.Waiting, s.FileName, ctx.Err())
		case <-ticker.C:
		}
	}
}

// again repeats a call that failed for a passing reason.
func again[T any](ctx context.Context, call func() (T, error)) (T, error) {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = 100*time.Millisecond, 2*time.Second
	return backoff.Retry(ctx, func() (T, error) {
		v, err := call()
		if err != nil && !client.Passing(err) {
			return v, backoff.Permanent(err)
		}
		return v, err
	}, backoff.WithBackOff(b), backoff.WithMaxElapsedTime(patience))
}
