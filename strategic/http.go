package strategic

import (
	"net/http"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/strategic/internal/httpapi"
	"github.com/strata-crm/strata/strategic/internal/page"
)

// handler returns the API and the page. The page is public only to say how to sign in; it checks the sign-in itself.
func (g *graph) handler(d host.Deps) (http.Handler, error) {
	e, err := httpx.New(httpx.Options{
		Name: string(contract.Strategic), Telemetry: d.Telemetry, Verifier: d.Verifier, Logger: d.Telemetry.Logger, Now: d.Now,
		Idempotency: mongodb.NewIdempotency(d.DB), SignIn: d.SignIn, Public: []string{page.Path}, CookieName: cookie,
	})
	if err != nil {
		return nil, err
	}
	if err := httpapi.Mount(e, httpapi.Deps{
		Goals: g.directives, Governing: g.governance, Reader: g.stores, Variables: g.variables, Decisions: g.decisions,
		Gate: g.gate, Watcher: g.hub, Zone: g.zone,
	}); err != nil {
		return nil, err
	}
	return e, page.Mount(e, page.Deps{Reader: g.stores, Gate: g.gate, Verifier: d.Verifier, Zone: g.zone, Now: d.Now, Cookie: cookie})
}

// cookie is the one that signing in sets.
const cookie = "strata_session"
