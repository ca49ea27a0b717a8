// Command functional runs the functional layer alone, against any Kafka and MongoDB that its configuration names.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/strata-crm/strata/functional"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/host"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := host.Main(ctx, host.Spec[functional.Config]{
		Layer: contract.Functional, Host: func(c *functional.Config) *host.Config { return &c.Config },
		Indexes: functional.Indexes, Migrations: functional.Migrations, New: functional.New,
	}, os.Args[1:], os.Environ(), os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "functional:", err)
		os.Exit(1)
	}
}
