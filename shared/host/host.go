package host

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/bus/kafkabus"
	"github.com/strata-crm/strata/shared/config"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/service"
	"github.com/strata-crm/strata/shared/signin"
	"github.com/strata-crm/strata/shared/telemetry"
)

// Version of the suite: one for all services, set when a release is built.
var version = "dev"

// Version returns the suite's version.
func Version() string { return version }

// Bus is how a service speaks.
type Bus interface {
	bus.Publisher
	bus.Subscriber
	bus.LogConsumer
	bus.Reader
}

// Deps are what a service's New gets from its host: this package's Main, or deploy/strata with all three in one process.
type Deps struct {
	DB        *mongodb.DB
	Bus       Bus
	Verifier  signin.Verifier
	SignIn    httpx.Redeemer // serves the one-time links; nil where the issuer is elsewhere
	Telemetry *telemetry.Telemetry
	Now       func() time.Time // the wall clock
	NewID     func() string
}

// Check returns an error naming what is missing.
func (d Deps) Check() error {
	if d.DB == nil || d.Bus == nil || d.Verifier == nil || d.Telemetry == nil || d.Now == nil || d.NewID == nil {
		return errors.New("a service needs database, bus, verifier, telemetry, now and newID")
	}
	return nil
}

// Spec is what distinguishes one service's main from another's. C is the service's configuration.
type Spec[C any] struct {
	Layer      contract.Layer
	Host       func(*C) *Config // the common part of the configuration
	Indexes    func() []mongodb.Index
	Migrations func() []mongodb.Migration
	New        func(ctx context.Context, c C, d Deps) (*service.Service, error)
	// AcceptNewLog makes the broker's present log the one that is read, and reports whether that changed anything; nil
	// for a service that owns no offsets of a log.
	AcceptNewLog func(ctx context.Context, db *mongodb.DB, log bus.LogReader) (bool, error)
}

// Main is the whole of a service's main but for signals: it loads the configuration, connects, verifies that the
// database and the topics are set up, builds the service and serves it until ctx ends. With the argument "setup" it
// sets up instead, and ends ("setup --accept-new-log" also accepts a replaced log); with "health" it asks the running service whether it lives, for images without a shell.
func Main[C any](ctx context.Context, s Spec[C], args, environ []string, stderr io.Writer) error {
	flags := flag.NewFlagSet(string(s.Layer), flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("config", "", "a YAML `file` with the names of the environment variables")
	accept := flags.Bool("accept-new-log", false, "with setup: go on with the events log that the broker has now")
	if err := flags.Parse(args); err != nil {
		return err
	}
	command := flags.Arg(0)
	if command != "" { // flags may stand behind the command, too
		if err := flags.Parse(flags.Args()[1:]); err != nil {
			return err
		}
	}
	if *accept && (command != "setup" || s.AcceptNewLog == nil) {
		return fault.New(fault.Invalid, fault.BadRequest, "--accept-new-log goes with setup of the operational service, which alone reads the events log")
	}
	c, err := config.Load[C](string(s.Layer), environ, *file)
	if err != nil {
		return err
	}
	h := s.Host(&c)
	if err := h.Validate(); err != nil {
		return err
	}
	switch command {
	case "":
		return run(ctx, h, s.Layer, stderr, func(ctx context.Context, d Deps) error { return serve(ctx, s, c, h, d) })
	case "setup":
		return run(ctx, h, s.Layer, stderr, func(ctx context.Context, d Deps) error { return setUp(ctx, s, d, *accept) })
	case "health":
		return alive(ctx, h.listen(s.Layer))
	case "version":
		_, err := fmt.Fprintln(stderr, Version())
		return err
	}
	return fault.New(fault.Invalid, fault.BadRequest, "%q is not a command: use setup, version, health, or none to serve", command)
}

// run connects to everything, does the work, and disconnects.
func run(ctx context.Context, h *Config, layer contract.Layer, stderr io.Writer, work func(context.Context, Deps) error) (err error) {
	tel, err := telemetry.New(ctx, telemetry.Options{
		Service: string(layer), Version: Version(), OTLPEndpoint: h.Telemetry.Endpoint, LogFormat: h.Telemetry.Format,
		LogLevel: h.Telemetry.Level, Stderr: stderr,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tel.Shutdown(context.WithoutCancel(ctx))) }()
	b, err := kafkabus.New(h.bus(layer, tel))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()
	db, err := mongodb.Connect(ctx, mongodb.Config{URI: h.Mongo.URI, Database: h.database(layer)},
		mongodb.Deps{Logger: tel.Logger, Now: time.Now, Tracer: tel.Tracer, Meter: tel.Meter})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close(context.WithoutCancel(ctx))) }()
	return work(ctx, Deps{DB: db, Bus: b, Telemetry: tel, Now: time.Now, NewID: contract.NewID})
}

// setUp creates topics and indexes, runs migrations and, if told so, accepts a replaced log.
func setUp[C any](ctx context.Context, s Spec[C], d Deps, accept bool) error {
	err := errors.Join(d.Bus.(bus.Admin).EnsureTopics(ctx, contract.Specs()...), mongodb.Setup(ctx, d.DB, s.Indexes(), s.Migrations()))
	if err != nil || !accept {
		return err
	}
	changed, err := s.AcceptNewLog(ctx, d.DB, d.Bus)
	if err == nil {
		d.Telemetry.Logger.InfoContext(ctx, "events log accepted", "changed", changed)
	}
	return err
}

func serve[C any](ctx context.Context, s Spec[C], c C, h *Config, d Deps) error {
	var err error
	if d.Verifier, err = h.verifier(ctx); err != nil {
		return err
	}
	ready := func(ctx context.Context) error {
		return errors.Join(d.Bus.(bus.Admin).VerifyTopics(ctx, contract.Specs()...), mongodb.Verify(ctx, d.DB, s.Indexes(), s.Migrations()))
	}
	var opts []service.ListenOption
	if h.HTTP.Beyond {
		opts = append(opts, service.BeyondLoopback())
	}
	if err := await(ctx, h.listen(s.Layer), ready, d.Telemetry.Logger, opts...); err != nil || ctx.Err() != nil {
		return err
	}
	svc, err := s.New(ctx, c, d)
	if err != nil {
		return err
	}
	d.Telemetry.Logger.InfoContext(ctx, "serving", "layer", s.Layer, "address", h.listen(s.Layer), "version", Version())
	return svc.Serve(ctx, h.listen(s.Layer), opts...)
}

func (c *Config) bus(l contract.Layer, t *telemetry.Telemetry) kafkabus.Options {
	o := kafkabus.Options{Brokers: c.Kafka.Brokers, ClientID: "strata-" + string(l), Logger: t.Logger, Tracer: t.Tracer, Meter: t.Meter}
	if c.Kafka.TLS {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if c.Kafka.Username != "" {
		o.SASL = &kafkabus.SASL{Mechanism: "SCRAM-SHA-256", Username: c.Kafka.Username, Password: c.Kafka.Password}
	}
	return o
}

func (c *Config) verifier(ctx context.Context) (signin.Verifier, error) {
	switch {
	case c.SignIn.Issuer != "":
		return signin.NewOIDC(ctx, c.SignIn.Issuer, c.SignIn.Audience, c.SignIn.Roles)
	case c.SignIn.JWKS != "":
		return signin.NewJWKS(ctx, c.SignIn.JWKS, time.Now)
	}
	return nil, fault.New(fault.Invalid, fault.BadRequest,
		"set signin.issuer and signin.audience (OpenID Connect), or signin.jwks (the built-in issuer of another process): nobody could sign in")
}
