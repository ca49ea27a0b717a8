package strategic

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/shared/telemetry"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/governance"
	"github.com/strata-crm/strata/strategic/internal/knowledge"
)

// beginning proposes the default governance directive once the layer's own state has been read back.
type beginning struct {
	governance *governance.Service
	once       sync.Once
	proposed   chan struct{}
}

func newBeginning(g *governance.Service) *beginning {
	return &beginning{governance: g, proposed: make(chan struct{})}
}

// Started implements service.Starter: the service is ready only when there is something to approve.
func (b *beginning) Started() <-chan struct{} { return b.proposed }

// Name implements service.Component.
func (b *beginning) Name() string { return "default_governance" }

// Run proposes and then waits.
func (b *beginning) Run(ctx context.Context) error {
	if err := b.governance.Begin(ctx); err != nil {
		return fmt.Errorf("propose the default governance directive: %w", err)
	}
	b.once.Do(func() { close(b.proposed) })
	<-ctx.Done()
	return nil
}

// lapse ends directives whose time is over by the wall clock, and reviews knowledge.
type lapse struct {
	directives *directive.Service
	knowledge  *knowledge.Service
	every      time.Duration
	logger     *slog.Logger
}

func (g *graph) lapse(c Config, d host.Deps) *lapse {
	return &lapse{g.directives, g.knowledge, c.Lapse, d.Telemetry.Logger}
}

// Name implements service.Component.
func (l *lapse) Name() string { return "expiry" }

// Run looks now and again until ctx ends. What fails is tried at the next look.
func (l *lapse) Run(ctx context.Context) error {
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for {
		if err := l.directives.Lapse(ctx); err != nil && ctx.Err() == nil {
			l.logger.WarnContext(ctx, "directives whose time is over could not be ended; trying again", "error", err)
		}
		if err := l.knowledge.Review(ctx); err != nil && ctx.Err() == nil {
			l.logger.WarnContext(ctx, "knowledge could not be reviewed; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// scope names what this service traces.
const scope = "github.com/strata-crm/strata/strategic"

var unanswered = telemetry.Gauge{Name: "strata.directives.unanswered", About: "Directives that were sent down and have no final answer."}

// observe adds the gauge of how many directives have no final answer, the governance directive included. The outbox has gauges of
// its own.
func (g *graph) observe(d host.Deps) {
	d.Telemetry.Gauges.From(func(ctx context.Context, tell telemetry.Tell) error {
		n, err := g.unanswered(ctx)
		if err == nil {
			tell(unanswered, float64(n))
		}
		return err
	})
}

// unanswered counts what was sent and is neither carried out nor refused: an answer that says no more than `received`, or that
// one of the layers below still owes, is none yet. Ended directives owe nothing.
func (g *graph) unanswered(ctx context.Context) (int64, error) {
	rs, err := g.stores.List(ctx, "", 0)
	if err != nil {
		return 0, err
	}
	var n int64
	for i := range rs {
		for _, d := range rs[i].Directives {
			if d.State == directive.Issued {
				n++
			}
		}
	}
	rules, err := g.stores.Governance(ctx)
	if sent := rules.Sent(); err == nil && sent != nil && sent.State == governance.Issued {
		n++
	}
	return n, err
}
