package kafka_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"

	"github.com/strata-crm/strata/deploy/internal/realkafka"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/bus/kafkabus"
	"github.com/strata-crm/strata/shared/fault"
)

// three are the settings of a cluster of three that differ from those of one broker, as in ../compose.yaml.
var three = map[string]string{
	"default.replication.factor": "3", "min.insync.replicas": "2", "offsets.topic.replication.factor": "3",
	"transaction.state.log.replication.factor": "3", "transaction.state.log.min.isr": "2",
	"share.coordinator.state.topic.replication.factor": "3", "share.coordinator.state.topic.min.isr": "2",
}

// TestKafkaClusterConfirmsTwice runs three brokers: with one of them killed everything goes on, with two nothing is
// acknowledged, and whatever was acknowledged is there in the end.
func TestKafkaClusterConfirmsTwice(t *testing.T) {
	t.Parallel()
	brokers := newCluster(t, 3, three)
	startAll(t, brokers)
	b, err := kafkabus.New(kafkabus.Options{Brokers: addresses(brokers), ClientID: "test", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	const topic = "kept"
	if err := b.EnsureTopics(t.Context(), bus.TopicSpec{Name: topic, Partitions: 6}); err != nil {
		t.Fatal(err)
	}
	if n := copies(t, brokers, topic); n != 3 {
		t.Fatalf("the topic has %d copies, want 3", n)
	}
	acknowledged := map[string]bool{}
	write := func(within time.Duration, phase string) error {
		return publish(t, b, topic, within, phase, acknowledged)
	}
	if err := write(30*time.Second, "all"); err != nil {
		t.Fatal("with all brokers:", err)
	}
	kill(t, brokers[0])
	if err := write(60*time.Second, "two"); err != nil {
		t.Fatal("with two brokers:", err)
	}
	kill(t, brokers[1])
	if err := write(5*time.Second, "one"); err == nil {
		t.Fatal("one broker alone acknowledged a write that two must confirm")
	} else if fault.KindOf(err) != fault.Transient {
		t.Errorf("with one broker: %v, want a passing error", err)
	}
	startAll(t, brokers[:2])
	if err := write(60*time.Second, "again"); err != nil {
		t.Fatal("with all brokers again:", err)
	}
	have := map[string]bool{}
	if err := b.ReadAll(t.Context(), topic, func(m bus.Message) error { have[string(m.Value)] = true; return nil }); err != nil {
		t.Fatal(err)
	}
	for v := range acknowledged {
		if !have[v] {
			t.Errorf("%s was acknowledged and is lost", v)
		}
	}
}

// startAll starts brokers together: alone, the first would wait for a majority.
func startAll(t *testing.T, brokers []*realkafka.Broker) {
	t.Helper()
	var g errgroup.Group
	for _, b := range brokers {
		g.Go(func() error { return b.Start(t.Context()) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

func kill(t *testing.T, b *realkafka.Broker) {
	t.Helper()
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
}

func addresses(brokers []*realkafka.Broker) []string {
	var all []string
	for _, b := range brokers {
		all = append(all, b.Address())
	}
	return all
}

// publish publishes messages until they are acknowledged or the time is over, and notes those that were.
func publish(t *testing.T, b *kafkabus.Bus, topic string, within time.Duration, phase string, acknowledged map[string]bool) error {
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	var messages []bus.Message
	for i := range 60 {
		messages = append(messages, bus.Message{Topic: topic, Key: fmt.Sprint(i), Value: fmt.Appendf(nil, "%s %d", phase, i)})
	}
	for {
		err := b.Publish(ctx, messages...)
		if err == nil {
			for _, m := range messages {
				acknowledged[string(m.Value)] = true
			}
			return nil
		}
		if ctx.Err() != nil || fault.KindOf(err) != fault.Transient {
			return err
		}
		time.Sleep(lookEvery)
	}
}

// copies returns how many copies the topic's first partition has.
func copies(t *testing.T, brokers []*realkafka.Broker, topic string) int {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(addresses(brokers)...))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := kmsg.NewPtrMetadataRequest()
	of := kmsg.NewMetadataRequestTopic()
	of.Topic = &topic
	r.Topics = append(r.Topics, of)
	answer, err := r.RequestWith(t.Context(), c)
	if err != nil || len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) == 0 {
		t.Fatalf("looking at the topic: %v", err)
	}
	return len(answer.Topics[0].Partitions[0].Replicas)
}
