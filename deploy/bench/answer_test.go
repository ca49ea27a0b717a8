package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl/scram"

	"github.com/strata-crm/strata/shared/contract"
)

const (
	directives = 15
	roundTrips = 60
	// atMost is how many bare round trips a directive may take until it is accepted: it makes four, with a transaction at
	// each end of each.
	atMost = 20
)

// A directive's way down through three layers and the answer's way back, against one message produced and fetched by the
// bare client on the same broker in the same run.
func TestBenchAnswer(t *testing.T) {
	r := start(t)
	bare := median(r.roundTrips())
	var took []time.Duration
	for n := range directives {
		took = append(took, r.issue(fmt.Sprintf("Goal %d", n), contract.LifetimeValue, "predicted_value_52w", contract.Money))
	}
	ratio := float64(median(took)) / float64(bare)
	t.Logf("directive → acceptance: median %.1f bare produce-and-fetch round trips (aim ≤ %d); %.4f s against %.4f s, slowest %.4f s",
		ratio, atMost, median(took).Seconds(), bare.Seconds(), longest(took).Seconds())
}

func longest(d []time.Duration) (most time.Duration) {
	for _, x := range d {
		most = max(most, x)
	}
	return most
}

// roundTrips produces a message with all acknowledgements and fetches it, so many times.
func (r *rig) roundTrips() []time.Duration {
	r.t.Helper()
	e := r.exposed()
	mechanism, err := scram.Mechanism(scram.SHA256, e["KAFKA_USERNAME"], e["KAFKA_PASSWORD"])
	if err != nil {
		r.t.Fatal(err)
	}
	const topic = contract.TopicInsights // nobody writes to it in this run
	w := &kafka.Writer{Addr: kafka.TCP(e["KAFKA_BROKERS"]), Topic: topic, RequiredAcks: kafka.RequireAll, BatchSize: 1,
		Balancer: kafka.BalancerFunc(func(kafka.Message, ...int) int { return 0 }), Transport: &kafka.Transport{SASL: mechanism}}
	defer w.Close()
	read := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{e["KAFKA_BROKERS"]}, Topic: topic, Partition: 0, MinBytes: 1, MaxBytes: 1 << 20,
		MaxWait: 500 * time.Millisecond, Dialer: &kafka.Dialer{SASLMechanism: mechanism, Timeout: 10 * time.Second}})
	defer read.Close()
	var took []time.Duration
	for n := range roundTrips {
		begun := time.Now()
		if err := w.WriteMessages(r.t.Context(), kafka.Message{Key: []byte("bench"), Value: make([]byte, 1000)}); err != nil {
			r.t.Fatal(err)
		}
		if _, err := read.ReadMessage(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
		if n >= roundTrips/6 { // the first ones connect
			took = append(took, time.Since(begun))
		}
	}
	return took
}
