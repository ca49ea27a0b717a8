package ingest

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/metric"
)

// Observe registers the gauges that operators watch: strata.ingest.lag, the records that wait, and strata.ingest.lost, the
// records that could never be read, over all epochs.
func (p *Progress) Observe(m metric.MeterProvider) error {
	meter := m.Meter("strata/operational/ingest")
	lag, err := meter.Int64ObservableGauge("strata.ingest.lag", metric.WithDescription("Records of the events log that wait to be ingested."))
	if err != nil {
		return fmt.Errorf("lag gauge: %w", err)
	}
	lost, err := meter.Int64ObservableGauge("strata.ingest.lost", metric.WithDescription("Records of the events log that were gone before they were read."))
	if err != nil {
		return fmt.Errorf("lost gauge: %w", err)
	}
	_, err = meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		fences, err := p.fences.All(ctx)
		if err != nil {
			return err
		}
		var n int64
		for _, f := range fences {
			n += f.Counts.Lost
		}
		o.ObserveInt64(lost, n)
		waits, _, err := p.Progress(ctx)
		if err == nil {
			o.ObserveInt64(lag, waits)
		}
		return err
	}, lag, lost)
	return err
}
