// Package page is the scorecard as a page: rendered by the server, usable without script, kept current by one. It shows
// how goals stand, how well that is proven and on what, what is asked of the reader, the plan and trail of each directive,
// and who owns which data. It decides nothing, and computes nothing but how things are shown.
package page

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/signin"
	"github.com/strata-crm/strata/strategic/internal/chart"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/governance"
	"github.com/strata-crm/strata/strategic/internal/httpapi"
	"github.com/strata-crm/strata/strategic/internal/knowledge"
)

// Path is where the page is.
const Path = "/"

// Reader reads what is shown.
type Reader interface {
	List(ctx context.Context, after string, limit int) ([]directive.Record, error)
	Governance(ctx context.Context) (governance.Record, error)
	Insights(ctx context.Context, q knowledge.Query) ([]knowledge.Record, error)
}

// Gate decides who may see it; a denial is a Denied fault.
type Gate interface {
	Read(ctx context.Context, who signin.Identity) error
}

// Deps are what the page needs. All are required.
type Deps struct {
	Reader   Reader
	Gate     Gate
	Verifier signin.Verifier
	Zone     *time.Location
	Now      func() time.Time
	Cookie   string // the name of the one that signing in sets
}

//go:embed assets
var assets embed.FS

type handler struct {
	d             Deps
	page          *template.Template
	style, script string
}

// Mount adds the page to e, whose options must name Path as public: the page itself tells a stranger how to sign in.
func Mount(e *echo.Echo, d Deps) error {
	if d.Reader == nil || d.Gate == nil || d.Verifier == nil || d.Zone == nil || d.Now == nil || d.Cookie == "" {
		return errors.New("strategic page: reader, gate, verifier, zone, now and cookie are required")
	}
	t, err := template.New("page").ParseFS(assets, "assets/*.html")
	if err != nil {
		return fmt.Errorf("strategic page: %w", err)
	}
	style, err := assets.ReadFile("assets/page.css")
	if err != nil {
		return fmt.Errorf("strategic page: %w", err)
	}
	script, err := assets.ReadFile("assets/page.js")
	if err != nil {
		return fmt.Errorf("strategic page: %w", err)
	}
	h := &handler{d, t, string(style) + chart.Rules(), string(script)}
	e.GET(Path, h.show)
	return nil
}

// shell is what every page has around its content. Style and script are our own files, never input.
type shell struct {
	Nonce  string
	Style  template.CSS
	Script template.JS
	Title  string
	Who    string
	View   *View
	Notice *notice
}

// notice is a page that only says something. Back is where to go on, if anywhere.
type notice struct{ Title, Text, Hint, Back string }

func (h *handler) show(c echo.Context) error {
	ctx := c.Request().Context()
	who, err := h.caller(c.Request())
	if err == nil {
		err = h.d.Gate.Read(ctx, who)
	}
	if fault.Is(err, fault.Denied) {
		return h.refuse(c, err)
	}
	if err != nil {
		return err
	}
	asOf, err := httpapi.ParseAsOf(c.QueryParam("asOf"), h.d.Zone)
	if err != nil {
		return h.render(c, http.StatusBadRequest, shell{Title: "Scorecard", Notice: &notice{Title: "This day cannot be read", Text: "Write it as 1998-03-31.", Back: Path}})
	}
	v, err := h.d.View(ctx, who, asOf, c.QueryParam("asOf"))
	if err != nil {
		return err
	}
	if c.Request().Header.Get(partHeader) == livePart {
		return h.write(c, http.StatusOK, "live.html", v)
	}
	return h.render(c, http.StatusOK, shell{Title: "Scorecard", Who: v.Who, View: &v})
}

// View reads what somebody is shown, as of an instant, which text says as it was asked for; zero and empty mean now.
func (d Deps) View(ctx context.Context, who signin.Identity, asOf time.Time, text string) (View, error) {
	rs, err := d.Reader.List(ctx, "", 0)
	if err != nil {
		return View{}, err
	}
	g, err := d.Reader.Governance(ctx)
	if err != nil {
		return View{}, err
	}
	insights, err := d.Reader.Insights(ctx, knowledge.Query{})
	if err != nil {
		return View{}, err
	}
	return viewOf(input{records: rs, insights: insights, governance: g, who: who, zone: d.Zone, now: d.Now(), asOf: asOf, asOfText: text}), nil
}

// The script asks for the part of the page that changes by a header, at the page's own address.
const (
	partHeader = "Strata-Part"
	livePart   = "live"
)

// caller returns who asks, by bearer token or by the cookie that a sign-in link set. Only a page is shown for it, so a
// cookie from anywhere will do.
func (h *handler) caller(r *http.Request) (signin.Identity, error) {
	token, isBearer := strings.CutPrefix(r.Header.Get(echo.HeaderAuthorization), "Bearer ")
	if !isBearer {
		c, err := r.Cookie(h.d.Cookie)
		if err != nil {
			return signin.Identity{}, fault.New(fault.Denied, fault.NotSignedIn, "sign in first")
		}
		token = c.Value
	}
	return h.d.Verifier.Verify(r.Context(), token)
}

func (h *handler) refuse(c echo.Context, err error) error {
	if fault.CodeOf(err) == fault.NotSignedIn {
		return h.render(c, http.StatusUnauthorized, shell{Title: "Sign in", Notice: &notice{
			Title: "Sign in to Strata", Text: "Open the one-time link that was printed for your role when Strata started.", Hint: "For a new link run: strata link",
		}})
	}
	return h.render(c, http.StatusForbidden, shell{Title: "Not for this role", Notice: &notice{
		Title: "This page is not for your role", Text: "Executives, managers and data stewards see the scorecard.", Hint: "Ask an executive if you need it.",
	}})
}

func (h *handler) render(c echo.Context, status int, s shell) error {
	s.Nonce, s.Style, s.Script = httpx.Nonce(c), template.CSS(h.style), template.JS(h.script) // our own files
	return h.write(c, status, "page.html", s)
}

func (h *handler) write(c echo.Context, status int, name string, content any) error {
	var b bytes.Buffer
	if err := h.page.ExecuteTemplate(&b, name, content); err != nil {
		return fmt.Errorf("render the page: %w", err)
	}
	return c.HTMLBlob(status, b.Bytes())
}
