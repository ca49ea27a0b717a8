package httpxtest_test

import (
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/httpx/httpxtest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	httpxtest.TestIdempotency(t, func(_ *testing.T, now func() time.Time) httpxtest.Store {
		m := httpxtest.NewMemory(now)
		return httpxtest.Store{IdempotencyStore: m, Change: m.Change}
	})
}
