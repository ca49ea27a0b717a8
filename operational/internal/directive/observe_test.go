package directive

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strata-crm/strata/operational/internal/job"
	"github.com/strata-crm/strata/shared/contract"
)

// slow is a service's surroundings, in which a look takes as long as told.
type slow struct {
	Store
	Policy
	Sources
	takes time.Duration
	looks int
}

func (s *slow) Coverage(context.Context, []contract.Parameter) (map[contract.ParameterName]float64, map[contract.ParameterName]job.Held, error) {
	return nil, nil, nil
}

func (s *slow) All(context.Context) ([]Record, error) {
	s.looks++
	time.Sleep(s.takes)
	return nil, nil
}

// TestLooksTakeAShareOfTheTime: while something changes all the time, looks come once per pause, or less often if they
// take long.
func TestLooksTakeAShareOfTheTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		takes time.Duration
		want  int // within a minute and a half
	}{{0, 45}, {100 * time.Millisecond, 43}, {time.Second, 9}} {
		synctest.Test(t, func(t *testing.T) {
			world := &slow{takes: c.takes}
			service, err := NewService(Options{Store: world, Policy: world, Sources: world, Coverage: world,
				Compiles: func(*contract.Computation) *contract.Reason { return nil }, Changed: func() {}, Now: time.Now,
				Trace: func(context.Context) string { return "" }, Span: func(context.Context) string { return "" }, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			o := NewObserver(service, time.Minute, 2*time.Second)
			ctx, stop := context.WithTimeout(t.Context(), 90*time.Second-time.Millisecond)
			defer stop()
			var waking sync.WaitGroup
			waking.Go(func() {
				for ctx.Err() == nil {
					o.Wake()
					time.Sleep(10 * time.Millisecond)
				}
			})
			if err := o.Run(ctx); err != nil {
				t.Error(err)
			}
			waking.Wait()
			if world.looks != c.want {
				t.Errorf("looks of %s: %d, want %d", c.takes, world.looks, c.want)
			}
		})
	}
}
