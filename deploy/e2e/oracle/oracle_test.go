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
	want.Facts.Units, want.Facts.CustomerDays = 167881, 67591
	if d := cmp.Diff(want.Facts, got.Facts); d != "" {
		t.Errorf("facts (-want +got):\n%s", d)
	}
	if d := cmp.Diff(want.Cohorts, got.Cohorts); d != "" {
		t.Errorf("cohorts (-want +got):\n%s", d)
	}
	for i, w := range want.Months {
		g := got.Months[i]
		near(t, w.Month+" value", g.Value, w.Value, .01)
		if v, ok := map[string]float64{"1997-02": 68.78, "1997-03": 49.71}[w.Month]; ok {
			near(t, w.Month+" ungated", g.Ungated, &v, .01)
		}
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

// Where too few customers are told of, or too few decide, a goal is not measurable; a month without a value in between is
// not either, and what is decided stays.
func TestTheOracleKnowsWhatIsNotShown(t *testing.T) {
	t.Parallel()
	month := func(m string, again, before int64) oracle.Month {
		return oracle.Month{Month: m, Again: again, Before: before}
	}
	goal := oracle.Goal{Name: "G1", Metric: "month_on_month_retention", Until: "2024-01", Deadline: "2024-04", Relative: .15}
	for name, c := range map[string]struct {
		months []oracle.Month
		want   map[string]string
		proof  string
	}{
		"few of the baseline came again": {[]oracle.Month{month("2024-01", 9, 100), month("2024-02", 50, 100)},
			map[string]string{"2024-01": "not_measurable", "2024-02": "not_measurable"}, ""},
		"too few decide": {[]oracle.Month{month("2024-01", 15, 29), month("2024-02", 50, 100), month("2024-03", 50, 100), month("2024-04", 50, 100)},
			map[string]string{"2024-01": "not_measurable", "2024-02": "not_measurable", "2024-03": "not_measurable", "2024-04": "not_measurable"}, "not_yet"},
		"all but few came again": {[]oracle.Month{month("2024-01", 50, 100), month("2024-02", 95, 100), month("2024-03", 0, 0), month("2024-04", 100, 100), month("2024-05", 1, 2)},
			map[string]string{"2024-01": "no_data_yet", "2024-02": "not_measurable", "2024-03": "not_measurable", "2024-04": "achieved", "2024-05": "achieved"}, ""},
	} {
		got := oracle.Judge(goal, c.months)
		if d := cmp.Diff(c.want, got.Statuses); d != "" || got.Proof != c.proof && c.proof != "" {
			t.Errorf("%s: proof %s (-want +got):\n%s", name, got.Proof, d)
		}
	}
}
