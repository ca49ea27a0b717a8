package httpx

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/signin"
)

const (
	signInPath  = "/signin"
	signOutPath = "/signout"
	// cookieLife bounds how long a browser keeps the cookie; the token in it ends when its issuer says.
	cookieLife = 30 * 24 * time.Hour
)

// authenticate lets nobody pass without a valid token, but to public paths. A bearer token wins over a cookie; a cookie
// authorises a change only from the service's own pages.
func (s *server) authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if matches(r, s.o.Public) {
			return next(c)
		}
		token, fromCookie, err := s.credential(r)
		if err != nil {
			return err
		}
		if fromCookie {
			if err := sameOrigin(r); err != nil {
				return err
			}
		}
		who, err := s.o.Verifier.Verify(r.Context(), token)
		if err != nil {
			return err
		}
		ctx := context.WithValue(signin.With(r.Context(), who), credentialKey{}, func(ctx context.Context) error {
			_, err := s.o.Verifier.Verify(ctx, token)
			return err
		})
		c.SetRequest(r.WithContext(ctx))
		return next(c)
	}
}

// credentialKey is where a request's context keeps how to verify its token again.
type credentialKey struct{}

// stillSignedIn reports whether the token that a request came with is still right. An issuer that does not answer says nothing
// against it.
func stillSignedIn(ctx context.Context) bool {
	verify, ok := ctx.Value(credentialKey{}).(func(context.Context) error)
	return !ok || !fault.Is(verify(ctx), fault.Denied)
}

func (s *server) credential(r *http.Request) (token string, fromCookie bool, err error) {
	if h := r.Header.Get(echo.HeaderAuthorization); h != "" {
		scheme, token, _ := strings.Cut(h, " ")
		if !strings.EqualFold(scheme, "Bearer") || token == "" {
			return "", false, fault.New(fault.Denied, fault.NotSignedIn, "send the token as `Authorization: Bearer …`")
		}
		return token, false, nil
	}
	if c, err := r.Cookie(s.o.CookieName); err == nil && c.Value != "" {
		return c.Value, true, nil
	}
	return "", false, fault.New(fault.Denied, fault.NotSignedIn, "sign in first: open a sign-in link, or send a token as `Authorization: Bearer …`")
}

// sameOrigin refuses an unsafe request that a browser does not vouch for as coming from a page of this very origin: by
// Sec-Fetch-Site, or by Origin in older browsers. With neither header there is no proof, so it is refused too; programs use
// a bearer token.
func sameOrigin(r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	refused := fault.New(fault.Denied, fault.PolicyDenied,
		"changes with the sign-in cookie are taken only from this address's own pages: reload the page, or use a bearer token")
	origin := r.Header.Get(echo.HeaderOrigin)
	site := r.Header.Get("Sec-Fetch-Site")
	if (site == "" && origin == "") || (site != "" && site != "same-origin") {
		return refused
	}
	if origin == "" {
		return nil
	}
	if u, err := url.Parse(origin); err != nil || u.Host == "" || u.Host != r.Host {
		return refused
	}
	return nil
}

// signIn exchanges the code of a one-time link for the cookie.
func (s *server) signIn(c echo.Context) error {
	token, err := s.o.SignIn.Redeem(c.QueryParam("code"))
	if fault.Is(err, fault.Denied) && strings.Contains(c.Request().Header.Get(echo.HeaderAccept), echo.MIMETextHTML) {
		return c.HTML(http.StatusUnauthorized, spentLink)
	}
	if err != nil {
		return err
	}
	c.SetCookie(s.cookie(c, token, int(cookieLife/time.Second)))
	return c.Redirect(http.StatusSeeOther, "/")
}

// spentLink is what a person sees who opens a link a second time.
const spentLink = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in to Strata</title>` +
	`<h1>This sign-in link no longer works</h1><p>It was used before, or it has expired. Ask for a new one: ` +
	`run <code>strata link</code> where Strata runs. If you have signed in before, <a href="/">go on to Strata</a>.</p></html>`

// signOut forgets the cookie. The token in it stays valid until it expires.
func (s *server) signOut(c echo.Context) error {
	if err := sameOrigin(c.Request()); err != nil {
		return err
	}
	c.SetCookie(s.cookie(c, "", -1))
	return c.NoContent(http.StatusNoContent)
}

// cookie is sent to every port of the host, as cookies are; a name of its own keeps neighbours on loopback apart.
func (s *server) cookie(c echo.Context, value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: s.o.CookieName, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: s.secure(c),
	}
}
