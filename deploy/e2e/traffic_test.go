package e2e

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/orderfile"
	"github.com/strata-crm/strata/deploy/internal/upload"
	"github.com/strata-crm/strata/shared/contract"
)

// The kinds of work of which a kill may cut off a request.
const (
	rowsSent      = "rows"
	directiveMade = "directive"
)

// The kinds of directives, by how they are meant to end.
const (
	refusedKind    = "refused"
	acceptedKind   = "accepted"
	withdrawnKind  = "withdrawn"
	supersededKind = "superseded"
)

// traffic is what goes on while the process is killed: an import, and directives that are set, issued and ended.
type traffic struct {
	t     *testing.T
	file  *orderfile.File
	block int            // rows of one request
	hits  map[string]int // kills by the kind of work that they cut off

	killing atomic.Bool
	mu      sync.Mutex
	goals   map[contract.GoalID]string      // the kind of directive, by the goal that the suite said is set
	sure    map[contract.DirectiveID]string // what the suite said of a directive last: issued, withdrawn, superseded; empty while it has not answered the next
	number  int
}

func newTraffic(t *testing.T, file *orderfile.File, block int) *traffic {
	return &traffic{t: t, file: file, block: block, hits: map[string]int{}, goals: map[contract.GoalID]string{}, sure: map[contract.DirectiveID]string{}}
}

// during lets the traffic go on until some blocks of rows are taken, and a little longer, and kills the process in its midst.
func (x *traffic) during(r *running, blocks int64, after time.Duration) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.t.Context(), measureWithin)
	defer cancel()
	x.killing.Store(false)
	cut := map[string]bool{}
	var work sync.WaitGroup
	goOn := func(kind string, do func() error) {
		work.Go(func() {
			err := do()
			x.mu.Lock()
			defer x.mu.Unlock()
			switch {
			case errors.Is(err, errCut):
				cut[kind] = true
			case err != nil && !x.killing.Load():
				x.t.Errorf("%s, before the kill: %v", kind, err)
			}
		})
	}
	reached := make(chan struct{})
	var once sync.Once
	enough := func() { once.Do(func() { close(reached) }) }
	goOn(rowsSent, func() error {
		defer enough()
		return x.rows(ctx, r.steward, func(taken int64) {
			if taken >= blocks {
				enough()
			}
		})
	})
	goOn(directiveMade, func() error { return x.forever(ctx, r, refusedKind) })
	goOn(directiveMade, func() error { return x.forever(ctx, r, acceptedKind, withdrawnKind, supersededKind) })
	<-reached
	<-time.After(after)
	x.killing.Store(true)
	r.kill()
	work.Wait()
	for kind := range cut {
		x.hits[kind]++
	}
}

// errCut is of a request that was under way at the kill, and got no answer.
var errCut = errors.New("cut off by the kill")

// ask makes one request. What begins after the kill finds nobody, and is no work that it hit.
func (x *traffic) ask(request func() error) error {
	began := x.killing.Load()
	err := request()
	var u *client.Unreachable
	if !began && x.killing.Load() && errors.As(err, &u) {
		return fmt.Errorf("%w: %w", errCut, err)
	}
	return err
}

// rows sends rows from the one wanted next, a few at a time, and tells how many blocks have been taken.
func (x *traffic) rows(ctx context.Context, c *client.Client, told func(blocks int64)) error {
	told(0)
	var run client.Statement
	err := x.ask(func() (err error) {
		run, err = c.StartImport(ctx, client.ImportDraft{Source: sourceID, FileName: x.file.Name, Digest: x.file.Digest,
			Mapping: x.file.Mapping.Described(), Rows: int64(len(x.file.Rows))})
		return err
	})
	blocks, next := int64(0), max(run.NextRow, 1)
	for err == nil && next <= int64(len(x.file.Rows)) {
		err = x.ask(func() error {
			a, err := c.SendRows(ctx, run.Run, upload.Rows(x.file, next, min(next+int64(x.block)-1, int64(len(x.file.Rows)))))
			next = a.NextRow
			return err
		})
		blocks++
		told(blocks)
	}
	return err
}

// forever leads directives of some kinds, one after the other.
func (x *traffic) forever(ctx context.Context, r *running, kinds ...string) error {
	for {
		for _, kind := range kinds {
			if err := x.lead(ctx, r, kind); err != nil {
				return err
			}
		}
	}
}

