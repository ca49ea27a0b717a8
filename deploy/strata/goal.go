package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/report"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

type goalCommand struct {
	Set goalSet `cmd:"" help:"Set a goal that a YAML file describes, and issue a directive for it."`
}

type goalSet struct {
	remote
	someone
	File   string `arg:"" help:"YAML with name, variable, metric, kind, direction, unit, baseline, target, deadline, owner, relevance, and start or grain where they differ from what follows from the rest."`
	Impact string `help:"high: a second executive approves the directive before it is issued." enum:"normal,high" default:"normal"`
}

// Run sets the goal, has its directive issued where one person may, and prints the answer.
func (c *goalSet) Run(ctx context.Context, t terminal) error {
	draft, err := readGoal(c.File)
	if err != nil {
		return err
	}
	cl, err := c.executive(t, c.someone)
	if err != nil {
		return err
	}
	g, err := cl.SetGoal(ctx, draft)
	if err != nil {
		return err
	}
	report.Say(t.out, "", fmt.Sprintf("%s is set (goal %s).", g.Name, g.ID))
	d, err := cl.DraftDirective(ctx, g.ID, contract.Impact(c.Impact))
	if err != nil {
		return err
	}
	for _, step := range []string{"propose", "approvals", "issue"} {
		if d, err = cl.Act(ctx, d.ID, step); err != nil {
			return fmt.Errorf("directive %s: %w", d.ID, err)
		}
		if d.Impact == contract.HighImpact { // as it was drafted, or as policy weighs it
			report.Say(t.out, "", fmt.Sprintf("Its directive is proposed and of high impact. Another executive than who proposed it approves it: strata directive approve %s --as NAME; then: strata directive issue %s", d.ID, d.ID))
			return nil
		}
	}
	return issued(ctx, t, cl, d.ID, g.Name)
}

// issued waits for the answer to a directive and prints it.
func issued(ctx context.Context, t terminal, cl *client.Client, id contract.DirectiveID, goal string) error {
	var trail client.Trail
	err := answered(ctx, func() (ok bool, err error) {
		trail, err = cl.Trail(ctx, id)
		return err == nil && trail.Directive.Answer != nil && trail.Directive.Answer.State != contract.Received, err
	})
	report.Directive(t.out, trail.Directive, goal)
	return err
}

// readGoal reads a goal from a YAML file. A name that a goal has not is an error.
func readGoal(name string) (client.GoalDraft, error) {
	var draft client.GoalDraft
	text, err := os.ReadFile(name)
	if err != nil {
		return draft, fault.Wrap(fault.Invalid, fault.BadRequest, err, "the goal's file "+name+" cannot be read")
	}
	var lines map[string]any
	err = yaml.Unmarshal(text, &lines)
	var asJSON []byte
	if err == nil {
		asJSON, err = json.Marshal(plainDays(lines))
	}
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(asJSON))
		d.DisallowUnknownFields()
		err = d.Decode(&draft)
	}
	if err != nil {
		return draft, fault.Wrap(fault.Invalid, fault.BadDefinition, err, "the goal's file "+name+" is not understood: see strata goal set --help for its lines")
	}
	return draft, nil
}

// plainDays returns what YAML read with its days as they were written: it takes 2027-06-30 for a moment.
func plainDays(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.Format(time.DateOnly)
	case map[string]any:
		for name, part := range v {
			v[name] = plainDays(part)
		}
	}
	return v
}

type orderCommand struct {
	remote
	someone
	Step string `arg:"" help:"propose, approve, issue or withdraw; whoever proposed a directive of high impact may not approve it." enum:"propose,approve,issue,withdraw"`
	ID   string `arg:"" help:"The directive, as strata status names it."`
}

// Run takes the directive one step on.
func (c *orderCommand) Run(ctx context.Context, t terminal) error {
	cl, err := c.executive(t, c.someone)
	if err != nil {
		return err
	}
	step := c.Step
	if step == "approve" {
		step = "approvals"
	}
	d, err := cl.Act(ctx, contract.DirectiveID(c.ID), step)
	if err != nil {
		return err
	}
	if c.Step == "issue" {
		return issued(ctx, t, cl, d.ID, "The directive")
	}
	report.Directive(t.out, d, "The directive")
	return nil
}
