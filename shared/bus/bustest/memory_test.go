package bustest_test

import (
	"testing"

	"github.com/strata-crm/strata/shared/bus/bustest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	bustest.Test(t, func(t *testing.T) bustest.Harness {
		memory := bustest.Memory(t)
		return bustest.Harness{
			Open: func(*testing.T) bustest.Client { return memory },
			Truncate: func(t *testing.T, topic string, partition int, before int64) {
				if err := memory.Truncate(topic, partition, before); err != nil {
					t.Fatal(err)
				}
			},
			LoseReplies: memory.LoseReplies,
		}
	})
}
