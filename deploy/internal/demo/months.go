package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/orderfile"
	"github.com/strata-crm/strata/deploy/internal/report"
	"github.com/strata-crm/strata/deploy/internal/upload"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
)

// months imports the orders, one month after the other, and declares each complete.
func (s *story) months(ctx context.Context) error {
	s.chapter("The purchases, month after month")
	for _, part := range s.parts {
		statement, err := s.load(ctx, part)
		if err != nil {
			return err
		}
		s.told = append(s.told, statement)
		if !slices.ContainsFunc(s.calendar.Months, part.Month().Equal) {
			s.say("  %s  %7s rows; the month is not whole, so it is not declared complete", part.Month().Format("2006-01"), wording.Count(statement.RowsRead))
			continue
		}
		if err := s.close(ctx, part, statement); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) load(ctx context.Context, part *orderfile.File) (client.Statement, error) {
	told, end := s.progress(part.Month().Format("2006-01"), int64(len(part.Rows)))
	defer end()
	run, err := upload.File(ctx, s.people.steward, sourceID, part, told)
	if err != nil {
		return run, err
	}
	within, cancel := context.WithTimeout(ctx, monthWithin)
	defer cancel()
	return upload.Settled(within, s.people.steward, run.Run)
}

// close declares the month complete and shows the goals once it has been measured.
func (s *story) close(ctx context.Context, part *orderfile.File, statement client.Statement) error {
	month, next := part.Month().Format("2006-01"), part.Month().AddDate(0, 1, 0)
	declared := s.now()
	if _, err := s.people.steward.Complete(ctx, sourceID, next.Format(time.DateOnly)); err != nil {
		return err
	}
	var cards []client.Card
	err := await(ctx, monthWithin, "the measurements of "+month, func(ctx context.Context) (bool, error) {
		var err error
		cards, err = s.people.first.Scorecard(ctx, "")
		return err == nil && s.reached(cards, month), err
	})
	if err != nil {
		return fmt.Errorf("%w; the goals stand at %s", err, stands(cards))
	}
	s.say("  %s  %7s rows, %s stored; complete, measured and judged in %.1f s", month, wording.Count(statement.RowsRead),
		wording.Count(statement.Stored), s.now().Sub(declared).Seconds())
	for _, p := range s.pursued {
		if c := find(cards, p.set.ID); c != nil && p.name != "G3" {
			s.moved(p, c, month)
		}
	}
	return nil
}

// moved shows how one goal stands after a month.
func (s *story) moved(p *pursuit, c *client.Card, month string) {
	st := c.Standing
	p.seen[month] = st.Status
	arrow := " "
	if p.last != "" && p.last != st.Status {
		arrow = "→"
	}
	p.last = st.Status
	note := ""
	if n := len(st.Touched); n > 0 && string(st.Touched[n-1])[:7] == month {
		note = ", target touched"
	}
	if st.Status == "achieved" || st.Status == "missed" {
		note += ", " + report.Plain(st.Proof)
	}
	report.Say(s.out, fmt.Sprintf("           %s  %s %-12s ", p.name, arrow, report.Plain(st.Status)), report.Point(st.Point, report.Unit(st))+note)
}

// reached reports whether both measurable goals are judged by the month.
func (s *story) reached(cards []client.Card, month string) bool {
	for _, p := range s.pursued {
		if p.name == "G3" {
			continue
		}
		if c := find(cards, p.set.ID); c == nil || c.Standing.Month() != month {
			return false
		}
	}
	return true
}

func find(cards []client.Card, id contract.GoalID) *client.Card {
	for i := range cards {
		if cards[i].Goal.ID == id {
			return &cards[i]
		}
	}
	return nil
}

func stands(cards []client.Card) string {
	var all []string
	for _, c := range cards {
		all = append(all, fmt.Sprintf("%s: %s as of %q", c.Goal.Name, c.Standing.Status, c.Standing.Month()))
	}
	return strings.Join(all, "; ")
}

// settled waits until every metric of the plans has been measured for the last month, for the pages that follow.
func (s *story) settled(ctx context.Context) error {
	end := s.calendar.Last.AddDate(0, 1, 0)
	for _, p := range s.pursued {
		if p.name == "G3" {
			continue
		}
		err := await(ctx, monthWithin, "the last month's measurements for "+p.name, func(ctx context.Context) (bool, error) {
			all, err := s.people.manager.Measurements(ctx, p.directive.ID)
			if err != nil {
				return false, err
			}
			last := map[contract.MetricID]bool{}
			for _, m := range all {
				last[m.Metric] = last[m.Metric] || m.Closed && m.Window.End.Equal(end)
			}
			for _, m := range p.plan {
				if !last[m.ID] {
					return false, nil
				}
			}
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
