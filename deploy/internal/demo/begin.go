package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/report"
	"github.com/strata-crm/strata/shared/contract"
)

// sourceID is the only source of the demo: the file.
const sourceID = "order-file"

func (s *story) prologue(context.Context) error {
	s.chapter("What this is")
	s.say("  %s: %d orders from %s to %s, in %d whole months.", s.Orders.Name, len(s.Orders.Rows),
		s.parts[0].Month().Format(time.DateOnly), s.Orders.Last().Format(time.DateOnly), len(s.calendar.Months))
	for _, line := range strings.Split(s.About, "\n") {
		s.say("  %s", line)
	}
	s.say("  The goals are back-tests, as the data is old: each month is judged at its own time, knowing nothing later.")
	return nil
}

// governance has the rules that Strata proposes approved by two executives, and waits until all layers have them.
func (s *story) governance(ctx context.Context) error {
	s.chapter("Governance: two executives approve the company's rules; until then everything is denied")
	versions, err := s.people.first.Governance(ctx)
	if err != nil {
		return err
	}
	if len(versions) == 0 {
		return fmt.Errorf("the strategic layer has proposed no governance directive")
	}
	v := versions[len(versions)-1]
	for _, who := range []*client.Client{s.people.first, s.people.second} {
		if v.State != "proposed" {
			break
		}
		if err := who.ApproveGovernance(ctx, v.Number); err != nil {
			return err
		}
	}
	err = await(ctx, answerWithin, "the answer to the governance directive", func(ctx context.Context) (bool, error) {
		versions, err := s.people.first.Governance(ctx)
		if err != nil {
			return false, err
		}
		v = versions[len(versions)-1]
		return v.Answer != nil && v.Answer.State != contract.Received, nil
	})
	if err != nil {
		return err
	}
	var steps []client.Step
	for _, h := range v.History {
		steps = append(steps, client.Step{At: h.At, Layer: contract.Strategic, State: h.To + " by " + h.By, Decision: h.Decision, Trace: h.Trace})
	}
	for _, h := range v.Answer.History {
		steps = append(steps, client.Step{At: h.At, Layer: contract.Functional, State: string(h.State), Decision: h.Decision, Trace: h.Trace})
	}
	slices.SortStableFunc(steps, func(a, b client.Step) int { return a.At.Compare(b.At) })
	for _, h := range steps {
		s.hop(h.At, string(h.Layer), "governance "+report.Plain(h.State), h.Decision, h.Trace)
	}
	s.came(v.Answer.State == contract.Accepted || v.Answer.State == contract.Executing, "governance was answered %s", v.Answer.State)
	s.say("  In force: %d purposes, groups of at least %d, kept %d days.", len(v.Rules.Purposes), v.Rules.MinimumGroup, v.Rules.Retention[contract.Transactional])
	return nil
}

// source registers the order file: what it offers is what makes directives answerable.
func (s *story) source(ctx context.Context) error {
	s.chapter("The only source: the order file")
	have, err := s.people.steward.Sources(ctx)
	if err != nil {
		return err
	}
	offers := []string{"customer_id", "order_time", "order_amount", "order_items"}
	if !slices.ContainsFunc(have, func(x client.Source) bool { return x.ID == sourceID }) {
		_, err = s.people.steward.Register(ctx, client.Source{ID: sourceID, Name: s.Orders.Name, Owner: "head of sales", Steward: "order data steward",
			Offers: offers, Format: "file", Trust: "verified"})
	}
	s.say("  A steward registers it: it offers %s. Owner: head of sales; steward: order data steward.", strings.Join(offers, ", "))
	return err
}

