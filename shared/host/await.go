package host

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/service"
)

const awaitEvery = 2 * time.Second

// await returns nil once ready does. Until then it serves on addr that the process lives and is not ready, and why: a
// service never sets up what it needs, it says which command does.
func await(ctx context.Context, addr string, ready func(context.Context) error, log *slog.Logger, opts ...service.ListenOption) error {
	err := ready(ctx)
	if err == nil {
		return nil
	}
	log.ErrorContext(ctx, "not ready", "why", err)
	serving, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- service.ListenAndServe(serving, addr, unready(ready), opts...) }()
	ticker := time.NewTicker(awaitEvery)
	defer ticker.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-ticker.C:
			if ready(ctx) == nil {
				stop()
				return <-ended
			}
		}
	}
}

func unready(ready func(context.Context) error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		err := ready(r.Context())
		if err == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		p := httpx.ProblemOf(err, "")
		p.Status = http.StatusServiceUnavailable
		_ = httpx.WriteProblem(w, p) // the client has gone
	})
	return mux
}
