package demo

import (
	"context"
	"fmt"
	"net/http"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/report"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
)

// directives sets the goals, has a directive issued for each, and waits for the answers.
func (s *story) directives(ctx context.Context) error {
	for _, g := range s.calendar.goals() {
		p := &pursuit{goal: g, seen: map[string]string{}}
		s.chapter(fmt.Sprintf("%s: %s", g.name, g.draft.Name))
		s.tell("Baseline measured until %s, to be reached by %s; owner: %s. %s", wording.Day(g.draft.Baseline.MeasureUntil),
			wording.Day(g.draft.Deadline), g.draft.Owner, g.draft.Relevance)
		if err := s.order(ctx, p); err != nil {
			return err
		}
		trail, err := s.answered(ctx, p)
		if err != nil {
			return err
		}
		s.trail(trail)
		s.proven(p.name, trail.Steps)
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
		s.came(client.Status(err) == http.StatusForbidden || client.Status(err) == http.StatusConflict, "%s is of high impact and its own proposer could approve it (%v)", p.name, err)
		s.tell("High impact: its proposer may not approve it; a second executive does.")
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

// proven notes whether every hop has a trace, and each layer's decision was recorded: of the issue, of the plan, and of each
// operational directive.
func (s *story) proven(name string, steps []client.Step) {
	decided, bare := map[contract.Layer]bool{}, 0
	var untraced []string
	for _, h := range steps {
		if h.Trace == "" {
			untraced = append(untraced, string(h.Layer)+" "+h.State)
		}
		has := h.Decision != nil && h.Decision.ID != "" && h.Decision.Rule != ""
		decided[h.Layer] = decided[h.Layer] || has && (h.Layer != contract.Strategic || h.State == "issued")
		if h.Layer == contract.Operational && !has {
			bare++
		}
	}
	s.came(len(untraced) == 0, "%s has hops without a trace: %v", name, untraced)
	s.came(decided[contract.Strategic] && decided[contract.Functional] && decided[contract.Operational] && bare == 0,
		"%s lacks recorded decisions: issue %t, plan %t, operational directives %t, without one %d", name,
		decided[contract.Strategic], decided[contract.Functional], decided[contract.Operational], bare)
}

func (s *story) trail(t client.Trail) {
	var steps []told
	for _, h := range t.Steps {
		steps = append(steps, told{h.At, h.Layer, report.Hop(h, t), h.Decision, h.Trace})
	}
	s.hops(steps)
	report.Say(s.out, "  Answer:     ", report.Answer(t.Directive.Answer))
	if t.Plan != nil {
		report.Plan(s.out, t.Plan)
	}
}
