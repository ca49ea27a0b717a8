package broker

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"time"
)

// RetainUntil says that the consumer of the partition has durably passed every offset before next. Messages at and
// after it are never deleted; until the first call none of the partition's are (but for Options.Aged).
func (b *Broker) RetainUntil(topic string, index int, next int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.retain[partition{topic, index}] = next
}

func (b *Broker) expireNowAndThen(ctx context.Context) {
	defer close(b.stopped)
	ticker := time.NewTicker(b.options.RetentionEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := b.Expire(); err != nil {
				b.options.Logger.Warn("old messages could not be deleted", slog.Any("error", err))
			}
		}
	}
}

// Expire deletes now what retention allows: whole segments whose last write is longer ago than the topic's
// retention.ms and whose messages RetainUntil has released, and never a partition's last segment.
func (b *Broker) Expire() error {
	if b.options.Dir == "" {
		return nil
	}
	b.deleting.Lock()
	defer b.deleting.Unlock()
	b.mu.Lock()
	released := make(map[partition]int64, len(b.retain))
	for p, next := range b.retain {
		released[p] = next
	}
	b.mu.Unlock()
	for _, topic := range b.options.Aged {
		info := b.cluster.TopicInfo(topic)
		if info == nil {
			continue
		}
		for _, p := range b.cluster.PartitionInfos(topic) {
			released[partition{topic, int(p.Partition)}] = p.HighWatermark
		}
	}
	for p, next := range released {
		if err := b.expire(p, next); err != nil {
			return fmt.Errorf("partition %d of %s: %w", p.index, p.topic, err)
		}
	}
	return nil
}

// expire deletes the partition's old segments before next.
func (b *Broker) expire(p partition, next int64) error {
	keep, limited := b.retention(p.topic)
	if !limited {
		return nil
	}
	dir := partitionDir(b.logDir(), p)
	bases, err := segments(b.options.FS, dir)
	if err != nil {
		return err
	}
	cut := int64(0)
	for i := 1; i < len(bases) && bases[i] <= next; i++ {
		info, err := b.options.FS.Stat(filepath.Join(dir, segmentName(bases[i-1])))
		if err != nil {
			return err
		}
		if b.options.Now().Sub(info.ModTime()) < keep {
			break
		}
		cut = bases[i]
	}
	if cut == 0 {
		return nil
	}
	b.options.Logger.Info("deleting old messages", slog.String("topic", p.topic), slog.Int("partition", p.index), slog.Int64("before", cut))
	return b.cluster.DeleteRecords(p.topic, int32(p.index), cut)
}

// retention returns how long the topic keeps messages, and false for one that keeps them for ever or does not say.
func (b *Broker) retention(topic string) (time.Duration, bool) {
	info := b.cluster.TopicInfo(topic)
	if info == nil || info.Configs["retention.ms"] == nil {
		return 0, false
	}
	ms, err := strconv.ParseInt(*info.Configs["retention.ms"], 10, 64)
	return time.Duration(ms) * time.Millisecond, err == nil && ms >= 0
}
