package main

import (
	"context"

	"github.com/strata-crm/strata/deploy/internal/report"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/signin"
)

type modelCommand struct {
	remote
	Model string `arg:"" optional:"" help:"Only this one, such as mbg_nbd."`
}

// Run prints the fits of every model, or of one.
func (c *modelCommand) Run(ctx context.Context, t terminal) error {
	cl, err := c.client(t, signin.Manager)
	if err != nil {
		return err
	}
	all, err := cl.Models(ctx)
	if err != nil {
		return err
	}
	shown := 0
	for _, m := range all {
		if c.Model == "" || c.Model == m.Subject.Model {
			report.Model(t.out, m)
			shown++
		}
	}
	switch {
	case shown > 0:
	case c.Model != "" && len(all) > 0:
		return fault.New(fault.NotFound, fault.InvalidItem, "no model %s is fitted: strata model lists those that are", c.Model)
	default:
		report.Say(t.out, "", "No model is fitted yet: fits follow from a directive that asks for one, once enough weeks are closed.")
	}
	return nil
}
