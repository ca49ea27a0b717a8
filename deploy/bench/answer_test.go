package bench

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/bus/kafkabus"
	"github.com/strata-crm/strata/shared/contract"
)

const (
	directives   = 21
	tripsBetween = 5
	// atMost is how many bare round trips a directive may take until it is accepted: it makes four, with a transaction at
	// each end of each.
	atMost = 20
)

// A directive's way down through three layers and the answer's way back, against one message published and handled by a
// subscriber: the same client with the same settings, on the same broker with the same disk, in turn with the directives,
// so that both meet the same machine.
func TestBenchAnswer(t *testing.T) {
	r := start(t)
	trip := r.roundTrips()
	var bare, took []time.Duration
	for n := range directives {
		for range tripsBetween {
			bare = append(bare, trip())
		}
		took = append(took, r.issue(fmt.Sprintf("Goal %d", n), contract.LifetimeValue, "predicted_value_52w", contract.Money))
	}
	ratio := float64(median(took)) / float64(median(bare))
	t.Logf("directive → acceptance: median %.1f bare produce-and-fetch round trips (aim ≤ %d); %.4f s (%.4f to %.4f) against %.4f s (%.4f to %.4f)",
		ratio, atMost, median(took).Seconds(), slices.Min(took).Seconds(), slices.Max(took).Seconds(),
		median(bare).Seconds(), slices.Min(bare).Seconds(), slices.Max(bare).Seconds())
}

// roundTrips subscribes to a topic of its own and returns what publishes one message to it and waits until that has been
// handled; it was acknowledged, and thus synced, before.
func (r *rig) roundTrips() func() time.Duration {
	r.t.Helper()
	e := r.exposed()
	b, err := kafkabus.New(kafkabus.Options{Brokers: []string{e["KAFKA_BROKERS"]}, ClientID: "bench", Logger: slog.New(slog.DiscardHandler),
		SASL: &kafkabus.SASL{Username: e["KAFKA_USERNAME"], Password: e["KAFKA_PASSWORD"]}})
	if err != nil {
		r.t.Fatal(err)
	}
	const topic = "strata.bench.v1"
	if err := b.EnsureTopics(r.t.Context(), bus.TopicSpec{Name: topic, Partitions: 1}); err != nil {
		r.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(r.t.Context()))
	handled := make(chan struct{}, 1)
	var subscriber sync.WaitGroup
	subscriber.Go(func() {
		err := b.Subscribe(ctx, bus.Subscription{Topic: topic, Group: "bench",
			Handle:     func(context.Context, bus.Message) error { handled <- struct{}{}; return nil },
			Quarantine: func(_ context.Context, _ bus.Message, cause error) error { return cause },
			OnGap:      func(context.Context, bus.Gap) error { return nil }})
		if err != nil {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(func() {
		stop()
		subscriber.Wait()
		if err := b.Close(context.WithoutCancel(r.t.Context())); err != nil {
			r.t.Error(err)
		}
	})
	trip := func() time.Duration {
		begun := time.Now()
		if err := b.Publish(ctx, bus.Message{Topic: topic, Key: "bench", Value: make([]byte, 1000)}); err != nil {
			r.t.Fatal(err)
		}
		<-handled
		return time.Since(begun)
	}
	trip() // joins the group
	return trip
}
