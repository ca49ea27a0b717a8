package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/strata-crm/strata/deploy/e2e/oracle"
	"github.com/strata-crm/strata/deploy/internal/verify"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
)

// compare holds everything against the expectations.
func (s *story) compare(ctx context.Context) error {
	s.chapter("Compared with what a naive oracle, or the file of expectations, says")
	want := s.Expected()
	s.note("the statement", verify.Statement(verify.Sum(s.told), want.Facts))
	var all []contract.Measurement
	for _, p := range s.pursued {
		measured, err := s.people.manager.Measurements(ctx, p.directive.ID)
		if err != nil {
			return err
		}
		all = append(all, measured...)
	}
	s.note("the measurements, month by month", verify.Months(all, want))
	s.note("the cohorts, month by month", verify.Cohorts(all, want))
	if !s.Orders.Last().Before(s.calendar.Last.AddDate(0, 1, 0)) {
		s.tell("The file ends within a month that is not measured, so how many customers it has is not compared.")
	} else {
		s.note("how many customers there are, and how many came again", verify.Customers(all, want.Facts))
	}
	return s.courses(ctx, want)
}

// courses holds each goal against what is expected of it.
func (s *story) courses(ctx context.Context, want oracle.Expectation) error {
	for _, course := range want.Goals {
		p := s.pursuit(course.Name)
		if p == nil || string(p.draft.Metric) != course.Metric {
			s.note("what is expected of "+course.Name, []string{fmt.Sprintf("%s on %s is expected, and no goal of that name on that metric is pursued", course.Name, course.Metric)})
			continue
		}
		if course.Refused != "" {
			s.note(p.name+" is refused", s.refused(ctx, p, course.Refused))
			continue
		}
		history, err := s.people.first.History(ctx, p.set.ID)
		if err != nil {
			return err
		}
		s.note(p.name+"'s course, month by month", verify.Course(history, course, want))
		s.note(p.name+"'s statuses as they were shown at the time", s.live(p, course.Statuses))
	}
	return nil
}

func (s *story) note(what string, wrong []string) {
	s.steps++
	s.wrong = append(s.wrong, wrong...)
	mark := "✓"
	if len(wrong) > 0 {
		s.failed++
		mark = "✗"
	}
	s.say("  %s %s", mark, what)
}

func (s *story) pursuit(name string) *pursuit {
	for _, p := range s.pursued {
		if p.name == name {
			return p
		}
	}
	return nil
}

func (s *story) refused(ctx context.Context, p *pursuit, why string) []string {
	c, err := s.people.first.Card(ctx, p.set.ID)
	if err != nil {
		return []string{err.Error()}
	}
	for _, r := range c.Standing.Reasons {
		if c.Standing.Status == "not_measurable" && strings.TrimSpace(string(r.Code)+" "+r.Item) == why {
			return nil
		}
	}
	return []string{fmt.Sprintf("%s: %s (%s), expected to be refused with %s", p.name, c.Standing.Status, wording.Reasons(c.Standing.Reasons), why)}
}

// live compares what was shown when each month had been imported. A month without orders is not shown.
func (s *story) live(p *pursuit, want map[string]string) []string {
	var wrong []string
	for _, at := range s.calendar.Months {
		month := at.Format("2006-01")
		if status, ok := want[month]; ok && p.seen[month] != status {
			wrong = append(wrong, fmt.Sprintf("%s was shown as %q in %s, expected %q", p.name, p.seen[month], month, status))
		}
	}
	slices.Sort(wrong)
	return wrong
}
