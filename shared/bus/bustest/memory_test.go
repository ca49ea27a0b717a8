package bustest_test

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/bus/bustest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	bustest.Test(t, func(t *testing.T) bustest.Harness {
		memory := bustest.Memory(t)
		return bustest.Harness{
			Open: func(*testing.T) bustest.Client { return memory },
			Truncate: func(t *testing.T, topic string, partition int, before int64) {
				if err := memory.Truncate(topic, partition, before); err != nil {
					t.Fatal(err)
				}
			},
			LoseReplies: memory.LoseReplies,
		}
	})
}

func TestMemoryFaults(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	memory := bustest.Memory(t, bus.TopicSpec{Name: "t", Partitions: 2})
	away := errors.New("away")
	memory.FailPublish(away)
	message := bus.Message{Topic: "t", Key: "k", Value: []byte("v")}
	if err := memory.Publish(ctx, message); !errors.Is(err, away) || len(memory.Messages("t")) != 0 {
		t.Fatalf("got %v with %d messages stored, want the fault and none", err, len(memory.Messages("t")))
	}
	if err := memory.Publish(ctx, message); err != nil {
		t.Fatal(err)
	}
	if got := memory.Await(ctx, t, "t", 1); len(got) != 1 || string(got[0].Value) != "v" {
		t.Fatalf("got %v", got)
	}
	asked := make(chan string, 10)
	done := make(chan error, 1)
	consuming, stop := context.WithCancel(ctx)
	go func() { done <- memory.ConsumeLog(consuming, "t", "g", positions(asked)) }()
	memory.AwaitGroup(ctx, t, "t", "g")
	at, err := bus.Progress(ctx, memory, "t", "g", &bus.Held{})
	part := memory.Messages("t")[0].Partition
	if want := map[int]bus.Standing{part: {Position: 1}, 1 - part: {}}; err != nil || !maps.Equal(at, want) {
		t.Fatalf("got %v, %v; want %v", at, err, want)
	}
	memory.Replace("another")
	for cluster := ""; cluster != "another"; {
		select {
		case cluster = <-asked:
		case <-ctx.Done():
			t.Fatal("the sink was not asked for its position in the new log")
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// positions is a sink that reports the cluster ids it is asked with.
type positions chan<- string

func (p positions) Position(_ context.Context, _ string, _ bus.PartitionState, cluster string) (int64, error) {
	p <- cluster
	return 0, nil
}

func (p positions) Apply(_ context.Context, _ string, _ int, batch []bus.Message) (int64, error) {
	return batch[len(batch)-1].Offset + 1, nil
}

func (p positions) Gap(context.Context, bus.Gap) error { return nil }
