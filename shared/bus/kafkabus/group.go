package kafkabus

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/bus/internal/delivery"
)

// commitEvery is how often a member tells the broker how far its partitions are.
const commitEvery = 200 * time.Millisecond

// Subscribe implements bus.Subscriber.
func (b *Bus) Subscribe(ctx context.Context, s bus.Subscription) error {
	if err := s.Check(); err != nil {
		return err
	}
	return b.join(ctx, s.Topic, s.Group, func(ctx context.Context, g *generation, a kafka.PartitionAssignment) {
		b.follow(ctx, s, g, a)
	})
}

// ConsumeLog implements bus.LogConsumer.
func (b *Bus) ConsumeLog(ctx context.Context, topic, group string, sink bus.LogSink) error {
	line := newTurns()
	return b.join(ctx, topic, group, func(ctx context.Context, g *generation, a kafka.PartitionAssignment) {
		b.feed(ctx, topic, sink, g, a.ID, &turn{of: line})
	})
}

// work handles one partition until ctx ends, and not less: the first worker to return ends the generation for all.
type work func(ctx context.Context, g *generation, a kafka.PartitionAssignment)

// join is a member of the group until ctx ends, through every failure of the broker.
func (b *Bus) join(ctx context.Context, topic, name string, do work) error {
	group, err := kafka.NewConsumerGroup(b.groupConfig(topic, groupOf(name, topic)))
	if err != nil {
		return err
	}
	defer group.Close()
	var pause delivery.Backoff
	for b.awaitTopic(ctx, topic) == nil {
		gen, err := group.Next(ctx)
		if err == nil {
			b.generation(ctx, topic, gen, do)
		} else if !errors.Is(err, kafka.RebalanceInProgress) {
			b.logger.WarnContext(ctx, "the group cannot be joined yet", slog.String("group", name), slog.String("topic", topic), slog.Any("error", err))
		}
		if err == nil {
			pause.Reset()
		} else if pause.Wait(ctx) != nil {
			break
		}
	}
	return nil
}

// groupOf names the broker's group of those who follow one topic for a group of the bus. Members that follow different
// topics would share nothing but rebalances: each that comes or goes would end the work of all others until every one had
// joined anew, or until the rebalance timed out.
func groupOf(name, topic string) string { return name + "." + topic }

func (b *Bus) groupConfig(topic, name string) kafka.ConsumerGroupConfig {
	return kafka.ConsumerGroupConfig{
		ID: name, Brokers: b.brokers, Dialer: b.dialer, Topics: []string{topic}, StartOffset: kafka.FirstOffset,
		HeartbeatInterval: time.Second, SessionTimeout: 6 * time.Second, RebalanceTimeout: 10 * time.Second,
		JoinGroupBackoff: 500 * time.Millisecond, WatchPartitionChanges: true, Timeout: callTimeout,
		ErrorLogger: kafka.LoggerFunc(b.trouble),
	}
}

// awaitTopic returns nil when the topic exists. The client would rejoin a group in a tight loop until then.
func (b *Bus) awaitTopic(ctx context.Context, topic string) error {
	return delivery.Until(ctx, func() error { _, err := b.Log(ctx, topic); return err }, func(err error) {
		b.logger.WarnContext(ctx, "waiting for the topic", slog.String("topic", topic), slog.Any("error", err))
	})
}

// generation is one assignment of partitions to this member.
type generation struct {
	gen   *kafka.Generation
	topic string

	mu     sync.Mutex
	passed map[int]int64 // next offset by partition, not yet committed
	log    *bus.LogInfo  // what the log was when the generation began
}

// generation works on the partitions until the group changes or ctx ends, and returns when all workers have.
func (b *Bus) generation(ctx context.Context, topic string, gen *kafka.Generation, do work) {
	g := &generation{gen: gen, topic: topic, passed: map[int]int64{}}
	assigned := gen.Assignments[topic]
	b.logger.DebugContext(ctx, "partitions assigned", slog.String("topic", topic), slog.String("group", gen.GroupID),
		slog.Int("generation", int(gen.ID)), slog.Int("partitions", len(assigned)))
	var workers, all sync.WaitGroup
	for _, a := range assigned {
		workers.Add(1)
		all.Add(1)
		gen.Start(func(ended context.Context) {
			defer all.Done()
			defer workers.Done()
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(ended, cancel)()
			do(ctx, g, a)
		})
	}
	all.Add(1)
	gen.Start(func(ended context.Context) {
		defer all.Done()
		b.commitAlong(ctx, ended, g, &workers)
	})
	all.Wait()
}

// commitAlong commits what was passed, now and then and once more when the workers have ended.
func (b *Bus) commitAlong(ctx, ended context.Context, g *generation, workers *sync.WaitGroup) {
	ticker := time.NewTicker(commitEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			b.commit(ctx, g)
			continue
		case <-ended.Done():
		case <-ctx.Done():
		}
		workers.Wait()
		b.commit(ctx, g)
		return
	}
}

// commit sends the offsets through the generation, so that the broker refuses them once the member has lost its
// partitions: a commit that is too late must not turn the group back. A refused or failed one is tried with the next,
// or left to the partition's next owner, who handles some messages again.
func (b *Bus) commit(ctx context.Context, g *generation) {
	g.mu.Lock()
	passed := g.passed
	g.passed = map[int]int64{}
	g.mu.Unlock()
	if len(passed) == 0 {
		return
	}
	if err := g.gen.CommitOffsets(map[string]map[int]int64{g.topic: passed}); err != nil {
		b.logger.DebugContext(ctx, "offsets not committed", slog.String("topic", g.topic), slog.String("group", g.gen.GroupID), slog.Any("error", err))
		g.mu.Lock()
		defer g.mu.Unlock()
		for p, next := range passed {
			if _, newer := g.passed[p]; !newer {
				g.passed[p] = next
			}
		}
	}
}

func (g *generation) pass(partition int, next int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.passed[partition] = next
}

// state returns what a partition holds. All partitions share one look at the log when the generation begins; later ones
// look anew.
func (b *Bus) state(ctx context.Context, g *generation, partition int, anew bool) (bus.PartitionState, string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.log == nil || anew {
		info, err := b.Log(ctx, g.topic)
		if err != nil {
			return bus.PartitionState{}, "", err
		}
		g.log = &info
	}
	for _, p := range g.log.Partitions {
		if p.Partition == partition {
			return p, g.log.ClusterID, nil
		}
	}
	return bus.PartitionState{}, "", missing(g.topic)
}
