package survival

import (
	"bufio"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// readVisits reads all purchases of CDNOW.
func readVisits() ([]Visit, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			break
		}
	}
	f, err := os.Open(filepath.Join(filepath.Dir(dir), "shared", "data", "cdnow", "CDNOW_master.txt"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []Visit
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if fields[0] == "customer_id" {
			continue
		}
		day, err := contract.ParseDay(fields[1][:4] + "-" + fields[1][4:6] + "-" + fields[1][6:])
		if err != nil {
			return nil, err
		}
		out = append(out, Visit{fields[0], day})
	}
	return out, nil
}

func visits(t *testing.T) []Visit {
	t.Helper()
	v, err := readVisits()
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("CI") == "" {
		t.Skipf("the public data sets are missing: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The grid of the reference values, exactly.
func TestRetentionOfCDNOW(t *testing.T) {
	t.Parallel()
	all := visits(t)
	want := []Cohort{
		{Month("1997-01-01"), 7846, []int{7846, 1157, 964, 810, 679, 736, 720, 582, 559, 594, 673, 634, 528, 511, 664, 472, 497, 498}},
		{Month("1997-02-01"), 8476, []int{8476, 1312, 980, 783, 847, 786, 626, 619, 666, 721, 661, 545, 568, 718, 545, 548, 551}},
		{Month("1997-03-01"), 7248, []int{7248, 1032, 752, 756, 674, 564, 561, 579, 634, 569, 464, 472, 678, 420, 443, 457}},
	}
	if diff := cmp.Diff(want, Retention(all, Month, Month("1998-06-30"))); diff != "" {
		t.Error(diff)
	}
	const seed = 1
	t.Logf("seed %d", seed)
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	short := Retention(all, Month, Month("1997-05-31"))
	if diff := cmp.Diff(want[1].Active[:4], short[1].Active); diff != "" || len(short) != 3 {
		t.Errorf("until May, in another order:\n%s", diff)
	}
	near(t, "share of January's cohort a month later", want[0].Share(1), 1157./7846, 1e-12)
}

// The share who came again, 11,516 of 23,570: a curve with losses, until the shortest watch, and all in all.
func TestReturnsOfCDNOW(t *testing.T) {
	t.Parallel()
	all, err := Returns(visits(t), "1998-06-30")
	if err != nil {
		t.Fatal(err)
	}
	c := curve(t, all)
	near(t, "customers", float64(c.Subjects), 23570, 0)
	near(t, "who came again", float64(c.Events), 11516, 0)
	shortest := float64(contract.Day("1998-06-30").Sub("1997-03-25"))
	again := 0
	for _, o := range all {
		again += count(o.Event && o.Time <= shortest)
	}
	s, known := c.At(shortest)
	if !known {
		t.Fatal("unknown")
	}
	near(t, "not come back while all were watched", s.Survival, 1-float64(again)/23570, 1e-12)
	q, err := c.Quantile(.4)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("40 %% came back within %g days (%g to %g)", q.Time, q.Low, q.High)
	if _, err := Returns([]Visit{{"a", "yesterday"}}, "1998-06-30"); !fault.Is(err, fault.Invalid) {
		t.Errorf("no day: got %v, want invalid", err)
	}
	if _, err := Returns([]Visit{{"a", "1999-01-01"}}, "1998-06-30"); fault.CodeOf(err) != fault.NoData {
		t.Errorf("nobody yet: got %v", err)
	}
}

// Order and repetition mean nothing, and a customer whose first day comes last in the list is of that day's cohort.
func TestReturnsInAnyOrder(t *testing.T) {
	t.Parallel()
	in := []Visit{{"a", "2026-03-05"}, {"b", "2026-03-02"}, {"a", "2026-03-01"}, {"a", "2026-03-01"}, {"a", "2026-03-03"}, {"b", "2026-03-02"}, {"c", "2026-04-01"}}
	want := []Observation{{2, true, 1}, {8, false, 1}}
	for range 6 {
		got, err := Returns(in, "2026-03-10")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("%v\n%s", err, diff)
		}
		in = slices.Concat(in[1:], in[:1])
	}
	grid := Retention(in, Month, Month("2026-05-01"))
	if diff := cmp.Diff([]Cohort{{Month("2026-03-01"), 2, []int{2, 0, 0}}, {Month("2026-04-01"), 1, []int{1, 0}}}, grid); diff != "" {
		t.Error(diff)
	}
}
