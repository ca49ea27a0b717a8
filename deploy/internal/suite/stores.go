package suite

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/strata-crm/strata/functional"
	"github.com/strata-crm/strata/operational"
	"github.com/strata-crm/strata/shared/bus/kafkabus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/local/broker"
	"github.com/strata-crm/strata/shared/local/docstore"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/telemetry"
	"github.com/strata-crm/strata/strategic"
)

// releaseEvery is how often the broker is told what ingest has passed and may therefore be deleted once it is old.
const releaseEvery = 30 * time.Second

// stores are the broker and the document store, with the credential that they ask of whoever comes through a port.
type stores struct {
	broker *broker.Broker
	docs   *docstore.Store
	user   string
	secret string
	log    *slog.Logger
}

func openStores(ctx context.Context, o Options, closers *[]func(context.Context) error) (*stores, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fault.Wrap(fault.Invalid, fault.BadRequest, err, "the data folder cannot be made: name another with --data")
	}
	tel, err := telemetry.New(ctx, telemetry.Options{Service: "local", LogLevel: o.LogLevel, Stderr: o.Log})
	if err != nil {
		return nil, err
	}
	*closers = append(*closers, tel.Shutdown)
	s := &stores{log: tel.Logger, user: "strata", secret: rand.Text()}
	b := broker.Options{Dir: filepath.Join(o.Dir, "broker"), Logger: tel.Logger, Now: o.Now, Aged: aged()}
	d := docstore.Options{Dir: filepath.Join(o.Dir, "store"), Logger: tel.Logger, Now: o.Now}
	if o.Expose {
		b.Listen, b.Credential = "127.0.0.1:0", &broker.Credential{Username: s.user, Password: s.secret}
		d.Credential = &docstore.Credential{Username: s.user, Password: s.secret}
	}
	if s.broker, err = broker.Open(b); err != nil {
		return nil, err
	}
	*closers = append(*closers, func(context.Context) error { return s.broker.Close() })
	if s.docs, err = docstore.Open(d); err != nil {
		return nil, fmt.Errorf("opening the local document store: %w", err)
	}
	*closers = append(*closers, func(context.Context) error { return s.docs.Close() })
	return s, nil
}

// aged are the topics that carry state, which is published again daily; events are kept until ingest has passed them.
func aged() []string {
	var names []string
	for _, t := range contract.Topics() {
		if t.Name != contract.TopicEvents {
			names = append(names, t.Name)
		}
	}
	return names
}

func (s *stores) bus(client string, t *telemetry.Telemetry) (*kafkabus.Bus, error) {
	o := kafkabus.Options{Brokers: s.broker.Brokers(), ClientID: client, Dial: s.broker.Dial, Logger: t.Logger, Tracer: t.Tracer, Meter: t.Meter}
	if s.broker.Credential() != nil {
		o.SASL = &kafkabus.SASL{Username: s.user, Password: s.secret}
	}
	return kafkabus.New(o)
}

func (s *stores) database(ctx context.Context, l contract.Layer, t *telemetry.Telemetry, now func() time.Time) (*mongodb.DB, error) {
	return mongodb.Connect(ctx, mongodb.Config{URI: s.docs.URI(), Database: "strata_" + string(l), Timeout: 20 * time.Second},
		mongodb.Deps{Dialer: s.docs.Dialer(), Logger: t.Logger, Tracer: t.Tracer, Meter: t.Meter, Now: now})
}

// session is a bus and the three databases, opened to set up or to look, not to serve.
type session struct {
	bus       *kafkabus.Bus
	databases map[contract.Layer]*mongodb.DB
	tel       *telemetry.Telemetry
}

