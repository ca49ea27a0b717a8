package metric

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestOpenWindowsLetAnImportPass: closed windows are measured at once, open ones when ingest has been quiet for a moment,
// or has gone on for long.
func TestOpenWindowsLetAnImportPass(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "revenue_month")
	ingested := w.now
	w.engine.o.Ingested = func() time.Time { return ingested }
	w.complete = time.Date(1997, 2, 1, 0, 0, 0, 0, time.UTC)
	w.round("1997-01 closed")
	w.now = w.now.Add(settle / 2)
	ingested = w.now
	w.round()
	w.now = w.now.Add(settle)
	w.round("1997-02 open")

	w.now = w.now.Add(time.Minute)
	w.touched["1997-02-11"], w.position = map[int]int64{0: 11}, map[int]int64{0: 11}
	for begun := w.now; w.now.Sub(begun) < patience; w.now = w.now.Add(settle) {
		ingested = w.now
		w.round()
	}
	ingested = w.now
	w.round("1997-02 open")
}

// TestLooksAgainWhenIngestIsQuiet: nobody has to tell the engine that an import has ended.
func TestLooksAgainWhenIngestIsQuiet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "revenue_month")
		begun := time.Now()
		end := begun.Add(10 * time.Second)
		w.engine.o.Now = time.Now
		w.engine.o.Ingested = func() time.Time {
			if now := time.Now(); now.Before(end) {
				return now
			}
			return end
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.engine.Run(ctx) }()
		time.Sleep(end.Sub(begun) + settle - time.Millisecond)
		synctest.Wait()
		if n := w.measured(); n != 0 {
			t.Errorf("%d open windows were measured while ingest was busy", n)
		}
		time.Sleep(settle)
		synctest.Wait()
		if n := w.measured(); n != 2 {
			t.Errorf("%d open windows were measured when ingest had been quiet, want 2", n)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
