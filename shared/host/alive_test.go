package host_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/shared/service"
)

// TestHealth asks services that live, ail and are not there, as the health check of an image does.
func TestHealth(t *testing.T) {
	t.Parallel()
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	address := server.Listener.Addr().String()
	_, port, _ := strings.Cut(address, ":")
	if err := health(t.Context(), address); err != nil {
		t.Error("lives:", err)
	}
	if err := health(t.Context(), "0.0.0.0:"+port); err != nil {
		t.Error("lives, and listens everywhere:", err)
	}
	status = http.StatusInternalServerError
	if err := health(t.Context(), address); err == nil || !strings.Contains(err.Error(), "500") {
		t.Error("ails:", err)
	}
	server.Close()
	if err := health(t.Context(), address); err == nil || !strings.Contains(err.Error(), "nothing answers at "+address) {
		t.Error("is not there:", err)
	}
}

func health(ctx context.Context, address string) error {
	type config struct{ host.Config }
	return host.Main(ctx, host.Spec[config]{
		Layer: contract.Strategic, Host: func(c *config) *host.Config { return &c.Config },
		New: func(context.Context, config, host.Deps) (*service.Service, error) {
			return nil, errors.New("health builds nothing")
		},
	}, []string{"health"}, []string{"STRATA_STRATEGIC_HTTP_LISTEN=" + address}, io.Discard)
}
