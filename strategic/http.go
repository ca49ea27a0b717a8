package strategic

import (
	"context"
	"net/http"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/signin"
	"github.com/strata-crm/strata/strategic/internal/httpapi"
	"github.com/strata-crm/strata/strategic/internal/page"
	"github.com/strata-crm/strata/strategic/internal/print"
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
	shown := page.Deps{Reader: g.stores, Gate: g.gate, Verifier: d.Verifier, Zone: g.zone, Now: d.Now, Cookie: cookie}
	if err := httpapi.Mount(e, httpapi.Deps{
		Goals: g.directives, Governing: g.governance, Reader: g.stores, Variables: g.variables, Decisions: g.decisions,
		Gate: g.gate, Watcher: g.hub, Print: printed(shown), Zone: g.zone,
	}); err != nil {
		return nil, err
	}
	return e, page.Mount(e, shown)
}

// printed puts on paper what the page shows.
func printed(d page.Deps) httpapi.Print {
	return func(ctx context.Context, who signin.Identity, asOf time.Time, text string) ([]byte, error) {
		v, err := d.View(ctx, who, asOf, text)
		if err != nil {
			return nil, err
		}
		return print.Scorecard(v)
	}
}

// cookie is the one that signing in sets.
const cookie = "strata_session"
