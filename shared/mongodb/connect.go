package mongodb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/strata-crm/strata/shared/fault"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

const defaultTimeout = 5 * time.Second

// Config says which database to use.
type Config struct {
	URI      string        // mongodb://… or mongodb+srv://…; may hold credentials and is never logged
	Database string        // for example strata_strategic: one database per layer
	Timeout  time.Duration // the limit of one operation whose context has no deadline; 0 means 5 s
}

// Deps are what a DB needs from the process.
type Deps struct {
	Dialer options.ContextDialer // nil means TCP
	Logger *slog.Logger          // required
	Now    func() time.Time      // required: the wall clock
	Tracer trace.TracerProvider  // nil means no spans
	Meter  metric.MeterProvider  // nil means no metrics
}

// DB is one database of one service. It is safe for concurrent use.
type DB struct {
	client   *mongo.Client
	database *mongo.Database
	timeout  time.Duration
	log      *slog.Logger
	now      func() time.Time
	events   instruments
}

// Connect opens the database: majority and journaled writes, majority reads from the primary, retryable reads and
// writes, and a limit on every operation. It refuses a server that is neither a replica set nor a mongos, because
// transactions do not exist there, and says how to mend it. Errors are Invalid (configuration, standalone), Transient
// (not reachable) or Internal.
func Connect(ctx context.Context, c Config, d Deps) (*DB, error) {
	if err := check(c, d); err != nil {
		return nil, err
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	events, err := newInstruments(d.Tracer, d.Meter)
	if err != nil {
		return nil, err
	}
	client, err := mongo.Connect(clientOptions(c, d, events))
	if err != nil {
		return nil, fault.New(fault.Invalid, fault.BadRequest,
			"mongodb: the connection string is not usable: check the URI (mongodb://HOST:PORT/?replicaSet=NAME)")
	}
	db := &DB{client: client, database: client.Database(c.Database), timeout: c.Timeout, log: d.Logger, now: d.Now, events: events}
	if err := db.refuseStandalone(ctx); err != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Timeout)
		defer cancel()
		return nil, errors.Join(err, client.Disconnect(closing))
	}
	return db, nil
}

func check(c Config, d Deps) error {
	switch {
	case c.URI == "":
		return errors.New("mongodb: Config.URI is missing")
	case c.Database == "":
		return errors.New("mongodb: Config.Database is missing")
	case d.Logger == nil:
		return errors.New("mongodb: Deps.Logger is missing")
	case d.Now == nil:
		return errors.New("mongodb: Deps.Now is missing")
	}
	return nil
}

func clientOptions(c Config, d Deps, events instruments) *options.ClientOptions {
	journaled := true
	majority := writeconcern.Majority()
	majority.Journal = &journaled
	o := options.Client().ApplyURI(c.URI).
		SetTimeout(c.Timeout).
		SetServerSelectionTimeout(c.Timeout).
		SetRetryReads(true).
		SetRetryWrites(true).
		SetWriteConcern(majority).
		SetReadConcern(readconcern.Majority()).
		SetReadPreference(readpref.Primary()).
		SetRegistry(registry).
		SetBSONOptions(&options.BSONOptions{UseJSONStructTags: true}).
		SetMonitor(noted(events.monitor(), d.Logger))
	if d.Dialer != nil {
		o.SetDialer(d.Dialer)
	}
	return o
}

// hello is the part of the server's answer that tells a replica set or mongos from a standalone.
type hello struct {
	SetName string `bson:"setName"`
	Message string `bson:"msg"`
}

func (db *DB) refuseStandalone(ctx context.Context) error {
	var h hello
	err := db.client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&h)
	if err != nil {
		return fmt.Errorf("mongodb: ask the server what it is: %w", Fault(err))
	}
	if h.SetName == "" && h.Message != "isdbgrid" {
		return fault.New(fault.Invalid, fault.SetupRequired,
			"mongodb: the server is a standalone and has no transactions: start mongod with --replSet rs0 and run rs.initiate() once")
	}
	return nil
}

// Collection returns the collection of the given name.
func (db *DB) Collection(name string) *mongo.Collection { return db.database.Collection(name) }

// Database returns the database itself.
func (db *DB) Database() *mongo.Database { return db.database }

// Ping returns nil when the primary answers; the error is Transient.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.client.Ping(ctx, readpref.Primary()); err != nil {
		return fmt.Errorf("mongodb: ping: %w", Fault(err))
	}
	return nil
}

// Close ends all connections, waiting for running operations until ctx ends.
func (db *DB) Close(ctx context.Context) error {
	if err := db.client.Disconnect(ctx); err != nil && !errors.Is(err, mongo.ErrClientDisconnected) {
		return fmt.Errorf("mongodb: close: %w", Fault(err))
	}
	return nil
}
