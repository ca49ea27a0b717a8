package main

import (
	"context"
	"fmt"
	"time"

	"github.com/strata-crm/strata/deploy/internal/report"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/signin"
)

type statusCommand struct {
	remote
	AsOf string `help:"Judge by what had been measured by the end of this day (2006-01-02)." placeholder:"DAY"`
}

// Run prints the scorecard and the directives.
func (c *statusCommand) Run(ctx context.Context, t terminal) error {
	cl, err := c.client(t, signin.Executive)
	if err != nil {
		return err
	}
	cards, err := cl.Scorecard(ctx, contract.Day(c.AsOf))
	if err != nil {
		return err
	}
	fmt.Fprintln(t.out, "Scorecard")
	if len(cards) == 0 {
		fmt.Fprintln(t.out, "  No goals are set. An executive sets one at", cl.Base()+"/")
	}
	names := map[contract.GoalID]string{}
	for i, card := range cards {
		names[card.Goal.ID] = card.Goal.Name
		report.Card(t.out, fmt.Sprintf("%d", i+1), card)
	}
	directives, err := cl.Directives(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(t.out, "Directives")
	for _, d := range directives {
		answer := "not answered"
		if d.Answer != nil {
			answer = report.Plain(string(d.Answer.State))
			if r := report.Words(d.Answer.Reasons); r != "" {
				answer += ": " + r
			}
			answer += ", " + d.Answer.At.Format(time.DateTime)
		}
		fmt.Fprintf(t.out, "  %s  %-10s %s\n     answer     %s\n", d.ID, report.Plain(d.State), names[d.Goal], answer)
	}
	return nil
}
