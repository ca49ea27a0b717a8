package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/orderfile"
	"github.com/strata-crm/strata/deploy/internal/upload"
	"github.com/strata-crm/strata/shared/contract"
)

const (
	answerWithin  = 60 * time.Second
	measureWithin = 5 * time.Minute
	sourceID      = "order-file"
)

// govern has the proposed rules approved by two executives, and waits until every layer has them.
func (r *running) govern(t *testing.T) {
	t.Helper()
	var versions []client.GovernanceVersion
	eventually(t, answerWithin, "the proposed governance directive", func() (err error) {
		if versions, err = r.executive.Governance(t.Context()); err == nil && len(versions) == 0 {
			err = errNotYet
		}
		return err
	})
	for _, who := range []*client.Client{r.executive, r.second} {
		if err := who.ApproveGovernance(t.Context(), versions[0].Number); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, answerWithin, "the answer to the governance directive", func() error {
		versions, err := r.executive.Governance(t.Context())
		if err == nil && (versions[0].Answer == nil || versions[0].Answer.State != contract.Accepted) {
			err = fmt.Errorf("the answer is %v", versions[0].Answer)
		}
		return err
	})
}

// register registers the file as a source that offers what a purchase tells, and more.
func (r *running) register(t *testing.T, more ...string) (writeKey string) {
	t.Helper()
	key, err := r.steward.Register(t.Context(), client.Source{
		ID: sourceID, Name: "orders", Owner: "head of sales", Steward: "order data steward", Format: "file", Trust: "verified",
		Offers: append([]string{"customer_id", "order_time", "order_amount", "order_items"}, more...),
	})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// level is a level goal on a metric, with a baseline measured until, and a relative target.
func level(name string, v contract.Variable, m contract.MetricID, u contract.Unit, until, deadline contract.Day, more float64) client.GoalDraft {
	return client.GoalDraft{Name: name, Variable: v, Metric: m, Kind: contract.Level, Direction: contract.Up, Unit: u,
		Baseline: contract.Baseline{MeasureUntil: until}, Target: contract.Target{Relative: &more}, Deadline: deadline,
		Owner: "head of retention", Relevance: "a test needs it"}
}

func retentionGoal(until, deadline contract.Day) client.GoalDraft {
	return level("Keep more", contract.Retention, "month_on_month_retention", contract.Ratio, until, deadline, .15)
}

func valueGoal(until, deadline contract.Day) client.GoalDraft {
	return level("Worth more", contract.LifetimeValue, "predicted_value_52w", contract.Money, until, deadline, .10)
}

// order sets a goal, has a directive issued for it, and waits for one of the answers.
func (r *running) order(t *testing.T, d client.GoalDraft, states ...contract.State) (client.Goal, client.Directive) {
	t.Helper()
	g, err := r.executive.SetGoal(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := r.executive.DraftDirective(t.Context(), g.ID, contract.NormalImpact)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"propose", "approvals", "issue"} {
		if _, err := r.executive.Act(t.Context(), dir.ID, step); err != nil {
			t.Fatal(err)
		}
	}
	if len(states) > 0 {
		r.answered(t, dir.ID, states...)
	}
	return g, dir
}

// answered waits until the directive's answer is one of the states and returns it.
func (r *running) answered(t *testing.T, id contract.DirectiveID, states ...contract.State) contract.Acknowledgement {
	t.Helper()
	var a contract.Acknowledgement
	eventually(t, answerWithin, fmt.Sprintf("the answer %v", states), func() error {
		trail, err := r.executive.Trail(t.Context(), id)
		switch {
		case err != nil:
			return err
		case trail.Directive.Answer == nil:
			return errNotYet
		}
		if a = *trail.Directive.Answer; !slices.Contains(states, a.State) {
			return fmt.Errorf("it is %s %v", a.State, a.Reasons)
		}
		return nil
	})
	return a
}

var sampleMapping = orderfile.Mapping{Separator: "space", Heading: "no", Customer: "1", Date: "3", Items: "4", Amount: "5"}

// sample reads the CDNOW sample: 6,919 orders of 2,357 customers.
func sample(t *testing.T) *orderfile.File {
	t.Helper()
	f, err := orderfile.Open(data(t, "cdnow/CDNOW_sample.txt"), sampleMapping)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// load imports the file whole, waits for the statement, and declares it complete until the day.
func load(t *testing.T, c *client.Client, f *orderfile.File, until string) client.Statement {
	t.Helper()
	run, err := upload.File(t.Context(), c, sourceID, f, func(int64, int64) {})
	if err != nil {
		t.Fatal(err)
	}
	s, err := upload.Settled(t.Context(), c, run.Run)
	if err != nil {
		t.Fatal(err)
	}
	if s.RowsRead != s.Accounted() {
		t.Errorf("%d rows read, %d accounted for", s.RowsRead, s.Accounted())
	}
	if until != "" {
		if _, err := c.Complete(t.Context(), sourceID, until); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// measured waits until every metric of the directive's plan is measured for the closed window that ends at the day, and
// returns the closed windows.
func (r *running) measured(t *testing.T, id contract.DirectiveID, end string) []contract.Measurement {
	t.Helper()
	var closed []contract.Measurement
	eventually(t, measureWithin, "the measurements of "+end, func() error {
		all, err := r.manager.Measurements(t.Context(), id)
		if err != nil {
			return err
		}
		trail, err := r.executive.Trail(t.Context(), id)
		if err != nil {
			return err
		}
		if trail.Plan == nil || len(trail.Plan.Metrics) == 0 {
			return errors.New("there is no plan so far")
		}
		closed = closed[:0]
		last, windows, most := map[contract.MetricID]bool{}, map[contract.MetricID]int{}, 0
		for _, m := range all {
			if m.Closed {
				closed = append(closed, m)
				last[m.Metric] = last[m.Metric] || m.Window.End.Format(time.DateOnly) == end
				windows[m.Metric]++
				most = max(most, windows[m.Metric])
			}
		}
		for _, m := range trail.Plan.Metrics { // messages of different windows overtake one another
			if !last[m.ID] || windows[m.ID] < most {
				return fmt.Errorf("%s has not come so far: %d of %d windows", m.ID, windows[m.ID], most)
			}
		}
		return nil
	})
	return closed
}

// conserved checks that every record of the event log is accounted for.
func conserved(t *testing.T, c *client.Client) client.Conservation {
	t.Helper()
	all, err := c.Conservation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if all.Unaccounted != 0 {
		t.Errorf("conservation: %d records are unaccounted for: %+v", all.Unaccounted, all.Partitions)
	}
	return all
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// environment reads a file of NAME=value lines.
func environment(t *testing.T, file string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all
}

// figures are what closed windows say, without what differs between two runs: revisions, ids, instants.
func figures(all []contract.Measurement) map[string]string {
	out := map[string]string{}
	for _, m := range all {
		show := func(v *float64) string {
			if v == nil {
				return "none"
			}
			return fmt.Sprintf("%.9g", *v)
		}
		reason := ""
		if m.Reason != nil {
			reason = string(m.Reason.Code)
		}
		out[string(m.Metric)+" "+m.Window.Start.Format(time.DateOnly)] = fmt.Sprintf("%s %s n=%d se=%s", show(m.Value), reason, m.N, show(m.StdErr))
	}
	return out
}

// master reads the whole of CDNOW: 69,659 orders.
func master(t *testing.T) *orderfile.File {
	t.Helper()
	f, err := orderfile.Open(data(t, "cdnow/CDNOW_master.txt"), orderfile.Mapping{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// write writes a file and returns its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// replaceLog takes the folder's event log away, as a lost disk does; the next start makes another.
func replaceLog(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(dir, "broker")); err != nil {
		t.Fatal(err)
	}
}
