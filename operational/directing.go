package operational

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"golang.org/x/text/currency"

	"github.com/strata-crm/strata/operational/internal/audience"
	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/consume"
	"github.com/strata-crm/strata/operational/internal/directive"
	"github.com/strata-crm/strata/operational/internal/egress"
	"github.com/strata-crm/strata/operational/internal/erasure"
	"github.com/strata-crm/strata/operational/internal/expiry"
	"github.com/strata-crm/strata/operational/internal/fitting"
	"github.com/strata-crm/strata/operational/internal/govern"
	"github.com/strata-crm/strata/operational/internal/httpapi"
	"github.com/strata-crm/strata/operational/internal/insight"
	"github.com/strata-crm/strata/operational/internal/job"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/model"
	"github.com/strata-crm/strata/operational/internal/mongostore"
	"github.com/strata-crm/strata/operational/internal/prediction"
	"github.com/strata-crm/strata/operational/internal/profile"
	"github.com/strata-crm/strata/operational/internal/source"
	"github.com/strata-crm/strata/operational/internal/validity"
	rules "github.com/strata-crm/strata/operational/policy"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/shared/listen"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/policy"
	"github.com/strata-crm/strata/shared/recovery"
	"github.com/strata-crm/strata/shared/service"
	"github.com/strata-crm/strata/shared/telemetry"
)

// How often running directives are looked at for what changes by itself (expiry), and at most after something changed.
const (
	lookEvery = time.Minute
	lookPause = 2 * time.Second
)

// directing is the half of the service that decides and computes.
type directing struct {
	c            Config
	d            host.Deps
	outbox       *mongodb.Outbox
	directives   *mongostore.Directives
	measurements *mongostore.Measurements
	insights     *mongostore.Insights
	fits         *mongostore.Fits
	expiry       *mongostore.Expiry
	force        *directive.Force
	policy       govern.Policy
	ruled        *govern.Watch // from complete on
	pulse        *pulse        // of ingest
	api          *httpapi.Directing
	people       *httpapi.People
	persons      *httpapi.Persons
	components   []service.Component
	watch        []service.Progress
}

// newDirecting builds what collecting rests on: the directives in force, and policy.
func newDirecting(ctx context.Context, c Config, d host.Deps) (*directing, error) {
	outbox, err := mongodb.NewOutbox(d.DB, d.Bus, mongodb.OutboxOptions{
		Now: d.Now, Logger: d.Telemetry.Logger, Tracer: d.Telemetry.Tracer, Meter: d.Telemetry.Meter, Gauges: d.Telemetry.Gauges,
	})
	if err != nil {
		return nil, err
	}
	engine, err := policy.New(ctx, policy.Options{
		Layer: string(contract.Operational), Files: rules.Files, Inputs: rules.Inputs(), Canaries: rules.Canaries(),
		Record: mongodb.NewDecisions(d.DB).Record, Now: d.Now, Logger: d.Telemetry.Logger, Meter: d.Telemetry.Meter,
	})
	if err != nil {
		return nil, err
	}
	h := &directing{
		c: c, d: d, outbox: outbox, pulse: &pulse{now: d.Now},
		directives:   mongostore.NewDirectives(c.Tenant.ID, d.DB, outbox, d.Now, d.NewID),
		measurements: mongostore.NewMeasurements(c.Tenant.ID, d.DB, outbox, d.NewID),
		insights:     mongostore.NewInsights(c.Tenant.ID, d.DB, outbox, d.NewID),
		fits:         mongostore.NewFits(c.Tenant.ID, d.DB),
	}
	h.policy = govern.Policy{Engine: engine, Fresh: func(ctx context.Context) error { return h.ruled.Load(ctx) }}
	h.force = directive.NewForce(h.directives, d.Telemetry.Logger)
	zone, err := c.Tenant.Location()
	if err != nil {
		return nil, err
	}
	known := mongostore.NewMetrics(c.Tenant.ID, d.DB)
	predictions, err := prediction.New(prediction.Options{
		Histories: known, Models: lines{h.fits}, Profiles: known, Collected: h.collected, Zone: zone, Currency: c.Tenant.Currency, Minor: minorUnits(c.Tenant.Currency),
	})
	if err != nil {
		return nil, err
	}
	h.people = &httpapi.People{Tenant: c.Tenant.ID, Gate: h.policy.Gate, Purposes: h.policy.Purposes, Predictions: predictions}
	explainer, err := newExplainer(c, d)
	if err != nil {
		return nil, err
	}
	h.api = &httpapi.Directing{
		Tenant: c.Tenant.ID, Gate: h.policy.Gate, Records: h.directives, Measurements: h.measurements, InForce: h.force, Explainer: explainer,
		Insights: h.insights, Models: h.fits,
	}
	return h, nil
}