func (s *Suite) session(ctx context.Context) (*session, func(), error) {
	tel, err := telemetry.New(ctx, telemetry.Options{Service: "setup", LogLevel: s.o.LogLevel, Stderr: s.o.Log})
	if err != nil {
		return nil, nil, err
	}
	w := &session{databases: map[contract.Layer]*mongodb.DB{}, tel: tel}
	end := func() {
		ctx := context.WithoutCancel(ctx)
		if w.bus != nil {
			_ = w.bus.Close(ctx) // nothing is under way
		}
		for _, db := range w.databases {
			_ = db.Close(ctx)
		}
		_ = tel.Shutdown(ctx)
	}
	if w.bus, err = s.stores.bus("strata-setup", tel); err != nil {
		end()
		return nil, nil, err
	}
	for _, l := range Layers() {
		if w.databases[l], err = s.stores.database(ctx, l, tel, s.o.Now); err != nil {
			delete(w.databases, l)
			end()
			return nil, nil, err
		}
	}
	return w, end, nil
}

// setUp creates topics, indexes and migrations of all layers, also of those that do not run yet, and refuses a log that
// is not the one that ingest has read from.
func (s *Suite) setUp(ctx context.Context) error {
	w, end, err := s.session(ctx)
	if err != nil {
		return err
	}
	defer end()
	if err := w.setUp(ctx); err != nil {
		return err
	}
	cluster, _, err := operational.Ingested(ctx, w.databases[contract.Operational])
	if err == nil && cluster != "" && cluster != s.stores.broker.ClusterID() && slices.Contains(s.o.Layers, contract.Operational) {
		err = fault.New(fault.Conflict, fault.LogChanged, "the folder's event log is another than the one that was read so far: "+
			"restore %s/broker, or run `strata setup --data %s --accept-new-log` to read this one from its start (what comes again is recognised)", s.o.Dir, s.o.Dir)
	}
	return err
}

func (w *session) setUp(ctx context.Context) error {
	if err := w.bus.EnsureTopics(ctx, contract.Specs()...); err != nil {
		return fmt.Errorf("topics: %w", err)
	}
	for l, of := range map[contract.Layer]struct {
		indexes    []mongodb.Index
		migrations []mongodb.Migration
	}{
		contract.Strategic:   {strategic.Indexes(), strategic.Migrations()},
		contract.Functional:  {functional.Indexes(), functional.Migrations()},
		contract.Operational: {operational.Indexes(), operational.Migrations()},
	} {
		if err := mongodb.Setup(ctx, w.databases[l], of.indexes, of.migrations); err != nil {
			return fmt.Errorf("database of the %s layer: %w", l, err)
		}
	}
	return nil
}

// SetUp sets the folder up without running anything. With acceptNewLog, ingest will read the folder's log from its
// start if it is another than before; accepted tells whether it was.
func SetUp(ctx context.Context, o Options, acceptNewLog bool) (accepted bool, err error) {
	o.Layers = nil
	s, err := Open(ctx, o)
	if err != nil {
		return false, err
	}
	defer func() { _ = s.Close(context.WithoutCancel(ctx)) }()
	if !acceptNewLog {
		return false, nil
	}
	w, end, err := s.session(ctx)
	if err != nil {
		return false, err
	}
	defer end()
	return operational.AcceptNewLog(ctx, w.databases[contract.Operational], w.bus)
}

// release tells the broker now and then how far ingest has come. It returns nil when ctx ends; failures are tried again,
// as all they do is keep messages longer.
func (s *Suite) release(ctx context.Context) error {
	w, end, err := s.session(ctx)
	if err != nil {
		return err
	}
	defer end()
	ticker := time.NewTicker(releaseEvery)
	defer ticker.Stop()
	for {
		cluster, next, err := operational.Ingested(ctx, w.databases[contract.Operational])
		if err != nil && ctx.Err() == nil {
			s.stores.log.WarnContext(ctx, "how far ingest has come is not known: old events are kept", "error", err)
		}
		for _, p := range next {
			if cluster == s.stores.broker.ClusterID() {
				s.stores.broker.RetainUntil(contract.TopicEvents, p.Partition, p.Next)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
