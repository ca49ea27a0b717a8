package ingest

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/metric"

	"github.com/strata-crm/strata/shared/bus"
)

// Observe registers the gauges that operators watch: strata.ingest.lag, the records that wait, which has no value while nobody
// knows; strata.ingest.standing, for how long they have waited without one being ingested, whatever the reason; and
// strata.ingest.lost, the records that could never be read, over all epochs.
func (p *Progress) Observe(m metric.MeterProvider) error {
	meter := m.Meter("strata/operational/ingest")
	lag, err := meter.Int64ObservableGauge("strata.ingest.lag", metric.WithDescription("Records of the events log that wait to be ingested."))
	if err != nil {
		return fmt.Errorf("lag gauge: %w", err)
	}
	standing, err := meter.Float64ObservableGauge("strata.ingest.standing", metric.WithUnit("s"),
		metric.WithDescription("How long records of the events log have waited without one being ingested."))
	if err != nil {
		return fmt.Errorf("standing gauge: %w", err)
	}
	lost, err := meter.Int64ObservableGauge("strata.ingest.lost", metric.WithDescription("Records of the events log that were gone before they were read."))
	if err != nil {
		return fmt.Errorf("lost gauge: %w", err)
	}
	_, err = meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		waits, position, progress := p.of(ctx, &bus.Held{})
		if progress == nil {
			o.ObserveInt64(lag, waits)
		}
		o.ObserveFloat64(standing, p.standing(waits, position, progress).Seconds())
		fences, err := p.fences.All(ctx)
		if err != nil {
			return errors.Join(progress, err)
		}
		var n int64
		for _, f := range fences {
			n += f.Counts.Lost
		}
		o.ObserveInt64(lost, n)
		return progress
	}, lag, standing, lost)
	return err
}
