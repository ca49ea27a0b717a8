// Package httpapi is the operational service's HTTP interface: it turns requests into calls of the domain and results into
// the documents of api/openapi.yaml, from which api.gen.go is generated. It decides only who may call what.
package httpapi

import (
	"context"

	"github.com/labstack/echo/v4"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/signin"
)

// Server implements the generated StrictServerInterface: each embedded part serves the routes of its tags.
type Server struct {
	*Collecting // collection, sources, imports, ingest
}

var _ StrictServerInterface = Server{}

// PublicPaths are the routes without sign-in: collection, which has write keys of its own.
var PublicPaths = []string{"/v1/*"}

// SecretPaths are the routes whose answers hold a write key, which is stored nowhere but as a hash.
var SecretPaths = []string{"/api/operational/v1/sources", "/api/operational/v1/sources/*"}

// BodyLimits of requests, where the default of 1 MiB does not fit.
var BodyLimits = map[string]int64{
	"/v1/*":                         512 << 10,
	"/api/operational/v1/imports/*": 8 << 20,
}

// Register mounts all routes.
func (s Server) Register(e *echo.Echo) error {
	spec, err := GetSwagger()
	if err != nil {
		return err
	}
	RegisterHandlers(e.Group("", s.openSource, httpx.Validate(spec)), NewStrictHandler(s, nil))
	return nil
}

// allow returns fault.Denied unless the caller belongs to the tenant and has one of the roles.
func allow(ctx context.Context, t contract.TenantID, roles ...signin.Role) error {
	who, ok := signin.From(ctx)
	if !ok {
		return fault.New(fault.Denied, fault.NotSignedIn, "sign in first")
	}
	if who.Tenant == string(t) {
		for _, r := range roles {
			if who.Has(r) {
				return nil
			}
		}
	}
	return fault.New(fault.Denied, fault.PolicyDenied, "this needs one of the roles %v", roles)
}

// optional returns nil for the zero value, which the document then leaves out.
func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
