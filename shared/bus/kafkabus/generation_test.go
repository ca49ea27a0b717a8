package kafkabus_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/strata-crm/strata/shared/bus"
)

// TestStaleCommitIsRefused: a member that has lost its partition must not turn the group back. The Reader of the client
// would (its commit of offset 0 succeeds); a commit through the old generation is what we rely on to fail.
func TestStaleCommitIsRefused(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir())
	client := open(t, s, s.dial)
	if err := client.EnsureTopics(t.Context(), bus.TopicSpec{Name: "t", Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	old := join(t, s).generation(t)
	ended := make(chan struct{})
	old.Start(func(ctx context.Context) { <-ctx.Done(); close(ended) })
	fresh := join(t, s)
	<-ended // by the second member's joining
	// One of the two has the partition now; both rejoin, and whoever it is commits.
	newer := fresh.generation(t)
	if err := newer.CommitOffsets(map[string]map[int]int64{"t": {0: 20}}); err != nil {
		t.Fatal(err)
	}
	if err := old.CommitOffsets(map[string]map[int]int64{"t": {0: 0}}); err == nil {
		t.Error("a commit through an old generation was accepted")
	}
	committed, err := client.Committed(t.Context(), "t", "g")
	if err != nil || committed[0] != 20 {
		t.Fatalf("the group is at %v (%v), want 20", committed, err)
	}
}

type member struct{ group *kafka.ConsumerGroup }

func join(t *testing.T, s *server) member {
	t.Helper()
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: "g.t", Brokers: s.now.Load().Brokers(), Topics: []string{"t"}, Dialer: &kafka.Dialer{DialFunc: s.dial},
		HeartbeatInterval: 100 * time.Millisecond, SessionTimeout: 6 * time.Second, JoinGroupBackoff: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { group.Close() })
	return member{group}
}

func (m member) generation(t *testing.T) *kafka.Generation {
	t.Helper()
	for {
		g, err := m.group.Next(t.Context())
		if err == nil {
			return g
		}
		t.Log(err)
	}
}

// TestTopicsDoNotDisturbOneAnother: one who follows another topic for the same group comes and goes without ending the
// work of those who are there. (In one group of the broker it would: a member joins when all the others have joined anew.)
func TestTopicsDoNotDisturbOneAnother(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir())
	seen := &assignments{}
	client := logging(t, s, slog.New(seen))
	if err := client.EnsureTopics(t.Context(), bus.TopicSpec{Name: "a", Partitions: 1}, bus.TopicSpec{Name: "b", Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	handled := make(chan string, 10)
	follow := func(ctx context.Context, topic string) <-chan error {
		ended := make(chan error, 1)
		go func() {
			ended <- client.Subscribe(ctx, bus.Subscription{
				Topic: topic, Group: "g",
				Handle:     func(_ context.Context, m bus.Message) error { handled <- m.Topic; return nil },
				Quarantine: func(context.Context, bus.Message, error) error { return nil },
				OnGap:      func(context.Context, bus.Gap) error { return nil },
			})
		}()
		return ended
	}
	passes := func(topic string) {
		t.Helper()
		if err := client.Publish(t.Context(), bus.Message{Topic: topic, Key: "k", Value: []byte("v")}); err != nil {
			t.Fatal(err)
		}
		if got := <-handled; got != topic {
			t.Fatalf("handled a message of %s, want one of %s", got, topic)
		}
	}
	staying, stop := context.WithCancel(t.Context())
	stayed := follow(staying, "a")
	passes("a")
	visiting, leave := context.WithCancel(t.Context())
	left := follow(visiting, "b")
	passes("b")
	leave()
	<-left
	passes("a")
	stop()
	<-stayed
	if n := seen.of("a"); n != 1 {
		t.Errorf("the follower of a began %d times, want once", n)
	}
}

// assignments counts by topic how often partitions were assigned, as the log tells.
type assignments struct {
	mu    sync.Mutex
	times map[string]int
}

func (a *assignments) Handle(_ context.Context, r slog.Record) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	r.Attrs(func(at slog.Attr) bool {
		if at.Key == "topic" && r.Message == "partitions assigned" {
			if a.times == nil {
				a.times = map[string]int{}
			}
			a.times[at.Value.String()]++
		}
		return true
	})
	return nil
}

func (a *assignments) Enabled(context.Context, slog.Level) bool { return true }
func (a *assignments) WithAttrs([]slog.Attr) slog.Handler       { return a }
func (a *assignments) WithGroup(string) slog.Handler            { return a }

func (a *assignments) of(topic string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.times[topic]
}
