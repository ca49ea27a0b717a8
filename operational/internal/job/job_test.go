package job

import (
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/contract"
)

func TestTheMeterKeepsWhatWasNotWrittenDown(t *testing.T) {
	t.Parallel()
	m := NewMeter()
	m.Add("od-1", "repeat_rate", 2*time.Second)
	m.Add("od-1", "repeat_rate", time.Second)
	m.Add("od-2", "repeat_rate", time.Second)
	seen := m.Spent()
	name := id("od-1", Compute, "repeat_rate")
	if seen[name] != 3*time.Second || len(seen) != 2 {
		t.Fatalf("%v", seen)
	}
	m.Add("od-1", "repeat_rate", time.Second) // while the three are written down
	m.Told(name, seen[name])
	if left := m.Spent(); left[name] != time.Second {
		t.Errorf("%v left, want the second that came meanwhile", left[name])
	}
	m.Told(name, time.Second)
	if _, ok := m.Spent()[name]; ok {
		t.Error("a job at nought is kept")
	}
}

func TestWhatACostMustGrowByToBeNews(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		seconds, told float64
		want          bool
	}{{.05, 0, false}, {.1, 0, true}, {10.5, 10, false}, {11, 10, true}, {1, 1, false}} {
		if got := Longer(c.seconds, c.told); got != c.want {
			t.Errorf("%v after %v: %v", c.seconds, c.told, got)
		}
	}
	two := &Held{Events: 20}
	for n, want := range map[int64]bool{20: false, 21: false, 22: true, 18: true} {
		if got := (&Held{Events: n}).Grown(two); got != want {
			t.Errorf("%d events after 20: %v", n, got)
		}
	}
	if (*Held)(nil).Grown(two) || !two.Grown(nil) || (&Held{}).Grown(nil) {
		t.Error("nothing is news, or something is not")
	}
}

func TestSummaries(t *testing.T) {
	t.Parallel()
	j := Job{Kind: Compute, Item: "repeat_rate", Seconds: 1.5}
	if s := j.Summary(); s.Seconds == nil || *s.Seconds != 1.5 || s.Events != nil {
		t.Errorf("%+v", s)
	}
	j = Job{Kind: Collect, Item: "order_time", Held: &Held{Events: 7, Bytes: 70}}
	if s := j.Summary(); *s.Events != 7 || *s.Bytes != 70 || s.Seconds != nil {
		t.Errorf("%+v", s)
	}
	var none []contract.SourceID
	if s := (&Job{Kind: Collect}).Summary(); s.Events != nil || s.Bytes != nil || len(s.Sources) != len(none) {
		t.Errorf("%+v", s)
	}
}