// directives sets the goals, has a directive issued for each, and waits for the answers.
func (s *story) directives(ctx context.Context) error {
	for _, g := range s.calendar.goals() {
		p := &pursuit{goal: g, seen: map[string]string{}}
		s.chapter(fmt.Sprintf("%s: %s", g.name, g.draft.Name))
		s.say("  Baseline measured until %s, to be reached by %s; owner: %s. %s", g.draft.Baseline.MeasureUntil, g.draft.Deadline, g.draft.Owner, g.draft.Relevance)
		if err := s.order(ctx, p); err != nil {
			return err
		}
		trail, err := s.answered(ctx, p)
		if err != nil {
			return err
		}
		s.trail(trail)
		if trail.Plan != nil {
			p.plan = trail.Plan.Metrics
		}
		s.pursued = append(s.pursued, p)
	}
	return nil
}

func (s *story) order(ctx context.Context, p *pursuit) error {
	var err error
	if p.set, err = s.people.first.SetGoal(ctx, p.draft); err != nil {
		return err
	}
	if p.directive, err = s.people.first.DraftDirective(ctx, p.set.ID, p.impact); err != nil {
		return err
	}
	if _, err = s.people.first.Act(ctx, p.directive.ID, "propose"); err != nil {
		return err
	}
	approver := s.people.first
	if p.impact == contract.HighImpact {
		_, err := s.people.first.Act(ctx, p.directive.ID, "approvals")
		s.came(client.Status(err) == 403 || client.Status(err) == 409, "%s is of high impact and its own proposer could approve it (%v)", p.name, err)
		s.say("  High impact: its proposer may not approve it; a second executive does.")
		approver = s.people.second
	}
	if _, err = approver.Act(ctx, p.directive.ID, "approvals"); err != nil {
		return err
	}
	_, err = s.people.first.Act(ctx, p.directive.ID, "issue")
	return err
}

// answered waits until the layers below have accepted or refused.
func (s *story) answered(ctx context.Context, p *pursuit) (client.Trail, error) {
	var t client.Trail
	err := await(ctx, answerWithin, "the answer to "+p.name, func(ctx context.Context) (bool, error) {
		var err error
		if t, err = s.people.first.Trail(ctx, p.directive.ID); err != nil {
			return false, err
		}
		if a := t.Directive.Answer; a != nil {
			return a.State == contract.Executing || a.State == contract.Refused || a.State == contract.Degraded, nil
		}
		return false, nil
	})
	if err != nil && t.Directive.Answer != nil {
		return t, fmt.Errorf("%w; the last was %s", err, t.Directive.Answer.State)
	}
	return t, err
}

func (s *story) trail(t client.Trail) {
	for _, h := range t.Steps {
		what := report.Plain(h.State)
		if h.Subject != t.Directive.ID {
			what = "operational directive " + what
			for _, o := range parts(t.Plan) {
				if o.ID == h.Subject {
					what = "part " + o.Part + ": " + report.Plain(h.State)
				}
			}
		}
		if r := report.Words(h.Reasons); r != "" {
			what += ": " + r
		}
		s.hop(h.At, string(h.Layer), what, h.Decision, h.Trace)
	}
	s.say("  Answer: %s.", report.Plain(string(t.Directive.Answer.State)))
	if t.Plan == nil {
		return
	}
	var metrics, parameters []string
	for _, m := range t.Plan.Metrics {
		metrics = append(metrics, string(m.ID))
	}
	for _, p := range t.Plan.Parameters {
		if !slices.Contains(parameters, string(p.Name)) {
			parameters = append(parameters, string(p.Name))
		}
	}
	s.say("  Plan by playbook %s: metrics %s; parameters %s; it needs %d customers for its tolerance.", t.Plan.Playbook,
		strings.Join(metrics, ", "), strings.Join(parameters, ", "), t.Plan.Customers)
	for _, m := range t.Plan.Missing {
		s.say("  Missing: %s. %s", report.Words([]contract.Reason{m.Reason}), report.Remedy(m.Remedy))
	}
}

func parts(p *contract.PlanSummary) []contract.OperationalSummary {
	if p == nil {
		return nil
	}
	return p.Operational
}
