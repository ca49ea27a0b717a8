package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/orderfile"
	"github.com/strata-crm/strata/deploy/internal/upload"
	"github.com/strata-crm/strata/shared/contract"
)

const (
	killsInCI = 10
	killsFull = 40
	smallRows = 50 // rows of one request, so that there are many moments
)

// The whole process is killed at seeded moments, while rows are sent and directives issued, and started again. In the
// end the facts are those of a run without kills, every record is accounted for, and every directive that was issued
// has been answered once.
func TestKilledAtAnyMoment(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("STRATA_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("STRATA_SEED=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 9))
	kills := killsInCI
	if full() {
		kills = killsFull
	}
	file := sample(t)
	want := undisturbed(t, file)

	dir := t.TempDir()
	r := up(t, dir)
	r.govern(t)
	r.register(t)
	_, kept := r.order(t, retentionGoal("1997-09-30", "1998-06-30"), contract.Executing)
	x := &traffic{t: t, file: file}
	for n := range kills {
		x.during(r, n, time.Duration(rng.Int64N(int64(900*time.Millisecond))))
		r = up(t, dir)
	}
	if x.busy.Load() == 0 {
		t.Fatal("no kill hit a moment with work under way: the test has shown nothing")
	}
	t.Logf("%d of %d kills hit work under way", x.busy.Load(), kills)
	x.finish(r)
	s := load(t, r.steward, file, "1998-07-01")
	if s.Stored != int64(len(file.Rows)) || s.Lost != 0 {
		t.Errorf("the statement: %d rows stored of %d, %d lost", s.Stored, len(file.Rows), s.Lost)
	}
	if d := cmp.Diff(want, figures(r.measured(t, kept.ID, "1998-07-01"))); d != "" {
		t.Errorf("measurements (-undisturbed +killed):\n%s", d)
	}
	conserved(t, r.steward)
	r.stop(t)
}

// undisturbed returns what a run without kills measures.
func undisturbed(t *testing.T, file *orderfile.File) map[string]string {
	t.Helper()
	r := up(t, t.TempDir())
	r.govern(t)
	r.register(t)
	_, kept := r.order(t, retentionGoal("1997-09-30", "1998-06-30"), contract.Executing)
	load(t, r.steward, file, "1998-07-01")
	got := figures(r.measured(t, kept.ID, "1998-07-01"))
	conserved(t, r.steward)
	r.stop(t)
	return got
}

// traffic is what goes on while the process is killed: an import, and directives that are set and issued.
type traffic struct {
	t    *testing.T
	file *orderfile.File
	busy atomic.Int64 // kills during which a request was under way
	mu   sync.Mutex
	sent map[contract.DirectiveID]bool // issued, as the suite said
}

// during lets the traffic go on for the time, and kills the process in the midst of it.
func (x *traffic) during(r *running, n int, after time.Duration) {
	x.t.Helper()
	ctx, cancel := context.WithCancel(x.t.Context())
	defer cancel()
	var cut atomic.Bool
	var work sync.WaitGroup
	for _, do := range []func(context.Context) error{
		func(ctx context.Context) error { return x.rows(ctx, r.steward) },
		func(ctx context.Context) error { return x.issue(ctx, r.executive, fmt.Sprintf("Traffic %d", n)) },
	} {
		work.Go(func() {
			if client.Passing(do(ctx)) { // it was cut off, not refused
				cut.Store(true)
			}
		})
	}
	timer := time.NewTimer(after)
	<-timer.C
	r.kill()
	work.Wait()
	if cut.Load() {
		x.busy.Add(1)
	}
}

// rows sends rows from the one wanted next, a few at a time.
func (x *traffic) rows(ctx context.Context, c *client.Client) error {
	run, err := c.StartImport(ctx, client.ImportDraft{Source: sourceID, FileName: x.file.Name, Digest: x.file.Digest,
		Mapping: x.file.Mapping.Described(), Rows: int64(len(x.file.Rows))})
	if err != nil {
		return err
	}
	for next := max(run.NextRow, 1); next <= int64(len(x.file.Rows)); {
		a, err := c.SendRows(ctx, run.Run, upload.Rows(x.file, next, min(next+smallRows-1, int64(len(x.file.Rows)))))
		if err != nil {
			return err
		}
		next = a.NextRow
	}
	return nil
}

// issue sets goals whose directives nobody can answer with yes, one after the other: it goes through all layers and back.
func (x *traffic) issue(ctx context.Context, c *client.Client, name string) error {
	for i := range 3 {
		g, err := c.SetGoal(ctx, npsGoal(fmt.Sprintf("%s.%d", name, i)))
		if err != nil {
			return err
		}
		d, err := c.DraftDirective(ctx, g.ID, contract.NormalImpact)
		for _, step := range []string{"propose", "approvals", "issue"} {
			if err != nil {
				return err
			}
			d, err = c.Act(ctx, d.ID, step)
		}
		if err != nil {
			return err
		}
		x.mu.Lock()
		if x.sent == nil {
			x.sent = map[contract.DirectiveID]bool{}
		}
		x.sent[d.ID] = true
		x.mu.Unlock()
	}
	return nil
}

// finish waits until every directive that was issued has its answer, and checks that none was lost or applied twice.
func (x *traffic) finish(r *running) {
	x.t.Helper()
	all, err := r.executive.Directives(x.t.Context())
	if err != nil {
		x.t.Fatal(err)
	}
	known := map[contract.DirectiveID]bool{}
	for _, d := range all {
		known[d.ID] = true
		issued := 0
		for _, h := range d.History {
			if h.To == "issued" {
				issued++
			}
		}
		if issued > 1 {
			x.t.Errorf("directive %s was issued %d times", d.ID, issued)
		}
		if issued == 1 && d.State != "in_force" {
			a := r.answered(x.t, d.ID, contract.Refused)
			if n := len(a.Plan.Operational); n != 1 {
				x.t.Errorf("directive %s has %d operational directives, want 1", d.ID, n)
			}
		}
	}
	for id := range x.sent {
		if !known[id] {
			x.t.Errorf("directive %s was issued and is lost", id)
		}
	}
}
