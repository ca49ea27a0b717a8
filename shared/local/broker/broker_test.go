package broker_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/bus/kafkabus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/local/broker"
)

// childDir makes the test binary the process that a test kills.
const childDir = "STRATA_BROKER_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		publishUntilKilled(dir)
	}
	if dir := os.Getenv(fullDir); dir != "" {
		if err := publishUntilFull(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

var quiet = slog.New(slog.DiscardHandler)

func start(t *testing.T, o broker.Options) *broker.Broker {
	t.Helper()
	o.Logger = quiet
	b, err := broker.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func client(t *testing.T, b *broker.Broker) *kafkabus.Bus {
	t.Helper()
	o := kafkabus.Options{Brokers: b.Brokers(), ClientID: "test", Dial: b.Dial, Logger: quiet}
	if c := b.Credential(); c != nil {
		o.SASL = &kafkabus.SASL{Username: c.Username, Password: c.Password}
	}
	k, err := kafkabus.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeBus(t, k) })
	return k
}

func closeBus(t *testing.T, k *kafkabus.Bus) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	if err := k.Close(ctx); err != nil {
		t.Error(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func values(t *testing.T, k *kafkabus.Bus, topic string) []string {
	t.Helper()
	var got []string
	must(t, k.ReadAll(t.Context(), topic, func(m bus.Message) error { got = append(got, string(m.Value)); return nil }))
	return got
}

func publish(t *testing.T, k *kafkabus.Bus, topic string, from, n int) {
	t.Helper()
	msgs := make([]bus.Message, n)
	for i := range msgs {
		msgs[i] = bus.Message{Topic: topic, Key: "k", Value: fmt.Appendf(nil, "%d", from+i)}
	}
	must(t, k.Publish(t.Context(), msgs...))
}

func TestRestartKeepsEverything(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "kafka")
	spec := bus.TopicSpec{Name: "t", Partitions: 2, Config: map[string]string{"retention.ms": "1000000"}}
	first := start(t, broker.Options{Dir: dir})
	k := client(t, first)
	must(t, k.EnsureTopics(t.Context(), spec))
	publish(t, k, "t", 0, 10)
	must(t, first.Close())
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("the folder is open to others: %v %v", info.Mode(), err)
	}
	second := start(t, broker.Options{Dir: dir})
	if second.ClusterID() != first.ClusterID() {
		t.Fatalf("the cluster id became %s, was %s", second.ClusterID(), first.ClusterID())
	}
	k = client(t, second)
	must(t, k.VerifyTopics(t.Context(), spec))
	publish(t, k, "t", 10, 5)
	if got := values(t, k, "t"); len(got) != 15 || got[0] != "0" || got[14] != "14" {
		t.Fatalf("got %v", got)
	}
	info, err := k.Log(t.Context(), "t")
	if err != nil || info.ClusterID != first.ClusterID() {
		t.Fatalf("clients see cluster %s (%v), want %s", info.ClusterID, err, first.ClusterID())
	}
}

func TestContractTopicsCanBeMade(t *testing.T) {
	t.Parallel()
	k := client(t, start(t, broker.Options{}))
	must(t, k.EnsureTopics(t.Context(), contract.Specs()...))
	must(t, k.VerifyTopics(t.Context(), contract.Specs()...))
}

// publishUntilKilled runs in the child: it prints each value once it is acknowledged.
func publishUntilKilled(dir string) {
	b, err := broker.Open(broker.Options{Dir: dir, Logger: quiet})
	if err != nil {
		panic(err)
	}
	k, err := kafkabus.New(kafkabus.Options{Brokers: b.Brokers(), ClientID: "child", Dial: b.Dial, Logger: quiet})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	if err := k.EnsureTopics(ctx, bus.TopicSpec{Name: "t", Partitions: 3}); err != nil {
		panic(err)
	}
	run := os.Getpid()
	for i := 0; ; i++ {
		value := fmt.Sprintf("%d/%d", run, i)
		if err := k.Publish(ctx, bus.Message{Topic: "t", Key: fmt.Sprint(i % 50), Value: []byte(value)}); err != nil {
			panic(err)
		}
		fmt.Println(value)
	}
}

// TestKillLosesNothingAcknowledged kills a publishing process, with SIGKILL, several times on one folder.
func TestKillLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var acknowledged []string
	for range 3 {
		acknowledged = append(acknowledged, killed(t, dir, 200)...)
	}
	k := client(t, start(t, broker.Options{Dir: dir}))
	stored := map[string]bool{}
	for _, v := range values(t, k, "t") {
		stored[v] = true
	}
	for _, v := range acknowledged {
		if !stored[v] {
			t.Fatalf("%s was acknowledged and is gone (%d stored)", v, len(stored))
		}
	}
	if len(acknowledged) < 600 {
		t.Fatalf("only %d messages were acknowledged before the kills", len(acknowledged))
	}
}

