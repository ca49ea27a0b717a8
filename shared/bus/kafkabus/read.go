package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/fault"
)

// lookEvery is how long ReadAll waits for a message before it looks whether there still is one.
const lookEvery = 2 * time.Second

// client returns a client with a transport of its own, whose view of the cluster is therefore not a cached one, and a
// function that closes it.
func (b *Bus) client() (*kafka.Client, func()) {
	transport := b.newTransport()
	return &kafka.Client{Addr: kafka.TCP(b.brokers...), Timeout: callTimeout, Transport: transport}, transport.CloseIdleConnections
}

func missing(topic string) error {
	return fault.New(fault.NotFound, fault.SetupRequired, "topic %s does not exist: run `strata setup`", topic)
}

func unavailable(err error, doing string) error {
	return fault.Wrap(fault.Transient, fault.Unavailable, err, doing+": the broker did not answer as it should, try again")
}

// Log implements bus.LogReader.
func (b *Bus) Log(ctx context.Context, topic string) (bus.LogInfo, error) {
	client, done := b.client()
	defer done()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return bus.LogInfo{}, unavailable(err, "looking at "+topic)
	}
	info := bus.LogInfo{ClusterID: meta.ClusterID}
	var ask []kafka.OffsetRequest
	for _, t := range meta.Topics {
		if errors.Is(t.Error, kafka.UnknownTopicOrPartition) {
			return bus.LogInfo{}, missing(topic)
		}
		if t.Error != nil {
			return bus.LogInfo{}, unavailable(t.Error, "looking at "+topic)
		}
		for _, p := range t.Partitions {
			ask = append(ask, kafka.FirstOffsetOf(p.ID), kafka.LastOffsetOf(p.ID))
		}
	}
	if len(ask) == 0 {
		return bus.LogInfo{}, missing(topic)
	}
	offsets, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: ask}})
	if err != nil {
		return bus.LogInfo{}, unavailable(err, "looking at "+topic)
	}
	for _, p := range offsets.Topics[topic] {
		if p.Error != nil {
			return bus.LogInfo{}, unavailable(p.Error, fmt.Sprintf("looking at partition %d of %s", p.Partition, topic))
		}
		info.Partitions = append(info.Partitions, bus.PartitionState{Partition: p.Partition, First: p.FirstOffset, End: p.LastOffset})
	}
	slices.SortFunc(info.Partitions, func(a, b bus.PartitionState) int { return a.Partition - b.Partition })
	return info, nil
}

// ReadAll implements bus.LogReader.
func (b *Bus) ReadAll(ctx context.Context, topic string, fn func(bus.Message) error) error {
	info, err := b.Log(ctx, topic)
	if err != nil {
		return err
	}
	for _, p := range info.Partitions {
		if err := b.readPartition(ctx, topic, p, fn); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bus) readPartition(ctx context.Context, topic string, p bus.PartitionState, fn func(bus.Message) error) error {
	if p.First >= p.End {
		return nil
	}
	reader := b.reader(topic, p.Partition)
	defer reader.Close()
	if err := reader.SetOffset(p.First); err != nil {
		return err
	}
	for next := p.First; next < p.End; {
		m, err := fetch(ctx, reader)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, context.DeadlineExceeded) {
			if gone, err := b.gone(ctx, topic, p.Partition, next); err != nil || gone {
				return err
			}
			continue
		}
		if err != nil {
			return unavailable(err, "reading "+topic)
		}
		if m.Offset >= p.End {
			return nil
		}
		if err := fn(message(m)); err != nil {
			return err
		}
		next = m.Offset + 1
	}
	return nil
}

func fetch(ctx context.Context, reader *kafka.Reader) (kafka.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, lookEvery)
	defer cancel()
	return reader.FetchMessage(ctx)
}

// gone reports whether nothing is left behind the offset, because it was deleted since.
func (b *Bus) gone(ctx context.Context, topic string, partition int, next int64) (bool, error) {
	info, err := b.Log(ctx, topic)
	if err != nil {
		return false, err
	}
	for _, p := range info.Partitions {
		if p.Partition == partition {
			return p.First >= p.End || next >= p.End, nil
		}
	}
	return true, nil
}

// Committed implements bus.GroupReader.
func (b *Bus) Committed(ctx context.Context, topic, group string) (map[int]int64, error) {
	info, err := b.Log(ctx, topic)
	if err != nil {
		return nil, err
	}
	client, done := b.client()
	defer done()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var partitions []int
	for _, p := range info.Partitions {
		partitions = append(partitions, p.Partition)
	}
	answer, err := client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: groupOf(group, topic), Topics: map[string][]int{topic: partitions}})
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		return nil, unavailable(err, "looking at group "+group)
	}
	committed := map[int]int64{}
	for _, p := range answer.Topics[topic] {
		if p.Error == nil && p.CommittedOffset >= 0 {
			committed[p.Partition] = p.CommittedOffset
		}
	}
	return committed, nil
}
