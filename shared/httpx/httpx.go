// Package httpx is the one way in which Strata's services speak HTTP. It owns the echo server with everything that
// surrounds a route: request ids, sign-in by token or cookie, limits, security headers, problem documents, idempotency
// keys, preconditions, paging, event streams and the check against OpenAPI. It owns no route of a service and no
// decision about what a caller may do.
package httpx

import (
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/contrib/instrumentation/github.com/labstack/echo/otelecho"

	"github.com/strata-crm/strata/shared/fault"
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
	Libraries   []string             // paths that published libraries send to: bodies are JSON whatever their Content-Type says, and may be packed with gzip; the limit holds for both lengths
	Timeout     time.Duration        // of a request; 0 = 30 s; Stream lifts it
	Long        []string             // paths without timeout (uploads); with an Idempotency-Key they get 4 min
	Idempotency IdempotencyStore     // nil = Idempotency-Key is refused with a clear error
	RequestKey  []byte               // keys the hashes of requests that the store keeps; required where a body names a person, the same in all replicas
	Secret      []string             // paths whose answers hold a secret: they are not stored, and a repeated request is answered without the body
	Public      []string             // paths without sign-in
	CookieName  string               // "" = "strata_session"
	SignIn      Redeemer             // not nil = GET /signin?code=… and POST /signout are served
	Secure      bool                 // the browser sees HTTPS although this server does not (a proxy ends TLS)
	Proxies     []string             // networks (CIDR) of proxies whose X-Forwarded-For is believed; none = nobody's
	CSP         map[string]string    // directive → sources, over the strict policy for pages
}

// New returns an echo server with /metrics (and the sign-in routes) but none of the service's. Mount a generated strict
// server on it:
//
//	e.Use(httpx.Validate(spec))
//	api.RegisterHandlersWithBaseURL(e, api.NewStrictHandler(server, nil), "/api/strategic/v1")
//
// (Not on an echo group with middleware: that would answer 404 where 405 is right.) Handlers return fault errors; the
// caller sees a problem document. The identity is in the request's context (signin.From). New fails with fault.Invalid
// when a dependency is missing or a proxy's network cannot be read.
func New(o Options) (*echo.Echo, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	ip, err := ipExtractor(o.Proxies)
	if err != nil {
		return nil, err
	}
	o.defaults()
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = ip
	s := &server{o: o, policy: policy(o.CSP)}
	e.HTTPErrorHandler = s.fail
	// From the outside in. The span sees answers, never error texts: s.answer has turned those into problems.
	e.Use(s.identify, s.headers,
		otelecho.Middleware(o.Name, otelecho.WithTracerProvider(o.Telemetry.Tracer), otelecho.WithMeterProvider(o.Telemetry.Meter),
			otelecho.WithPropagators(telemetry.Propagator())),
		s.log, s.answer, s.survive, s.limit, s.authenticate, s.once)
	e.GET("/metrics", echo.WrapHandler(o.Telemetry.Metrics()))
	if o.SignIn != nil {
		e.GET(signInPath, s.signIn)
		e.POST(signOutPath, s.signOut)
	}
	return e, nil
}

type server struct {
	o      Options
	policy csp
}

func (o *Options) check() error {
	for _, need := range []struct {
		missing bool
		what    string
	}{
		{o.Name == "", "Name"},
		{o.Telemetry == nil, "Telemetry"},
		{o.Verifier == nil, "Verifier"},
		{o.Logger == nil, "Logger"},
		{o.Now == nil, "Now"},
	} {
		if need.missing {
			return fault.New(fault.Invalid, fault.BadDefinition, "the HTTP server needs httpx.Options.%s", need.what)
		}
	}
	return nil
}

func (o *Options) defaults() {
	if o.BodyLimit == 0 {
		o.BodyLimit = 1 << 20
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.CookieName == "" {
		o.CookieName = "strata_session"
	}
	if o.SignIn != nil {
		o.Public = append(slices.Clone(o.Public), signInPath, signOutPath)
	}
}

// ipExtractor believes X-Forwarded-For from the named networks only; echo would otherwise believe anybody.
func ipExtractor(proxies []string) (echo.IPExtractor, error) {
	if len(proxies) == 0 {
		return echo.ExtractIPDirect(), nil
	}
	trust := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range proxies {
		_, n, err := net.ParseCIDR(p)
		if err != nil {
			return nil, fault.New(fault.Invalid, fault.BadDefinition, "the proxy network %q is not of the form 10.0.0.0/8", p)
		}
		trust = append(trust, echo.TrustIPRange(n))
	}
	return echo.ExtractIPFromXFFHeader(trust...), nil
}

// matches reports whether the path that echo routes by is one of the patterns. Echo routes by the escaped path where
// there is one, so comparing the unescaped would let %2F reach a route that the pattern doesn't mean.
func matches(r *http.Request, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, echo.GetPath(r)) })
}

func match(pattern, path string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(path, prefix)
	}
	return pattern == path
}
