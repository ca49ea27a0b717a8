package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/strata-crm/strata/shared/local/broker"
)

// difference is something that Apache Kafka and the embedded broker do, or might be thought to do, differently: what is
// tried, and what comes of it on each. README.md tells the same to people.
type difference struct {
	name            string
	try             func(ctx context.Context, b *bench) string
	kafka, embedded string
}

func differences() []difference {
	return []difference{
		{"a record of the year 2000 in a topic of log-append time is read with the time of", oldRecord, "the broker", "the sender"},
		{"a write that needs two in-sync replicas, to a topic of one copy", twoReplicas, "stored", "stored"},
		{"a topic of three copies, on one broker", threeCopies, "INVALID_REPLICATION_FACTOR", "INVALID_REPLICATION_FACTOR"},
		{"a record above max.message.bytes", tooLarge, "MESSAGE_TOO_LARGE", "MESSAGE_TOO_LARGE"},
		{"a record for a topic that does not exist", missing, "UNKNOWN_TOPIC_OR_PARTITION", "UNKNOWN_TOPIC_OR_PARTITION"},
		{"records after which the log is synced to disk, by the topic's settings", flush, "never", "not said"},
	}
}

// bench is one broker with a client.
type bench struct {
	t      *testing.T
	client *kgo.Client
}

func TestKafkaAndEmbeddedBrokerDiffer(t *testing.T) {
	t.Parallel()
	real := startBroker(t)
	local, err := broker.Open(broker.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := local.Close(); err != nil {
			t.Error(err)
		}
	})
	kafka := connect(t, kgo.SeedBrokers(real.Address()))
	embedded := connect(t, kgo.SeedBrokers(local.Brokers()...), kgo.Dialer(local.Dial))
	for _, d := range differences() {
		t.Run(d.name, func(t *testing.T) {
			for _, on := range []struct {
				name, want string
				b          *bench
			}{{"Apache Kafka", d.kafka, kafka}, {"the embedded broker", d.embedded, embedded}} {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				if got := d.try(ctx, on.b); got != on.want {
					t.Errorf("on %s: %s, want %s", on.name, got, on.want)
				}
				cancel()
			}
		})
	}
}

func connect(t *testing.T, o ...kgo.Opt) *bench {
	t.Helper()
	c, err := kgo.NewClient(append(o, kgo.RequiredAcks(kgo.AllISRAcks()), kgo.RecordRetries(0), kgo.ProducerBatchMaxBytes(4<<20),
		kgo.UnknownTopicRetries(0), kgo.DisableIdempotentWrite(), kgo.ProducerBatchCompression(kgo.NoCompression()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &bench{t, c}
}

// topic makes a topic of one partition and returns its name, and what the broker said if it refused.
func (b *bench) topic(ctx context.Context, copies int16, settings ...string) (name, refused string) {
	r := kmsg.NewPtrCreateTopicsRequest()
	r.TimeoutMillis = 5000
	one := kmsg.NewCreateTopicsRequestTopic()
	one.Topic, one.NumPartitions, one.ReplicationFactor = "d-"+uuid.NewString(), 1, copies
	for _, s := range settings {
		key, value, _ := strings.Cut(s, "=")
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = key, &value
		one.Configs = append(one.Configs, c)
	}
	r.Topics = append(r.Topics, one)
	answer, err := r.RequestWith(ctx, b.client)
	if err != nil {
		return "", err.Error()
	}
	return one.Topic, said(kerr.ErrorForCode(answer.Topics[0].ErrorCode))
}

// said names an error as Kafka's protocol does.
func said(err error) string {
	if err == nil {
		return ""
	}
	if e := new(kerr.Error); errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

// write produces one record; "stored" or the broker's refusal.
func (b *bench) write(ctx context.Context, r *kgo.Record) string {
	if s := said(b.client.ProduceSync(ctx, r).FirstErr()); s != "" {
		return s
	}
	return "stored"
}

func oldRecord(ctx context.Context, b *bench) string {
	topic, refused := b.topic(ctx, -1, "message.timestamp.type=LogAppendTime")
	if refused != "" {
		return refused
	}
	old := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	if s := b.write(ctx, &kgo.Record{Topic: topic, Value: []byte("old"), Timestamp: old}); s != "stored" {
		return s
	}
	b.client.AddConsumeTopics(topic)
	for {
		fetched := b.client.PollFetches(ctx)
		if fetched.IsClientClosed() || ctx.Err() != nil {
			return "nobody: it did not come"
		}
		for r := range fetched.RecordsAll() {
			if r.Topic == topic && r.Timestamp.Equal(old) {
				return "the sender"
			} else if r.Topic == topic {
				return "the broker"
			}
		}
	}
}

func twoReplicas(ctx context.Context, b *bench) string {
	topic, refused := b.topic(ctx, 1, "min.insync.replicas=2")
	if refused != "" {
		return refused
	}
	return b.write(ctx, &kgo.Record{Topic: topic, Value: []byte("x")})
}

func threeCopies(ctx context.Context, b *bench) string {
	_, refused := b.topic(ctx, 3)
	return refused
}

func tooLarge(ctx context.Context, b *bench) string {
	topic, refused := b.topic(ctx, -1, "max.message.bytes=1048576")
	if refused != "" {
		return refused
	}
	return b.write(ctx, &kgo.Record{Topic: topic, Value: make([]byte, 2<<20)})
}

func missing(ctx context.Context, b *bench) string {
	return b.write(ctx, &kgo.Record{Topic: "d-" + uuid.NewString(), Value: []byte("x")})
}

func flush(ctx context.Context, b *bench) string {
	topic, refused := b.topic(ctx, -1)
	if refused != "" {
		return refused
	}
	r := kmsg.NewPtrDescribeConfigsRequest()
	of := kmsg.NewDescribeConfigsRequestResource()
	of.ResourceType, of.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	r.Resources = append(r.Resources, of)
	answer, err := r.RequestWith(ctx, b.client)
	if err != nil {
		return err.Error()
	}
	for _, c := range answer.Resources[0].Configs {
		if c.Name != "flush.messages" || c.Value == nil {
			continue
		}
		if n, err := strconv.ParseUint(*c.Value, 10, 64); err == nil && n >= 1<<62 {
			return "never"
		}
		return fmt.Sprint("after ", *c.Value)
	}
	return "not said"
}
