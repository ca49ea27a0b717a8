package httpx

import (
	"crypto/rand"
	"maps"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// csp is a Content-Security-Policy: directive → sources.
type csp map[string]string

const policyKey = "httpx.policy"

// policy returns the strict policy for pages, with the service's own directives over it.
func policy(over map[string]string) csp {
	p := csp{
		"default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self' data:", "font-src": "'self'",
		"connect-src": "'self'", "manifest-src": "'self'", "object-src": "'none'", "base-uri": "'none'", "form-action": "'self'",
		"frame-ancestors": "'none'",
	}
	maps.Copy(p, over)
	return p
}

func (p csp) String() string {
	parts := make([]string, 0, len(p))
	for _, name := range slices.Sorted(maps.Keys(p)) {
		parts = append(parts, name+" "+p[name])
	}
	return strings.Join(parts, "; ")
}

// headers sets what protects a browser; a route may override Cache-Control.
func (s *server) headers(next echo.HandlerFunc) echo.HandlerFunc {
	text := s.policy.String()
	return func(c echo.Context) error {
		c.Set(policyKey, s.policy)
		h := c.Response().Header()
		h.Set(echo.HeaderContentSecurityPolicy, text)
		h.Set(echo.HeaderXContentTypeOptions, "nosniff")
		h.Set(echo.HeaderReferrerPolicy, "no-referrer") // the address of a sign-in link must not travel
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set(echo.HeaderCacheControl, "no-store")
		if s.secure(c) {
			h.Set(echo.HeaderStrictTransportSecurity, "max-age=31536000")
		}
		return next(c)
	}
}

// secure reports whether the browser speaks HTTPS. X-Forwarded-Proto isn't asked: anybody can send it.
func (s *server) secure(c echo.Context) bool { return s.o.Secure || c.Request().TLS != nil }

// Nonce makes a nonce for one page, adds it to the page's Content-Security-Policy for scripts and styles, and returns
// it. Call it once, before the answer is written, on a server made by [New]; elsewhere it returns "".
func Nonce(c echo.Context) string {
	base, ok := c.Get(policyKey).(csp)
	if !ok {
		return ""
	}
	nonce := rand.Text()
	p := maps.Clone(base)
	p["script-src"] += " 'nonce-" + nonce + "'"
	p["style-src"] += " 'nonce-" + nonce + "'"
	c.Response().Header().Set(echo.HeaderContentSecurityPolicy, p.String())
	return nonce
}
