//go:build unix

package kafkabus_test

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/bus"
)

// BenchmarkIdle reports what it costs to wait: three services with eight topics of six partitions each, and 24
// partitions of events, and nothing to do.
func BenchmarkIdle(b *testing.B) {
	s := startServer(b, b.TempDir())
	client := open(b, s, s.dial)
	ctx, cancel := context.WithCancel(b.Context())
	var consumers sync.WaitGroup
	for t := range 9 {
		topic, partitions := fmt.Sprintf("topic-%d", t), 6
		if t == 8 {
			partitions = 24
		}
		if err := client.EnsureTopics(ctx, bus.TopicSpec{Name: topic, Partitions: partitions}); err != nil {
			b.Fatal(err)
		}
		consumers.Go(func() {
			_ = client.ConsumeLog(ctx, topic, "group-"+topic, &counting{done: make(chan struct{})})
		})
	}
	time.Sleep(3 * time.Second) // until all have joined: the cost of joining is not that of waiting
	before, begun := cpu(b), time.Now()
	time.Sleep(5 * time.Second)
	b.ReportMetric(100*(cpu(b)-before).Seconds()/time.Since(begun).Seconds(), "%cpu")
	cancel()
	consumers.Wait()
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
