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
	"github.com/strata-crm/strata/shared/signin"
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
	Now      func() time.Time
}

// Check returns fault.Invalid when a field is missing.
func (c *Collecting) Check() error {
	if !c.Tenant.Valid() || c.Zone == nil || c.Currency == "" || c.Registry == nil || c.Keeper == nil || c.Gateway == nil || c.Dropped == nil ||
		c.Imports == nil || c.Runs == nil || c.Account == nil || c.Aside == nil || c.Now == nil {
		return fault.New(fault.Invalid, fault.BadDefinition, "httpapi.Collecting needs all its fields")
	}
	return nil
}

// Who may do what. Nobody reads items back: they are personal data.
var (
	mayRead    = []signin.Role{signin.Steward, signin.Manager, signin.Executive, signin.Machine}
	mayManage  = []signin.Role{signin.Steward}
	mayCollect = []signin.Role{signin.Collector, signin.Steward}
	mayFollow  = []signin.Role{signin.Collector, signin.Steward, signin.Manager}
)

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
