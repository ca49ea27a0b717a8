package ingest

import (
	"context"
	"encoding/json"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/strata-crm/strata/shared/fault"
)

type metrics struct{ ingested metric.Int64Counter }

func newMetrics(p metric.MeterProvider) (metrics, error) {
	if p == nil {
		p = noop.NewMeterProvider()
	}
	c, err := p.Meter("strata/operational/ingest").Int64Counter("strata.ingest.records",
		metric.WithDescription("Records of the events log by what became of them."))
	return metrics{ingested: c}, err
}

func (m metrics) records(ctx context.Context, outcome fault.Code, n int64) {
	if n > 0 {
		m.ingested.Add(ctx, n, metric.WithAttributes(attribute.String("outcome", string(outcome))))
	}
}

// report counts what a committed batch did, and says what a person should see.
func (s *Sink) report(ctx context.Context, t *tally) {
	s.metrics.records(ctx, "stored", t.stored)
	s.metrics.records(ctx, fault.Duplicate, t.counts.Duplicate)
	s.metrics.records(ctx, fault.Quarantined, t.counts.Quarantined)
	s.metrics.records(ctx, fault.Suppressed, t.counts.Suppressed)
	s.metrics.records(ctx, fault.NotInForce, t.counts.NotInForce)
	for _, q := range t.aside {
		if q.Reason == fault.Poison {
			s.o.Logger.ErrorContext(ctx, "a record of the events log could not be handled and is quarantined", "partition", q.Place.Partition, "offset", q.Place.Offset)
		}
	}
}

func decode(raw json.RawMessage, v any) bool { return json.Unmarshal(raw, v) == nil }