// lead sets a goal, has a directive issued for it, and leads that to the end that is meant.
func (x *traffic) lead(ctx context.Context, r *running, kind string) error {
	x.mu.Lock()
	x.number++
	name := fmt.Sprintf("To be %s %d", kind, x.number)
	x.mu.Unlock()
	draft := npsGoal(name)
	if kind != refusedKind {
		draft = level(name, contract.Centricity, "buyers_month", contract.Count, "1997-09-30", "1998-06-30", .10)
	}
	var g client.Goal
	if err := x.ask(func() error { return r.executive.Post(ctx, "/api/strategic/v1/goals", draft, &g) }); err != nil {
		return err
	}
	x.mu.Lock()
	x.goals[g.ID] = kind
	x.mu.Unlock()
	if err := x.ask(func() error {
		return r.executive.Post(ctx, "/api/strategic/v1/goals/"+string(g.ID)+"/activate", nil, nil)
	}); err != nil {
		return err
	}
	d, err := x.issue(ctx, r.executive, map[string]any{"goal": g.ID, "impact": contract.NormalImpact})
	if err != nil || kind == refusedKind || kind == acceptedKind {
		return err
	}
	if err := x.inForce(ctx, r, d); err != nil {
		return err
	}
	x.says(d, "") // from here on nobody knows, until the next answer
	if kind == withdrawnKind {
		err = x.ask(func() error {
			_, err := r.executive.Act(ctx, d, "withdraw")
			return err
		})
	} else {
		_, err = x.issue(ctx, r.executive, map[string]any{"goal": g.ID, "impact": contract.NormalImpact, "supersedes": d})
	}
	if err == nil {
		x.says(d, kind)
	}
	return err
}

// issue drafts a directive and has it issued.
func (x *traffic) issue(ctx context.Context, c *client.Client, draft map[string]any) (contract.DirectiveID, error) {
	var d client.Directive
	err := x.ask(func() error { return c.Post(ctx, "/api/strategic/v1/directives", draft, &d) })
	for _, step := range []string{"propose", "approvals", "issue"} {
		if err != nil {
			return "", err
		}
		err = x.ask(func() (err error) {
			d, err = c.Act(ctx, d.ID, step)
			return err
		})
	}
	if err == nil {
		x.says(d.ID, "issued")
	}
	return d.ID, err
}

func (x *traffic) says(d contract.DirectiveID, state string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.sure[d] = state
}

