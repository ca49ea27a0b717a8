// Package operational is the operational service: it collects what directives ask for, computes metrics, and sends
// measurements up. This file and its neighbours are all the wiring there is; [New] is the only way to build the service,
// for its own main, for the one-process suite and for tests.
//
// collecting.go wires what brings data in: gateway, imports, sources and watermarks, ingest. directing.go wires what
// decides and computes: directives, jobs, policy, metrics, egress, consumers.
package operational

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/strata-crm/strata/operational/internal/httpapi"
	"github.com/strata-crm/strata/operational/internal/mongostore"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/service"
)

// Config is the operational layer's configuration: STRATA_OPERATIONAL_….
type Config struct {
	host.Config
	// Key is the tenant's key in base64, 32 bytes or more: customers and contents are recognised under it, so it is
	// backed up with the database and never changed.
	Key string `config:"tenant.key" secret:"true" required:"true"`
	// Cadence is how often at most a window that is still open is measured.
	Cadence time.Duration `config:"metric.cadence" default:"60s"`
	// MostRead is how many customers one look at a claim reads at most; it keeps what they did in memory.
	MostRead int `config:"insight.read" default:"100000"`
}

func (c *Config) key() ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(c.Key))
	if err != nil {
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "tenant.key is not base64: make one with `openssl rand -base64 32`")
	}
	return key, nil
}

// Indexes returns the indexes that setting up creates.
func Indexes() []mongodb.Index {
	return slices.Concat(mongostore.CollectIndexes(), mongostore.DirectiveIndexes(), mongostore.MeasurementIndexes(), mongostore.InsightIndexes(),
		mongostore.FittingIndexes())
}

// Migrations returns the numbered changes of the database; there are none yet.
func Migrations() []mongodb.Migration { return nil }

// New builds the service. It fails on a missing dependency, on settings that may not change any more, and on rules that
// do not decide their canaries as they must.
func New(ctx context.Context, c Config, d host.Deps) (*service.Service, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	directing, err := newDirecting(ctx, c, d)
	if err != nil {
		return nil, fmt.Errorf("operational service: %w", err)
	}
	collecting, err := newCollecting(ctx, c, d, directing.force, directing.directives, directing.policy.Gate)
	if err != nil {
		return nil, fmt.Errorf("operational service: %w", err)
	}
	if err := directing.complete(collecting); err != nil {
		return nil, fmt.Errorf("operational service: %w", err)
	}
	return assemble(c, d, collecting, directing)
}

func assemble(c Config, d host.Deps, collecting *collecting, directing *directing) (*service.Service, error) {
	e, err := httpx.New(httpx.Options{
		Name: string(contract.Operational), Telemetry: d.Telemetry, Verifier: d.Verifier, Logger: d.Telemetry.Logger, Now: d.Now,
		Idempotency: mongodb.NewIdempotency(d.DB), SignIn: d.SignIn, Public: httpapi.PublicPaths, Secret: httpapi.SecretPaths, BodyLimits: httpapi.BodyLimits,
		Libraries: httpapi.LibraryPaths, RequestKey: collecting.keys.Requests(),
	})
	if err != nil {
		return nil, err
	}
	if err := directing.api.Check(); err != nil {
		return nil, err
	}
	if err := directing.people.Check(); err != nil {
		return nil, err
	}
	if err := directing.persons.Check(); err != nil {
		return nil, err
	}
	if err := (httpapi.Server{Collecting: collecting.api, Directing: directing.api, People: directing.people, Persons: directing.persons}).Register(e); err != nil {
		return nil, err
	}
	return service.New(service.Options{
		Name: string(contract.Operational), Logger: d.Telemetry.Logger, Now: d.Now, Handler: e,
		Components: append(directing.components, collecting.components...),
		Ready:      append([]service.Dependency{{Name: "mongodb", Ask: d.DB.Ping}}, collecting.ready...),
		Watch:      append(directing.watch, collecting.watch...),
		Gauges:     d.Telemetry.Gauges,
	})
}
