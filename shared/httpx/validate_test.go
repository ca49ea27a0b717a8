package httpx_test

import (
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"github.com/strata-crm/strata/shared/httpx"
)

const base = "/api/strategic/v1"

const document = `
openapi: 3.0.3
info: {title: test, version: "1"}
servers: [{url: /api/strategic/v1}]
paths:
  /goals:
    get:
      parameters:
        - {name: limit, in: query, schema: {type: integer, maximum: 500}}
      responses: {"200": {description: fine}}
    post:
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              additionalProperties: false
              required: [name, targets]
              properties:
                name: {type: string, minLength: 3}
                targets: {type: array, items: {type: object, required: [value], properties: {value: {type: number}, "a/b": {type: string}}}}
      responses: {"201": {description: fine}}
  /goals/{id}:
    put:
      parameters:
        - {name: id, in: path, required: true, schema: {type: string, pattern: "^[a-z]+$"}}
        - {name: If-Match, in: header, required: true, schema: {type: string}}
      responses: {"200": {description: fine}}
`

// mounted registers routes as oapi-codegen's RegisterHandlersWithBaseURL does.
func mounted(t *testing.T) fixture {
	t.Helper()
	spec, err := openapi3.NewLoader().LoadFromData([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, func(o *httpx.Options) { o.BodyLimit = 1000 })
	f.e.Use(httpx.Validate(spec))
	fine := func(c echo.Context) error { return c.NoContent(204) }
	f.e.GET(base+"/goals", fine)
	f.e.POST(base+"/goals", func(c echo.Context) error {
		var body struct{ Name string }
		if err := c.Bind(&body); err != nil {
			return err
		}
		return c.String(200, body.Name)
	})
	f.e.PUT(base+"/goals/:id", fine)
	f.e.GET("/elsewhere", fine)
	return f
}

func TestValidate(t *testing.T) {
	t.Parallel()
	f := mounted(t)
	for name, tt := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
		places             map[string]string // pointer or parameter → part of the detail
	}{
		"a good list":        {method: "GET", path: base + "/goals?limit=5", status: 204},
		"a wrong type":       {method: "GET", path: base + "/goals?limit=hush", status: 400, places: map[string]string{"limit": "query parameter"}},
		"too many":           {method: "GET", path: base + "/goals?limit=501", status: 400, places: map[string]string{"limit": "at most 500"}},
		"a good body":        {method: "POST", path: base + "/goals", body: `{"name":"grow","targets":[{"value":1}]}`, status: 200},
		"broken JSON":        {method: "POST", path: base + "/goals", body: `{"name":"hush`, status: 400},
		"no body":            {method: "POST", path: base + "/goals", status: 400},
		"another media type": {method: "POST", path: base + "/goals", body: `x`, headers: []string{"Content-Type", "text/plain"}, status: 415},
		"too large":          {method: "POST", path: base + "/goals", body: strings.Repeat(" ", 1001), status: 413},
		"no media type":      {method: "POST", path: base + "/goals", body: `x`, headers: []string{"Content-Type", ""}, status: 415},
		"not an object":      {method: "POST", path: base + "/goals", body: `["hush"]`, status: 422},
		"three places": {
			method: "POST", path: base + "/goals", body: `{"targets":[{"value":1},{"value":"hush","a/b":7}],"extra":"hush"}`, status: 422,
			places: map[string]string{"/name": "missing", "/targets/1/value": "must be a number", "/targets/1/a~1b": "must be a string", "/extra": "unsupported"},
		},
		"a good change":        {method: "PUT", path: base + "/goals/x", headers: []string{"If-Match", `"1"`}, status: 204},
		"no precondition":      {method: "PUT", path: base + "/goals/x", status: 428},
		"a wrong path":         {method: "PUT", path: base + "/goals/7", headers: []string{"If-Match", `"1"`}, status: 400, places: map[string]string{"id": "path parameter"}},
		"an undescribed route": {method: "GET", path: "/elsewhere", status: 204},
		"an unknown method":    {method: "DELETE", path: base + "/goals", status: 405},
		"an unknown address":   {method: "GET", path: base + "/none", status: 404},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := f.do(tt.method, tt.path, tt.body, tt.headers...)
			if w.Code != tt.status {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
			if tt.status < 300 {
				return
			}
			p := problemOf(t, w)
			if strings.Contains(w.Body.String(), "hush") {
				t.Errorf("a value was repeated: %s", w.Body)
			}
			got := map[string]string{}
			for _, place := range p.Errors {
				got[place.Pointer+place.Parameter] = place.Detail
			}
			if len(got) != len(tt.places) {
				t.Errorf("places %v, want %v", got, tt.places)
			}
			for at, part := range tt.places {
				if !strings.Contains(got[at], part) {
					t.Errorf("at %s: %q lacks %q", at, got[at], part)
				}
			}
		})
	}
}