// killed runs a child until it has printed n lines, kills it amid its work and returns what it had printed.
func killed(t *testing.T, dir string, n int) []string {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), childDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	var lines []string
	for scanner := bufio.NewScanner(out); scanner.Scan(); {
		lines = append(lines, scanner.Text())
		if len(lines) == n {
			must(t, child.Process.Kill())
		}
	}
	if err := child.Wait(); err == nil || len(lines) < n {
		t.Fatalf("the child ended by itself after %d lines: %v", len(lines), err)
	}
	return lines
}

// failing makes syncs of segment files fail once told to.
func failing(on *atomic.Bool, hits *atomic.Int64) vfs.FS {
	return errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if on.Load() && strings.HasSuffix(op.Path, ".dat") && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData) {
			hits.Add(1)
			return errors.New("the disk is broken")
		}
		return nil
	}))
}

func TestFailedSyncFailsThePublish(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var on atomic.Bool
	var hits atomic.Int64
	b := start(t, broker.Options{Dir: dir, FS: failing(&on, &hits)})
	k := client(t, b)
	must(t, k.EnsureTopics(t.Context(), bus.TopicSpec{Name: "t", Partitions: 1}))
	publish(t, k, "t", 0, 3)
	reader := client(t, b)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := make(chan string, 10)
	ended := make(chan error, 1)
	go func() {
		ended <- reader.Subscribe(ctx, bus.Subscription{Topic: "t", Group: "g",
			Handle:     func(_ context.Context, m bus.Message) error { seen <- string(m.Value); return nil },
			Quarantine: func(context.Context, bus.Message, error) error { return nil },
			OnGap:      func(context.Context, bus.Gap) error { return nil }})
	}()
	for range 3 {
		<-seen
	}
	on.Store(true)
	err := k.Publish(t.Context(), bus.Message{Topic: "t", Key: "k", Value: []byte("not on disk")})
	if !fault.Is(err, fault.Transient) || hits.Load() == 0 {
		t.Fatalf("the publish returned %v after %d failed syncs", err, hits.Load())
	}
	if b.Err() == nil {
		t.Error("the broker does not say that its disk failed")
	}
	on.Store(false) // a sync that succeeds later proves nothing
	short, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	if err := k.Publish(short, bus.Message{Topic: "t", Key: "k", Value: []byte("after")}); err == nil {
		t.Error("the broker goes on after a failed sync")
	}
	cancel()
	must(t, <-ended)
	if len(seen) > 0 {
		t.Errorf("a subscriber saw %q, which is not on disk", <-seen)
	}
	if err := b.Close(); err == nil {
		t.Error("closing does not tell of the failed sync")
	}
	again := client(t, start(t, broker.Options{Dir: dir}))
	if got := values(t, again, "t"); len(got) < 3 || got[2] != "2" {
		t.Fatalf("after a new start the log holds %v", got)
	}
}

func TestOneProcessPerFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start(t, broker.Options{Dir: dir})
	if _, err := broker.Open(broker.Options{Dir: dir, Logger: quiet}); !fault.Is(err, fault.Conflict) {
		t.Fatalf("got %v, want a conflict", err)
	}
}

