package service_test

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/shared/service"
	"github.com/strata-crm/strata/shared/telemetry"
)

var readyLine = regexp.MustCompile(`(?m)^strata_ready\{check="([a-z_]+)".*\} ([01])$`)

// TestReadinessIsMeasured: whoever scrapes /metrics learns what /readyz says, check by check.
func TestReadinessIsMeasured(t *testing.T) {
	t.Parallel()
	tel, err := telemetry.New(t.Context(), telemetry.Options{Service: "test", Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tel.Shutdown(context.Background()) })
	var d diary
	var away error
	o := options(noting(&d, "relay"))
	o.Gauges = tel.Gauges
	o.Ready = append(o.Ready, service.Dependency{Name: "mongodb", Ask: func(context.Context) error { return away }})
	s := build(t, o)
	is := func(what, want string) {
		t.Helper()
		w := httptest.NewRecorder()
		tel.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		var got []string
		for _, m := range readyLine.FindAllStringSubmatch(w.Body.String(), -1) {
			got = append(got, m[1]+"="+m[2])
		}
		if d := cmp.Diff(want, strings.Join(got, " ")); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	is("before it runs", "mongodb=1 relay=1 service=0")
	synctest.Test(t, func(t *testing.T) {
		end, _ := begin(t, s)
		synctest.Wait()
		is("while it runs", "mongodb=1 relay=1 service=1")
		away = errors.New("no primary")
		is("without its database", "mongodb=0 relay=1 service=1")
		if err := end(); err != nil {
			t.Fatal(err)
		}
		is("when it has ended", "mongodb=0 relay=1 service=0")
	})
}

// TestAnOutageShowsInMetrics: each source waits for a database that does not answer, as long as it is let.
func TestAnOutageShowsInMetrics(t *testing.T) {
	t.Parallel()
	tel, err := telemetry.New(t.Context(), telemetry.Options{Service: "test", Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tel.Shutdown(context.Background()) })
	synctest.Test(t, func(t *testing.T) {
		for range 8 {
			tel.Gauges.From(func(ctx context.Context, _ telemetry.Tell) error { <-ctx.Done(); return ctx.Err() })
		}
		var d diary
		o := options(noting(&d, "relay"))
		o.Gauges = tel.Gauges
		o.Ready = []service.Dependency{{Name: "mongodb", Ask: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}}
		build(t, o)
		for range 2 {
			began, w := time.Now(), httptest.NewRecorder()
			tel.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
			if took := time.Since(began); took > 5*time.Second || w.Code != 200 {
				t.Errorf("a scrape got %d after %s", w.Code, took)
			}
			if !strings.Contains(w.Body.String(), "\nstrata_ready{check=\"mongodb\"} 0\n") {
				t.Errorf("the outage is not told:\n%s", w.Body)
			}
		}
	})
}
