// Package heap lets garbage gather longer than Go does by itself, because a suite in one process makes much of it: a
// record is encoded and decoded on its way to a broker and a document store that are in the same process. It owns how
// much may gather; the process's GOGC and GOMEMLIMIT go before it.
package heap

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"time"
)

const (
	// spare is how many bytes of garbage may gather, where that is more than Go's default.
	spare = 512 << 20
	// most is the highest percentage of what is in use that may gather, for small heaps.
	most = 400
	// usual is Go's default percentage; it is never gone below.
	usual = 100

	every = time.Second
)

// Tend sets the collector's percentage to the heap's size, at once and then every second until ctx ends, unless the
// environment (as os.Environ has it) says how the collector is to be set.
func Tend(ctx context.Context, environ []string) {
	if told(environ) {
		return
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for set := 0; ; {
		if p := percent(live()); p != set {
			debug.SetGCPercent(p)
			set = p
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func told(environ []string) bool {
	for _, e := range environ {
		if name, value, _ := strings.Cut(e, "="); (name == "GOGC" || name == "GOMEMLIMIT") && value != "" {
			return true
		}
	}
	return false
}

// live is how many bytes the last collection found in use; 0 before the first one.
func live() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// percent is how much garbage may gather, in percent of what is in use, in steps so that it is seldom set anew.
func percent(live uint64) int {
	const step = 25
	p := 100 * spare / max(live, 1) / step * step
	return int(min(most, max(usual, p)))
}
