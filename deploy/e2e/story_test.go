package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/deploy/e2e/oracle"
	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/verify"
	"github.com/strata-crm/strata/shared/contract"
)

// The loop on the CDNOW sample, all services in one process.
func TestTheLoopInOneProcess(t *testing.T) {
	r := up(t, t.TempDir())
	theLoop(t, r)
	r.stop(t)
}

// The same, each service in a process of its own, against a process that is nothing but broker and store.
func TestTheLoopInThreeProcesses(t *testing.T) {
	dir := t.TempDir()
	r := up(t, dir, "--layers", "none", "--expose")
	settings := environment(t, filepath.Join(dir, "exposed.env"))
	for _, layer := range []string{"STRATEGIC", "FUNCTIONAL", "OPERATIONAL"} {
		settings = append(settings, "STRATA_"+layer+"_SIGNIN_JWKS="+r.url+"/.well-known/jwks.json")
	}
	settings = append(settings, "STRATA_FUNCTIONAL_PLAN_APPROVAL=policy")
	at := func(layer string, people ...**client.Client) {
		s := alone(t, layer, settings)
		for _, p := range people {
			*p = moved(t, *p, filepath.Join(dir, "tokens"), s.url)
		}
	}
	at("operational", &r.steward, &r.collector)
	at("functional", &r.manager)
	at("strategic", &r.executive, &r.second)
	theLoop(t, r)
}

// moved returns the client of the same person at another address.
func moved(t *testing.T, c *client.Client, tokens, url string) *client.Client {
	t.Helper()
	text, err := os.ReadFile(tokens)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		_, token, _ := strings.Cut(strings.TrimSpace(line), "=")
		there, err := client.New(url, token)
		if err != nil {
			t.Fatal(err)
		}
		if c.Same(there) {
			return there
		}
	}
	t.Fatal("no such person")
	return nil
}

// theLoop sets three goals, imports the sample, and holds measurements and statuses against the oracle.
func theLoop(t *testing.T, r *running) {
	t.Helper()
	want := sampleExpectation(t)
	r.govern(t)
	r.register(t)
	retention, kept := r.order(t, retentionGoal("1997-09-30", "1998-06-30"), contract.Executing)
	value, worth := r.order(t, valueGoal("1997-09-30", "1998-03-31"), contract.Executing)
	_, refused := r.order(t, npsGoal("NPS"))
	if a := r.answered(t, refused.ID, contract.Refused); len(a.Reasons) == 0 || a.Reasons[0].Code != "no_source" || a.Reasons[0].Item != "nps" {
		t.Errorf("refused for %v, want no_source nps", a.Reasons)
	}
	s := load(t, r.steward, sample(t), "1998-07-01")
	for _, w := range verify.Statement(s, want.Facts) {
		t.Error(w)
	}
	all := append(r.measured(t, kept.ID, "1998-07-01"), r.measured(t, worth.ID, "1998-07-01")...)
	for _, w := range slices.Concat(verify.Months(all, want), verify.Cohorts(all, want), verify.Customers(all, want.Facts)) {
		t.Error(w)
	}
	r.course(t, retention.ID, want.Goals[0], want)
	r.course(t, value.ID, want.Goals[1], want)
	conserved(t, r.steward)
}

// course waits until the goal has been judged for every month that is expected, as information follows measurements, and
// holds what was said against the expectation.
func (r *running) course(t *testing.T, goal contract.GoalID, want oracle.Course, e oracle.Expectation) {
	t.Helper()
	var history []client.Standing
	eventually(t, answerWithin, "a status for every month of "+want.Name, func() (err error) {
		if history, err = r.executive.History(t.Context(), goal); err != nil {
			return err
		}
		missing := maps.Clone(want.Statuses)
		for _, s := range history {
			delete(missing, s.Month())
		}
		if len(missing) > 0 {
			return fmt.Errorf("nothing is said of %v", slices.Sorted(maps.Keys(missing)))
		}
		return nil
	})
	for _, w := range verify.Course(history, want, e) {
		t.Error(w)
	}
}

func npsGoal(name string) client.GoalDraft {
	more := 10.0
	g := level(name, contract.Satisfaction, "nps_month", contract.Points, "1997-09-30", "1998-06-30", 0)
	g.Target = contract.Target{Delta: &more}
	return g
}

// sampleExpectation asks the oracle about the sample, whose lines have the customer's number in the whole file first.
func sampleExpectation(t *testing.T) oracle.Expectation {
	t.Helper()
	text, err := os.ReadFile(data(t, "cdnow/CDNOW_sample.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var four bytes.Buffer
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		fmt.Fprintln(&four, f[0], f[2], f[3], f[4])
	}
	orders, err := oracle.Read(&four)
	if err != nil {
		t.Fatal(err)
	}
	return oracle.Expect(orders, oracle.Options{Last: time.Date(1998, 6, 30, 0, 0, 0, 0, time.UTC), Goals: []oracle.Goal{
		{Name: "G1", Metric: "month_on_month_retention", Until: "1997-09", Deadline: "1998-06", Relative: .15},
		{Name: "G2", Metric: "predicted_value_52w", Until: "1997-09", Deadline: "1998-03", Relative: .10},
	}})
}
