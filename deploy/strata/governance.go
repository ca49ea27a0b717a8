package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/report"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/signin"
	"github.com/strata-crm/strata/shared/wording"
)

type governCommand struct {
	Show    governShow    `cmd:"" default:"withargs" help:"Show the newest version, who approved it, and whether it is in force."`
	Approve governApprove `cmd:"" help:"Approve the newest version."`
}

type governShow struct{ remote }

// Run prints the newest version.
func (c *governShow) Run(ctx context.Context, t terminal) error {
	cl, err := c.client(t, signin.Executive)
	if err != nil {
		return err
	}
	all, err := cl.Governance(ctx)
	if err != nil {
		return err
	}
	v, err := latest(all)
	if err != nil {
		return err
	}
	governance(t, v)
	until(t, all)
	return nil
}

// until says until when the version that rules was meant to, and what is to be done when that time is over.
func until(t terminal, all []client.GovernanceVersion) {
	for _, v := range slices.Backward(all) {
		if v.Order == nil {
			continue
		}
		text := "until " + v.Order.Expires.UTC().Format(time.DateOnly)
		if !t.now().Before(v.Order.Expires) {
			text = fmt.Sprintf("version %d has expired on %s; its rules stay in force until another version is approved: propose one",
				v.Number, v.Order.Expires.UTC().Format(time.DateOnly))
		}
		report.Say(t.out, "  in force   ", text)
		return
	}
}

type governApprove struct {
	remote
	someone
}

// Run approves the newest version. When that was the second approval, it waits for the layers' answer.
func (c *governApprove) Run(ctx context.Context, t terminal) error {
	if c.Token == "" && c.As == "" { // two different people have to, so nobody is taken for granted
		return fault.New(fault.Invalid, fault.BadRequest, "say who approves: --as EXECUTIVE, or a token with --token or STRATA_TOKEN")
	}
	cl, err := c.executive(t, c.someone)
	if err != nil {
		return err
	}
	v, err := newest(ctx, cl)
	if err != nil {
		return err
	}
	if err := cl.ApproveGovernance(ctx, v.Number); err != nil {
		return err
	}
	if v, err = newest(ctx, cl); err != nil {
		return err
	}
	err = answered(ctx, func() (bool, error) {
		v, err = newest(ctx, cl)
		return len(v.Approvals) < 2 || v.Answer != nil && v.Answer.State != contract.Received, err
	})
	governance(t, v)
	return err
}

// newest returns the newest version of the rules.
func newest(ctx context.Context, cl *client.Client) (client.GovernanceVersion, error) {
	all, err := cl.Governance(ctx)
	if err != nil {
		return client.GovernanceVersion{}, err
	}
	return latest(all)
}

func latest(all []client.GovernanceVersion) (client.GovernanceVersion, error) {
	if len(all) == 0 {
		return client.GovernanceVersion{}, fault.New(fault.NotFound, fault.InvalidItem, "no rules are proposed yet: the strategic layer proposes them when it has started; try again")
	}
	return all[len(all)-1], nil
}

func governance(t terminal, v client.GovernanceVersion) {
	report.Say(t.out, "", fmt.Sprintf("Version %d: %s", v.Number, report.Plain(v.State)))
	var by []string
	for _, a := range v.Approvals {
		by = append(by, a.Subject)
	}
	switch {
	case len(by) == 0:
		report.Say(t.out, "  approved   ", "by nobody; two different executives have to: strata governance approve --as NAME")
	case len(by) == 1 && v.Answer == nil:
		report.Say(t.out, "  approved   ", "by "+by[0]+"; a second executive has to")
	default:
		report.Say(t.out, "  approved   ", "by "+strings.Join(by, " and "))
	}
	report.Say(t.out, "  answer     ", report.Answer(v.Answer))
	var purposes []string
	for _, p := range v.Rules.Purposes {
		var data []string
		for _, d := range p.Categories {
			data = append(data, report.Plain(string(d)))
		}
		purposes = append(purposes, fmt.Sprintf("%s (%s)", report.Plain(string(p.Purpose)), strings.Join(data, ", ")))
	}
	report.Say(t.out, "  purposes   ", strings.Join(purposes, "; "))
	report.Say(t.out, "  groups     ", fmt.Sprintf("of at least %d customers are told", v.Rules.MinimumGroup))
	var kept []string
	for _, d := range slices.Sorted(maps.Keys(v.Rules.Retention)) {
		kept = append(kept, fmt.Sprintf("%s %s days", report.Plain(string(d)), wording.Count(int64(v.Rules.Retention[d]))))
	}
	report.Say(t.out, "  kept       ", strings.Join(kept, "; "))
}

const (
	answerWithin = 30 * time.Second
	lookEvery    = 200 * time.Millisecond
)

// answered waits until done says so. After answerWithin it fails and says where to look.
func answered(ctx context.Context, done func() (bool, error)) error {
	within, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-within.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fault.New(fault.Transient, fault.Unavailable, "there is no answer after %s: it comes when the other layers run; see strata status", answerWithin)
		case <-t.C:
		}
	}
}
