// Package httpapi is the operational service's HTTP interface: it turns requests into calls of the domain and results into
// the documents of api/openapi.yaml, from which api.gen.go is generated. It decides only who may call what.
package httpapi

import (
	"context"

	"github.com/labstack/echo/v4"

	"github.com/strata-crm/strata/operational/internal/govern"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/signin"
)

// Server implements the generated StrictServerInterface: each embedded part serves the routes of its tags.
type Server struct {
	*Collecting // collection, sources, imports, ingest
	*Directing  // directives, measurements
	*People     // predictions, segments
	*Persons    // what is held of one person, and its erasure
}

var _ StrictServerInterface = Server{}

// PublicPaths are the routes without sign-in: collection, which has write keys of its own.
var PublicPaths = []string{"/v1/*"}

// LibraryPaths are those that published libraries send items to.
var LibraryPaths = []string{"/v1/*"}

// SecretPaths are the routes whose answers may not be stored to be given again: they hold a write key, which is stored nowhere
// but as a hash, or a person's data.
var SecretPaths = []string{"/api/operational/v1/sources", "/api/operational/v1/sources/*", "/api/operational/v1/persons/*"}

// BodyLimits of requests, where the default of 1 MiB does not fit.
var BodyLimits = map[string]int64{
	"/v1/*":                         512 << 10,
	"/api/operational/v1/imports/*": 8 << 20,
}

// Register mounts all routes.
func (s Server) Register(e *echo.Echo) error {
	spec, err := GetSpec()
	if err != nil {
		return err
	}
	RegisterHandlers(e.Group("", s.openSource, httpx.Validate(spec)), NewStrictHandler(s, nil))
	return nil
}

// Gate decides by policy whether somebody may do something; a denial is fault.Denied with the reasons.
type Gate func(ctx context.Context, who signin.Identity, action string) error

// Actions, as the policy names them. Whoever reads is told of nobody: items are personal data, and come back as actions only.
const (
	actionRead     = govern.Reading
	actionRegister = "register_source"
	actionImport   = "import"
	actionDeclare  = "declare_complete"
	actionErase    = "erase_person"
	actionDisclose = "disclose_person"
)

// may returns fault.Denied unless the caller is signed in, belongs to the tenant, and policy allows one of the actions.
func may(ctx context.Context, t contract.TenantID, gate Gate, actions ...string) error {
	who, ok := signin.From(ctx)
	if !ok {
		return fault.New(fault.Denied, fault.NotSignedIn, "sign in first")
	}
	if who.Tenant != string(t) {
		return fault.New(fault.Denied, fault.PolicyDenied, "you belong to another tenant")
	}
	var denied error
	for _, action := range actions {
		err := gate(ctx, who, action)
		if err == nil || !fault.Is(err, fault.Denied) {
			return err
		}
		denied = err
	}
	return denied
}

// optional returns nil for the zero value, which the document then leaves out.
func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
