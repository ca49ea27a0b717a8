package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/operational/internal/ingest"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/telemetry"
)

// gauges are what a scrape of /metrics says of ingest.
type gauges map[string]float64

func scrape(t *testing.T, tel *telemetry.Telemetry) gauges {
	t.Helper()
	w := httptest.NewRecorder()
	tel.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	out := gauges{}
	for line := range strings.Lines(w.Body.String()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(name, "strata_ingest_") {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		out[strings.TrimPrefix(name, "strata_ingest_")] = n
	}
	return out
}

func observed(t *testing.T) *telemetry.Telemetry {
	t.Helper()
	tel, err := telemetry.New(t.Context(), telemetry.Options{Service: "operational", Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tel.Shutdown(context.Background()) })
	return tel
}

// log is a log that a test makes.
type log struct {
	cluster string
	end     int64
	second  int64 // the end of partition 1
	err     error
}

func (l *log) Log(context.Context, string) (bus.LogInfo, error) {
	return bus.LogInfo{ClusterID: l.cluster, Partitions: []bus.PartitionState{{Partition: 0, End: l.end}, {Partition: 1, End: l.second}}}, l.err
}

// TestIngestThatStandsStillShows: whatever the reason, the time grows for which records have waited in vain, and the lag says
// nothing where nobody knows it.
func TestIngestThatStandsStillShows(t *testing.T) {
	t.Parallel()
	s, tel, now := newStage(t), observed(t), begin
	l := &log{cluster: "cluster-1"}
	p := ingest.NewProgress(s.fences, l, func() time.Time { return now })
	p.Observe(tel.Gauges)
	sink := s.sink(t, s.options, 0)
	is := func(what string, lag, standing float64) {
		t.Helper()
		now = now.Add(time.Minute)
		want := gauges{"lag": lag, "standing_seconds": standing, "lost": 0}
		if lag < 0 {
			delete(want, "lag")
		}
		if d := cmp.Diff(want, scrape(t, tel)); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	is("nothing to do", 0, 0)
	l.end = 5
	is("records wait", 5, 60)
	is("and go on waiting", 5, 120)
	s.apply(t, sink, 0, messages(t, 0, 0, order("1", "ada", begin, 1), order("2", "ada", begin, 1)))
	is("it moves", 3, 0)
	is("and stands again", 3, 60)
	l.cluster = "cluster-2"
	is("the log is another one", -1, 120)
	l.cluster, l.end = "cluster-1", 1
	is("the log is a shorter one", -1, 180)
	l.end = 0
	is("the log was emptied", -1, 240)
	l.err = errors.New("the broker is away")
	is("nobody can ask", -1, 300)
	l.end, l.err = 2, nil
	is("all is well", 0, 0)
}

// TestOnePartitionThatStandsShows although ingest goes on in another.
func TestOnePartitionThatStandsShows(t *testing.T) {
	t.Parallel()
	s, tel, now := newStage(t), observed(t), begin
	l := &log{cluster: "cluster-1", end: 3, second: 2}
	p := ingest.NewProgress(s.fences, l, func() time.Time { return now })
	p.Observe(tel.Gauges)
	sink := s.sink(t, s.options, 0, 1)
	is := func(what string, want gauges) {
		t.Helper()
		now = now.Add(time.Minute)
		if d := cmp.Diff(want, scrape(t, tel)); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	is("both wait", gauges{"lag": 5, "standing_seconds": 0, "lost": 0})
	for n := range int64(3) {
		s.apply(t, sink, 0, messages(t, 0, n, order(fmt.Sprint(n), "ada", begin, 1)))
		is("one goes on", gauges{"lag": float64(4 - n), "standing_seconds": float64(60 * (n + 1)), "lost": 0})
	}
	s.apply(t, sink, 1, messages(t, 1, 0, order("9", "bob", begin, 1)))
	is("the other goes on", gauges{"lag": 1, "standing_seconds": 0, "lost": 0})
}

// away is a store that does not answer as long as it is let.
type away struct{ ingest.Fences }

func (away) All(ctx context.Context) ([]ingest.Fence, error) { <-ctx.Done(); return nil, ctx.Err() }

// TestAnOutageStandsStill: with the database away there is no lag, but the time that records have waited grows and is told.
func TestAnOutageStandsStill(t *testing.T) {
	t.Parallel()
	tel := observed(t)
	synctest.Test(t, func(t *testing.T) {
		p := ingest.NewProgress(away{}, &log{cluster: "cluster-1"}, time.Now)
		p.Observe(tel.Gauges)
		time.Sleep(7 * time.Minute)
		began := time.Now()
		got := scrape(t, tel)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the scrape took %s", took)
		}
		if got["standing_seconds"] < 420 || len(got) != 1 {
			t.Errorf("got %v, want that ingest has stood for seven minutes and nothing else", got)
		}
	})
}

// TestTheWatchdogWatchesItsOwn: a process whose partitions are read answers for no other that is stuck, unless it has none.
func TestTheWatchdogWatchesItsOwn(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	l := &log{cluster: "cluster-1", end: 5}
	sink := s.sink(t, s.options)
	w := ingest.Watched{Log: ingest.NewProgress(s.fences, l, s.options.Now), Sink: sink}
	is := func(what string, want map[int]bus.Standing) {
		t.Helper()
		at, err := w.Progress(t.Context())
		if d := cmp.Diff(want, at); d != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", what, err, d)
		}
	}
	is("without a partition", map[int]bus.Standing{0: {Waiting: 5}, 1: {}})
	assigned, end := context.WithCancel(t.Context())
	if _, err := sink.Position(assigned, "", bus.PartitionState{Partition: 1}, "cluster-1"); err != nil {
		t.Fatal(err)
	}
	is("with the empty one", map[int]bus.Standing{1: {Held: true}})
	end()
	is("when that is lost", map[int]bus.Standing{0: {Waiting: 5}, 1: {}})
	if _, err := sink.Position(t.Context(), "", bus.PartitionState{Partition: 0, End: 5}, "cluster-1"); err != nil {
		t.Fatal(err)
	}
	is("with the other", map[int]bus.Standing{0: {Waiting: 5, Held: true}})
}

// TestTheAccountSaysHowOldItIs: before the first account nothing is said to be accounted for, and one that cannot be drawn up
// any more ages.
func TestTheAccountSaysHowOldItIs(t *testing.T) {
	t.Parallel()
	s, tel, now := newStage(t), observed(t), begin
	var away error
	a, err := ingest.NewAccount(ingest.AccountOptions{
		Tx: func(ctx context.Context, fn func(context.Context) error) error {
			if away != nil {
				return away
			}
			return s.db.Tx(ctx, fn)
		},
		Fences: s.fences, Lake: s.lake, Every: time.Hour, Now: func() time.Time { return now },
		Logger: slog.New(slog.DiscardHandler), Meter: tel.Meter,
	})
	if err != nil {
		t.Fatal(err)
	}
	is := func(what string, want gauges) {
		t.Helper()
		now = now.Add(time.Minute)
		if d := cmp.Diff(want, scrape(t, tel)); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	is("before the first", gauges{"account_age_seconds": 60})
	a.Renew(t.Context())
	is("after the first", gauges{"unaccounted": 0, "account_age_seconds": 60})
	s.apply(t, s.sink(t, s.options, 0), 0, messages(t, 0, 0, order("1", "ada", begin, 1), order("2", "ada", begin, 1)))
	if _, err := s.db.Collection("lake_events").DeleteOne(t.Context(), map[string]string{"_id": "main|shop|1"}); err != nil {
		t.Fatal(err)
	}
	a.Renew(t.Context())
	lost := gauges{"unaccounted": 1, "account_age_seconds": 60}
	is("an event is gone", lost)
	away = errors.New("the database is away")
	a.Renew(t.Context())
	old := maps.Clone(lost)
	old["account_age_seconds"] = 120
	is("and nobody can look", old)
}
