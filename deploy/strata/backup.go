package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"github.com/strata-crm/strata/deploy/internal/suite"
)

type backupCommand struct {
	remote
	Dir string `arg:"" help:"Folder to make; it will hold the keys too, so keep it safe."`
}

// Run copies the data folder, while its suite runs or while it does not.
func (c *backupCommand) Run(ctx context.Context, t terminal) error {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	cl, err := c.client(t)
	if err != nil {
		return err
	}
	var n suite.Note
	err = cl.Post(ctx, "/backup", map[string]any{"dir": dir}, &n)
	var refused *net.OpError
	if errors.As(err, &refused) { // nothing runs there; if it runs elsewhere, the folder is locked
		n, err = suite.BackUp(ctx, suite.Options{Dir: c.Data, Environ: t.environ, Log: t.err, LogLevel: "warn", Now: t.now}, dir)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.out, "%s holds a back-up of %s. Make a data folder of it with `strata restore %s --data DIR`.\n", dir, n.At.Format("2006-01-02 15:04:05 MST"), dir)
	return err
}

type restoreCommand struct {
	Dir  string `arg:"" help:"The back-up." type:"existingdir"`
	Data string `help:"Data folder to make; it must not exist or be empty." default:"./.strata" placeholder:"DIR"`
}

// Run makes a data folder of a back-up.
func (c *restoreCommand) Run(ctx context.Context, t terminal) error {
	n, err := suite.Restore(ctx, c.Dir, c.Data)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.out, "%s is as it was on %s (Strata %s): start with `strata up --data %s`.\n", c.Data, n.At.Format("2006-01-02 15:04:05 MST"), n.Version, c.Data)
	return err
}
