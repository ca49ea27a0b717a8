package httpx_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/strata-crm/strata/shared/httpx"
)

func packed(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestCompressedBodies: where it is allowed a body may be packed; however small it is then, what comes out of it is held to
// the limit.
func TestCompressedBodies(t *testing.T) {
	t.Parallel()
	f := open(t, func(o *httpx.Options) { o.BodyLimit, o.Libraries = 1000, []string{"/in/*"} })
	echoes := func(c echo.Context) error {
		b, err := io.ReadAll(c.Request().Body)
		if err != nil {
			return echo.NewHTTPError(400, "cannot read").SetInternal(err) // as echo's binder does
		}
		return c.String(200, string(b))
	}
	f.e.POST("/in/batch", echoes)
	f.e.POST("/other", echoes)
	bomb := packed(t, strings.Repeat("x", 1001))
	if len(bomb) > 100 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	for name, c := range map[string]struct {
		path, body, encoding string
		status               int
	}{
		"packed":                {"/in/batch", packed(t, "hello"), "gzip", 200},
		"as it is":              {"/in/batch", "hello", "identity", 200},
		"up to the limit":       {"/in/batch", packed(t, strings.Repeat("x", 1000)), "gzip", 200},
		"beyond the limit":      {"/in/batch", bomb, "gzip", 413},
		"no gzip":               {"/in/batch", "hello", "gzip", 400},
		"cut off":               {"/in/batch", packed(t, "hello")[:20], "gzip", 400},
		"another encoding":      {"/in/batch", "hello", "br", 400},
		"where it is not taken": {"/other", packed(t, "hello"), "gzip", 400},
	} {
		w := f.do("POST", c.path, c.body, "Content-Encoding", c.encoding)
		if w.Code != c.status || c.status == 200 && name != "up to the limit" && w.Body.String() != "hello" {
			t.Errorf("%s: got %d %q, want %d", name, w.Code, w.Body, c.status)
		}
	}
}
