package bustest

import (
	"context"
	"slices"
	"sync"

	"github.com/strata-crm/strata/shared/bus"
)

// group shares a topic's partitions among members. A change of members begins a new generation, in which every member
// starts again from what is committed.
type group struct {
	generation int
	members    []*int // identity of each Subscribe or ConsumeLog call
	committed  map[int]int64
}

// Subscribe implements bus.Subscriber.
func (b *Bus) Subscribe(ctx context.Context, s bus.Subscription) error {
	if err := s.Check(); err != nil {
		return err
	}
	return b.join(ctx, s.Topic, s.Group, func(ctx context.Context, generation, part int) {
		b.follow(ctx, s, generation, part)
	})
}

// ConsumeLog implements bus.LogConsumer.
func (b *Bus) ConsumeLog(ctx context.Context, topic, group string, sink bus.LogSink) error {
	return b.join(ctx, topic, group, func(ctx context.Context, generation, part int) {
		b.feed(ctx, topic, group, sink, generation, part)
	})
}

// join runs work for each partition this member has, generation after generation, until ctx ends.
func (b *Bus) join(ctx context.Context, topic, name string, work func(ctx context.Context, generation, part int)) error {
	me, key := new(int), [2]string{topic, name}
	b.mu.Lock()
	if b.groups[key] == nil {
		b.groups[key] = &group{committed: map[int]int64{}}
	}
	g := b.groups[key]
	b.change(g, append(g.members, me))
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.change(g, slices.DeleteFunc(slices.Clone(g.members), func(m *int) bool { return m == me }))
	}()
	for ctx.Err() == nil {
		b.generation(ctx, g, me, topic, work)
	}
	return nil
}

func (b *Bus) change(g *group, members []*int) {
	g.members = members
	g.generation++
	b.touch()
}

// generation works on this member's partitions until the group changes or ctx ends.
func (b *Bus) generation(ctx context.Context, g *group, me *int, topic string, work func(ctx context.Context, generation, part int)) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var now int
	var mine []int
	err := b.until(ctx, func() bool {
		tp := b.topics[topic]
		if tp == nil {
			return false
		}
		now, mine = g.generation, nil
		for p := range tp.partitions {
			if p%len(g.members) == slices.Index(g.members, me) {
				mine = append(mine, p)
			}
		}
		return true
	})
	if err != nil {
		return
	}
	var workers sync.WaitGroup
	for _, p := range mine {
		workers.Go(func() { work(ctx, now, p) })
	}
	_ = b.until(ctx, func() bool { return g.generation != now }) // an error is ctx's end, which the caller sees
	cancel()
	workers.Wait()
}

// next waits for up to limit messages at or behind the offset. from is the offset of the first of them, or past the asked
// one where messages are gone; it lies before the asked one when the log was replaced by a shorter one.
func (b *Bus) next(ctx context.Context, topic string, part int, offset int64, limit int) (from int64, batch []bus.Message, err error) {
	err = b.until(ctx, func() bool {
		p := b.topics[topic].partitions[part]
		if from = p.first; offset >= p.first && offset <= p.end() {
			from = offset
			batch = slices.Clone(p.messages[offset-p.first:])
		}
		batch = batch[:min(len(batch), limit)]
		return from != offset || len(batch) > 0
	})
	return from, batch, err
}

// commit stores the group's offset unless the generation has ended.
func (b *Bus) commit(topic, name string, generation, part int, next int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if g := b.groups[[2]string{topic, name}]; g.generation == generation {
		g.committed[part] = next
		b.touch()
	}
}

// start returns what the group committed, or the partition's first offset.
func (b *Bus) start(topic, name string, part int) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if next, ok := b.groups[[2]string{topic, name}].committed[part]; ok {
		return next
	}
	return b.topics[topic].partitions[part].first
}

func (b *Bus) follow(ctx context.Context, s bus.Subscription, generation, part int) {
	at := b.start(s.Topic, s.Group, part)
	if s.OnAssigned != nil {
		s.OnAssigned(ctx, part)
	}
	for {
		from, batch, err := b.next(ctx, s.Topic, part, at, 1)
		if err != nil {
			return
		}
		if from != at {
			if b.observer.Gap(ctx, bus.Gap{Topic: s.Topic, Partition: part, From: at, To: from}, s.OnGap) != nil {
				return
			}
			at = from
		} else {
			if b.observer.Handle(ctx, s, batch[0]) != nil {
				return
			}
			at++
		}
		b.commit(s.Topic, s.Group, generation, part, at)
	}
}

func (b *Bus) feed(ctx context.Context, topic, name string, sink bus.LogSink, generation, part int) {
	for {
		at, err := b.observer.Position(ctx, sink, topic, func() (bus.PartitionState, string, error) { return b.state(topic, part) })
		if err != nil {
			return
		}
		for {
			from, batch, err := b.next(ctx, topic, part, at, bus.MaxBatch)
			if err != nil {
				return
			}
			if from < at {
				break // another log: the sink must say what to do
			}
			if from > at {
				err = b.observer.Gap(ctx, bus.Gap{Topic: topic, Partition: part, From: at, To: from}, sink.Gap)
				at = from
			} else {
				at, err = b.observer.Apply(ctx, sink, topic, part, batch)
			}
			if err != nil {
				return
			}
			b.commit(topic, name, generation, part, at)
		}
	}
}

func (b *Bus) state(topic string, part int) (bus.PartitionState, string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.topics[topic].partitions[part]
	return bus.PartitionState{Partition: part, First: p.first, End: p.end()}, b.cluster, nil
}

// Committed implements bus.GroupReader.
func (b *Bus) Committed(_ context.Context, topic, name string) (map[int]int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	committed := map[int]int64{}
	if g := b.groups[[2]string{topic, name}]; g != nil {
		for p, next := range g.committed {
			committed[p] = next
		}
	}
	return committed, nil
}

// ReadAll implements bus.LogReader.
func (b *Bus) ReadAll(ctx context.Context, topic string, fn func(bus.Message) error) error {
	b.mu.Lock()
	known, all := b.topics[topic] != nil, b.messages(topic)
	b.mu.Unlock()
	if !known {
		return missing(topic)
	}
	for _, m := range all {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := fn(m); err != nil {
			return err
		}
	}
	return nil
}

// Log implements bus.LogReader.
func (b *Bus) Log(_ context.Context, topic string) (bus.LogInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	tp := b.topics[topic]
	if tp == nil {
		return bus.LogInfo{}, missing(topic)
	}
	info := bus.LogInfo{ClusterID: b.cluster}
	for i, p := range tp.partitions {
		info.Partitions = append(info.Partitions, bus.PartitionState{Partition: i, First: p.first, End: p.end()})
	}
	return info, nil
}
