package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/strata-crm/strata/deploy/e2e/oracle"
	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/verify"
	"github.com/strata-crm/strata/shared/contract"
)

// The whole of CDNOW in one import: facts, months, cohorts and statuses are those of the reference values. Of the two
// statuses that are decided, neither is proven; a goal with a low bar is.
func TestCDNOW(t *testing.T) {
	want := expectation(t)
	r := up(t, t.TempDir(), "--expose")
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
	all = append(all, r.measured(t, worth.ID, "1998-07-01")...)
	for _, w := range slices.Concat(verify.Months(all, want), verify.Cohorts(all, want), verify.Customers(all, want.Facts)) {
		t.Error(w)
	}
	if units, days := r.sums(t); units != 167881 || days != 67591 { // of the reference values; nothing that is served tells them
		t.Errorf("%d units on %d days of a customer, expected 167881 on 67591", units, days)
	}
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
