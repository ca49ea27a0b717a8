package imports

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/operational/internal/collect"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

func TestConsecutive(t *testing.T) {
	t.Parallel()
	rows := func(numbers ...int64) (out []collect.Row) {
		for _, n := range numbers {
			out = append(out, collect.Row{Row: n})
		}
		return out
	}
	for name, c := range map[string]struct {
		rows  []collect.Row
		wrong bool
	}{
		"good":     {rows(4, 5, 6), false},
		"none":     {nil, true},
		"a gap":    {rows(4, 6), true},
		"twice":    {rows(4, 4), true},
		"zero":     {rows(0, 1), true},
		"too many": {make([]collect.Row, collect.MaxItems+1), true},
	} {
		if err := consecutive(c.rows); (err != nil) != c.wrong {
			t.Errorf("%s: %v, want wrong %v", name, err, c.wrong)
		}
	}
}

func TestStatement(t *testing.T) {
	t.Parallel()
	r := Run{Next: 1}
	verdict := func(s fault.Code) collect.Verdict {
		return collect.Verdict{Status: s, Code: s, Event: &contract.CustomerEvent{}}
	}
	verdicts := []collect.Verdict{verdict(fault.Accepted), verdict(fault.Accepted), verdict(fault.Quarantined), verdict(fault.NotRequested), verdict(fault.InvalidItem)}
	answers := make([]collect.Answer, len(verdicts))
	for i := range verdicts {
		answers[i] = collect.Answer{Status: verdicts[i].Status, Code: verdicts[i].Code}
	}
	answers[1].Status = fault.Duplicate // as the lake knows it now; ingest decides
	a := r.add(1, verdicts, answers)
	want := Answer{FirstRow: 1, LastRow: 5, Next: 6, Counts: map[fault.Code]int64{fault.Accepted: 1, fault.Duplicate: 1, fault.Quarantined: 1, fault.NotRequested: 1, fault.InvalidItem: 1},
		Problems: []Problem{{3, fault.Quarantined, fault.Quarantined, ""}, {4, fault.NotRequested, fault.NotRequested, ""}, {5, fault.InvalidItem, fault.InvalidItem, ""}}}
	if d := cmp.Diff(want, a); d != "" {
		t.Errorf("answer (-want +got):\n%s", d)
	}

	for name, c := range map[string]struct {
		o                 Outcomes
		passed, pending   bool
		waiting, lost     int64
		caughtUp, allRows bool
	}{
		"nothing ingested":       {Outcomes{}, false, false, 2, 0, false, false},
		"half":                   {Outcomes{Stored: 1}, false, false, 1, 0, false, false},
		"all":                    {Outcomes{Stored: 1, Duplicate: 1}, false, false, 0, 0, true, true},
		"a block is under way":   {Outcomes{Stored: 1, Duplicate: 1}, false, true, 0, 0, false, true},
		"passed, and some lost":  {Outcomes{Stored: 1}, true, false, 0, 1, true, true},
		"quarantined by ingest":  {Outcomes{Stored: 1, Quarantined: 1}, true, false, 0, 0, true, true},
		"suppressed and expired": {Outcomes{Suppressed: 1, NotInForce: 1}, true, false, 0, 0, true, true},
	} {
		run := r
		if c.pending {
			run.Pending = &Pending{}
		}
		s := run.statement(c.o, c.passed)
		if s.Waiting != c.waiting || s.Lost != c.lost || s.CaughtUp != c.caughtUp {
			t.Errorf("%s: waiting %d, lost %d, caught up %v; want %d, %d, %v", name, s.Waiting, s.Lost, s.CaughtUp, c.waiting, c.lost, c.caughtUp)
		}
		n := s.Stored + s.Duplicate + s.Quarantined + s.NotRequested + s.Invalid + s.Suppressed + s.NotInForce + s.Lost
		if (n == s.RowsRead) != c.allRows {
			t.Errorf("%s: the statement accounts for %d of %d rows", name, n, s.RowsRead)
		}
	}
}
