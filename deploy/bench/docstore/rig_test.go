package docstorebench

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/strata-crm/strata/shared/local/docstore"
)

var (
	documents = flag.Int("documents", 1_000_000, "documents to measure over; 100000 takes less than a minute")
	slack     = flag.Float64("slack", 3.5, "an aim missed by more than this factor fails the test: wide enough for a busy machine, not for a lost index")
)

// smoke is the size of a run that only shows that the measurements work.
const smoke = 4_000

// measured reports whether the numbers of this run mean anything.
func measured() bool { return os.Getenv("STRATA_BENCH") != "" }

func size() int {
	if measured() {
		return *documents
	}
	return smoke
}

// store opens a document store on disk and returns a client of it with majority concerns.
func store(t testing.TB) *mongo.Client {
	t.Helper()
	s, err := docstore.Open(docstore.Options{Dir: t.TempDir(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	o := options.Client().ApplyURI(s.URI()).SetDialer(s.Dialer()).SetWriteConcern(writeconcern.Majority()).SetReadConcern(readconcern.Majority())
	c, err := mongo.Connect(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Disconnect(context.Background()) })
	return c
}

// collection returns an empty collection with the two indexes.
func collection(t testing.TB, c *mongo.Client, name string) *mongo.Collection {
	t.Helper()
	coll := c.Database("bench").Collection(name)
	if _, err := coll.Indexes().CreateMany(t.Context(), indexes); err != nil {
		t.Fatal(err)
	}
	return coll
}

// bare opens Pebble on disk with the settings that the store gives it.
func bare(t testing.TB) *pebble.DB {
	t.Helper()
	cache := pebble.NewCache(128 << 20)
	defer cache.Unref()
	o := &pebble.Options{
		Cache: cache, FormatMajorVersion: pebble.FormatNewest, Logger: quiet{},
		MemTableSize: 32 << 20, MemTableStopWritesThreshold: 3, L0CompactionThreshold: 4, L0StopWritesThreshold: 24, LBaseMaxBytes: 64 << 20,
		CompactionConcurrencyRange: func() (int, int) { return 1, max(1, min(2, runtime.GOMAXPROCS(0)-1)) },
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	db, err := pebble.Open(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

type quiet struct{}

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(string, ...any)          {}
func (quiet) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

// timed returns how long f takes.
func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// cpu returns the processor time that the whole process spends while f runs, the collector of garbage included.
func cpu(t testing.TB, f func()) time.Duration {
	t.Helper()
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	runtime.GC()
	start := used()
	f()
	return used() - start
}

// fastest returns the time of one call of f, over so many rounds of n calls. It is the best round's: what else the
// machine does can only add to it.
func fastest(rounds, n int, f func(i int)) time.Duration {
	best := time.Duration(math.MaxInt64)
	for r := range rounds {
		best = min(best, timed(func() {
			for i := range n {
				f(r*n + i)
			}
		})/time.Duration(n))
	}
	return best
}

func median[T ~int64 | ~float64](v []T) T {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

// atLeast and atMost print a ratio beside its aim; a run that means something fails where the aim is missed by more
// than the slack, which stands for the noise of a machine that is not ours alone.
func atLeast(t *testing.T, what string, got, aim float64) {
	t.Helper()
	judge(t, what, got, fmt.Sprintf("≥ %.2f", aim), got >= aim, got >= aim / *slack)
}

func atMost(t *testing.T, what string, got, aim float64) {
	t.Helper()
	judge(t, what, got, fmt.Sprintf("≤ %.2f", aim), got <= aim, got <= aim**slack)
}

func judge(t *testing.T, what string, got float64, aim string, met, near bool) {
	t.Helper()
	verdict := "met"
	switch {
	case !measured():
		verdict = "not judged: too few documents"
	case !met:
		verdict = "MISSED"
	}
	t.Logf("%-60s %6.2f  aim %s  %s", what, got, aim, verdict)
	if measured() && !near {
		t.Errorf("%s: %.2f, aim %s", what, got, aim)
	}
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// byID is the filter for one document.
func byID(id string) bson.D { return bson.D{{Key: "_id", Value: id}} }
