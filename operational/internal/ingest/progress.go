package ingest

import (
	"context"
	"fmt"

	"github.com/strata-crm/strata/operational/internal/source"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
)

// Ends tells what a log holds.
type Ends interface {
	Log(ctx context.Context, topic string) (bus.LogInfo, error)
}

// Progress tells how far ingest has come in the log: for watermarks, and for the watchdog.
type Progress struct {
	fences Fences
	log    Ends
}

// NewProgress returns the progress of the events topic.
func NewProgress(f Fences, l Ends) *Progress { return &Progress{fences: f, log: l} }

var _ source.Logs = (*Progress)(nil)

// Ends implements source.Logs.
func (p *Progress) Ends(ctx context.Context) (source.Position, error) {
	info, err := p.log.Log(ctx, contract.TopicEvents)
	if err != nil {
		return nil, fmt.Errorf("ends of the events log: %w", err)
	}
	log, err := p.fences.Adopt(ctx, info.ClusterID)
	if err != nil {
		return nil, err
	}
	if log.ClusterID != info.ClusterID {
		return nil, changed("the events log belongs to another broker storage than was being read")
	}
	ends := source.Position{}
	for _, part := range info.Partitions {
		if part.End > 0 { // an empty partition holds nobody up
			ends[part.Partition] = positionOf(log.Epoch, part.End)
		}
	}
	return ends, nil
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

// Name implements service.Progress.
func (p *Progress) Name() string { return "ingest" }

// Progress implements service.Progress: how many records wait, and how many were ever ingested.
func (p *Progress) Progress(ctx context.Context) (waiting, position int64, err error) {
	ends, err := p.Ends(ctx)
	if err != nil {
		return 0, 0, err
	}
	at, err := p.Ingested(ctx)
	if err != nil {
		return 0, 0, err
	}
	for part, end := range ends {
		if from, ok := at[part]; ok {
			waiting += max(0, end-from)
		} else {
			waiting += end % epochSpan
		}
	}
	for _, n := range at {
		position += n
	}
	return waiting, position, nil
}
