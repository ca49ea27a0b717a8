package insight

import (
	"maps"
	"testing"

	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
)

// TestWhatExpiredJudgesNothing: a claim is not looked at by a window of which facts have expired: what is left of it is not what
// happened. Where they are of what it is compared with, it is made anew, and compared with what is kept; where they are of neither it goes on.
func TestWhatExpiredJudgesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	living(r, 3000)
	id := r.want(contract.InsightOrder{Kind: contract.LevelInsight, Metric: shipped(t, "purchase_frequency_month"), Tolerance: .25})
	r.until(months[0])
	st, err := r.records[id].state()
	if err != nil || st.Later == nil || st.Later.Base < leastBaseline {
		t.Fatalf("it has no baseline: %s, %v", show(r.insight(id)), err)
	}
	base := st.Later.Anchor.Add(-st.Later.Base * st.Later.Days)
	before := maps.Clone(r.records)
	for _, c := range []struct {
		what  string
		day   contract.Day
		looks bool
		anew  int
	}{
		{"a day of the window", months[0], false, 0},
		{"a day of the baseline", base, true, 1},
		{"a day before either", base.Add(-1), true, 0},
	} {
		r.records = maps.Clone(before)
		r.expired = metric.Expired{Orders: []contract.Day{c.day}}
		r.until(months[1])
		after, err := r.records[id].state()
		if err != nil {
			t.Fatal(err)
		}
		i := r.insight(id)
		if looked := after.Seen == months[1] && r.records[id].Version != before[id].Version; looked != c.looks || i.Republished != c.anew {
			t.Errorf("%s (%s) has expired: looked at %v, want %v; made anew %d times, want %d", c.what, c.day, looked, c.looks, i.Republished, c.anew)
		}
		if c.anew == 0 {
			continue
		}
		l := after.Later
		if l == nil || l.Fed != 0 || l.Base < leastBaseline || l.Anchor.Add(-l.Base*l.Days) <= c.day || after.Lost {
			t.Errorf("it is compared with %+v", l)
		}
		if n := len(after.Anew); n != 1 || after.Anew[0] != (Anew{months[1], expired}) || i.Anew != expired || i.State != contract.InsightRepublished {
			t.Errorf("why it was made anew is %+v, and is told as %q", after.Anew, i.Anew)
		}
	}
}

// TestOnlyItsOwnExpire: what a claim rests on does not expire with facts of another kind, neither its windows nor its baseline.
func TestOnlyItsOwnExpire(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	living(r, 3000)
	id := r.want(contract.InsightOrder{Kind: contract.LevelInsight, Metric: shipped(t, "purchase_frequency_month"), Tolerance: .25})
	r.until(months[0])
	before, err := r.records[id].state()
	if err != nil || before.Later == nil || before.Later.Base < leastBaseline {
		t.Fatalf("it has no baseline: %s, %v", show(r.insight(id)), err)
	}
	r.expired = metric.Expired{Answers: []contract.Day{before.Later.Anchor.Add(-before.Later.Base * before.Later.Days), months[0]}}
	r.until(months[1])
	after, err := r.records[id].state()
	if err != nil {
		t.Fatal(err)
	}
	if i := r.insight(id); after.Seen != months[1] || i.Republished != 0 || after.Later == nil || after.Later.Fed == 0 || after.Later.Base != before.Later.Base {
		t.Errorf("answers expired, and a claim of orders was made anew %d times: seen to %s, compared with %+v", i.Republished, after.Seen, after.Later)
	}
}

// TestExpiryGoesOn: where the oldest day expires every day, a claim is not made anew every month: its baseline leaves room.
func TestExpiryGoesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	living(r, 3000)
	id := r.want(contract.InsightOrder{Kind: contract.LevelInsight, Metric: shipped(t, "purchase_frequency_month"), Tolerance: .25})
	first := months[0].Add(-400)
	for n, m := range months {
		r.expired = metric.Expired{}
		for d := first; d < m.Add(-380); d = d.Add(1) {
			r.expired.Orders = append(r.expired.Orders, d)
		}
		r.until(m)
		i := r.insight(id)
		if n == 0 && i.State != contract.InsightPublished {
			t.Fatal(show(i))
		}
		if st, err := r.records[id].state(); err != nil || st.Seen != m {
			t.Fatalf("%s was not looked at: %v", m, err)
		}
	}
	if i := r.insight(id); i.Republished > 0 || i.Verdicts.Velocity != contract.Holds {
		t.Errorf("it was made anew %d times in %d months: %s", i.Republished, len(months), show(i))
	}
}

// TestFallenAndExpired: a claim that fell is not made anew at once because what it was compared with has expired.
func TestFallenAndExpired(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	living(r, 3000)
	id := r.want(contract.InsightOrder{Kind: contract.LevelInsight, Metric: shipped(t, "purchase_frequency_month"), Tolerance: .25})
	r.until(months[0])
	rec := r.records[id]
	st, err := rec.state()
	if err != nil {
		t.Fatal(err)
	}
	st.Standing.Verdicts.Velocity, st.Fell = contract.Fails, 1
	if rec.State, err = st.encode(); err != nil {
		t.Fatal(err)
	}
	r.records[id] = rec
	r.expired = metric.Expired{Orders: []contract.Day{st.Later.Anchor.Add(-st.Later.Base * st.Later.Days)}}
	for n, anew := range []int{0, 0, 1} {
		r.until(months[n+1])
		if i := r.insight(id); i.Republished != anew || anew == 0 && i.Verdicts.Velocity != contract.Fails {
			t.Errorf("%d windows later: made anew %d times: %s", n+1, i.Republished, show(i))
		}
	}
}

// TestChangeExpired: a claim of two windows that have expired is made anew of two that are kept.
func TestChangeExpired(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	moving(1.3).trade(r, 3, 0, dayOf("2026-04-01"))
	id := r.want(contract.InsightOrder{Kind: contract.ChangeInsight, Metric: aov(), Grain: contract.GrainMonth, Tolerance: .25, OfLevel: true})
	r.until("2026-02-01")
	before := r.insight(id)
	r.expired = metric.Expired{Orders: []contract.Day{"2025-12-05"}}
	for _, m := range []contract.Day{"2026-03-01", "2026-04-01"} {
		r.until(m)
	}
	if i := r.insight(id); before.State != contract.InsightPublished || i.State != contract.InsightRepublished || i.Anew != expired || i.Republished != 1 {
		t.Errorf("before: %s\nafter: %s", show(before), show(i))
	}
}
