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
	moved movement
}

// movement is what was last seen of ingest, by whichever replica.
type movement struct {
	position int64
	since    time.Time // when the position changed or nothing waited
}

// NewProgress returns the progress of the events topic; now is the wall clock.
func NewProgress(f Fences, l Ends, now func() time.Time) *Progress {
	return &Progress{fences: f, log: l, now: now, moved: movement{since: now()}}
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
func (w Watched) Progress(ctx context.Context) (waiting, position int64, err error) {
	return w.Log.of(ctx, &w.Sink.held)
}

// of returns how many records wait in the member's partitions, and how many were ever ingested of them. Of a log that is not
// the one that was being read nobody knows how much of it waits: that is an error.
func (p *Progress) of(ctx context.Context, member *bus.Held) (waiting, position int64, err error) {
	at, err := p.Ingested(ctx) // before the ends: those only grow, unless the log is another one
	if err != nil {
		return 0, 0, err
	}
	epoch, parts, err := p.current(ctx)
	if err != nil {
		return 0, 0, err
	}
	for _, part := range member.Own(parts) {
		from := max(at[part.Partition], positionOf(epoch, 0)) - positionOf(epoch, 0)
		if from > part.End {
			return 0, 0, changed("partition %d ends at %d, but everything before %d has been read", part.Partition, part.End, from)
		}
		waiting += part.End - from
		position += from
	}
	return waiting, position, nil
}

// standing returns for how long records have waited without one being ingested. A log that cannot be asked, or is another
// one, is no movement.
func (p *Progress) standing(waiting, position int64, err error) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if err == nil && (waiting == 0 || position != p.moved.position) {
		p.moved = movement{position, now}
	}
	return now.Sub(p.moved.since)
}
