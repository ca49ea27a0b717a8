package service

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/telemetry"
)

const (
	checkWithin = 2 * time.Second
	itself      = "service" // the name of the check of the service itself
)

// Ready runs all checks at once, each within 2 s, and adds one per component plus "service", which fails before the
// service runs and after it has begun to stop. The service is ready when no check has an Err.
func (s *Service) Ready(ctx context.Context) []Check {
	checks := []Check{{Name: itself, Err: s.phase()}}
	checks = append(checks, s.dependencies(ctx)...)
	for _, p := range s.parts {
		checks = append(checks, Check{Name: p.Name(), Err: p.down()})
	}
	return checks
}

func (s *Service) phase() error {
	if s.stopping.Load() {
		return fault.New(fault.Transient, fault.Unavailable, "the service stops: send requests to another instance")
	}
	if s.up.Load() {
		return nil
	}
	if name := s.awaited.Load(); name != nil {
		return fault.New(fault.Transient, fault.Unavailable, "the service starts and waits for its component %s", *name)
	}
	return fault.New(fault.Transient, fault.Unavailable, "the service starts: wait")
}

// dependencies asks what the options say. One that neither returns nor heeds its context counts as failed.
func (s *Service) dependencies(ctx context.Context) []Check {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	results := make([]chan error, len(s.o.Ready))
	for i, d := range s.o.Ready {
		results[i] = make(chan error, 1)
		go func() { results[i] <- d.Ask(ctx) }()
	}
	checks := make([]Check, len(results))
	for i, r := range results {
		checks[i].Name = s.o.Ready[i].Name
		select {
		case checks[i].Err = <-r:
		case <-ctx.Done():
			checks[i].Err = late(r)
		}
	}
	return checks
}

// late takes an answer that came just in time, or says that none did.
func late(r <-chan error) error {
	select {
	case err := <-r:
		return err
	default:
		return fault.New(fault.Transient, fault.Unavailable, "no answer within %s", checkWithin)
	}
}

var ready = telemetry.Gauge{Name: "strata.ready", About: "Whether a readiness check of the service finds nothing wrong: 1, or 0."}

// observe makes a gauge of readiness: what /readyz says, for those who are not asked but told.
func (s *Service) observe() {
	if s.o.Gauges == nil {
		return
	}
	s.o.Gauges.From(func(ctx context.Context, tell telemetry.Tell) error {
		for _, c := range s.Ready(ctx) {
			fine := 0.0
			if c.Err == nil {
				fine = 1
			}
			tell(ready, fine, attribute.String("check", c.Name))
		}
		return nil
	})
}

func allFine(checks []Check) bool {
	for _, c := range checks {
		if c.Err != nil {
			return false
		}
	}
	return true
}

// Handler serves the service's routes plus GET /healthz (the process runs) and GET /readyz (it can do its work; its
// JSON lists every check, with what to do where one fails), both without sign-in. Texts of internal errors are not shown.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "ok", "service": s.o.Name})
	})
	mux.HandleFunc("GET /readyz", s.readyz)
	if s.o.Handler != nil {
		mux.Handle("/", s.o.Handler)
	}
	return mux
}

type readiness struct {
	Status  string       `json:"status"` // "ready" or "not_ready"
	Service string       `json:"service"`
	Checks  []checkState `json:"checks"`
}

type checkState struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Do   string `json:"do,omitempty"` // what is wrong and what to do
}

func (s *Service) readyz(w http.ResponseWriter, r *http.Request) {
	out, status := readiness{Status: "ready", Service: s.o.Name, Checks: []checkState{}}, http.StatusOK
	for _, c := range s.Ready(r.Context()) {
		out.Checks = append(out.Checks, checkState{Name: c.Name, OK: c.Err == nil, Do: s.advice(r.Context(), c)})
		if c.Err != nil {
			out.Status, status = "not_ready", http.StatusServiceUnavailable
		}
	}
	answer(w, status, out)
}

// advice is the text for whoever asks: a fault's own text, or where to look for what must not be shown.
func (s *Service) advice(ctx context.Context, c Check) string {
	if c.Err == nil {
		return ""
	}
	var f *fault.Error
	if errors.As(c.Err, &f) && f.Kind != fault.Internal && f.Text != "" {
		return f.Text
	}
	s.o.Logger.WarnContext(ctx, "a readiness check failed", "check", c.Name, "error", c.Err)
	return "it failed: the log of service " + s.o.Name + " says why; the service keeps trying"
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the caller went away: nobody is left to tell
}
