package operational

import (
	"context"
	"time"

	"github.com/strata-crm/strata/operational/internal/arrival"
	"github.com/strata-crm/strata/operational/internal/collect"
	"github.com/strata-crm/strata/operational/internal/httpapi"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/imports"
	"github.com/strata-crm/strata/operational/internal/ingest"
	"github.com/strata-crm/strata/operational/internal/lake"
	"github.com/strata-crm/strata/operational/internal/mongostore"
	"github.com/strata-crm/strata/operational/internal/source"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/service"
)

// accountEvery is how often the account of ingest is drawn up unasked; it counts the lake, so not too often.
const accountEvery = 5 * time.Minute

// arrivalsEvery is how often it is stored how late facts came: a restart forgets what came since.
const arrivalsEvery = 10 * time.Second

// collecting is the half of the service that brings data in.
type collecting struct {
	keys       *identity.Keys
	unparsed   func(context.Context) (float64, error) // share of records that could not be read
	registry   *source.Registry
	keeper     *source.Keeper // of watermarks; OnChange tells when one has moved
	warehouse  *mongostore.Warehouse
	progress   *ingest.Progress
	arrivals   *arrival.Tally
	sink       *ingest.Sink
	api        *httpapi.Collecting
	components []service.Component
	ready      []service.Dependency
	watch      []service.Progress
}

// newCollecting wires the half. asking and validity come from the directives in force, gate from policy.
func newCollecting(ctx context.Context, c Config, d host.Deps, asking collect.Asking, validity ingest.Directives, gate httpapi.Gate) (*collecting, error) {
	key, err := c.key()
	if err != nil {
		return nil, err
	}
	keys, err := identity.NewKeys(key)
	if err != nil {
		return nil, err
	}
	if err := mongostore.Fix(ctx, d.DB, c.Tenant.ID, mongostore.Settings{
		Zone: c.Tenant.Zone, Currency: c.Tenant.Currency, WeekStart: c.Tenant.WeekStart, Key: keys.Fingerprint(),
	}); err != nil {
		return nil, err
	}
	p := &parts{c: c, d: d, keys: keys, fences: mongostore.NewFences(d.DB), lake: mongostore.NewLake(d.DB),
		sources: mongostore.NewSources(d.DB), imports: mongostore.NewImports(d.DB), warehouse: mongostore.NewWarehouse(d.DB, c.Tenant.Currency)}
	return p.collecting(asking, validity, gate)
}

// parts are the stores that the half is built on.
type parts struct {
	c         Config
	d         host.Deps
	keys      *identity.Keys
	fences    *mongostore.Fences
	lake      *mongostore.Lake
	sources   *mongostore.Sources
	imports   *mongostore.Imports
	warehouse *mongostore.Warehouse
}

func (p *parts) collecting(asking collect.Asking, validity ingest.Directives, gate httpapi.Gate) (*collecting, error) {
	h := &collecting{keys: p.keys, unparsed: p.unread, warehouse: p.warehouse, progress: ingest.NewProgress(p.fences, p.d.Bus, p.d.Now)}
	var err error
	if h.registry, err = source.NewRegistry(p.c.Tenant.ID, p.sources, p.d.Now, nil); err != nil {
		return nil, err
	}
	if h.keeper, err = source.NewKeeper(source.KeeperOptions{Tenant: p.c.Tenant.ID, Sources: p.sources, Watermarks: p.sources, Logs: h.progress,
		Now: p.d.Now, Logger: p.d.Telemetry.Logger}); err != nil {
		return nil, err
	}
	if err := p.ingest(h, validity); err != nil {
		return nil, err
	}
	return h, p.serve(h, asking, gate)
}

// unread is the share of the records so far that were set aside.
func (p *parts) unread(ctx context.Context) (float64, error) {
	fences, err := p.fences.All(ctx)
	var aside, all int64
	for _, f := range fences {
		aside, all = aside+f.Counts.Quarantined, all+f.Next
	}
	if all == 0 {
		return 0, err
	}
	return float64(aside) / float64(all), err
}

func (p *parts) ingest(h *collecting, validity ingest.Directives) error {
	zone, err := p.c.Tenant.Location()
	if err != nil {
		return err
	}
	h.arrivals, err = arrival.NewTally(p.c.Tenant.ID, mongostore.NewArrivals(p.d.DB), arrivalsEvery, p.d.Now, p.d.Telemetry.Logger)
	if err != nil {
		return err
	}
	h.sink, err = ingest.New(ingest.Options{
		Tenant: p.c.Tenant.ID, Zone: zone, Keys: p.keys, Tx: p.d.DB.Tx, Fences: p.fences, Lake: p.lake, Warehouse: p.warehouse, Quarantine: p.lake,
		Suppression: p.lake, Directives: validity, Imports: p.imports, Now: p.d.Now, Logger: p.d.Telemetry.Logger, Meter: p.d.Telemetry.Meter,
		Done: []func(){h.keeper.Wake}, Arrived: func(e *lake.Event) { h.arrivals.Add(e.Source, e.Time, e.ReceivedAt) },
	})
	if err != nil {
		return err
	}
	h.ready = append(h.ready, service.Dependency{Name: "events_log", Ask: func(context.Context) error { return h.sink.Ready() }})
	h.watch = append(h.watch, ingest.Watched{Log: h.progress, Sink: h.sink})
	h.progress.Observe(p.d.Telemetry.Gauges)
	h.components = append(h.components, h.keeper, h.arrivals, consumer{p.d.Bus, h.sink})
	return nil
}

