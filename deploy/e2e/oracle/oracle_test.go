package oracle_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/deploy/e2e/oracle"
)

// The oracle itself is tested against the published values: it has to find in the file what was typed into the expectations.
func TestTheOracleFindsTheReferenceValues(t *testing.T) {
	t.Parallel()
	orders, want := cdnow(t)
	got := oracle.Expect(orders, oracle.Options{
		Last: time.Date(1998, 6, 30, 0, 0, 0, 0, time.UTC),
		Goals: []oracle.Goal{
			{Name: "G1", Metric: "month_on_month_retention", Until: "1997-09", Deadline: "1998-06", Relative: .15},
			{Name: "G2", Metric: "predicted_value_52w", Until: "1997-09", Deadline: "1998-03", Relative: .10},
		},
	})
	if d := cmp.Diff(want.Facts, got.Facts); d != "" {
		t.Errorf("facts (-want +got):\n%s", d)
	}
	if d := cmp.Diff(want.Cohorts, got.Cohorts); d != "" {
		t.Errorf("cohorts (-want +got):\n%s", d)
	}
	for i, w := range want.Months {
		g := got.Months[i]
		near(t, w.Month+" value", g.Value, w.Value, .01)
		near(t, w.Month+" ungated", g.Ungated, w.Ungated, .01)
		if g.Month != w.Month || w.Before != 0 && g.Again != w.Again || g.Before != w.Before || math.Abs(g.Repeat-w.Repeat) > .00005 {
			t.Errorf("%s: got %+v", w.Month, g)
		}
	}
	for i, g := range got.Goals {
		w := want.Goals[i]
		if d := cmp.Diff(w.Statuses, g.Statuses); d != "" || !cmp.Equal(w.Touched, g.Touched) {
			t.Errorf("%s (-want +got):\n%s touched %v", g.Name, d, g.Touched)
		}
		if math.Abs(g.Baseline-w.Baseline) > .005 || math.Abs(g.Target-w.Target) > .005 {
			t.Errorf("%s: baseline %.4f target %.4f", g.Name, g.Baseline, g.Target)
		}
	}
}

func near(t *testing.T, what string, got, want *float64, within float64) {
	t.Helper()
	if (got == nil) != (want == nil) && what[len(what)-5:] == "value" {
		t.Errorf("%s: got %v, want %v", what, got, want)
		return
	}
	if want != nil && (got == nil || math.Abs(*got-*want) > within) {
		t.Errorf("%s: got %v, want %.2f", what, got, *want)
	}
}

func cdnow(t *testing.T) ([]oracle.Order, oracle.Expectation) {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "testdata", "cdnow.expect.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want, err := oracle.ReadExpectation(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.Open(filepath.Join("..", "..", "..", "..", "shared", "data", "cdnow", "CDNOW_master.txt"))
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("the CDNOW file is not there: ", err)
	}
	defer data.Close()
	orders, err := oracle.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	return orders, want
}
