package demo

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/report"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
)

// sourceID is the only source of the demo: the file.
const sourceID = "order-file"

func (s *story) prologue(context.Context) error {
	s.chapter("What this is")
	customers := map[string]bool{}
	for _, r := range s.Orders.Rows {
		customers[r.Customer] = true
	}
	s.tell("%s: %s orders of %s customers from %s to %s, in %d whole months.", s.Orders.Name, wording.Count(int64(len(s.Orders.Rows))),
		wording.Count(int64(len(customers))), date(s.parts[0].Month()), date(s.Orders.Last()), len(s.calendar.Months))
	s.tell("%s", s.About)
	s.tell("The goals are back-tests, as the data is old: each month is judged at its own time, knowing nothing later.")
	return nil
}

func date(t time.Time) string { return t.Format("2 January 2006") }

// governance has the rules that Strata proposes approved by two executives, and waits until all layers have them.
func (s *story) governance(ctx context.Context) error {
	s.chapter("Governance: two executives approve the company's rules; until then everything is denied")
	v, err := s.newestRules(ctx)
	if err != nil {
		return err
	}
	for _, who := range []*client.Client{s.people.first, s.people.second} {
		if v.State != "proposed" {
			break
		}
		if err := who.ApproveGovernance(ctx, v.Number); err != nil {
			return err
		}
	}
	err = await(ctx, answerWithin, "the answer to the governance directive", func(ctx context.Context) (bool, error) {
		var err error
		v, err = s.newestRules(ctx)
		return err == nil && v.Answer != nil && v.Answer.State != contract.Received, err
	})
	if err != nil {
		return err
	}
	s.hops(ofGovernance(v))
	s.came(v.Answer.State == contract.Accepted || v.Answer.State == contract.Executing, "governance was answered %s", v.Answer.State)
	s.tell("In force: %d purposes, groups of at least %d, orders kept for up to %s days.", len(v.Rules.Purposes), v.Rules.MinimumGroup,
		wording.Count(int64(v.Rules.Retention[contract.Transactional])))
	return nil
}

// newestRules returns the newest version of the governance directive.
func (s *story) newestRules(ctx context.Context) (client.GovernanceVersion, error) {
	versions, err := s.people.first.Governance(ctx)
	if err != nil || len(versions) == 0 {
		return client.GovernanceVersion{}, errors.Join(err, errors.New("the strategic layer has proposed no governance directive"))
	}
	return versions[len(versions)-1], nil
}

// ofGovernance returns the steps of the rules' way down and back.
func ofGovernance(v client.GovernanceVersion) []told {
	var steps []told
	for _, h := range v.History {
		steps = append(steps, told{h.At, contract.Strategic, "governance " + report.Plain(h.To) + by(h.By), h.Decision, h.Trace})
	}
	for _, h := range v.Answer.History {
		steps = append(steps, told{h.At, contract.Functional, "governance " + report.Plain(string(h.State)), h.Decision, h.Trace})
	}
	return steps
}

// by names the person who acted; that a layer did is said already.
func by(who string) string {
	switch contract.Layer(who) {
	case "", contract.Strategic:
		return ""
	case contract.Functional, contract.Operational:
		return ", as the " + who + " layer answered"
	}
	return " by " + who
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
	s.tell("A steward registers it: it offers %s. Owner: head of sales; steward: order data steward.", strings.Join(offers, ", "))
	return err
}
