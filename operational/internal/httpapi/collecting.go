package httpapi

import (
	"context"
	"time"

	"github.com/strata-crm/strata/operational/internal/collect"
	"github.com/strata-crm/strata/operational/internal/imports"
	"github.com/strata-crm/strata/operational/internal/ingest"
	"github.com/strata-crm/strata/operational/internal/lake"
	"github.com/strata-crm/strata/operational/internal/source"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Runs lists imports, the latest first, that began before an instant.
type Runs interface {
	List(ctx context.Context, t contract.TenantID, before time.Time, limit int) ([]imports.Run, error)
}

// Aside counts the quarantine.
type Aside interface {
	CountAside(ctx context.Context, t contract.TenantID) ([]lake.AsideCount, error)
}

// Collecting serves collection, sources, imports and ingest. All fields are required.
type Collecting struct {
	Tenant   contract.TenantID
	Zone     *time.Location
	Currency string
	Registry *source.Registry
	Keeper   *source.Keeper
	Gateway  *collect.Gateway
	Dropped  *collect.Dropped
	Imports  *imports.Imports
	Runs     Runs
	Account  *ingest.Account
	Aside    Aside
	Gate     Gate
	Now      func() time.Time
}

// Check returns fault.Invalid when a field is missing.
func (c *Collecting) Check() error {
	if !c.Tenant.Valid() || c.Zone == nil || c.Currency == "" || c.Registry == nil || c.Keeper == nil || c.Gateway == nil || c.Dropped == nil ||
		c.Imports == nil || c.Runs == nil || c.Account == nil || c.Aside == nil || c.Gate == nil || c.Now == nil {
		return fault.New(fault.Invalid, fault.BadDefinition, "httpapi.Collecting needs all its fields")
	}
	return nil
}

// may returns fault.Denied unless policy allows the caller one of the actions.
func (c *Collecting) may(ctx context.Context, actions ...string) error {
	return may(ctx, c.Tenant, c.Gate, actions...)
}

// instant reads a time, or a day in the tenant's zone.
func (c *Collecting) instant(s string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UTC(), nil
	}
	d, err := contract.ParseDay(s)
	if err != nil {
		e := fault.New(fault.Invalid, fault.BadRequest, "must be a day such as 1997-02-01 or a time such as 1997-02-01T00:00:00Z")
		e.At = "/completeUntil"
		return time.Time{}, e
	}
	return d.Start(c.Zone).UTC(), nil
}