// inForce waits until the layers below have answered.
func (x *traffic) inForce(ctx context.Context, r *running, d contract.DirectiveID) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		trail, err := r.executive.Trail(ctx, d)
		if err != nil || trail.Directive.Answer != nil && trail.Directive.Answer.State == contract.Executing {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (x *traffic) all(r *running) []client.Directive {
	x.t.Helper()
	all, err := r.executive.Directives(x.t.Context())
	if err != nil {
		x.t.Fatal(err)
	}
	return all
}

// kindOf returns the kind of a directive of the traffic, and nothing for others.
func (x *traffic) kindOf(d client.Directive) string { return x.goals[d.Goal] }

// settled returns nil once every layer has answered for good.
func (x *traffic) settled(r *running, id contract.DirectiveID) error {
	trail, err := r.executive.Trail(x.t.Context(), id)
	if err != nil {
		return err
	}
	a := trail.Directive.Answer
	if a == nil {
		return errNotYet
	}
	if s := a.State; s != contract.Executing && s != contract.Refused && s != contract.Withdrawn {
		return fmt.Errorf("it is %s %v", s, a.Reasons)
	}
	if s := trail.Directive.State; (s == "withdrawn" || s == "superseded") != (a.State == contract.Withdrawn) {
		return fmt.Errorf("it is %s above and %s below", s, a.State)
	}
	for _, o := range trail.Plan.Operational { // nobody waits for those when a directive is withdrawn
		if o.State != a.State && a.State != contract.Refused {
			return fmt.Errorf("it is %s, and its part %s %s", a.State, o.Part, o.State)
		}
	}
	return nil
}

// finish waits until every directive that was issued has its answer, and checks that none was lost or applied twice, and
// that each ended, in every layer, as one of its kind does without kills.
func (x *traffic) finish(r *running, kept contract.DirectiveID, want map[string]string) {
	x.t.Helper()
	below, ends, ofGoal := r.below(x.t), map[string]int{}, map[contract.GoalID]int{}
	known := map[contract.DirectiveID]string{}
	for _, d := range x.all(r) {
		if d.ID == kept {
			delete(below, d.ID)
			continue
		}
		ofGoal[d.Goal]++
		issued := 0
		for _, h := range d.History {
			if h.To == "issued" {
				issued++
			}
		}
		if issued == 0 { // the kill came before
			known[d.ID] = d.State
			continue
		}
		if issued > 1 {
			x.t.Errorf("directive %s was issued %d times", d.ID, issued)
		}
		eventually(x.t, answerWithin, "the end of directive "+string(d.ID), func() error { return x.settled(r, d.ID) })
		trail, err := r.executive.Trail(x.t.Context(), d.ID)
		if err != nil {
			x.t.Fatal(err)
		}
		state := trail.Directive.State
		known[d.ID] = state
		ends[state]++
		eventually(x.t, answerWithin, fmt.Sprintf("directive %s as one that is %s without kills, %s", d.ID, state, want[state]), func() error {
			if trail, err = r.executive.Trail(x.t.Context(), d.ID); err != nil {
				return err
			}
			if got := r.ended(x.t, trail); got != want[state] {
				return errors.New(got)
			}
			return nil
		})
		delete(below, d.ID)
	}
	for id, state := range x.sure {
		is, there := known[id]
		switch {
		case !there:
			x.t.Errorf("directive %s was %s, and is lost", id, state)
		case state == "issued" && is != "in_force" && is != "refused", state != "" && state != "issued" && state != is:
			x.t.Errorf("directive %s was answered to be %s, and is %s", id, state, is)
		}
	}
	for g, n := range ofGoal {
		if n > 1 && x.goals[g] != supersededKind || n > 2 {
			x.t.Errorf("the goal %s, %s, has %d directives", g, x.goals[g], n)
		}
	}
	for id, orders := range below {
		x.t.Errorf("below there are %v for directive %s, which was not issued", orders, id)
	}
	x.t.Logf("%d directives are answered for by the suite; ends: %v", len(x.sure), ends)
	for state := range want {
		if ends[state] == 0 {
			x.t.Errorf("no directive ended %s under kills: the test has shown too little", state)
		}
	}
}

// ended says how a directive ended: what the upper layers say of it and its parts, and what the operational layer does.
func (r *running) ended(t *testing.T, trail client.Trail) string {
	t.Helper()
	said := []string{trail.Directive.State}
	if a := trail.Directive.Answer; a != nil {
		said = append(said, fmt.Sprintf("answered %s for %s", a.State, codes(a.Reasons)))
	}
	if p := trail.Plan; p != nil {
		said = append(said, p.Playbook+" plan "+p.State)
		for _, o := range p.Operational {
			part := []string{fmt.Sprintf("%s %s for %s", o.Part, o.State, codes(o.Reasons))}
			for _, j := range o.Jobs {
				part = append(part, j.Kind+" "+j.Item+" "+j.State)
			}
			slices.Sort(part)
			said = append(said, strings.Join(part, ", "))
		}
	}
	said = append(said, r.below(t)[trail.Directive.ID]...)
	slices.Sort(said[1:])
	return strings.ReplaceAll(strings.Join(said, "; "), string(trail.Directive.ID), "this one")
}

// below lists what the operational layer does, by strategic directive.
func (r *running) below(t *testing.T) map[contract.DirectiveID][]string {
	t.Helper()
	out := map[contract.DirectiveID][]string{}
	for cursor := ""; ; {
		var page struct {
			Items []struct {
				Order *contract.OperationalDirective
				Jobs  []struct{ Kind, Item, State string }
			}
			Next string
		}
		if err := r.manager.Get(t.Context(), "/api/operational/v1/directives?limit=200&cursor="+cursor, &page); err != nil {
			t.Fatal(err)
		}
		for _, rec := range page.Items {
			if rec.Order == nil {
				continue // governance
			}
			work := []string{"below: " + rec.Order.Part + " " + string(rec.Order.Standing)}
			for _, j := range rec.Jobs {
				work = append(work, j.Kind+" "+j.Item+" "+j.State)
			}
			slices.Sort(work[1:])
			out[rec.Order.Strategic] = append(out[rec.Order.Strategic], strings.Join(work, ", "))
		}
		if cursor = page.Next; cursor == "" {
			return out
		}
	}
}

func codes(why []contract.Reason) string {
	all := []string{}
	for _, w := range why {
		all = append(all, strings.TrimSpace(string(w.Code)+" "+w.Item))
	}
	slices.Sort(all)
	return "[" + strings.Join(all, ", ") + "]"
}

// light is a library with a playbook that asks for one metric, so that many directives are no load.
func light(t *testing.T) string {
	t.Helper()
	library := t.TempDir()
	write(t, library, "metrics.yaml", buyers)
	write(t, filepath.Join(library, "playbooks"), "centricity.yaml", lightly)
	return library
}

const buyers = `- id: buyers_month
  version: 1.0.0
  label: Buyers
  description: Customers with at least one order in the month.
  type: simple
  unit: count
  better: up
  measures:
    - {name: customers, agg: count_distinct, entity: customer_day, field: customer}
  parameters: [customer_id, order_time]
  owner: head of marketing
  steward: customer data steward
`

const lightly = `id: centricity
version: 1
variable: centricity
name: Count buyers
purpose: service_improvement
coverage: 0.8
tolerance: 0.1
units:
  - {name: marketing, owner: marketing manager}
metrics:
  - {metric: buyers_month, unit: marketing, spread: 3}
wishes: []
`