func TestValidateWithoutADocumentLetsNothingPass(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	f.e.GET("/x", func(c echo.Context) error { return c.NoContent(204) }, httpx.Validate(nil))
	if p := problemOf(t, f.do("GET", "/x", "")); p.Status != 500 {
		t.Errorf("got %+v", p)
	}
}

func TestRevisions(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]int64{`"0"`: 0, `"17"`: 17, httpx.ETag(9e15): 9e15} {
		if got, err := httpx.ParseIfMatch(header); err != nil || got != want {
			t.Errorf("%s: got %d, %v", header, got, err)
		}
	}
	f := open(t, nil)
	f.e.PUT("/x", func(c echo.Context) error {
		seen, err := httpx.IfMatch(c)
		if err != nil {
			return err
		}
		return httpx.CheckRevision(2, seen)
	})
	for header, status := range map[string]int{
		"": 428, "*": 400, "2": 400, `W/"2"`: 400, `"2", "3"`: 400, `"02"`: 400, `"-1"`: 400, `"`: 400, `"1"`: 412, `"2"`: 200,
	} {
		if w := f.do("PUT", "/x", "", "If-Match", header); w.Code != status {
			t.Errorf("If-Match %s: got %d %s, want %d", header, w.Code, w.Body, status)
		}
	}
}

type place struct {
	Name string `json:"n"`
	ID   int    `json:"i"`
}

func TestPages(t *testing.T) {
	t.Parallel()
	at := func(n int) place { return place{Name: "x", ID: n} }
	page, err := httpx.NewPage([]int{1, 2, 3}, 2, at)
	if err != nil || len(page.Items) != 2 || page.Next == "" {
		t.Fatalf("got %+v, %v", page, err)
	}
	var got place
	if err := httpx.DecodeCursor(page.Next, &got); err != nil || got != at(2) {
		t.Errorf("the cursor leads to %v, %v", got, err)
	}
	last, err := httpx.NewPage[int](nil, 2, at)
	if d := cmp.Diff(httpx.Page[int]{Items: []int{}}, last); err != nil || d != "" {
		t.Errorf("empty page: %v (-want +got):\n%s", err, d)
	}
	foreign, err := httpx.EncodeCursor(map[string]any{"n": map[string]string{"$gt": ""}})
	if err != nil {
		t.Fatal(err)
	}
	unknown, err := httpx.EncodeCursor(map[string]any{"n": "x", "$where": "1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"?", "abc", foreign, unknown, page.Next + page.Next} {
		if p := httpx.ProblemOf(httpx.DecodeCursor(bad, &place{}), ""); p.Status != 400 || len(p.Errors) != 1 || p.Errors[0].Parameter != "cursor" {
			t.Errorf("cursor %q: got %+v", bad, p)
		}
	}
	if err := httpx.DecodeCursor("", &got); err != nil || got != at(2) {
		t.Errorf("no cursor: got %v, %v", got, err)
	}
	for asked, want := range map[int]int{1: 1, 500: 500, 0: -1, 501: -1, -5: -1} {
		if got, err := httpx.Limit(&asked); (err != nil) != (want < 0) || (err == nil && got != want) {
			t.Errorf("limit %d: got %d, %v", asked, got, err)
		}
	}
	if got, err := httpx.Limit(nil); err != nil || got != httpx.DefaultLimit {
		t.Errorf("no limit: got %d, %v", got, err)
	}
}
