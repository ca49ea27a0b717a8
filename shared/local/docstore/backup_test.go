package docstore_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/local/docstore"
)

// TestBackupUnderLoad backs a store up while clients write. The copy holds what was acknowledged before, and no halves;
// it can be written to, and the original goes on.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, client := openApart(t, docstore.Options{Dir: filepath.Join(dir, "store")})
	makeIndexes(t, client)
	l := newLedger()
	ctx, over := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() { l.work(ctx, client, w, 0) })
	}
	for round := range 3 {
		for range 100 {
			<-l.acks
		}
		acknowledged := l.snapshot()
		copied := filepath.Join(dir, "copy", time.Now().Format("150405.000000000"))
		if err := s.Backup(t.Context(), copied); err != nil {
			t.Fatal(err)
		}
		again, other := openApart(t, docstore.Options{Dir: copied})
		acknowledged.check(t, other)
		if err := writeOne(other, acknowledged, "after"); err != nil {
			t.Error(err)
		}
		end(t, again, other)
		if err := s.Backup(t.Context(), copied); err == nil {
			t.Errorf("round %d: a back-up was written over", round)
		}
	}
	over()
	wg.Wait()
	l.check(t, client)
	end(t, s, client)
}
