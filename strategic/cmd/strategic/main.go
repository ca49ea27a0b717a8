// Command strategic runs the strategic layer alone, against any Kafka and MongoDB that its configuration names.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/strategic"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := host.Main(ctx, host.Spec[strategic.Config]{
		Layer: contract.Strategic, Host: func(c *strategic.Config) *host.Config { return &c.Config },
		Indexes: strategic.Indexes, Migrations: strategic.Migrations, New: strategic.New,
	}, os.Args[1:], os.Environ(), os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "strategic:", err)
		os.Exit(1)
	}
}
