package kafkabus_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/strata-crm/strata/shared/bus/bustest"
	"github.com/strata-crm/strata/shared/bus/kafkabus"
	"github.com/strata-crm/strata/shared/local/broker"
)

// TestMain fails when anything of the bus or the broker outlives its test.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// server is a broker that can be restarted behind one Dial.
type server struct {
	dir string
	now atomic.Pointer[broker.Broker]
}

func startServer(t testing.TB, dir string) *server {
	t.Helper()
	s := &server{dir: dir}
	s.start(t)
	t.Cleanup(func() { s.stop(t) })
	return s
}

func (s *server) start(t testing.TB) {
	t.Helper()
	b, err := broker.Open(broker.Options{Dir: s.dir, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	s.now.Store(b)
}

func (s *server) stop(t testing.TB) {
	t.Helper()
	if err := s.now.Load().Close(); err != nil {
		t.Error(err)
	}
}

func (s *server) dial(ctx context.Context, network, address string) (net.Conn, error) {
	return s.now.Load().Dial(ctx, network, address)
}

func open(t testing.TB, s *server, dial bustest.Dial) *kafkabus.Bus {
	t.Helper()
	return connect(t, s.now.Load().Brokers(), dial)
}

func connect(t testing.TB, brokers []string, dial bustest.Dial) *kafkabus.Bus {
	t.Helper()
	return start(t, kafkabus.Options{Brokers: brokers, ClientID: "test", Dial: dial, Logger: quiet})
}

func logging(t testing.TB, s *server, log *slog.Logger) *kafkabus.Bus {
	t.Helper()
	return start(t, kafkabus.Options{Brokers: s.now.Load().Brokers(), ClientID: "test", Dial: s.dial, Logger: log})
}

func start(t testing.TB, o kafkabus.Options) *kafkabus.Bus {
	t.Helper()
	b, err := kafkabus.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestBus(t *testing.T) {
	t.Parallel()
	bustest.Test(t, func(t *testing.T) bustest.Harness {
		s := startServer(t, t.TempDir())
		network := bustest.NewNetwork(s.dial)
		return bustest.Harness{
			Open:        func(t *testing.T) bustest.Client { return open(t, s, network.Dial) },
			LoseReplies: network.LoseReplies,
			HoldWrite:   network.HoldWrite,
			Truncate: func(t *testing.T, topic string, partition int, before int64) {
				truncate(t, s.now.Load().Brokers(), s.dial, topic, partition, before)
			},
			Restart: func(t *testing.T) { s.stop(t); s.start(t) },
		}
	})
}

// TestBusOnKafka runs the suite on a real cluster, whose brokers STRATA_TEST_KAFKA_BROKERS names (host:port,…).
func TestBusOnKafka(t *testing.T) {
	t.Parallel()
	brokers := realBrokers(t)
	bustest.Test(t, func(t *testing.T) bustest.Harness { return realHarness(brokers) })
}

// TestBusOnRestartedKafka crashes and restarts that cluster in turn, through the address that STRATA_TEST_KAFKA_CONTROL names. It is not
// parallel, so that no other test meets the restarts.
func TestBusOnRestartedKafka(t *testing.T) {
	brokers, control := realBrokers(t), os.Getenv("STRATA_TEST_KAFKA_CONTROL")
	if control == "" {
		t.Skip("set STRATA_TEST_KAFKA_CONTROL to restart the real Kafka, or run `make test-kafka`")
	}
	h, ways := realHarness(brokers), []string{"/crash", "/restart"}
	h.Restart = func(t *testing.T) {
		post(t, control+ways[0])
		ways = append(ways[1:], ways[0])
	}
	bustest.Restarts(t, h)
}

func realBrokers(t *testing.T) []string {
	t.Helper()
	named := os.Getenv("STRATA_TEST_KAFKA_BROKERS")
	if named == "" {
		t.Skip("set STRATA_TEST_KAFKA_BROKERS to run the suite on a real Kafka, or run `make test-kafka`")
	}
	return strings.Split(named, ",")
}

func realHarness(brokers []string) bustest.Harness {
	network := bustest.NewNetwork(nil)
	return bustest.Harness{
		Open:        func(t *testing.T) bustest.Client { return connect(t, brokers, network.Dial) },
		LoseReplies: network.LoseReplies,
		HoldWrite:   network.HoldWrite,
		Truncate: func(t *testing.T, topic string, partition int, before int64) {
			truncate(t, brokers, new(net.Dialer).DialContext, topic, partition, before)
		},
	}
}

func post(t *testing.T, address string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Post(address, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		text, _ := io.ReadAll(answer.Body)
		t.Fatalf("restarting the broker answered %d: %s", answer.StatusCode, text)
	}
}
