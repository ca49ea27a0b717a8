// Package seedtest gives tests that draw by chance their seed: the clock's, printed, or the one that the environment variable STRATA_SEED
// gives, so that a run can be drawn again. What the machine's timing decides is not drawn again. It is imported by tests only.
package seedtest

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// New returns the seed of a test and prints it. A STRATA_SEED that is no number fails the test.
func New(t testing.TB) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv("STRATA_SEED"); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("STRATA_SEED: %v", err)
		}
	}
	t.Logf("STRATA_SEED=%d", seed)
	return seed
}
