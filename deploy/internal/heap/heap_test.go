package heap

import (
	"context"
	"runtime/debug"
	"testing"
)

func TestPercentNeverBelowTheDefaultNorAboveTheSpare(t *testing.T) {
	t.Parallel()
	for live, want := range map[uint64]int{0: most, 50 << 20: most, 128 << 20: most, 200 << 20: 250, 256 << 20: 200, 512 << 20: usual, 8 << 30: usual} {
		got := percent(live)
		if got != want {
			t.Errorf("%d MiB in use: %d %%, want %d %%", live>>20, got, want)
		}
		if garbage := live * uint64(got) / 100; garbage > max(spare, live) {
			t.Errorf("%d MiB in use: %d MiB of garbage", live>>20, garbage>>20)
		}
	}
}

// Not parallel: the percentage is the process's.
func TestTheEnvironmentGoesFirst(t *testing.T) {
	const mine = 123
	defer debug.SetGCPercent(debug.SetGCPercent(mine))
	ended, end := context.WithCancel(t.Context())
	end()
	for _, environ := range [][]string{{"GOGC=off"}, {"HOME=/", "GOMEMLIMIT=2GiB"}} {
		if Tend(ended, environ); debug.SetGCPercent(mine) != mine {
			t.Errorf("%s was overruled", environ)
		}
	}
	if Tend(ended, []string{"HOME=/", "GOGC="}); debug.SetGCPercent(mine) == mine {
		t.Error("nothing was set")
	}
}
