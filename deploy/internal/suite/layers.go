package suite

import (
	"context"
	"fmt"
	"strings"

	"github.com/strata-crm/strata/functional"
	"github.com/strata-crm/strata/operational"
	"github.com/strata-crm/strata/shared/config"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/shared/service"
	"github.com/strata-crm/strata/shared/telemetry"
	"github.com/strata-crm/strata/strategic"
)

// build connects and builds one layer's service as its own main would, but over connections in memory.
func (s *Suite) build(ctx context.Context, name contract.Layer, key string) (*layer, error) {
	tel, err := telemetry.New(ctx, telemetry.Options{
		Service: string(name), Version: host.Version(), LogLevel: s.o.LogLevel, Stderr: s.o.Log, Exporter: s.o.Exporter,
	})
	if err != nil {
		return nil, err
	}
	s.close = append(s.close, tel.Shutdown)
	d := host.Deps{Verifier: s.issuer.Verifier(), SignIn: s.issuer, Telemetry: tel, Now: s.o.Now, NewID: contract.NewID}
	b, err := s.stores.bus("strata-"+string(name), tel)
	if err != nil {
		return nil, err
	}
	s.close = append(s.close, b.Close)
	d.Bus = b
	if d.DB, err = s.stores.database(ctx, name, tel, s.o.Now); err != nil {
		return nil, err
	}
	s.close = append(s.close, d.DB.Close)
	svc, err := s.service(ctx, name, key, d)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &layer{name: name, service: svc, metrics: tel.Metrics()}, nil
}

func (s *Suite) service(ctx context.Context, name contract.Layer, key string, d host.Deps) (*service.Service, error) {
	switch name {
	case contract.Strategic:
		return made(ctx, s.environ(name), name, d, strategic.New)
	case contract.Functional:
		// One person fills several layers here, so policy approves the plans unless the settings say otherwise.
		return made(ctx, s.environ(name, "PLAN_APPROVAL=policy", "LIBRARY_FOLDER="+s.o.Library), name, d, functional.New)
	}
	settings := []string{"TENANT_KEY=" + key}
	if s.o.Cadence > 0 {
		settings = append(settings, "METRIC_CADENCE="+s.o.Cadence.String())
	}
	return made(ctx, s.environ(name, settings...), name, d, operational.New)
}

// made loads a service's configuration and builds it.
func made[C any](ctx context.Context, environ []string, l contract.Layer, d host.Deps,
	build func(context.Context, C, host.Deps) (*service.Service, error)) (*service.Service, error) {
	c, err := config.Load[C](string(l), environ, "")
	if err != nil {
		return nil, err
	}
	return build(ctx, c, d)
}

// environ returns the layer's settings: those of local mode, and after them those that the user gave, which win.
func (s *Suite) environ(l contract.Layer, settings ...string) []string {
	prefix := "STRATA_" + strings.ToUpper(string(l)) + "_"
	if s.o.Zone != "" {
		settings = append(settings, "TENANT_ZONE="+s.o.Zone)
	}
	if s.o.Currency != "" {
		settings = append(settings, "TENANT_CURRENCY="+s.o.Currency)
	}
	var all []string
	for _, v := range settings {
		all = append(all, prefix+v)
	}
	for _, v := range s.o.Environ {
		if strings.HasPrefix(v, prefix) {
			all = append(all, v)
		}
	}
	return all
}
