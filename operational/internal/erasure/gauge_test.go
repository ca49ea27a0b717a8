package erasure_test

import (
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/operational/internal/erasure"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/telemetry"
)

// queue is a store whose oldest open erasure was asked for at at; the zero time means that none is open.
type queue struct {
	erasure.Store
	at time.Time
}

func (q *queue) Oldest(context.Context, contract.TenantID) (time.Time, bool, error) {
	return q.at, !q.at.IsZero(), nil
}

// TestAnErasureThatWaitsShows in /metrics, by how long it has.
func TestAnErasureThatWaitsShows(t *testing.T) {
	t.Parallel()
	tel, err := telemetry.New(t.Context(), telemetry.Options{Service: "operational", Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tel.Shutdown(context.Background()) })
	q, now := &queue{}, time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	if _, err := erasure.NewWorker(erasure.Options{Tenant: "main", Store: q, Waiting: q, Now: func() time.Time { return now },
		Logger: slog.New(slog.DiscardHandler), Gauges: tel.Gauges}); err != nil {
		t.Fatal(err)
	}
	is := func(line string) {
		t.Helper()
		w := httptest.NewRecorder()
		tel.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		if !strings.Contains(w.Body.String(), "\n"+line+"\n") {
			t.Errorf("no %q in %s", line, w.Body)
		}
	}
	is("strata_erasure_age_seconds 0")
	q.at = now.Add(-2 * time.Hour)
	is("strata_erasure_age_seconds 7200")
}