func TestRefusesWhatIsNotSafe(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]broker.Options{
		"no logger":              {},
		"a port without sign-in": {Listen: "127.0.0.1:0", Logger: quiet},
		"beyond loopback":        {Listen: "0.0.0.0:0", Logger: quiet, Credential: &broker.Credential{Username: "u", Password: "p"}},
		"a name for an address":  {Listen: "localhost:0", Logger: quiet, Credential: &broker.Credential{Username: "u", Password: "p"}},
	} {
		if b, err := broker.Open(o); err == nil {
			b.Close()
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestPortAsksForTheCredential(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, password := range []string{"first", "second"} { // each start has its own
		b := start(t, broker.Options{Dir: dir, Listen: "127.0.0.1:0", Credential: &broker.Credential{Username: "strata", Password: password}})
		inside := client(t, b)
		must(t, inside.EnsureTopics(t.Context(), bus.TopicSpec{Name: "t", Partitions: 1}))
		publish(t, inside, "t", 0, 1)
		for given, want := range map[string]bool{password: true, "wrong": false} {
			k, err := kafkabus.New(kafkabus.Options{Brokers: b.Brokers(), ClientID: "outside", Logger: quiet, SASL: &kafkabus.SASL{Username: "strata", Password: given}})
			must(t, err)
			_, err = k.Log(t.Context(), "t")
			if (err == nil) != want {
				t.Errorf("password %s: got %v", given, err)
			}
			closeBus(t, k)
		}
		must(t, b.Close())
	}
}

// TestBadRequestsEndOnlyTheirConnection sends what would end the process or fill its memory.
func TestBadRequestsEndOnlyTheirConnection(t *testing.T) {
	t.Parallel()
	b := start(t, broker.Options{})
	frame := func(length uint32, key int16) []byte {
		raw := binary.BigEndian.AppendUint32(nil, length)
		raw = binary.BigEndian.AppendUint16(raw, uint16(key))
		return append(raw, 0, 3, 0, 0, 0, 1, 0xff, 0xff, 1, 2, 3, 4)
	}
	for name, raw := range map[string][]byte{
		"an unknown key":   frame(14, 9999),
		"a huge length":    frame(0xfffffff0, 0),
		"a tiny length":    frame(3, 0),
		"a broken produce": frame(14, 0),
		"a broken fetch":   frame(14, 1),
	} {
		conn, err := b.Dial(t.Context(), "", "")
		must(t, err)
		must(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		_, _ = conn.Write(raw) // the other end may close amid it
		if n, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: read %d bytes, %v; want a closed connection", name, n, err)
		}
		conn.Close()
	}
	k := client(t, b)
	must(t, k.EnsureTopics(t.Context(), bus.TopicSpec{Name: "t", Partitions: 1}))
	publish(t, k, "t", 0, 1)
}

// TestOtherClients speaks to the broker with another library, which uses newer versions of the protocol: fetch sessions,
// ids for topics, an idempotent producer.
func TestOtherClients(t *testing.T) {
	t.Parallel()
	b := start(t, broker.Options{Dir: t.TempDir()})
	must(t, client(t, b).EnsureTopics(t.Context(), bus.TopicSpec{Name: "t", Partitions: 6}))
	other, err := kgo.NewClient(kgo.SeedBrokers(b.Brokers()...), kgo.Dialer(b.Dial), kgo.ConsumeTopics("t"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	must(t, err)
	defer other.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for round := 1; round <= 3; round++ {
		var records []*kgo.Record
		for i := range 100 {
			records = append(records, &kgo.Record{Topic: "t", Key: []byte(fmt.Sprint(i)), Value: []byte("v")})
		}
		must(t, other.ProduceSync(ctx, records...).FirstErr())
		for got := 0; got < 100; {
			fetches := other.PollFetches(ctx)
			must(t, fetches.Err())
			got += fetches.NumRecords()
		}
	}
}

func TestCloseEndsConnections(t *testing.T) {
	t.Parallel()
	b := start(t, broker.Options{})
	conn, err := b.Dial(t.Context(), "", "")
	must(t, err)
	must(t, b.Close())
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the end of the connection", err)
	}
	if _, err := b.Dial(t.Context(), "", ""); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want a closed broker", err)
	}
	must(t, b.Close())
}
