package demo

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/report"
	"github.com/strata-crm/strata/deploy/internal/verify"
	"github.com/strata-crm/strata/shared/wording"
)

// statement is what a data steward gets.
func (s *story) statement(context.Context) error {
	s.chapter("For the data steward: what became of every row, and who answers for what")
	report.Statement(s.out, verify.Sum(s.told))
	return nil
}

// scorecard is what an executive gets: what the data are, then each goal.
func (s *story) scorecard(ctx context.Context) error {
	s.chapter("For an executive: what the file is, and the scorecard")
	if err := s.cohort(ctx); err != nil {
		return err
	}
	cards, err := s.people.first.Scorecard(ctx, "")
	if err != nil {
		return err
	}
	for _, p := range s.pursued {
		c := find(cards, p.set.ID)
		if c == nil {
			return fmt.Errorf("%s is not on the scorecard", p.name)
		}
		report.Card(s.out, p.name, *c)
	}
	return nil
}

// cohort says what the suite found out about the file, because it decides what totals can do.
func (s *story) cohort(ctx context.Context) error {
	var notes []string
	for _, p := range s.pursued {
		i, err := s.people.manager.Information(ctx, p.set.ID)
		if client.Status(err) == http.StatusNotFound {
			continue // nothing was measured for it
		}
		if err != nil {
			return err
		}
		for _, n := range wording.Notes(i.Notes, s.calendar.Last.Location()) {
			if !slices.Contains(notes, n) {
				notes = append(notes, n)
			}
		}
	}
	for _, n := range notes {
		s.tell("%s", n)
	}
	return nil
}

// manager is what a marketing manager gets: each number with definition, window and n; what is collected for which goal,
// what is missing, and what would fix it.
func (s *story) manager(ctx context.Context) error {
	s.chapter("For a marketing manager: what each number is, what is collected for it, what is missing")
	for _, p := range s.pursued {
		t, err := s.people.manager.Trail(ctx, p.directive.ID)
		if err != nil {
			return err
		}
		s.tell("%s  %s", p.name, p.draft.Name)
		report.Numbers(s.out, t)
		if t.Plan != nil {
			report.Collected(s.out, t.Plan)
			report.Missing(s.out, "    missing  ", t.Plan)
		}
	}
	return nil
}
