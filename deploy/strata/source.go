package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/report"
	"github.com/strata-crm/strata/shared/signin"
)

type sourceCommand struct {
	List sourceList `cmd:"" default:"withargs" help:"List the sources with what they offer."`
	Add  sourceAdd  `cmd:"" help:"Register a source."`
}

type sourceList struct{ remote }

// Run prints the sources.
func (c *sourceList) Run(ctx context.Context, t terminal) error {
	cl, err := c.client(t, signin.Steward)
	if err != nil {
		return err
	}
	all, err := cl.Sources(ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		report.Say(t.out, "", "No source is registered, so directives that need data are refused: strata source add ID")
	}
	for _, s := range all {
		report.Say(t.out, "", fmt.Sprintf("%s: offers %s; owner: %s; steward: %s", s.ID, strings.Join(s.Offers, ", "), s.Owner, s.Steward))
	}
	return nil
}

type sourceAdd struct {
	remote
	ID      string   `arg:"" help:"Id of the source, such as order-file."`
	Name    string   `help:"What people call it; else its id."`
	Owner   string   `help:"Who answers for the source's data, by function." default:"head of sales"`
	Steward string   `help:"Who looks after it." default:"order data steward"`
	Offers  []string `help:"Parameters that it offers." default:"customer_id,order_time,order_amount,order_items"`
	Format  string   `help:"How it speaks: structured, file, survey or text." enum:"structured,file,survey,text" default:"file"`
	Trust   string   `help:"Whether what it says is checked: verified or unknown." enum:"verified,unknown" default:"verified"`
}

// Run registers the source and prints the key that it writes with.
func (c *sourceAdd) Run(ctx context.Context, t terminal) error {
	cl, err := c.client(t, signin.Steward)
	if err != nil {
		return err
	}
	if c.Name == "" {
		c.Name = c.ID
	}
	key, err := cl.Register(ctx, client.Source{ID: c.ID, Name: c.Name, Owner: c.Owner, Steward: c.Steward, Offers: c.Offers, Format: c.Format, Trust: c.Trust})
	if err != nil {
		return err
	}
	report.Say(t.out, "", fmt.Sprintf("%s is registered and offers %s.", c.ID, strings.Join(c.Offers, ", ")))
	if key != "" {
		report.Say(t.out, "", "Its write key, for collectors that send events; it is shown this once: "+key)
	}
	return nil
}
