// Package strategic is the strategic service: variables, goals, the directives that carry them down, the governance
// directive, and the scorecard. This file is all the wiring there is; [New] is the only way to build the service, for its
// own main, for the one-process suite and for tests.
package strategic

import (
	"context"
	"fmt"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/shared/listen"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/policy"
	"github.com/strata-crm/strata/shared/recovery"
	"github.com/strata-crm/strata/shared/service"
	"github.com/strata-crm/strata/shared/telemetry"
	"github.com/strata-crm/strata/strategic/internal/consume"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/gate"
	"github.com/strata-crm/strata/strategic/internal/governance"
	"github.com/strata-crm/strata/strategic/internal/knowledge"
	"github.com/strata-crm/strata/strategic/internal/live"
	"github.com/strata-crm/strata/strategic/internal/mongostore"
	"github.com/strata-crm/strata/strategic/internal/variable"
	rules "github.com/strata-crm/strata/strategic/policy"
)

// Config is the strategic layer's configuration: STRATA_STRATEGIC_….
type Config struct {
	host.Config
	// Lapse is how often directives and knowledge whose time is over by the wall clock are looked for.
	Lapse time.Duration `config:"directive.lapseevery" default:"1m"`
}

// Validate checks what the tags cannot.
func (c Config) Validate() error {
	if c.Lapse <= 0 {
		return fault.New(fault.Invalid, fault.BadRequest, "directive.lapseevery must be a positive duration, such as 1m")
	}
	return nil
}

// Indexes returns the indexes that setting up creates.
func Indexes() []mongodb.Index { return mongostore.Indexes() }

// Migrations returns the numbered changes of the database; there are none yet.
func Migrations() []mongodb.Migration { return mongostore.Migrations() }

// New builds the service. It fails on a missing dependency, and on rules that do not decide the canaries as they must.
func New(ctx context.Context, c Config, d host.Deps) (*service.Service, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	g, err := build(ctx, c, d)
	if err != nil {
		return nil, fmt.Errorf("strategic service: %w", err)
	}
	return g.service(c, d)
}

// graph is the parts of the service that others are built from.
type graph struct {
	zone       *time.Location
	outbox     *mongodb.Outbox
	stores     *mongostore.Stores
	hub        *live.Hub
	decisions  *mongodb.Decisions
	gate       *gate.Gate
	variables  *variable.Catalogue
	governance *governance.Service
	directives *directive.Service
	knowledge  *knowledge.Service
	recovery   *recovery.Recovery
}

func build(ctx context.Context, c Config, d host.Deps) (*graph, error) {
	g := &graph{decisions: mongodb.NewDecisions(d.DB)}
	for _, step := range []func() error{
		func() (err error) { g.zone, err = c.Tenant.Location(); return err },
		func() error { return g.store(c, d) },
		func() error { return g.decide(ctx, d) },
		func() error { return g.domain(c, d) },
		func() (err error) {
			g.recovery, err = recovery.New(recovery.Options{
				Layer: contract.Strategic, Tenant: c.Tenant.ID, Memory: mongodb.NewOnce(d.DB, "recovery"), Reader: d.Bus, Publisher: d.Bus,
				Own: consume.Own(), Apply: consume.Restore(g.directives, g.governance, d.Telemetry.Logger), Ask: []contract.Layer{contract.Functional},
				Now: d.Now, Logger: d.Telemetry.Logger,
			})
			return err
		},
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// store makes what keeps and publishes. The stores wake the hub, which reads from the stores.
func (g *graph) store(c Config, d host.Deps) error {
	var err error
	if g.outbox, err = mongodb.NewOutbox(d.DB, d.Bus, mongodb.OutboxOptions{
		Now: d.Now, Logger: d.Telemetry.Logger, Tracer: d.Telemetry.Tracer, Meter: d.Telemetry.Meter, Gauges: d.Telemetry.Gauges,
	}); err != nil {
		return err
	}
	if g.stores, err = mongostore.New(mongostore.Options{
		Tenant: c.Tenant.ID, DB: d.DB, Outbox: g.outbox, Now: d.Now, NewID: d.NewID, Changed: func() { g.hub.Wake() },
	}); err != nil {
		return err
	}
	g.hub, err = live.New(g.stores, d.Now, d.Telemetry.Logger)
	return err
}

func (g *graph) decide(ctx context.Context, d host.Deps) error {
	engine, err := policy.New(ctx, policy.Options{
		Layer: string(contract.Strategic), Files: rules.Files, Inputs: rules.Inputs(), Canaries: rules.Canaries(),
		Record: g.decisions.Record, Now: d.Now, Logger: d.Telemetry.Logger, Meter: d.Telemetry.Meter,
	})
	if err != nil {
		return err
	}
	g.gate, err = gate.New(engine, g.stores)
	return err
}

func (g *graph) domain(c Config, d host.Deps) error {
	var err error
	g.variables = variable.NewCatalogue(g.stores)
	if g.governance, err = governance.NewService(governance.Options{Store: g.stores, Policy: g.gate, Now: d.Now, Trace: telemetry.TraceID}); err != nil {
		return err
	}
	g.directives, err = directive.NewService(directive.Options{
		Tenant: directive.Tenant{ID: c.Tenant.ID, Zone: g.zone, Currency: c.Tenant.Currency, WeekStart: c.Tenant.FirstDay()}, Store: g.stores, Policy: g.gate,
		Defaults: g.defaults, Variables: g.variables, Now: d.Now, NewID: d.NewID, Trace: telemetry.TraceID,
		Tracer: d.Telemetry.Tracer.Tracer(scope),
	})
	if err != nil {
		return err
	}
	g.knowledge, err = knowledge.NewService(knowledge.Options{Store: g.stores, Policy: g.gate, Zone: g.zone, Now: d.Now, Trace: telemetry.TraceID})
	return err
}

// defaults are the constraints of a directive that says nothing else: those of the governance directive in force, for the
// purpose of the goal's variable.
func (g *graph) defaults(ctx context.Context, goal *contract.Goal) (contract.Constraints, error) {
	r, err := g.governance.Rules(ctx)
	if err != nil {
		return contract.Constraints{}, err
	}
	v, err := g.variables.Get(ctx, goal.Variable)
	if err != nil {
		return contract.Constraints{}, err
	}
	return r.Constraints(v.Purpose), nil
}

func (g *graph) service(c Config, d host.Deps) (*service.Service, error) {
	handler, err := g.handler(d)
	if err != nil {
		return nil, err
	}
	consumers, err := consume.All(consume.Deps{
		Ears:       listen.Ears{Group: consume.Group, Bus: d.Bus, Aside: mongodb.NewAside(d.DB, d.Now), Asker: g.recovery, Logger: d.Telemetry.Logger, Meter: d.Telemetry.Meter},
		Directives: g.directives, Knowledge: g.knowledge, Governance: g.governance, Republish: g.stores.Republish,
	})
	if err != nil {
		return nil, err
	}
	components := []service.Component{g.recovery, newBeginning(g.governance), g.outbox, g.hub, g.lapse(c, d)}
	var watch []service.Progress
	for _, consumer := range consumers {
		components, watch = append(components, consumer), append(watch, consumer)
	}
	g.observe(d)
	return service.New(service.Options{
		Name: string(contract.Strategic), Logger: d.Telemetry.Logger, Now: d.Now, Handler: handler, Components: components, Watch: watch, Gauges: d.Telemetry.Gauges,
		Ready: []service.Dependency{{Name: "mongodb", Ask: d.DB.Ping}},
	})
}
