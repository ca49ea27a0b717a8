// Command operational runs the operational layer alone, against any Kafka and MongoDB that its configuration names.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/strata-crm/strata/operational"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/host"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := host.Main(ctx, host.Spec[operational.Config]{
		Layer: contract.Operational, Host: func(c *operational.Config) *host.Config { return &c.Config },
		Indexes: operational.Indexes, Migrations: operational.Migrations, New: operational.New,
		AcceptNewLog: operational.AcceptNewLog,
	}, os.Args[1:], os.Environ(), os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "operational:", err)
		os.Exit(1)
	}
}
