package main

import (
	"context"
	"fmt"

	"github.com/strata-crm/strata/deploy/internal/suite"
	"github.com/strata-crm/strata/shared/host"
)

type setupCommand struct {
	Data         string `help:"Data folder." default:"./.strata" placeholder:"DIR"`
	AcceptNewLog bool   `help:"Read the folder's event log from its start, though it is another than the one read so far."`
}

// Run sets the folder up. It does nothing that was done before.
func (c *setupCommand) Run(ctx context.Context, t terminal) error {
	accepted, err := suite.SetUp(ctx, suite.Options{Dir: c.Data, Environ: t.environ, Log: t.err, LogLevel: "warn", Now: t.now}, c.AcceptNewLog)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "The folder %s is set up: start with `strata up --data %s`.\n", c.Data, c.Data)
	switch {
	case accepted:
		fmt.Fprintln(t.out, "Its event log is accepted: it will be read from its start, and events that come again are recognised by their ids.")
	case c.AcceptNewLog:
		fmt.Fprintln(t.out, "There was no new log to accept: its event log is the one that was read so far.")
	}
	return nil
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(t terminal) error {
	_, err := fmt.Fprintln(t.out, "strata", host.Version())
	return err
}
