package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// served returns a client of a server that answers as handler does.
func served(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	c, err := New(s.URL+"/", "a-token")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "nowhere", "127.0.0.1:7070", "ftp://host", "http://"} {
		if _, err := New(bad, ""); err == nil || !strings.Contains(err.Error(), "http://127.0.0.1:7070") {
			t.Errorf("%q: %v, want an error that shows how an address looks", bad, err)
		}
	}
}

func TestPostSendsTokenAndKey(t *testing.T) {
	t.Parallel()
	keys := map[string]bool{}
	c := served(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		keys[r.Header.Get("Idempotency-Key")] = true
		if r.Header.Get("Authorization") != "Bearer a-token" || r.Header.Get("Content-Type") != "application/json" || string(body) != `{"a":1}` || r.URL.Path != "/x" {
			t.Errorf("%s %v %s", r.URL, r.Header, body)
		}
		_, _ = io.WriteString(w, `{"b":2}`)
	})
	for range 2 {
		var out map[string]int
		if err := c.Post(t.Context(), "/x", map[string]int{"a": 1}, &out); err != nil || out["b"] != 2 {
			t.Errorf("%v, %v", out, err)
		}
	}
	if len(keys) != 2 || keys[""] {
		t.Errorf("keys %v, want one for each call", keys)
	}
}

// Replacing sends the version that was read, so that nobody's change is lost.
func TestPutSendsWhatWasRead(t *testing.T) {
	t.Parallel()
	c := served(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodGet:
			w.Header().Set("ETag", `"7"`)
			_, _ = io.WriteString(w, `{}`)
		case r.Method != http.MethodPut || r.Header.Get("If-Match") != `"7"`:
			t.Errorf("%s with If-Match %q", r.Method, r.Header.Get("If-Match"))
		}
	})
	if err := c.Put(t.Context(), "/x", map[string]int{}, nil); err != nil {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	c := served(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/plain" {
			http.Error(w, "no", http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, `{"type":"urn:strata:problem:missing_field","title":"Invalid","detail":"the goal is not SMART","errors":[{"pointer":"/deadline","code":"missing_field","detail":"say until when"}]}`)
	})
	err := c.Get(t.Context(), "/problem", nil)
	var p *Problem
	if !errors.As(err, &p) || p.Code() != "missing_field" || Status(err) != 422 || Passing(err) {
		t.Errorf("%#v", err)
	}
	if d := cmp.Diff("the goal is not SMART\n  /deadline: say until when (422 missing_field)", err.Error()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if err := c.Get(t.Context(), "/plain", nil); Status(err) != 502 || !Passing(err) || !strings.Contains(err.Error(), "GET /plain was answered with 502 Bad Gateway") {
		t.Errorf("an answer that is no problem document: %v", err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.NotFoundHandler())
	c, err := New(s.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := c.Get(t.Context(), "/x", nil); !Passing(err) || !strings.Contains(err.Error(), "strata up") || !strings.Contains(err.Error(), s.URL) {
		t.Errorf("%v, want what to do", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := c.Get(ended, "/x", nil); !errors.Is(err, context.Canceled) || Passing(err) {
		t.Errorf("after its end: %v", err)
	}
}

func TestAnswerThatIsNotJSON(t *testing.T) {
	t.Parallel()
	c := served(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	var out map[string]any
	if err := c.Get(t.Context(), "/x", &out); err == nil || Passing(err) || !strings.Contains(err.Error(), "GET /x") {
		t.Errorf("%v", err)
	}
}

func TestDirectivesReadsEveryPage(t *testing.T) {
	t.Parallel()
	c := served(t, func(w http.ResponseWriter, r *http.Request) {
		page := map[string]string{"": `{"items":[{"id":"a"},{"id":"b"}],"next":"x y"}`, "x y": `{"items":[{"id":"c"}]}`}[r.URL.Query().Get("cursor")]
		_, _ = io.WriteString(w, page)
	})
	all, err := c.Directives(t.Context())
	if err != nil || len(all) != 3 || all[2].ID != "c" {
		t.Errorf("%v, %v", all, err)
	}
}
