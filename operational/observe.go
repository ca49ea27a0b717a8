package operational

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/strata-crm/strata/shared/telemetry"
)

var unanswered = telemetry.Gauge{Name: "strata.directives.unanswered", About: "Received directives without a final answer."}

// observe adds the gauge of this half that operators watch; ingest and the outbox have their own.
func observe(h *directing) {
	h.d.Telemetry.Gauges.From(func(ctx context.Context, tell telemetry.Tell) error {
		n, err := h.directives.Unanswered(ctx)
		if err == nil {
			tell(unanswered, float64(n))
		}
		return err
	})
}

// pulse tells when something last happened.
type pulse struct {
	now func() time.Time
	at  atomic.Int64 // nanoseconds since 1970; 0 = never
}

func (p *pulse) beat() { p.at.Store(p.now().UnixNano()) }

func (p *pulse) last() time.Time { return time.Unix(0, p.at.Load()) }
