package kafkabus_test

import (
	"context"
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
		ID: "g", Brokers: s.now.Load().Brokers(), Topics: []string{"t"}, Dialer: &kafka.Dialer{DialFunc: s.dial},
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
