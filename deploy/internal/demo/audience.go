package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/strata-crm/strata/deploy/internal/report"
	"github.com/strata-crm/strata/deploy/internal/verify"
	"github.com/strata-crm/strata/shared/contract"
)

// statement is what a data steward gets.
func (s *story) statement(context.Context) error {
	s.chapter("For the data steward: what became of every row")
	report.Statement(s.out, verify.Sum(s.told))
	return nil
}

// scorecard is what an executive gets.
func (s *story) scorecard(ctx context.Context) error {
	s.chapter("For an executive: the scorecard")
	s.say("  %s", s.cohort())
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

// cohort says what kind of file it is, because it decides what revenue can do.
func (s *story) cohort() string {
	first := map[string]time.Time{}
	for _, r := range s.Orders.Rows {
		if f, ok := first[r.Customer]; !ok || r.Time.Before(f) {
			first[r.Customer] = r.Time
		}
	}
	var newest time.Time
	for _, f := range first {
		if f.After(newest) {
			newest = f
		}
	}
	text := fmt.Sprintf("%d customers, first seen from %s to %s.", len(first), s.parts[0].Month().Format(time.DateOnly), newest.Format(time.DateOnly))
	if newest.Before(s.parts[0].Month().AddDate(0, 4, 0)) {
		text += " They all came in one quarter, so nobody new comes in by construction, and revenue falls as they leave: judge rates, not totals."
	}
	return text
}

// manager is what a marketing manager gets: each number with definition, window and n; what is collected for which goal,
// what is missing, and what would fix it.
func (s *story) manager(ctx context.Context) error {
	s.chapter("For a marketing manager: what each number is, what is collected for it, what is missing")
	definitions, err := s.people.manager.Metrics(ctx)
	if err != nil {
		return err
	}
	for _, p := range s.pursued {
		t, err := s.people.first.Trail(ctx, p.directive.ID)
		if err != nil {
			return err
		}
		s.say("  %s", p.name+": "+p.draft.Name)
		for _, l := range t.Latest {
			s.say("    %-28s %s", l.Metric, report.Point(&l.Point, l.Unit, l.Currency))
			s.say("    %28s %s %s to %s, version %s.", "", described(definitions, l.Metric), l.Point.Window.Start.Format(time.DateOnly),
				l.Point.Window.End.Add(-time.Nanosecond).Format(time.DateOnly), l.Version)
		}
		if t.Plan == nil {
			continue
		}
		s.collected(t.Plan)
	}
	return nil
}

func (s *story) collected(p *contract.PlanSummary) {
	told := map[contract.ParameterName]bool{}
	for _, c := range p.Parameters {
		if told[c.Name] {
			continue // several parts collect it
		}
		told[c.Name] = true
		covered := ""
		if c.Coverage != nil {
			covered = fmt.Sprintf(", there for %.0f %%", 100**c.Coverage)
		}
		s.say("    collects %-16s %s, for %s%s; owner %s, steward %s", c.Name, c.DataType, c.Purpose, covered, c.Owner, c.Steward)
	}
	for _, m := range p.Missing {
		s.say("    missing  %s: %s", report.Words([]contract.Reason{m.Reason}), report.Remedy(m.Remedy))
	}
}

func described(all []contract.Definition, id contract.MetricID) string {
	for _, d := range all {
		if d.ID == id {
			return d.Description
		}
	}
	return string(id)
}