func (p *parts) serve(h *collecting, asking collect.Asking, gate httpapi.Gate) error {
	dropped, err := collect.NewDropped(p.c.Tenant.ID, mongostore.NewDrops(p.d.DB), p.d.Now, p.d.Telemetry.Logger)
	if err != nil {
		return err
	}
	gateway, err := collect.New(collect.Options{Tenant: p.c.Tenant.ID, Currency: p.c.Tenant.Currency, Keys: p.keys, Asking: asking, Known: p.lake, Suppression: p.lake,
		Quarantine: p.lake, Publisher: p.d.Bus, Dropped: dropped, Now: p.d.Now, NewID: p.d.NewID, Logger: p.d.Telemetry.Logger})
	if err != nil {
		return err
	}
	runs, err := imports.New(imports.Options{Tenant: p.c.Tenant.ID, Store: p.imports, Sources: h.registry, Gateway: gateway, Logs: h.progress,
		Now: p.d.Now, NewID: p.d.NewID})
	if err != nil {
		return err
	}
	account, err := ingest.NewAccount(ingest.AccountOptions{Tx: p.d.DB.Tx, Fences: p.fences, Lake: p.lake, Every: accountEvery, Now: p.d.Now,
		Logger: p.d.Telemetry.Logger, Meter: p.d.Telemetry.Meter})
	if err != nil {
		return err
	}
	zone, err := p.c.Tenant.Location()
	if err != nil {
		return err
	}
	h.components = append(h.components, dropped, account)
	h.api = &httpapi.Collecting{Tenant: p.c.Tenant.ID, Zone: zone, Currency: p.c.Tenant.Currency, Registry: h.registry, Keeper: h.keeper,
		Gateway: gateway, Dropped: dropped, Imports: runs, Runs: p.imports, Account: account, Aside: p.lake, Gate: gate, Now: p.d.Now}
	return h.api.Check()
}

// consumer feeds the events topic to ingest.
type consumer struct {
	log  bus.LogConsumer
	sink *ingest.Sink
}

func (c consumer) Name() string { return "ingest" }

func (c consumer) Run(ctx context.Context) error {
	return c.log.ConsumeLog(ctx, contract.TopicEvents, mongostore.IngestGroup, c.sink)
}

// Position is how far an events partition has been ingested.
type Position struct {
	Partition int
	Next      int64
}

// Ingested returns how far ingest has come in the log as it is now, and the broker storage that it reads. Local mode
// checks it against the broker at the start, and lets the broker delete nothing behind it.
func Ingested(ctx context.Context, db *mongodb.DB) (clusterID string, next []Position, err error) {
	fences := mongostore.NewFences(db)
	log, ok, err := fences.Current(ctx)
	if err != nil || !ok {
		return "", nil, err
	}
	all, err := fences.All(ctx)
	for _, f := range all {
		if f.Epoch == log.Epoch {
			next = append(next, Position{f.Partition, f.Next})
		}
	}
	return log.ClusterID, next, err
}

// AcceptNewLog makes the broker's present storage the log that ingest reads, under a new epoch that begins at its start:
// `strata setup --accept-new-log`. Events that come again are recognised by their ids. It does nothing if the storage is
// the one that is being read and holds everything that was read of it.
func AcceptNewLog(ctx context.Context, db *mongodb.DB, log bus.LogReader) (changed bool, err error) {
	info, err := log.Log(ctx, contract.TopicEvents)
	if err != nil {
		return false, err
	}
	cluster, next, err := Ingested(ctx, db)
	if err != nil {
		return false, err
	}
	if cluster == "" || cluster == info.ClusterID && !shorter(info, next) {
		return false, nil
	}
	_, err = mongostore.NewFences(db).Begin(ctx, info.ClusterID)
	return err == nil, err
}

func shorter(info bus.LogInfo, next []Position) bool {
	ends := map[int]int64{}
	for _, p := range info.Partitions {
		ends[p.Partition] = p.End
	}
	for _, p := range next {
		if ends[p.Partition] < p.Next {
			return true
		}
	}
	return false
}
