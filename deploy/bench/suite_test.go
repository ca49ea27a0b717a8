// Package bench measures the whole suite and prints ratios of one run, because seconds tell of the machine as well. Its
// tests run with STRATA_BENCH=1 only: `make bench`.
package bench

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/heap"
	"github.com/strata-crm/strata/deploy/internal/suite"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/signin"
)

const within = 15 * time.Minute // of whatever is waited for; a million customers take minutes to measure

// rig is a suite in this process with governance in force and a source registered.
type rig struct {
	t        *testing.T
	dir      string
	eva, max *client.Client
	stew     *client.Client
	stop     func() // ends the suite; the test's end does so, too
}

func start(t *testing.T) *rig {
	t.Helper()
	if os.Getenv("STRATA_BENCH") == "" {
		t.Skip("a benchmark: STRATA_BENCH=1 runs it")
	}
	go heap.Tend(t.Context(), os.Environ()) // as the program does
	r := &rig{t: t, dir: t.TempDir()}
	s, err := suite.Open(t.Context(), suite.Options{Dir: r.dir, Layers: suite.Layers(), Expose: true, Log: io.Discard, LogLevel: "error", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	urls, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- s.Run(ctx, "127.0.0.1:0", func(url string) { urls <- url }) }()
	r.stop = sync.OnceFunc(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
	url := <-urls
	for _, p := range []struct {
		into    **client.Client
		subject string
		role    signin.Role
	}{{&r.eva, "executive-1", signin.Executive}, {&r.max, "executive-2", signin.Executive}, {&r.stew, "steward-1", signin.Steward}} {
		token, err := s.Issuer().Token(p.subject, []signin.Role{p.role}, 6*time.Hour)
		if err == nil {
			*p.into, err = client.New(url, token)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r.await("readiness", func() bool { return s.Ready(t.Context()) == nil })
	r.govern()
	return r
}

func (r *rig) govern() {
	r.t.Helper()
	ctx := r.t.Context()
	r.await("the proposed governance", func() bool { v, err := r.eva.Governance(ctx); return err == nil && len(v) > 0 })
	for _, who := range []*client.Client{r.eva, r.max} {
		if err := who.ApproveGovernance(ctx, 1); err != nil {
			r.t.Fatal(err)
		}
	}
	r.await("governance", func() bool {
		v, err := r.eva.Governance(ctx)
		return err == nil && v[0].Answer != nil && v[0].Answer.State == contract.Accepted
	})
	if _, err := r.stew.Register(ctx, client.Source{ID: "order-file", Name: "orders", Owner: "head of sales", Steward: "order data steward", Format: "file",
		Trust: "verified", Offers: []string{"customer_id", "order_time", "order_amount", "order_items"}}); err != nil {
		r.t.Fatal(err)
	}
}

// issue has a directive issued for a new goal and returns how long it took until the answer was yes.
func (r *rig) issue(name string, v contract.Variable, m contract.MetricID, u contract.Unit) time.Duration {
	r.t.Helper()
	ctx, more := r.t.Context(), .1
	g, err := r.eva.SetGoal(ctx, client.GoalDraft{Name: name, Variable: v, Metric: m, Kind: contract.Level, Direction: contract.Up, Unit: u,
		Baseline: contract.Baseline{MeasureUntil: "1997-09-30"}, Target: contract.Target{Relative: &more}, Deadline: "1998-06-30",
		Owner: "head of retention", Relevance: "a benchmark needs it"})
	if err != nil {
		r.t.Fatal(err)
	}
	d, err := r.eva.DraftDirective(ctx, g.ID, contract.NormalImpact)
	for _, step := range []string{"propose", "approvals"} {
		if err != nil {
			r.t.Fatal(err)
		}
		d, err = r.eva.Act(ctx, d.ID, step)
	}
	begun := time.Now()
	if err == nil {
		_, err = r.eva.Act(ctx, d.ID, "issue")
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.await("the answer", func() bool {
		t, err := r.eva.Trail(ctx, d.ID)
		return err == nil && t.Directive.Answer != nil && t.Directive.Answer.State == contract.Executing
	})
	return time.Since(begun)
}

func (r *rig) await(what string, done func() bool) {
	r.t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond) // not finer: each look is work for the process that is measured
	defer ticker.Stop()
	for limit := time.After(within); !done(); {
		select {
		case <-limit:
			r.t.Fatalf("%s did not come within %s", what, within)
		case <-ticker.C:
		}
	}
}

// exposed reads how broker and store are reached, by the settings' short names.
func (r *rig) exposed() map[string]string {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, "exposed.env"))
	if err != nil {
		r.t.Fatal(err)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		all[strings.TrimPrefix(name, "STRATA_OPERATIONAL_")] = value
	}
	return all
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}
