package broker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/bus/kafkabus"
	"github.com/strata-crm/strata/shared/local/broker"
)

// fill publishes messages until the partition has several segments, and returns how many messages there are.
func fill(t *testing.T, k *kafkabus.Bus, topic string) int64 {
	t.Helper()
	const n = 100
	value := []byte(strings.Repeat("x", 800<<10))
	for range n {
		must(t, k.Publish(t.Context(), bus.Message{Topic: topic, Key: "k", Value: value}))
	}
	return n
}

func first(t *testing.T, k *kafkabus.Bus, topic string) (first, end int64) {
	t.Helper()
	info, err := k.Log(t.Context(), topic)
	must(t, err)
	return info.Partitions[0].First, info.Partitions[0].End
}

func TestExpireDeletesOnlyWhatWasPassedAndIsOld(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Now()
	clock := func() time.Time { return now }
	open := func() (*broker.Broker, *kafkabus.Bus) {
		b := start(t, broker.Options{Dir: dir, Now: clock, Aged: []string{"state"}})
		return b, client(t, b)
	}
	b, k := open()
	keep := map[string]string{"retention.ms": "3600000"}
	must(t, k.EnsureTopics(t.Context(), bus.TopicSpec{Name: "events", Partitions: 1, Config: keep}, bus.TopicSpec{Name: "state", Partitions: 1, Config: keep}))
	n := fill(t, k, "events")
	fill(t, k, "state")
	expect := func(what, topic string, ok func(first int64) bool) {
		t.Helper()
		must(t, b.Expire())
		from, end := first(t, k, topic)
		if !ok(from) || end != n {
			t.Fatalf("%s: %s holds [%d, %d)", what, topic, from, end)
		}
	}
	none := func(first int64) bool { return first == 0 }
	b.RetainUntil("events", 0, n)
	expect("everything is young", "events", none)
	expect("everything is young", "state", none)
	now = now.Add(2 * time.Hour)
	b.RetainUntil("events", 0, 0)
	expect("nothing was passed", "events", none)
	b.RetainUntil("events", 0, 45)
	expect("45 were passed", "events", func(first int64) bool { return first > 0 && first <= 45 })
	expect("state goes by age", "state", func(first int64) bool { return first > 45 && first < n })
	b.RetainUntil("events", 0, n)
	expect("all were passed", "events", func(first int64) bool { return first > 45 && first < n })
	must(t, b.Close())
	b, k = open()
	expect("a new start forgets what was passed but no offsets", "events", func(first int64) bool { return first > 45 && first < n })
	publish(t, k, "events", 0, 1)
	if _, end := first(t, k, "events"); end != n+1 {
		t.Fatalf("after a new start the log ends at %d, want %d", end, n+1)
	}
}
