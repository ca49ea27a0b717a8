package broker_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/local/broker"
)

// TestBackupUnderLoad backs a broker up while it is written to. The copy holds everything that was acknowledged before
// the store's turn, in order, and goes on under the same id.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, broker.Options{Dir: filepath.Join(dir, "broker")})
	k := client(t, b)
	must(t, k.EnsureTopics(t.Context(), bus.TopicSpec{Name: "t", Partitions: 1}))
	var mu sync.Mutex
	stored := 0
	acknowledged := make(chan struct{}, 1)
	ctx, over := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; k.Publish(ctx, bus.Message{Topic: "t", Key: "k", Value: fmt.Appendf(nil, "%d", i)}) == nil; i++ {
			mu.Lock()
			stored = i + 1
			mu.Unlock()
			select {
			case acknowledged <- struct{}{}:
			default:
			}
		}
	}()
	for range 50 {
		<-acknowledged
	}
	passed := 0 // what the store knows: its readers cannot be further than the log
	must(t, b.Backup(t.Context(), filepath.Join(dir, "copy"), func(context.Context) error {
		for range 10 {
			<-acknowledged
		}
		mu.Lock()
		defer mu.Unlock()
		passed = stored
		return nil
	}))
	over()
	<-ended
	restored := start(t, broker.Options{Dir: filepath.Join(dir, "copy")})
	if restored.ClusterID() != b.ClusterID() {
		t.Errorf("the copy is another log: %s, want %s", restored.ClusterID(), b.ClusterID())
	}
	again := client(t, restored)
	got := values(t, again, "t")
	if len(got) < passed || passed < 60 {
		t.Fatalf("the copy holds %d messages, the store has passed %d", len(got), passed)
	}
	publish(t, again, "t", len(got), 3)
	for i, v := range values(t, again, "t") {
		if v != fmt.Sprint(i) {
			t.Fatalf("message %d is %s", i, v)
		}
	}
	if err := b.Backup(t.Context(), filepath.Join(dir, "copy"), nil); err == nil {
		t.Error("a back-up was written over")
	}
}
