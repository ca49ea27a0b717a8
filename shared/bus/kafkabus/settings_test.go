package kafkabus

import (
	"bytes"
	"context"
	"crypto/tls"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/fault"
)

// TestWriterAcknowledgesEverything pins the settings whose defaults lose or misplace messages.
func TestWriterAcknowledgesEverything(t *testing.T) {
	t.Parallel()
	b, err := New(Options{Brokers: []string{"nowhere:1"}, ClientID: "test", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	w := b.writer("t")
	balancer, ok := w.Balancer.(*kafka.Murmur2Balancer)
	if w.RequiredAcks != kafka.RequireAll || w.Async || w.AllowAutoTopicCreation || !ok || !balancer.Consistent {
		t.Fatalf("a writer with acks %v, async %v, auto-create %v, balancer %T loses messages", w.RequiredAcks, w.Async, w.AllowAutoTopicCreation, w.Balancer)
	}
	if w.BatchTimeout > 5*time.Millisecond || w.BatchBytes < bus.MaxMessageBytes || w.Transport != kafka.RoundTripper(b.transport) {
		t.Fatalf("batch timeout %v, bytes %d, transport %T", w.BatchTimeout, w.BatchBytes, w.Transport)
	}
	if b.writer("t") != w {
		t.Fatal("a topic has more than one writer")
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), bus.Message{Topic: "t", Key: "k"}); !fault.Is(err, fault.Transient) {
		t.Fatalf("got %v, want a transient error from a closed bus", err)
	}
}

// TestEverySettingOfTheClient pins what ../design/clients.md asks for, setting by setting, as defaults of the client lose
// messages, or minutes.
func TestEverySettingOfTheClient(t *testing.T) {
	t.Parallel()
	b, err := New(Options{Brokers: []string{"nowhere:1"}, ClientID: "test", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	w, g, r := b.writer("t"), b.groupConfig("t", "g"), b.reader("t", 3)
	t.Cleanup(func() { _ = r.Close() })
	c := r.Config()
	for name, is := range map[string][2]any{
		"writer acks":               {w.RequiredAcks, kafka.RequireAll},
		"writer asynchronous":       {w.Async, false},
		"writer makes topics":       {w.AllowAutoTopicCreation, false},
		"writer attempts":           {w.MaxAttempts, 3},
		"writer write timeout":      {w.WriteTimeout, 5 * time.Second},
		"writer read timeout":       {w.ReadTimeout, 5 * time.Second},
		"writer batch timeout":      {w.BatchTimeout, 5 * time.Millisecond},
		"writer batch size":         {w.BatchSize, 200},
		"writer batch bytes":        {w.BatchBytes, int64(1_000_000)},
		"writer logs errors":        {w.ErrorLogger != nil, true},
		"writer's own transport":    {w.Transport == kafka.RoundTripper(b.transport) && b.transport.ClientID == "test", true},
		"group start":               {g.StartOffset, int64(kafka.FirstOffset)},
		"group heartbeat":           {g.HeartbeatInterval, time.Second},
		"group session":             {g.SessionTimeout, 6 * time.Second},
		"group rebalance":           {g.RebalanceTimeout, 10 * time.Second},
		"group join backoff":        {g.JoinGroupBackoff, 500 * time.Millisecond},
		"group watches partitions":  {g.WatchPartitionChanges, true},
		"group timeout":             {g.Timeout, 5 * time.Second},
		"group topics":              {len(g.Topics), 1},
		"group logs errors":         {g.ErrorLogger != nil, true},
		"reader partition":          {c.Partition, 3},
		"reader outside of a group": {c.GroupID, ""},
		"reader min bytes":          {c.MinBytes, 1},
		"reader max bytes":          {c.MaxBytes, 10_000_000},
		"reader max wait":           {c.MaxWait, 250 * time.Millisecond},
		"reader queue":              {c.QueueCapacity, 100},
		"reader tells of ranges":    {c.OffsetOutOfRangeError, true},
		"reader logs errors":        {c.ErrorLogger != nil, true},
	} {
		if is[0] != is[1] {
			t.Errorf("%s: %v, want %v", name, is[0], is[1])
		}
	}
}

// TestNobodyElseImportsTheClient: a writer built elsewhere would have the client's defaults.
func TestNobodyElseImportsTheClient(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "go.work")); err != nil {
		t.Skip("the whole workspace is not here")
	}
	files := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		if strings.Contains(path, filepath.Join("bus", "kafkabus")) || strings.Contains(path, filepath.Join("internal", "deps")) {
			return nil
		}
		source, err := os.ReadFile(path)
		if err == nil && bytes.Contains(source, []byte(`"github.com/segmentio/kafka-go`)) {
			t.Errorf("%s imports kafka-go: use package bus", path)
		}
		return err
	})
	if err != nil || files < 10 {
		t.Fatalf("looked at %d files: %v", files, err)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	good := Options{Brokers: []string{"nowhere:1"}, ClientID: "test", Logger: slog.New(slog.DiscardHandler)}
	for name, spoil := range map[string]func(*Options){
		"no brokers":    func(o *Options) { o.Brokers = nil },
		"no client id":  func(o *Options) { o.ClientID = "" },
		"no logger":     func(o *Options) { o.Logger = nil },
		"open password": func(o *Options) { o.SASL = &SASL{Mechanism: "PLAIN", Username: "u", Password: "p"} },
		"unknown SASL":  func(o *Options) { o.SASL = &SASL{Mechanism: "GSSAPI"} },
	} {
		o := good
		spoil(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	good.SASL, good.TLS = &SASL{Mechanism: "PLAIN", Username: "u", Password: "p"}, &tls.Config{MinVersion: tls.VersionTLS12}
	if _, err := New(good); err != nil {
		t.Errorf("PLAIN with TLS: %v", err)
	}
}

func TestSourceCutsAtJumpsAndLimits(t *testing.T) {
	t.Parallel()
	queue := make(chan fetched, 2000)
	put := func(from, to int64, size int) {
		for o := from; o < to; o++ {
			queue <- fetched{Message: bus.Message{Offset: o, Key: "k", Value: make([]byte, size)}}
		}
	}
	put(3, 10, 1)    // begins before what was asked for
	put(12, 1100, 1) // a jump, then more than one batch
	put(1100, 1106, 900<<10)
	s := source{queue: queue, expected: 5}
	type cut struct {
		first, n, jump int64
	}
	var got []cut
	for s.expected < 1106 {
		batch, jump, err := s.next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		c := cut{n: int64(len(batch)), jump: jump}
		if len(batch) > 0 {
			c.first = batch[0].Offset
		} else {
			s.expected = jump
		}
		got = append(got, c)
	}
	want := []cut{{5, 5, 0}, {0, 0, 12}, {12, 500, 0}, {512, 500, 0}, {1012, 93, 0}, {1105, 1, 0}}
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}
