// Package functional is the functional service: metrics, parameters, collection methods, and plans that answer the
// directives of the strategic layer. This file is all the wiring there is; [New] is the only way to build the service,
// for its own main, for the one-process suite and for tests.
package functional

import (
	"context"
	"fmt"
	"io/fs"
	"os"

	"github.com/strata-crm/strata/functional/internal/consume"
	"github.com/strata-crm/strata/functional/internal/definition"
	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/govern"
	"github.com/strata-crm/strata/functional/internal/httpapi"
	"github.com/strata-crm/strata/functional/internal/informer"
	"github.com/strata-crm/strata/functional/internal/mongostore"
	"github.com/strata-crm/strata/functional/internal/playbook"
	rules "github.com/strata-crm/strata/functional/policy"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/listen"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/policy"
	"github.com/strata-crm/strata/shared/recovery"
	"github.com/strata-crm/strata/shared/service"
	"github.com/strata-crm/strata/shared/telemetry"
)

// Config is the functional layer's configuration: STRATA_FUNCTIONAL_….
type Config struct {
	host.Config
	// Approval is who approves plans: manager, or policy where one person fills several layers.
	Approval string `config:"plan.approval" default:"manager"`
	// Library is a folder of the user's own playbooks/*.yaml, metrics.yaml and parameters.yaml; empty for none.
	Library string `config:"library.folder"`
}

// Validate checks what the tags cannot.
func (c Config) Validate() error {
	if c.Approval != "manager" && c.Approval != "policy" {
		return fault.New(fault.Invalid, fault.BadRequest, "plan.approval must be manager or policy, not %q", c.Approval)
	}
	return nil
}

// Indexes returns the indexes that setting up creates.
func Indexes() []mongodb.Index { return mongostore.Indexes() }

// Migrations returns the numbered changes of the database.
func Migrations() []mongodb.Migration { return mongostore.Migrations() }

// New builds the service. It fails on a missing dependency, an invalid library, and rules that do not decide the
// canaries as they must.
func New(ctx context.Context, c Config, d host.Deps) (*service.Service, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	g, err := build(ctx, c, d)
	if err != nil {
		return nil, fmt.Errorf("functional service: %w", err)
	}
	return g.service(c, d)
}

// graph is the parts of the service that others are built from.
type graph struct {
	library     *playbook.Library
	outbox      *mongodb.Outbox
	stores      *mongostore.Stores
	engine      *policy.Engine
	watch       *govern.Watch
	definitions *definition.Service
	directives  *directive.Service
	informer    *informer.Informer
	recovery    *recovery.Recovery
}

func build(ctx context.Context, c Config, d host.Deps) (*graph, error) {
	g := &graph{}
	var err error
	if g.library, err = playbook.Load(folder(c.Library)); err != nil {
		return nil, err
	}
	if g.outbox, err = mongodb.NewOutbox(d.DB, d.Bus, mongodb.OutboxOptions{
		Now: d.Now, Logger: d.Telemetry.Logger, Tracer: d.Telemetry.Tracer, Meter: d.Telemetry.Meter, Gauges: d.Telemetry.Gauges,
	}); err != nil {
		return nil, err
	}
	if g.stores, err = mongostore.New(mongostore.Options{
		Tenant: c.Tenant.ID, DB: d.DB, Outbox: g.outbox, Now: d.Now, NewID: d.NewID,
	}); err != nil {
		return nil, err
	}
	if g.engine, err = policy.New(ctx, policy.Options{
		Layer: string(contract.Functional), Files: rules.Files, Inputs: rules.Inputs(), Canaries: rules.Canaries(),
		Record: mongodb.NewDecisions(d.DB).Record, Now: d.Now, Logger: d.Telemetry.Logger, Meter: d.Telemetry.Meter,
	}); err != nil {
		return nil, err
	}
	if g.definitions, err = definition.NewService(definition.Options{
		Store: g.stores, Library: govern.NewLibrary(g.library), Now: d.Now, Trace: telemetry.TraceID,
	}); err != nil {
		return nil, err
	}
	g.watch = govern.NewWatch(g.stores, g.engine, g.definitions)
	if g.directives, err = directive.NewService(directive.Options{
		Tenant: c.Tenant.ID, Store: g.stores, Library: g.library, Policy: govern.Plans{Engine: g.engine, Watch: g.watch},
		AutoApprove: c.Approval == "policy", Now: d.Now, NewID: d.NewID, Logger: d.Telemetry.Logger, Trace: telemetry.TraceID,
	}); err != nil {
		return nil, err
	}
	if g.informer, err = informer.New(g.stores); err != nil {
		return nil, err
	}
	g.recovery, err = recovery.New(recovery.Options{
		Layer: contract.Functional, Tenant: c.Tenant.ID, Memory: mongodb.NewOnce(d.DB, "recovery"), Reader: d.Bus, Publisher: d.Bus,
		Own: consume.Own(), Apply: consume.Restore(g.stores, g.definitions, g.stores), Ask: []contract.Layer{contract.Strategic, contract.Operational},
		Now: d.Now, Logger: d.Telemetry.Logger,
	})
	return g, err
}

func (g *graph) service(c Config, d host.Deps) (*service.Service, error) {
	e, err := httpx.New(httpx.Options{
		Name: string(contract.Functional), Telemetry: d.Telemetry, Verifier: d.Verifier, Logger: d.Telemetry.Logger, Now: d.Now,
		Idempotency: mongodb.NewIdempotency(d.DB), SignIn: d.SignIn,
	})
	if err != nil {
		return nil, err
	}
	if err := httpapi.Mount(e, httpapi.Deps{
		Plans: g.directives, Reader: g.stores, Tiles: g.stores, Library: g.library, Definitions: g.definitions, Gate: govern.Gate(g.engine, g.watch), Now: d.Now,
	}); err != nil {
		return nil, err
	}
	components, watch := []service.Component{g.recovery, g.watch, g.outbox, g.informer}, []service.Progress{}
	for _, consumer := range consume.All(consume.Deps{
		Ears:       listen.Ears{Group: consume.Group, Bus: d.Bus, Aside: mongodb.NewAside(d.DB, d.Now), Asker: g.recovery, Logger: d.Telemetry.Logger, Meter: d.Telemetry.Meter},
		Directives: g.watch.Governed(g.directives), Measuring: g.stores, Informer: g.informer, Claiming: g.stores, Republish: g.republish,
	}) {
		components, watch = append(components, consumer), append(watch, consumer)
	}
	observe(d, g)
	return service.New(service.Options{
		Name: string(contract.Functional), Logger: d.Telemetry.Logger, Now: d.Now, Handler: e, Components: components, Watch: watch, Gauges: d.Telemetry.Gauges,
		Ready: []service.Dependency{{Name: "mongodb", Ask: d.DB.Ping}},
	})
}

// receivers maps a layer to the topics on which it hears this one.
var receivers = map[contract.Layer][]string{
	contract.Strategic:   {contract.TopicFunctionalAcks, contract.TopicInformation},
	contract.Operational: {contract.TopicFunctionalDirectives},
}

// republish publishes again whatever is current for a layer.
func (g *graph) republish(ctx context.Context, to contract.Layer) error {
	_, err := g.outbox.Republish(ctx, func(topic, _, _ string) bool {
		for _, t := range receivers[to] {
			if t == topic {
				return true
			}
		}
		return false
	})
	g.outbox.Wake()
	return err
}

func folder(path string) fs.FS {
	if path == "" {
		return nil
	}
	return os.DirFS(path)
}
