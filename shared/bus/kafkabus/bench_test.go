package kafkabus_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/bus"
)

// counting is a sink that counts and tells when it has everything.
type counting struct {
	mu    sync.Mutex
	want  int
	seen  int
	done  chan struct{}
	calls int
}

func (c *counting) Position(context.Context, string, bus.PartitionState, string) (int64, error) {
	return 0, nil
}

func (c *counting) Apply(_ context.Context, _ string, _ int, batch []bus.Message) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if c.seen += len(batch); c.seen == c.want {
		close(c.done)
	}
	return batch[len(batch)-1].Offset + 1, nil
}

func (c *counting) Gap(context.Context, bus.Gap) error { return nil }

// BenchmarkImport is an import in local mode: 70,000 events of 600 bytes through 24 partitions of a broker on disk in
// the same process, published by four senders in slices of 500 and consumed at the same time.
func BenchmarkImport(b *testing.B) {
	const n, size, slice, senders = 70_000, 600, 500, 4
	s := startServer(b, b.TempDir())
	client := open(b, s, s.dial)
	for round := range b.N {
		topic := fmt.Sprintf("events-%d", round)
		if err := client.EnsureTopics(b.Context(), bus.TopicSpec{Name: topic, Partitions: 24}); err != nil {
			b.Fatal(err)
		}
		sink := &counting{want: n, done: make(chan struct{})}
		ctx, cancel := context.WithCancel(b.Context())
		var consumer sync.WaitGroup
		consumer.Go(func() { _ = client.ConsumeLog(ctx, topic, "ingest", sink) })
		begun := time.Now()
		var publishers sync.WaitGroup
		for p := range senders {
			publishers.Go(func() {
				for from := p * slice; from < n; from += senders * slice {
					msgs := make([]bus.Message, slice)
					for i := range msgs {
						msgs[i] = bus.Message{Topic: topic, Key: fmt.Sprintf("customer-%d", (from+i)%9000), Value: make([]byte, size)}
					}
					if err := client.Publish(ctx, msgs...); err != nil {
						b.Error(err)
					}
				}
			})
		}
		publishers.Wait()
		published := time.Since(begun)
		<-sink.done
		took := time.Since(begun)
		b.ReportMetric(n/published.Seconds(), "published/s")
		b.ReportMetric(n/took.Seconds(), "consumed/s")
		b.ReportMetric(float64(n)/float64(sink.calls), "messages/batch")
		cancel()
		consumer.Wait()
	}
}
