package insight

import (
	"fmt"
	"maps"
	"testing"

	"github.com/strata-crm/strata/operational/internal/identity"
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

// worth makes everything that is bought from a day on worth so many times as much.
func (r *rig) worth(from contract.Day, times float64) {
	for _, c := range r.customers {
		for i := range c.Facts {
			if f := &c.Facts[i]; f.Day >= from && f.Amount != nil {
				f.Amount = cents(times * float64(*f.Amount) / 100)
			}
		}
	}
}

// TestSpreadExpired: a forecast is compared with what it says: that the windows have expired which its spread is compared with takes
// nothing from that. The spread is watched by another baseline, and goes on from what was proved.
func TestSpreadExpired(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	living(r, 3000)
	for _, c := range r.customers {
		for i := range c.Facts {
			c.Facts[i].Format, c.Facts[i].Trust = "file", verified
		}
	}
	id := r.want(contract.InsightOrder{Kind: contract.ForecastInsight, Metric: shipped(t, "predicted_value_52w"), Tolerance: .5})
	r.until(months[0])
	r.until(months[1])
	before, err := r.records[id].state()
	if err != nil || before.Spread == nil || before.Spread.Fed == 0 || before.Later == nil || before.fallen() {
		t.Fatalf("its spread is not watched: %s, %v", show(r.insight(id)), err)
	}
	r.worth(months[1], .3)
	r.expired = metric.Expired{Orders: []contract.Day{before.Spread.windows(nil, -before.Spread.Base, 0)[0].From}}
	for _, m := range months[2:] {
		r.until(m)
	}
	after, err := r.records[id].state()
	if err != nil {
		t.Fatal(err)
	}
	if i := r.insight(id); i.Republished != 0 || i.Verdicts.Velocity != contract.Fails || after.Later.Fed <= before.Later.Fed {
		t.Errorf("a forecast of three times what came: %s", show(i))
	}
	if w := after.Spread; w == nil || !w.Gone || w.Fed != before.Spread.Fed || after.LogE[3] == 0 {
		t.Errorf("its spread is compared with %+v, evidence %v", w, after.LogE)
	}
}

// TestFewAreKept: where no more windows are kept than a baseline takes, a claim is not made anew every month, and says that they are too few.
func TestFewAreKept(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	living(r, 3000)
	id := r.want(contract.InsightOrder{Kind: contract.LevelInsight, Metric: shipped(t, "purchase_frequency_month"), Tolerance: .25})
	for _, m := range months {
		r.expired = metric.Expired{}
		for d := opening; d < m.Add(-7*15); d = d.Add(1) {
			r.expired.Orders = append(r.expired.Orders, d)
		}
		r.until(m)
	}
	i := r.insight(id)
	if i.State != contract.InsightPublished || i.Republished != 0 {
		t.Errorf("made anew %d times in %d months: %s", i.Republished, len(months), show(i))
	}
	for _, f := range i.Findings {
		if f.Question == contract.VelocityOf && (f.Verdict != contract.NotEnoughData || f.Why != string(noBaseline)) {
			t.Errorf("velocity is %+v", f)
		}
	}
}

// TestProvedAndExpired: what proved that a claim is false goes on being told, and counts among the alarms, when its baseline has expired.
func TestProvedAndExpired(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	living(r, 3000)
	r.worth(months[0], 2)
	id := r.want(contract.InsightOrder{Kind: contract.LevelInsight, Metric: aov(), Tolerance: .25})
	r.until(months[0])
	r.until(months[1])
	velocity := func() contract.Finding { return r.insight(id).Findings[1] }
	before, st := velocity(), State{}
	var err error
	if st, err = r.records[id].state(); err != nil || before.Verdict != contract.Fails || !st.Later.based() || !r.insight(id).Alarm {
		t.Fatalf("twice the value: %s, %v", show(r.insight(id)), err)
	}
	r.expired = metric.Expired{Orders: []contract.Day{st.Later.windows(nil, -st.Later.Base, 0)[0].From}}
	r.until(months[2])
	if i, after := r.insight(id), velocity(); i.Republished != 0 || after.Verdict != contract.Fails || after.Why != before.Why || after.LogE != before.LogE || !i.Alarm {
		t.Errorf("before: %+v\nafter: %+v of %s", before, after, show(i))
	}
}

// TestLostAndNotAnew: of a change whose windows have expired, and that cannot be made anew, nobody knows how it goes on, and that is told.
func TestLostAndNotAnew(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	moving(1).trade(r, 3, 0, dayOf("2026-04-01"))
	id := r.want(contract.InsightOrder{Kind: contract.ChangeInsight, Metric: aov(), Grain: contract.GrainMonth, Tolerance: .25, OfLevel: true})
	r.until("2026-02-01")
	r.until("2026-03-01")
	before := r.insight(id)
	if v := before.Verdicts.Velocity; before.State != contract.InsightPublished || v == contract.NotEnoughData || v == contract.Fails {
		t.Fatal(show(before))
	}
	for c := 380; c < 3000; c++ {
		delete(r.customers, identity.Key(fmt.Sprintf("customer-%d", c)))
	}
	r.expired = metric.Expired{Orders: []contract.Day{"2025-12-05"}}
	r.until("2026-04-01")
	i := r.insight(id)
	if i.State != contract.InsightPublished || i.Verdicts.Velocity != contract.NotEnoughData || i.Value != before.Value || i.ShelfLife != nil {
		t.Errorf("before: %s\nafter: %s", show(before), show(i))
	}
	if f := i.Findings[1]; f.Question != contract.VelocityOf || f.Why != string(noBaseline) || f.Verdict != contract.NotEnoughData {
		t.Errorf("velocity is %+v", f)
	}
	if st, err := r.records[id].state(); err != nil || !st.Lost || st.Standing.Verdicts.Velocity != contract.NotEnoughData {
		t.Errorf("kept is %+v, %v", st.Standing, err)
	}
}
