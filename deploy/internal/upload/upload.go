// Package upload sends a file of orders to a running suite, row by row in the file's order, and waits for the statement.
// It owns batches, retries and going on where an earlier attempt ended; reading the file is package orderfile's.
package upload

import (
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
	total := int64(len(f.Rows))
	for next := max(run.NextRow, 1); next <= total; {
		told(next-1, total)
		batch := Rows(f, next, min(next+batchRows-1, total))
		a, err := again(ctx, func() (client.RowsAnswer, error) { return c.SendRows(ctx, run.Run, batch) })
		if err != nil {
			if next, err = resume(ctx, c, run.Run, next, err); err != nil {
				return run, fmt.Errorf("rows from %d of %s: %w", batch[0].Row, f.Name, err)
			}
			continue
		}
		next = a.NextRow
	}
	told(total, total)
	return again(ctx, func() (client.Statement, error) { return c.FinishImport(ctx, run.Run) })
}

// resume asks which row is wanted when a batch was refused: its answer may have been lost on the way after it was taken.
func resume(ctx context.Context, c *client.Client, run string, sent int64, refused error) (int64, error) {
	s, err := c.Import(ctx, run)
	if err != nil || s.NextRow <= sent {
		return 0, refused
	}
	return s.NextRow, nil
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
