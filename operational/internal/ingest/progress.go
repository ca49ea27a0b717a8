package ingest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/strata-crm/strata/operational/internal/source"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
)

// Ends tells what a log holds.
type Ends interface {
	Log(ctx context.Context, topic string) (bus.LogInfo, error)
}

// Progress tells how far ingest has come in the log: for watermarks, for the watchdog, and for those who watch the gauges.
type Progress struct {
	fences Fences
	log    Ends
	now    func() time.Time

	mu    sync.Mutex
	began time.Time
	moved map[int]movement // by partition
}

// movement is what was last seen of ingest in a partition, by whichever replica.
type movement struct {
	bus.Standing
	since time.Time // when something was done or nothing waited
}

// NewProgress returns the progress of the events topic; now is the wall clock.
func NewProgress(f Fences, l Ends, now func() time.Time) *Progress {
	return &Progress{fences: f, log: l, now: now, began: now()}
}

var _ source.Logs = (*Progress)(nil)

// Ends implements source.Logs.
func (p *Progress) Ends(ctx context.Context) (source.Position, error) {
	epoch, parts, err := p.current(ctx)
	if err != nil {
		return nil, err
	}
	ends := source.Position{}
	for _, part := range parts {
		if part.End > 0 { // an empty partition holds nobody up
			ends[part.Partition] = positionOf(epoch, part.End)
		}
	}
	return ends, nil
}

// current returns the partitions of the log that is being ingested, and its epoch.
func (p *Progress) current(ctx context.Context) (epoch int64, parts []bus.PartitionState, err error) {
	info, err := p.log.Log(ctx, contract.TopicEvents)
	if err != nil {
		return 0, nil, fmt.Errorf("ends of the events log: %w", err)
	}
	log, err := p.fences.Adopt(ctx, info.ClusterID)
	if err != nil {
		return 0, nil, err
	}
	if log.ClusterID != info.ClusterID {
		return 0, nil, changed("the events log belongs to another broker storage than was being read")
	}
	return log.Epoch, info.Partitions, nil
}

// Ingested implements source.Logs.
func (p *Progress) Ingested(ctx context.Context) (source.Position, error) {
	fences, err := p.fences.All(ctx)
	if err != nil {
		return nil, err
	}
	at := source.Position{}
	for _, f := range fences {
		at[f.Partition] = max(at[f.Partition], f.Position())
	}
	return at, nil
}

// Watched is the progress of one process, for its watchdog: of the partitions that its sink has, so that a process that is
// stuck is restarted, and not those that share the work with it.
type Watched struct {
	Log  *Progress
	Sink *Sink
}

// Name implements service.Progress.
func (w Watched) Name() string { return "ingest" }

// Progress implements service.Progress.
func (w Watched) Progress(ctx context.Context) (map[int]bus.Standing, error) {
	return w.Log.of(ctx, &w.Sink.held)
}

// of returns how many records wait in each of the member's partitions, and how many were ever ingested of it. Of a log that is not
// the one that was being read nobody knows how much of it waits: that is an error.
func (p *Progress) of(ctx context.Context, member *bus.Held) (map[int]bus.Standing, error) {
	ingested, err := p.Ingested(ctx) // before the ends: those only grow, unless the log is another one
	if err != nil {
		return nil, err
	}
	epoch, parts, err := p.current(ctx)
	if err != nil {
		return nil, err
	}
	own, held := member.Own(parts)
	at := make(map[int]bus.Standing, len(own))
	for _, part := range own {
		from := max(ingested[part.Partition], positionOf(epoch, 0)) - positionOf(epoch, 0)
		if from > part.End {
			return nil, changed("partition %d ends at %d, but everything before %d has been read", part.Partition, part.End, from)
		}
		at[part.Partition] = bus.Standing{Waiting: part.End - from, Position: from, Held: held}
	}
	return at, nil
}

// standing returns for how long records of some partition have waited without one of them being ingested: the longest of all
// partitions. A log that cannot be asked, or is another one, is no movement.
func (p *Progress) standing(at map[int]bus.Standing, err error) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if err == nil {
		p.move(at, now)
	}
	if len(p.moved) == 0 {
		return now.Sub(p.began)
	}
	var longest time.Duration
	for _, m := range p.moved {
		longest = max(longest, now.Sub(m.since))
	}
	return longest
}

func (p *Progress) move(at map[int]bus.Standing, now time.Time) {
	moved := make(map[int]movement, len(at))
	for n, is := range at {
		was, known := p.moved[n]
		if !known || is.After(was.Standing) {
			was.since = now
		}
		moved[n] = movement{is, was.since}
	}
	p.moved = moved
}
