package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/orderfile"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/seedtest"
)

const (
	killsInCI = 10
	killsFull = 40
	// fewestHits is how many kills must have cut off a request by which a directive is set, issued or ended.
	fewestHits = 3
	// blocksToKill is how many blocks of rows are taken at most before a kill, and blocksBeside how many more there are for
	// each one: what is sent until the process is dead, and while the last kills still miss.
	blocksToKill, blocksBeside = 25, 15
)

// The whole process is killed at seeded moments, while rows are sent and directives set, accepted, withdrawn, superseded
// and refused, and started again. In the end the warehouse, the statement and the measurements are those of a run without
// kills, every record is accounted for, and every directive is there once, answered by every layer as in that run.
func TestKilledAtAnyMoment(t *testing.T) {
	seed := seedtest.New(t)
	rng := rand.New(rand.NewPCG(seed, 9))
	kills := killsInCI
	if full() {
		kills = killsFull
	}
	file, library := spoiled(t), light(t)
	want := undisturbed(t, file, everyKind, "--library", library)

	dir := t.TempDir()
	r := up(t, dir, "--library", library)
	r.govern(t)
	r.register(t)
	_, kept := r.order(t, retentionGoal("1997-09-30", "1998-06-30"), contract.Executing)
	most := 3 * kills / 2
	x := newTraffic(t, file, len(file.Rows)/(most*(blocksToKill+blocksBeside)))
	n := 0
	for ; n < most && (x.hits[rowsSent] < kills || x.hits[directiveMade] < fewestHits); n++ {
		x.during(r, int64(rng.IntN(blocksToKill)), time.Duration(rng.Int64N(int64(20*time.Millisecond))))
		r = up(t, dir, "--library", library, "--expose")
	}
	t.Logf("of %d kills %d cut off rows, %d a directive", n, x.hits[rowsSent], x.hits[directiveMade])
	if x.hits[rowsSent] < kills || x.hits[directiveMade] < fewestHits {
		t.Fatalf("want %d and %d: the test has shown too little", kills, fewestHits)
	}
	s := load(t, r.steward, file, "1998-07-01")
	if s.Stored != int64(len(file.Rows))-s.Invalid-s.Quarantined || s.Lost != 0 || s.Invalid == 0 || s.Quarantined == 0 {
		t.Errorf("the statement: %d rows stored of %d, %d invalid, %d set aside, %d lost", s.Stored, len(file.Rows), s.Invalid, s.Quarantined, s.Lost)
	}
	if d := cmp.Diff(want.figures, figures(r.measured(t, kept.ID, "1998-07-01"))); d != "" {
		t.Errorf("measurements (-undisturbed +killed):\n%s", d)
	}
	if d := cmp.Diff(want.statement, alike(s)); d != "" {
		t.Errorf("the statement (-undisturbed +killed):\n%s", d)
	}
	if d := cmp.Diff(want.warehouse, r.warehouse(t)); d != "" {
		t.Errorf("the warehouse (-undisturbed +killed):\n%s", d)
	}
	conserved(t, r.steward)
	x.finish(r, kept.ID, want.answers)
	r.stop(t)
}

// outcome is what came of a run, without what differs between two runs of the same.
type outcome struct {
	figures   map[string]string // of closed windows
	statement client.Statement
	warehouse map[string]string
	answers   map[string]string // how each kind of directive ended, in every layer
}

// undisturbed returns the outcome of a run without kills, in which something happens before the import.
func undisturbed(t *testing.T, file *orderfile.File, before func(*testing.T, *running) map[string]string, args ...string) (o outcome) {
	t.Helper()
	r := up(t, t.TempDir(), append(args, "--expose")...)
	r.govern(t)
	r.register(t)
	_, kept := r.order(t, retentionGoal("1997-09-30", "1998-06-30"), contract.Executing)
	if before != nil {
		o.answers = before(t, r)
	}
	s := load(t, r.steward, file, "1998-07-01")
	o.figures, o.statement, o.warehouse = figures(r.measured(t, kept.ID, "1998-07-01")), alike(s), r.warehouse(t)
	conserved(t, r.steward)
	r.stop(t)
	return o
}

// everyKind leads a directive of every kind to its end and returns how each ended.
func everyKind(t *testing.T, r *running) map[string]string {
	t.Helper()
	x := newTraffic(t, nil, 0)
	for _, kind := range []string{refusedKind, acceptedKind, withdrawnKind, supersededKind} {
		if err := x.lead(t.Context(), r, kind); err != nil {
			t.Fatalf("a directive to be %s: %v", kind, err)
		}
	}
	ends := map[string]string{}
	for _, d := range x.all(r) {
		if goal := x.kindOf(d); goal != "" {
			eventually(t, answerWithin, "the end of a directive to be "+goal, func() error { return x.settled(r, d.ID) })
			trail, err := r.executive.Trail(t.Context(), d.ID)
			if err != nil {
				t.Fatal(err)
			}
			ends[trail.Directive.State] = r.ended(t, trail)
		}
	}
	for _, state := range []string{"refused", "in_force", "withdrawn", "superseded"} {
		if ends[state] == "" {
			t.Fatalf("no directive ended %s: %v", state, ends)
		}
	}
	return ends
}

// spoiled is the CDNOW sample with rows among it that are no orders, and rows that are set aside.
func spoiled(t *testing.T) *orderfile.File {
	t.Helper()
	text, err := os.ReadFile(data(t, "cdnow/CDNOW_sample.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	n := 0
	for line := range strings.Lines(string(text)) {
		out.WriteString(line)
		if n++; n%400 == 0 {
			fmt.Fprintf(&out, "%05d 9%04d 19971399 1 12.50\n%05d 8%04d 21970101 1 12.50\n", n, n, n, n)
		}
	}
	f, err := orderfile.Read("spoiled.txt", out.Bytes(), sampleMapping)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