// lines tells predictions of the fits.
type lines struct{ store *mongostore.Fits }

// Line implements prediction.Models.
func (l lines) Line(ctx context.Context, s model.Subject) (model.Line, error) {
	r, err := l.store.Line(ctx, s.ID())
	return r.Line, err
}

// collected returns the parameters that the directives in force have collected.
func (h *directing) collected() []contract.Parameter {
	var all []contract.Parameter
	for _, d := range h.force.Orders() {
		for _, c := range d.Collect {
			all = append(all, c.Parameter)
		}
	}
	return all
}

// minorUnits returns how many minor units a currency has in one; 100 where ISO 4217 does not know it.
func minorUnits(code string) float64 {
	unit, err := currency.ParseISO(code)
	if err != nil {
		return 100
	}
	decimals, _ := currency.Standard.Rounding(unit)
	return math.Pow10(decimals)
}

// newExplainer returns what tells how metrics are computed.
func newExplainer(c Config, d host.Deps) (*metric.Explainer, error) {
	zone, err := c.Tenant.Location()
	if err != nil {
		return nil, err
	}
	store := mongostore.NewMetrics(c.Tenant.ID, d.DB)
	e := &metric.Explainer{Zone: zone, Calendar: calendar(c), Warehouse: store, Planner: store, Gates: btyd.DefaultGates(), Now: d.Now}
	return e, e.Check()
}

func calendar(c Config) metric.Calendar {
	return metric.Calendar{WeekStart: c.Tenant.FirstDay()}
}

// complete adds what rests on collecting: answering directives, measuring, and the consumers.
func (h *directing) complete(col *collecting) error {
	warehouse, meter := mongostore.NewMetrics(h.c.Tenant.ID, h.d.DB), job.NewMeter()
	h.expiry = mongostore.NewExpiry(h.c.Tenant.ID, h.d.DB, col.keys, h.c.Tenant.Currency, h.d.Now)
	models, err := h.models(col, warehouse)
	if err != nil {
		return err
	}
	engine, err := h.engine(col, warehouse, meter, models)
	if err != nil {
		return err
	}
	models.OnFall(engine.Wake)
	claims, err := h.examiner(col, warehouse, models)
	if err != nil {
		return err
	}
	answering, err := directive.NewService(directive.Options{
		Store: h.directives, Policy: h.policy, Sources: offers{col.registry}, Coverage: warehouse, Meter: meter, Compiles: metric.Supported,
		Changed: h.force.Wake, Now: h.d.Now, Trace: telemetry.TraceID, Span: telemetry.Traceparent,
		Logger: h.d.Telemetry.Logger,
	})
	if err != nil {
		return err
	}
	observer := directive.NewObserver(answering, lookEvery, lookPause)
	for _, wake := range []func(){engine.Wake, claims.Wake} {
		h.force.Follow(wake)
		col.keeper.OnChange(wake)
	}
	col.registry.OnChange(observer.Wake)
	col.sink.OnDone(observer.Wake)
	col.sink.OnDone(h.pulse.beat)

	again, err := recovery.New(recovery.Options{
		Layer: contract.Operational, Tenant: h.c.Tenant.ID, Memory: mongodb.NewOnce(h.d.DB, "recovery"), Reader: h.d.Bus, Publisher: h.d.Bus,
		Own: consume.Own(), Apply: consume.Restore(h.directives, h.measurements, h.insights), Ask: []contract.Layer{contract.Functional},
		Now: h.d.Now, Logger: h.d.Telemetry.Logger,
	})
	if err != nil {
		return err
	}
	h.ruled = govern.NewWatch(h.directives, h.policy.Engine, observer.Wake)
	keeper, err := audience.NewKeeper(audience.Options{Rows: warehouse, Positions: moving{positions{h.c.Tenant.ID, col}, warehouse, h.expiry}, Now: h.d.Now, Logger: h.d.Telemetry.Logger})
	if err != nil {
		return err
	}
	h.people.Segments = keeper
	col.sink.OnDone(keeper.Wake)
	eraser, err := h.eraser(col, engine.Wake, claims.Wake, keeper.Wake, observer.Wake)
	if err != nil {
		return err
	}
	expirer, err := expiry.NewWorker(expiry.Options{Rules: h.directives, Store: h.expiry, Now: h.d.Now, Logger: h.d.Telemetry.Logger, Meter: h.d.Telemetry.Meter,
		Gauges: h.d.Telemetry.Gauges, Done: []func(){keeper.Wake, observer.Wake}})
	if err != nil {
		return err
	}
	h.components = []service.Component{again, h.ruled, h.outbox, h.force, observer, engine, claims, keeper, eraser, expirer}
	for _, c := range consume.All(consume.Deps{
		Ears:       listen.Ears{Group: consume.Group, Bus: h.d.Bus, Aside: mongodb.NewAside(h.d.DB, h.d.Now), Asker: again, Logger: h.d.Telemetry.Logger, Meter: h.d.Telemetry.Meter},
		Directives: govern.Directives{Service: answering, Watch: h.ruled}, Republish: h.republish,
	}) {
		h.components, h.watch = append(h.components, c), append(h.watch, c)
	}
	observe(h)
	return nil
}

