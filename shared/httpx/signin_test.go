package httpx_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/signin"
)

// links redeems one code once.
type links struct{ code, token string }

func (l *links) Redeem(code string) (string, error) {
	if code == "" || code != l.code {
		return "", fault.New(fault.Denied, fault.NotSignedIn, "ask for a new link")
	}
	l.code = ""
	return l.token, nil
}

func whoami(c echo.Context) error {
	who, ok := signin.From(c.Request().Context())
	if !ok {
		return c.String(200, "nobody")
	}
	return c.String(200, who.Subject)
}

func TestNoRequestWithoutToken(t *testing.T) {
	t.Parallel()
	f := open(t, func(o *httpx.Options) { o.Public = []string{"/", "/assets/*"} })
	for _, path := range []string{"/", "/x", "/assets/*", "/:a/secret"} {
		f.e.GET(path, whoami)
	}
	for name, tt := range map[string]struct {
		path, token string
		status      int
		body        string
	}{
		"a token":                  {"/x", "Bearer ada", 200, "ada"},
		"the scheme in lower case": {"/x", "bearer ada", 200, "ada"},
		"no token":                 {"/x", "", 401, ""},
		"a wrong token":            {"/x", "Bearer eve", 401, ""},
		"another scheme":           {"/x", "Basic YWRhOmFkYQ==", 401, ""},
		"an empty token":           {"/x", "Bearer ", 401, ""},
		"an absent issuer":         {"/x", "Bearer away", 503, ""},
		"metrics":                  {"/metrics", "", 401, ""},
		"a public page":            {"/", "", 200, "nobody"},
		"a public folder":          {"/assets/app.js", "", 200, "nobody"},
		"a disguised path":         {"/assets%2Fx/secret", "", 401, ""},
		"a public prefix of text":  {"/assetsx/secret", "", 401, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := f.do("GET", tt.path, "", "Authorization", tt.token)
			if w.Code != tt.status || (tt.body != "" && w.Body.String() != tt.body) {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
			if tt.status == 401 && !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("no challenge in %v", w.Header())
			}
		})
	}
}

func TestCookieChangesNeedTheSameOrigin(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	f.e.GET("/x", whoami)
	f.e.POST("/x", whoami)
	f.e.DELETE("/x", whoami)
	cookie := "strata_session=ada"
	for name, tt := range map[string]struct {
		method  string
		headers []string
		status  int
	}{
		"reading":               {"GET", []string{"Sec-Fetch-Site", "cross-site"}, 200},
		"same by fetch":         {"POST", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		"same by both":          {"POST", []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://example.com"}, 200},
		"same by origin":        {"DELETE", []string{"Origin", "http://example.com"}, 200},
		"no proof":              {"POST", nil, 403},
		"another site":          {"POST", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"a sister site":         {"POST", []string{"Sec-Fetch-Site", "same-site"}, 403},
		"typed by hand":         {"POST", []string{"Sec-Fetch-Site", "none"}, 403},
		"another origin":        {"DELETE", []string{"Origin", "http://evil.example"}, 403},
		"another port":          {"DELETE", []string{"Origin", "http://example.com:81"}, 403},
		"an opaque origin":      {"POST", []string{"Origin", "null"}, 403},
		"contradicting headers": {"POST", []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://evil.example"}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := f.do(tt.method, "/x", "", append([]string{"Authorization", "", "Cookie", cookie}, tt.headers...)...)
			if w.Code != tt.status {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
		})
	}
	if w := f.do("POST", "/x", "", "Cookie", cookie, "Authorization", "Bearer bob"); w.Body.String() != "bob" {
		t.Errorf("a token beside a cookie: got %d %s", w.Code, w.Body)
	}
}

func TestLinkSetsTheCookieOnce(t *testing.T) {
	t.Parallel()
	f := open(t, func(o *httpx.Options) { o.SignIn = &links{code: "c0de", token: "ada"} })
	f.e.GET("/x", whoami)
	w := f.do("GET", "/signin?code=c0de", "", "Authorization", "")
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/" {
		t.Fatalf("got %d to %q", w.Code, w.Header().Get("Location"))
	}
	c := w.Result().Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || c.Path != "/" || c.Value != "ada" || c.Domain != "" {
		t.Errorf("cookie %+v", c)
	}
	if got := f.do("GET", "/x", "", "Authorization", "", "Cookie", c.Name+"="+c.Value); got.Body.String() != "ada" {
		t.Errorf("the cookie gives %d %s", got.Code, got.Body)
	}
	again := f.do("GET", "/signin?code=c0de", "", "Authorization", "")
	if p := problemOf(t, again); p.Status != 401 || len(again.Result().Cookies()) != 0 {
		t.Errorf("a second time: got %+v", p)
	}
	page := f.do("GET", "/signin?code=c0de", "", "Authorization", "", "Accept", "text/html,*/*")
	if page.Code != 401 || !strings.Contains(page.Body.String(), "strata link") || strings.Contains(page.Body.String(), "<script") {
		t.Errorf("for a person: got %d %s", page.Code, page.Body)
	}
	if strings.Contains(f.log.String(), "c0de") {
		t.Error("the code is in the log")
	}
	for _, s := range f.spans.GetSpans() {
		for _, a := range s.Attributes {
			if strings.Contains(a.Value.String(), "c0de") {
				t.Errorf("the code is in the trace: %v", a)
			}
		}
	}
}

func TestCookieIsSecureUnderTLS(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		proxy, tls, want bool
	}{"plain": {}, "behind a proxy": {proxy: true, want: true}, "itself": {tls: true, want: true}} {
		f := open(t, func(o *httpx.Options) { o.SignIn, o.Secure = &links{code: "c", token: "ada"}, tt.proxy })
		url := "http://example.com/signin?code=c"
		if tt.tls {
			url = strings.Replace(url, "http:", "https:", 1)
		}
		r := httptest.NewRequest("GET", url, nil)
		r.Header.Set("X-Forwarded-Proto", "https") // anybody can say so
		w := httptest.NewRecorder()
		f.e.ServeHTTP(w, r)
		if c := w.Result().Cookies()[0]; c.Secure != tt.want || (w.Header().Get("Strict-Transport-Security") != "") != tt.want {
			t.Errorf("%s: cookie %+v, headers %v", name, c, w.Header())
		}
	}
}

func TestSignOutForgetsTheCookie(t *testing.T) {
	t.Parallel()
	f := open(t, func(o *httpx.Options) { o.SignIn = &links{} })
	if w := f.do("POST", "/signout", "", "Sec-Fetch-Site", "cross-site"); w.Code != 403 {
		t.Errorf("from elsewhere: got %d", w.Code)
	}
	w := f.do("POST", "/signout", "", "Sec-Fetch-Site", "same-origin")
	if c := w.Result().Cookies()[0]; w.Code != 204 || c.MaxAge >= 0 || c.Value != "" {
		t.Errorf("got %d, %+v", w.Code, c)
	}
}
