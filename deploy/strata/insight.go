package main

import (
	"context"
	"slices"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/report"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/signin"
)

type insightCommand struct {
	List insightListCommand `cmd:"" help:"List the claims that are made, with their five lamps and whether they are knowledge."`
	Show insightShowCommand `cmd:"" help:"Show a claim: its value and sample, and one sentence for each of its five lamps."`
	Why  insightWhyCommand  `cmd:"" help:"Show what each verdict on a claim rests on, and what became of the claim."`
}

type insightListCommand struct {
	remote
	Goal  string `help:"Only of this goal." placeholder:"ID"`
	State string `help:"Only in this state: candidate, knowledge, taken_back or expired." enum:",candidate,knowledge,taken_back,expired" default:""`
}

// Run prints the claims, by goal.
func (c *insightListCommand) Run(ctx context.Context, t terminal) error {
	cl, err := c.client(t, signin.Executive)
	if err != nil {
		return err
	}
	all, err := cl.Insights(ctx, contract.GoalID(c.Goal), c.State)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		report.Say(t.out, "", "Nothing is claimed yet: claims follow from a directive in force, once enough customers have been read.")
		return nil
	}
	cards, err := cl.Scorecard(ctx, "")
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b client.Claim) int { // what a proof rests on comes first
		switch {
		case a.Own == b.Own:
			return 0
		case a.Own:
			return -1
		}
		return 1
	})
	for _, card := range cards {
		first := true
		for _, claim := range all {
			if claim.Insight.Goal != card.Goal.ID {
				continue
			}
			if first {
				report.Say(t.out, "", card.Goal.Name)
				first = false
			}
			report.ClaimLine(t.out, claim)
		}
	}
	return nil
}

type insightShowCommand struct {
	remote
	ID string `arg:"" help:"Of the claim, as the list gives it."`
}

// Run prints one claim.
func (c *insightShowCommand) Run(ctx context.Context, t terminal) error {
	claim, err := c.insight(ctx, t, c.ID)
	if err == nil {
		report.Claim(t.out, claim)
	}
	return err
}

type insightWhyCommand struct {
	remote
	ID string `arg:"" help:"Of the claim, as the list gives it."`
}

// Run prints what one claim rests on.
func (c *insightWhyCommand) Run(ctx context.Context, t terminal) error {
	claim, err := c.insight(ctx, t, c.ID)
	if err == nil {
		report.Why(t.out, claim, claim.Location())
	}
	return err
}

func (r remote) insight(ctx context.Context, t terminal, id string) (client.Claim, error) {
	cl, err := r.client(t, signin.Executive)
	if err != nil {
		return client.Claim{}, err
	}
	return cl.Insight(ctx, contract.InsightID(id))
}