// eraser makes what erases people. What rests on them follows at once.
func (h *directing) eraser(col *collecting, follow ...func()) (*erasure.Worker, error) {
	store := mongostore.NewErasures(h.d.DB, col.keys, h.d.Now)
	worker, err := erasure.NewWorker(erasure.Options{Tenant: h.c.Tenant.ID, Store: store, Waiting: store, Now: h.d.Now,
		Logger: h.d.Telemetry.Logger, Gauges: h.d.Telemetry.Gauges, Done: follow})
	if err != nil {
		return nil, err
	}
	h.persons = &httpapi.Persons{Tenant: h.c.Tenant.ID, Gate: h.policy.Gate, Keys: col.keys, Erasures: store, Disclosure: store, Now: h.d.Now,
		NewID: h.d.NewID, Wake: worker.Wake}
	return worker, nil
}

func (h *directing) egress() (*egress.Egress, error) {
	return egress.New(egress.Options{Policy: h.policy, Store: h.measurements, Insights: h.insights, InForce: h.inForce, Now: h.d.Now})
}

// examiner makes what examines claims. It reads customers in an order that is drawn with the tenant's key.
func (h *directing) examiner(col *collecting, warehouse *mongostore.Metrics, models *fitting.Keeper) (*insight.Engine, error) {
	zone, err := h.c.Tenant.Location()
	if err != nil {
		return nil, err
	}
	order, err := validity.NewKey(col.keys.Sample(), profile.Epoch)
	if err != nil {
		return nil, err
	}
	out, err := h.egress()
	if err != nil {
		return nil, err
	}
	return insight.New(insight.Options{
		Zone: zone, Calendar: metric.Calendar{WeekStart: h.c.Tenant.FirstDay()}, Orders: h.force,
		Complete: completeness{col.registry, col.keeper}, Positions: positions{h.c.Tenant.ID, col},
		Customers: mongostore.NewCustomers(h.c.Tenant.ID, h.d.DB, order), Records: h.insights, Sink: out, Models: models, Ended: h.ended,
		Unparsed: unread{h.c.Tenant.ID, col.registry, mongostore.NewLake(h.d.DB), warehouse, zone, col.unparsed}.of,
		Measured: h.measured(zone), Expired: h.expiry.Days, Arrived: lateness{completeness{col.registry, col.keeper}, h.c.Tenant.ID, mongostore.NewArrivals(h.d.DB), zone, h.d.Now}.of,
		Gates: btyd.DefaultGates(), MostRead: int64(h.c.MostRead), Cadence: h.c.Cadence, Now: h.d.Now, Logger: h.d.Telemetry.Logger,
	})
}

// models makes what keeps the fits that metrics and claims rest on.
func (h *directing) models(col *collecting, warehouse *mongostore.Metrics) (*fitting.Keeper, error) {
	zone, err := h.c.Tenant.Location()
	if err != nil {
		return nil, err
	}
	return fitting.New(fitting.Options{
		Zone: zone, Calendar: calendar(h.c), Orders: h.force, Complete: completeness{col.registry, col.keeper}, Positions: positions{h.c.Tenant.ID, col},
		Histories: warehouse, Store: h.fits, Gates: btyd.DefaultGates(), Now: h.d.Now, Logger: h.d.Telemetry.Logger,
	})
}

func (h *directing) engine(col *collecting, warehouse *mongostore.Metrics, meter *job.Meter, models *fitting.Keeper) (*metric.Engine, error) {
	zone, err := h.c.Tenant.Location()
	if err != nil {
		return nil, err
	}
	out, err := h.egress()
	if err != nil {
		return nil, err
	}
	return metric.NewEngine(metric.Options{
		Tenant: h.c.Tenant.ID, Zone: zone, Calendar: calendar(h.c), Orders: h.force,
		Complete: completeness{col.registry, col.keeper}, Positions: positions{h.c.Tenant.ID, col}, Warehouse: warehouse, Sink: out, Models: models,
		Gates: btyd.DefaultGates(), Cadence: h.c.Cadence, Ingested: h.pulse.last, Now: h.d.Now, Logger: h.d.Telemetry.Logger,
		Tracer: h.d.Telemetry.Tracer, Spent: meter.Add, Expired: h.expiry.Days,
	})
}

