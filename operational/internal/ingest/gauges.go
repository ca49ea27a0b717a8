package ingest

import (
	"context"
	"errors"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/telemetry"
)

var (
	lag      = telemetry.Gauge{Name: "strata.ingest.lag", About: "Records of the events log that wait to be ingested."}
	standing = telemetry.Gauge{Name: "strata.ingest.standing", Unit: "s", About: "How long records of a partition of the events log have waited without one being ingested."}
	lost     = telemetry.Gauge{Name: "strata.ingest.lost", About: "Records of the events log that were gone before they were read."}
)

// Observe adds the gauges that operators watch: strata.ingest.lag, the records that wait, which has no value while nobody
// knows; strata.ingest.standing, for how long those of the partition that stands longest have waited without one being ingested,
// whatever the reason; and strata.ingest.lost, the records that could never be read, over all epochs.
func (p *Progress) Observe(g *telemetry.Gauges) {
	g.From(func(ctx context.Context, tell telemetry.Tell) error {
		at, unknown := p.of(ctx, &bus.Held{})
		if unknown == nil {
			tell(lag, waiting(at))
		}
		tell(standing, p.standing(at, unknown).Seconds())
		fences, err := p.fences.All(ctx)
		if err != nil {
			return errors.Join(unknown, err)
		}
		var n int64
		for _, f := range fences {
			n += f.Counts.Lost
		}
		tell(lost, float64(n))
		return unknown
	})
}

func waiting(at map[int]bus.Standing) float64 {
	var n int64
	for _, is := range at {
		n += is.Waiting
	}
	return float64(n)
}
