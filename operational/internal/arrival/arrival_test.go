package arrival

import (
	"context"
	"log/slog"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/shared/contract"
)

func TestCurve(t *testing.T) {
	t.Parallel()
	var b Bins
	b[0], b[7], b[14] = 900, 60, 40 // within a minute, a day, ten days
	c := Draw(b)
	for age, want := range map[time.Duration]float64{0: 0, time.Minute: .9, 23 * time.Hour: .9, day: .96, 9 * day: .96, 10 * day: 1, 400 * day: 1} {
		if got := c.By(age); math.Abs(got-want) > 1e-12 {
			t.Errorf("by %v %v have come, want %v", age, got, want)
		}
	}
	b[0] = 299
	if got := Draw(b).By(0); got != 1 {
		t.Errorf("a curve of 399 facts says %v", got)
	}
}

func TestShareOfWindow(t *testing.T) {
	t.Parallel()
	var b Bins
	b[0], b[14] = 920, 80
	live := Source{Curve: Draw(b)}
	said := Source{Curve: Draw(b), Declared: "2026-03-05"}
	all := Source{Curve: Draw(b), Declared: "2026-03-08"}
	at := func(d contract.Day) time.Time { return d.Start(time.UTC) }
	for name, c := range map[string]struct {
		of   []Source
		now  contract.Day
		want float64
	}{
		"a day after its end":                    {[]Source{live}, "2026-03-09", .92},
		"a week after":                           {[]Source{live}, "2026-03-15", .92 + .08*4/7},
		"once the last can have come":            {[]Source{live}, "2026-03-18", 1},
		"of which four days are declared":        {[]Source{said}, "2026-03-09", 1 - .08*3/7},
		"which is declared whole":                {[]Source{all}, "2026-03-09", 1},
		"of several the one that lacks the most": {[]Source{all, live, said}, "2026-03-09", .92},
		"of no live source":                      {nil, "2026-03-09", 1},
		"of which too little is known":           {[]Source{{}}, "2026-03-09", 1},
	} {
		if got := Share(c.of, "2026-03-01", "2026-03-08", at(c.now), time.UTC); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("a week %s has come by %v, want %v", name, got, c.want)
		}
	}
}

// TestSampledIsWhole: whatever a curve is drawn from had the time to come that it is asked about.
func TestSampledIsWhole(t *testing.T) {
	t.Parallel()
	today := contract.Day("2026-03-31")
	if from, until := Sampled(today); until.Sub(from) != Horizon || today.Start(time.UTC).Sub(until.Add(-1).End(time.UTC)) < edges[len(edges)-1] {
		t.Errorf("of %s it samples %s to before %s", today, from, until)
	}
	if len(edges) != len(Bins{}) {
		t.Errorf("%d limits for %d places", len(edges), len(Bins{}))
	}
}

// kept is a store in memory.
type kept struct {
	counts map[place]Bins
	err    error
}

func (k *kept) Add(_ context.Context, _ contract.TenantID, counts []Count, _ contract.Day) error {
	for _, c := range counts {
		sum := k.counts[place{c.Source, c.Day}]
		for i, n := range c.Bins {
			sum[i] += n
		}
		k.counts[place{c.Source, c.Day}] = sum
	}
	return k.err
}

func (k *kept) Sum(context.Context, contract.TenantID, contract.Day, contract.Day) (map[contract.SourceID]Bins, error) {
	return nil, nil
}

func TestTally(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &kept{counts: map[place]Bins{}}
		tally, err := NewTally("main", k, time.Second, time.Now, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- tally.Run(ctx) }()
		noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		tally.Add("shop", noon, noon.Add(-time.Second)) // a clock that is ahead
		tally.Add("shop", noon, noon.Add(2*time.Hour))
		tally.Add("shop", noon, noon.Add(29*day))
		time.Sleep(1500 * time.Millisecond)
		tally.Add("till", noon.Add(13*time.Hour), noon.Add(14*time.Hour))
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		want := map[place]Bins{{"shop", "2026-03-01"}: {0: 1, 4: 1}, {"till", "2026-03-02"}: {3: 1}}
		if d := cmp.Diff(want, k.counts, cmp.AllowUnexported(place{})); d != "" {
			t.Error(d)
		}
	})
}
