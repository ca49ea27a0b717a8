package main

import (
	"context"
	"strconv"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/report"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/signin"
)

type statusCommand struct {
	remote
	AsOf string `help:"Judge by what had been measured by the end of this day (2006-01-02)." placeholder:"DAY"`
}

// Run prints the scorecard and the directives.
func (c *statusCommand) Run(ctx context.Context, t terminal) error {
	if c.AsOf != "" {
		if _, err := contract.ParseDay(c.AsOf); err != nil {
			return fault.New(fault.Invalid, fault.BadRequest, "--as-of %s is not a day: write it as 2006-01-02", c.AsOf)
		}
	}
	cl, err := c.client(t, signin.Executive)
	if err != nil {
		return err
	}
	names, err := c.scorecard(ctx, t, cl)
	if err != nil {
		return err
	}
	directives, err := cl.Directives(ctx)
	if err != nil {
		return err
	}
	report.Say(t.out, "", "Directives")
	if len(directives) == 0 {
		report.Say(t.out, "  ", "None is ordered, so nothing is collected.")
	}
	for _, d := range directives {
		report.Directive(t.out, d, names[d.Goal])
	}
	return nil
}

// scorecard prints every goal and returns their names.
func (c *statusCommand) scorecard(ctx context.Context, t terminal, cl *client.Client) (map[contract.GoalID]string, error) {
	cards, err := cl.Scorecard(ctx, contract.Day(c.AsOf))
	if err != nil {
		return nil, err
	}
	report.Say(t.out, "", "Scorecard")
	if len(cards) == 0 {
		report.Say(t.out, "  ", "No goals are set: an executive sets one with `strata goal set FILE`; `strata demo` shows three.")
	}
	names := map[contract.GoalID]string{}
	for i, card := range cards {
		names[card.Goal.ID] = card.Goal.Name
		report.Card(t.out, strconv.Itoa(i+1), card)
	}
	return names, nil
}
