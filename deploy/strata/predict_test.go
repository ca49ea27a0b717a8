package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// suiteOf answers by path, and keeps what was asked.
func suiteOf(t *testing.T, answers map[string]string) (url string, asked *[]string) {
	t.Helper()
	asked = &[]string{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.String())
		answer, ok := answers[r.URL.Path]
		if !ok || r.Header.Get("Authorization") != "Bearer a-token" {
			w.WriteHeader(http.StatusConflict)
			answer = `{"type":"urn:strata:problem:no_data_yet","detail":"nobody had bought anything"}`
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func ran(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	now := func() time.Time { return time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC) }
	err := run(t.Context(), args, terminal{out: &out, err: io.Discard, now: now})
	return out.String(), err
}

func TestPredictAndExport(t *testing.T) {
	t.Parallel()
	const rows = "customer,alive\n1,0.5\n"
	url, asked := suiteOf(t, map[string]string{
		"/api/operational/v1/predictions/alive":           `{"kind":"alive","asOf":"1998-06-30","n":20,"mean":0.5,"unit":"ratio","groups":[],"model":{"name":"mbg_nbd","version":"1.0.0","n":20,"holdOut":{"customers":0}}}`,
		"/api/operational/v1/predictions/alive/customers": rows,
		"/api/functional/v1/exports/series":               "window_start\n",
	})
	to := []string{"--url", url, "--token", "a-token"}
	out, err := ran(t, append([]string{"predict", "alive", "--as-of", "1998-06-30", "--weeks", "26"}, to...)...)
	if err != nil || !strings.HasPrefix(out, "Alive as of 30 June 1998: 20 customers, on average 50.0 %.\n") {
		t.Errorf("%v\n%s", err, out)
	}
	name := filepath.Join(t.TempDir(), "alive.csv")
	if out, err = ran(t, append([]string{"predict", "alive", "--out", name, "--purpose", "retention_analysis"}, to...)...); err != nil || !strings.Contains(out, name) {
		t.Errorf("%v\n%s", err, out)
	}
	if b, err := os.ReadFile(name); err != nil || string(b) != rows {
		t.Errorf("%v: %q", err, b)
	}
	series := filepath.Join(t.TempDir(), "series.parquet")
	if _, err := ran(t, append([]string{"export", "series", "--metric", "repeat_rate", "--ahead", "3", "--out", series}, to...)...); err != nil {
		t.Error(err)
	}
	if d := cmp.Diff([]string{
		"/api/operational/v1/predictions/alive?asOf=1998-06-30&weeks=26",
		"/api/operational/v1/predictions/alive/customers?asOf=2026-05-04&format=csv&purpose=retention_analysis",
		"/api/functional/v1/exports/series?ahead=3&format=parquet&metric=repeat_rate",
	}, *asked); d != "" {
		t.Errorf("asked (-want +got):\n%s", d)
	}
}

// What cannot be had leaves no file behind, and an older one as it was.
func TestPredictRefused(t *testing.T) {
	t.Parallel()
	url, asked := suiteOf(t, nil)
	dir := t.TempDir()
	name := filepath.Join(dir, "old.csv")
	if err := os.WriteFile(name, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for says, args := range map[string][]string{
		"nobody had bought anything": {"predict", "rfm", "--out", name, "--purpose", "retention_analysis"},
		"--purpose":                  {"predict", "rfm", "--out", name},
		"is not a day":               {"predict", "rfm", "--as-of", "yesterday"},
		"--metric":                   {"export", "series", "--out", name},
		".csv, .xlsx or .parquet":    {"export", "series", "--metric", "m", "--out", filepath.Join(dir, "x.doc")},
		"must be one of":             {"predict", "luck"},
	} {
		if _, err := ran(t, append(args, "--url", url, "--token", "a-token")...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v, want %q", args, err, says)
		}
	}
	left, err := os.ReadDir(dir)
	if b, _ := os.ReadFile(name); err != nil || len(left) != 1 || string(b) != "old" || len(*asked) != 1 {
		t.Errorf("%v, %d files, %q, %d calls", err, len(left), b, len(*asked))
	}
}

func TestModel(t *testing.T) {
	t.Parallel()
	url, _ := suiteOf(t, map[string]string{"/api/operational/v1/models": `{"items":[{"subject":{"model":"bg_nbd"},"line":[{"number":1,"state":"active","trials":[],"history":[]}]}]}`})
	none, _ := suiteOf(t, map[string]string{"/api/operational/v1/models": `{"items":[]}`})
	if out, err := ran(t, "model", "bg_nbd", "--url", url, "--token", "a-token"); err != nil || !strings.Contains(out, "BG/NBD: 1 fit.") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := ran(t, "model", "luck", "--url", url, "--token", "a-token"); err == nil || !strings.Contains(err.Error(), "no model luck") {
		t.Errorf("a model that is none: %v", err)
	}
	if out, err := ran(t, "model", "--url", none, "--token", "a-token"); err != nil || !strings.Contains(out, "No model is fitted yet") {
		t.Errorf("%v\n%s", err, out)
	}
}