func (h *directing) inForce(id contract.DirectiveID) (contract.OperationalDirective, bool) {
	orders := h.force.Orders()
	i := slices.IndexFunc(orders, func(o contract.OperationalDirective) bool { return o.ID == id })
	if i < 0 {
		return contract.OperationalDirective{}, false
	}
	return orders[i], true
}

// measured reads what claims are compared with where a goal's target is relative to a baseline that is measured.
func (h *directing) measured(zone *time.Location) insight.Measured {
	return func(ctx context.Context, d *contract.OperationalDirective, o *contract.InsightOrder, from contract.Day) (*float64, error) {
		return h.measurements.Value(ctx, contract.MeasurementIdentity(h.c.Tenant.ID, d.ID, o.Metric.ID, o.Metric.Major(), o.Scope, o.Grain, from.Start(zone)))
	}
}

// ended reports whether a directive is known and not carried out any more.
func (h *directing) ended(ctx context.Context, id contract.DirectiveID) (bool, error) {
	r, err := h.directives.Get(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil && r.Order != nil && !r.Running(), err
}

// republish publishes again whatever is current for the layer above.
func (h *directing) republish(ctx context.Context, to contract.Layer) error {
	_, err := h.outbox.Republish(ctx, func(topic, _, _ string) bool {
		return to == contract.Functional && (topic == contract.TopicOperationalAcks || topic == contract.TopicMeasurements || topic == contract.TopicInsights)
	})
	h.outbox.Wake()
	return err
}

// offers tells by which sources parameters are offered.
type offers struct{ registry *source.Registry }

// Offers implements directive.Sources.
func (o offers) Offers(ctx context.Context) (map[contract.ParameterName][]contract.SourceID, error) {
	sources, err := o.registry.List(ctx)
	if err != nil {
		return nil, err
	}
	by := map[contract.ParameterName][]contract.SourceID{}
	for i := range sources {
		for _, p := range sources[i].Offers {
			by[p] = append(by[p], sources[i].ID)
		}
	}
	return by, nil
}

// completeness tells how far data are complete, by the watermarks of the sources that offer them.
type completeness struct {
	registry *source.Registry
	keeper   *source.Keeper
}

// Complete implements metric.Completeness. Who a customer is comes with every fact, from whoever sends it: a source that
// tells only that has no facts whose completeness could be waited for.
func (c completeness) Complete(ctx context.Context, ps []contract.ParameterName) (until time.Time, offered bool, err error) {
	by, err := offers{c.registry}.Offers(ctx)
	if err != nil {
		return until, false, err
	}
	marks, err := c.keeper.Of(ctx)
	if err != nil {
		return until, false, err
	}
	declared := true
	for _, p := range ps {
		if len(by[p]) == 0 {
			return time.Time{}, false, nil
		}
		if p == contract.ParamCustomerID && len(ps) > 1 {
			continue
		}
		for _, s := range by[p] {
			m := marks[s].Until
			declared = declared && !m.IsZero()
			if until.IsZero() || m.Before(until) {
				until = m
			}
		}
	}
	if !declared {
		until = time.Time{}
	}
	return until, true, nil
}

// positions tells how far ingest has come and which days changed when.
type positions struct {
	tenant contract.TenantID
	col    *collecting
}

// Position implements metric.Positions.
func (p positions) Position(ctx context.Context) (map[int]int64, error) {
	return p.col.progress.Ingested(ctx)
}

// moving tells beside how far ingest has come how often customers were linked, parted or erased, and how often anything of
// them expired.
type moving struct {
	positions
	warehouse *mongostore.Metrics
	expiry    *mongostore.Expiry
}

// Position implements audience.Positions.
func (p moving) Position(ctx context.Context) (map[int]int64, error) {
	moves, err := p.warehouse.Moves(ctx)
	if err != nil {
		return nil, err
	}
	steps, err := p.expiry.Steps(ctx)
	if err != nil {
		return nil, err
	}
	at, err := p.positions.Position(ctx)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(at)
	all[metric.LinksPartition], all[audience.ExpiredPartition] = moves, steps
	return all, nil
}

// Touched implements metric.Positions.
func (p positions) Touched(ctx context.Context) (map[contract.Day]map[int]int64, error) {
	return p.col.warehouse.Touched(ctx, p.tenant, "0000-01-01", "9999-12-31")
}
