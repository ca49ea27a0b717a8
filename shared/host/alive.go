package host

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/strata-crm/strata/shared/fault"
)

const aliveWithin = 3 * time.Second

// alive returns nil when the service that listens at addr, seen from its own machine, says that it lives.
func alive(ctx context.Context, addr string) error {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return fault.New(fault.Invalid, fault.BadRequest, "http.listen %q must be address:port, such as 127.0.0.1:7071", addr)
	}
	if at.Addr().IsUnspecified() {
		at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
	}
	ctx, cancel := context.WithTimeout(ctx, aliveWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at.String()+"/healthz", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return fault.Wrap(fault.Transient, fault.Unavailable, err, "nothing answers at "+at.String()+": the service does not run, or listens elsewhere")
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the service at %s answers %s", at, answer.Status)
	}
	return nil
}
