package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/deploy/e2e/oracle"
	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/verify"
	"github.com/strata-crm/strata/shared/contract"
)

// The demo without data of its own tells the story of a simulated shop, and every step comes true. The shop lies west of
// UTC, where windows begin and end hours after UTC's midnights.
func TestTheDemoOfASimulatedShop(t *testing.T) {
	cmd := exec.Command(filepath.Join(bin, "strata"), "demo", "--once", "--listen", "127.0.0.1:0", "--customers", "1500", "--seed", "2", "--file-zone", "America/New_York")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	says(t, string(out), "before strategic governance proposed", "plan drafted", "plan approved, as policy allows", "decision ", "trace ",
		"refused: no source offers nps", "rows read = ", "judge rates, not totals", "changed Since ", "proof not proven", "asked of the executive: ",
		"Owner of the definition: ", "Have a source registered that offers contract end.", "order_amount owner: head of sales", "Yes: all")
	for _, noise := range []string{"no_source", "awaiting_approval", "model_not_identified", "-0."} {
		if strings.Contains(string(out), noise) {
			t.Errorf("the story has %q in it", noise)
		}
	}
	_, story, _ := strings.Cut(string(out), "── What this is")
	inOrder(t, story)
	for line := range strings.Lines(story) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 110 {
			t.Errorf("a line has %d columns: %s", n, line)
		}
	}
}

var hop = regexp.MustCompile(`^ +(before|([\d.]+) s) +(strategic|functional|operational) `)

// inOrder checks that the hops of each chapter are told in the order of time.
func inOrder(t *testing.T, story string) {
	t.Helper()
	hops, last := 0, 0.0
	for line := range strings.Lines(story) {
		if strings.HasPrefix(line, "──") {
			last = 0
		}
		m := hop.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		hops++
		at, _ := strconv.ParseFloat(m[2], 64) // before is 0
		if at < last {
			t.Errorf("told after %.3f s: %s", last, line)
		}
		last = at
	}
	if hops < 20 {
		t.Errorf("only %d hops are told", hops)
	}
}

// A false expectation must be noticed, else the demo proves nothing.
func TestTheDemoNoticesAFalseExpectation(t *testing.T) {
	if !full() {
		t.Skip("long: STRATA_FULL=1 runs it")
	}
	text, err := os.ReadFile(filepath.Join(root(), "deploy", "e2e", "testdata", "cdnow.expect.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(t.TempDir(), "wrong.yaml")
	if err := os.WriteFile(wrong, []byte(strings.Replace(string(text), "1998-03: achieved", "1998-03: missed", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(bin, "strata"), "demo", "--once", "--listen", "127.0.0.1:0",
		"--orders", data(t, "cdnow/CDNOW_master.txt"), "--expect", wrong).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "G2 in 1998-03: achieved, expected missed") {
		t.Errorf("the demo ended with %v and does not name what differs:\n%s", err, out)
	}
}

// The whole of CDNOW in one import: facts, months, cohorts and statuses are those of the reference values. Of the two
// statuses that are decided, neither is proven; a goal with a low bar is.
func TestCDNOW(t *testing.T) {
	want := expectation(t)
	r := up(t, t.TempDir())
	r.govern(t)
	r.register(t)
	retention, kept := r.order(t, retentionGoal("1997-09-30", "1998-06-30"), contract.Executing)
	value, worth := r.order(t, valueGoal("1997-09-30", "1998-03-31"), contract.Executing)
	low := retentionGoal("", "1997-12-31")
	base, target := .10, .20
	low.Name, low.Baseline, low.Target = "A low bar", contract.Baseline{Value: &base}, contract.Target{Value: &target}
	low.Start = "1997-10-01"
	easy, easier := r.order(t, low, contract.Executing)
	s := load(t, r.steward, master(t), "1998-07-01")
	for _, w := range verify.Statement(s, want.Facts) {
		t.Error(w)
	}
	all := r.measured(t, kept.ID, "1998-07-01")
	for _, w := range verify.Months(append(all, r.measured(t, worth.ID, "1998-07-01")...), want) {
		t.Error(w)
	}
	cohorts(t, all, want)
	r.course(t, retention.ID, want.Goals[0], want)
	r.course(t, value.ID, want.Goals[1], want)
	r.measured(t, easier.ID, "1998-01-01")
	eventually(t, answerWithin, "the low bar's proof", func() error {
		c, err := r.executive.Card(t.Context(), easy.ID)
		if err == nil && (c.Standing.Status != "achieved" || c.Standing.Proof != "proven") {
			err = errNotYet
		}
		return err
	})
	conserved(t, r.steward)
	r.stop(t)
}

// cohorts compares the months' cohort rows.

func cohorts(t *testing.T, all []contract.Measurement, want oracle.Expectation) {
	t.Helper()
	got := map[string]map[string]float64{} // month → cohort → share still buying
	for _, m := range all {
		if m.Metric != "monthly_cohort_retention" {
			continue
		}
		month := m.Window.Start.Format("2006-01")
		got[month] = map[string]float64{}
		for _, p := range m.Parts {
			got[month][p.Key] = p.Value
		}
	}
	if len(got) == 0 {
		t.Error("there are no cohort rows")
	}
	for cohort, row := range want.Cohorts {
		start, _ := time.Parse("2006-01", cohort)
		for i, active := range row {
			month := start.AddDate(0, i, 0).Format("2006-01")
			value, ok := got[month][cohort]
			if want := float64(active) / float64(row[0]); ok && !cmp.Equal(value, want, cmp.Comparer(near)) {
				t.Errorf("cohort %s in %s: %.6f, expected %.6f", cohort, month, value, want)
			}
		}
	}
}

func near(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 }

func expectation(t *testing.T) oracle.Expectation {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "cdnow.expect.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	e, err := oracle.ReadExpectation(f)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Without a token nothing is answered but health; the problem says what to do.
func TestNobodyPassesWithoutAToken(t *testing.T) {
	r := up(t, t.TempDir())
	nobody := r.executive.As("")
	for _, path := range []string{"/api/strategic/v1/scorecard", "/api/functional/v1/metrics", "/api/operational/v1/sources", "/api/operational/v1/ingest/conservation", "/metrics"} {
		var any map[string]any
		if err := nobody.Get(t.Context(), path, &any); client.Status(err) != 401 {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := nobody.Post(t.Context(), "/signin/links", map[string]any{"subject": "x", "roles": []string{"executive"}}, nil); client.Status(err) != 401 {
		t.Errorf("a link for anybody: %v", err)
	}
	if err := r.executive.Post(t.Context(), "/signin/links", map[string]any{"subject": "executive-9", "roles": []string{"executive"}}, nil); client.Status(err) != 403 {
		t.Errorf("an executive makes another executive: %v", err)
	}
	var health map[string]string
	if err := nobody.Get(t.Context(), "/healthz", &health); err != nil || health["status"] != "ok" {
		t.Errorf("health: %v %v", health, err)
	}
	r.stop(t)
}
