package rfm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/strata-crm/strata/operational/internal/datatest"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/fault"
)

func TestDefaultRulesCoverEveryCombinationOnce(t *testing.T) {
	t.Parallel()
	rules := DefaultRules()
	if err := rules.Check(); err != nil {
		t.Fatal(err)
	}
	covered, names := 0, map[Segment]bool{}
	for _, r := range rules {
		covered += (r.R.High - r.R.Low + 1) * (r.F.High - r.F.Low + 1) * (r.M.High - r.M.Low + 1)
		names[r.Segment] = true
	}
	if covered != Levels*Levels*Levels || len(names) != 11 {
		t.Errorf("%d segments over %d combinations, want 11 over 125", len(names), covered)
	}
}

// Every rule is needed, and none may come twice.
func TestRulesThatAreNoPartitionAreRefused(t *testing.T) {
	t.Parallel()
	rules := DefaultRules()
	for i := range rules {
		without := slices.Delete(slices.Clone(rules), i, i+1)
		twice := append(slices.Clone(rules), rules[i])
		for _, bad := range []Rules{without, twice} {
			if err := bad.Check(); fault.CodeOf(err) != fault.BadDefinition {
				t.Errorf("rule %d missing or twice: got %v", i, err)
			}
			if _, err := Fixed(nil, Thresholds{}, bad); fault.CodeOf(err) != fault.BadDefinition {
				t.Errorf("rule %d missing or twice, scoring: got %v", i, err)
			}
		}
	}
}

func TestFixedScores(t *testing.T) {
	t.Parallel()
	limits := Thresholds{Recency: [4]int{365, 180, 90, 30}, Frequency: [4]int{2, 4, 8, 16}, Monetary: [4]int64{1000, 5000, 10000, 50000}}
	got, err := Fixed([]Customer{
		{"b", 366, 1, 999}, {"a", 30, 16, 50000}, {"c", 31, 8, 49999}, {"d", 365, 2, 1000}, {"e", 0, 1, -5},
	}, limits, DefaultRules())
	if err != nil {
		t.Fatal(err)
	}
	want := []Scored{
		{Customer{"a", 30, 16, 50000}, Scores{5, 5, 5}, Champions}, {Customer{"b", 366, 1, 999}, Scores{1, 1, 1}, Lost},
		{Customer{"c", 31, 8, 49999}, Scores{4, 4, 4}, Loyal}, {Customer{"d", 365, 2, 1000}, Scores{2, 2, 2}, Hibernating},
		{Customer{"e", 0, 1, -5}, Scores{5, 1, 1}, NewCustomers},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	limits.Frequency[3] = 7
	if _, err := Fixed(nil, limits, DefaultRules()); fault.CodeOf(err) != fault.BadDefinition {
		t.Errorf("thresholds out of order: got %v", err)
	}
}

func TestQuintilesRefuse(t *testing.T) {
	t.Parallel()
	few := make([]Customer, 29)
	for i := range few {
		few[i] = Customer{fmt.Sprint(i), i, 1, 100}
	}
	if _, _, err := Quintiles(few, DefaultGates(), DefaultRules()); fault.CodeOf(err) != fault.LowSample || !strings.Contains(err.Error(), "29 customers") {
		t.Errorf("29 customers: got %v", err)
	}
	if _, _, err := Quintiles(nil, Gates{}, DefaultRules()); fault.CodeOf(err) != fault.LowSample {
		t.Errorf("no customers: got %v", err)
	}
	for name, bad := range map[string]Customer{"twice": few[0], "no id": {"", 1, 1, 1}, "future": {"x", -1, 1, 1}, "no purchase": {"x", 1, 0, 1}} {
		if _, _, err := Quintiles(append(slices.Clone(few), bad), Gates{}, DefaultRules()); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v, want invalid", name, err)
		}
	}
}

// naiveScore is the definition, word for word: count who is worse.
func naiveScore(n int, worse func(j int) bool) int {
	w := 0
	for j := range n {
		if worse(j) {
			w++
		}
	}
	return 1 + int(math.Floor(5*float64(w)/float64(n)))
}

func TestQuintilesAreTheDefinition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "n")
		customers := make([]Customer, n)
		for i := range customers {
			customers[i] = Customer{
				fmt.Sprintf("%02d", i), rapid.IntRange(0, 20).Draw(t, "recency"), rapid.IntRange(1, 6).Draw(t, "frequency"),
				rapid.Int64Range(-3, 30).Draw(t, "monetary"),
			}
		}
		got, limits, err := Quintiles(customers, Gates{}, DefaultRules())
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range customers {
			want := Scores{
				naiveScore(n, func(j int) bool { return customers[j].Recency > c.Recency }),
				naiveScore(n, func(j int) bool { return customers[j].Frequency < c.Frequency }),
				naiveScore(n, func(j int) bool { return customers[j].Monetary < c.Monetary }),
			}
			if got[i].Scores != want {
				t.Fatalf("%+v has %+v, want %+v", c, got[i].Scores, want)
			}
		}
		again, err := Fixed(customers, limits, DefaultRules())
		if d := cmp.Diff(got, again); err != nil || d != "" {
			t.Fatalf("kept thresholds score differently (%v): %s", err, d)
		}
		d := Distributed(got)
		if most := max(d.R[4], d.F[4], d.M[4]); 5*most > n {
			t.Fatalf("%d of %d customers have a 5", most, n)
		}
	})
}

func TestQuintilesDoNotDependOnOrder(t *testing.T) {
	t.Parallel()
	const seed = 4
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	customers := make([]Customer, 200)
	for i := range customers {
		customers[i] = Customer{fmt.Sprint(i), r.IntN(300), 1 + r.IntN(3), r.Int64N(9000)}
	}
	want, _, err := Quintiles(customers, DefaultGates(), DefaultRules())
	if err != nil {
		t.Fatal(err)
	}
	r.Shuffle(len(customers), func(i, j int) { customers[i], customers[j] = customers[j], customers[i] })
	got, _, err := Quintiles(customers, DefaultGates(), DefaultRules())
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
}

// naiveSegment is the grid again, as one would say it.
func naiveSegment(r, f, m int) Segment {
	switch {
	case r == 5 && f >= 4 && m >= 4:
		return Champions
	case r >= 3 && f >= 4:
		return Loyal
	case r >= 4 && f >= 2:
		return PotentialLoyalists
	case r == 5:
		return NewCustomers
	case r == 4:
		return Promising
	case r == 3 && f == 3:
		return NeedAttention
	case r == 3:
		return AboutToSleep
	case f >= 4 && m >= 4:
		return CannotLose
	case f >= 3:
		return AtRisk
	case r == 2:
		return Hibernating
	default:
		return Lost
	}
}

// The whole file, against counts of histories that share nothing with the package but the file.
func TestCDNOW(t *testing.T) {
	t.Parallel()
	histories, asOf := datatest.CDNOW(t), datatest.Day("19980630")
	customers, err := AsOf(histories, asOf)
	if err != nil {
		t.Fatal(err)
	}
	scored, limits, err := Quintiles(customers, DefaultGates(), DefaultRules())
	if err != nil {
		t.Fatal(err)
	}
	naive, naiveRevenue := naiveCDNOW(histories, asOf)
	totals, all := Totals(scored, DefaultRules()), int64(250031563)
	sum, sumRevenue := 0, int64(0)
	for _, g := range totals {
		t.Logf("%-20s %6d customers %5.1f %%, revenue %5.1f %%", g.Segment, g.Customers, 100*g.Share, 100**g.RevenueShare)
		if g.Customers != naive[g.Segment] || g.Revenue != naiveRevenue[g.Segment] {
			t.Errorf("%s: %d customers with %d, naively %d with %d", g.Segment, g.Customers, g.Revenue, naive[g.Segment], naiveRevenue[g.Segment])
		}
		if want := float64(naiveRevenue[g.Segment]) / float64(all); math.Abs(*g.RevenueShare-want) > 1e-12 {
			t.Errorf("%s: revenue share %g, naively %g", g.Segment, *g.RevenueShare, want)
		}
		sum, sumRevenue = sum+g.Customers, sumRevenue+g.Revenue
	}
	if sum != 23570 || sumRevenue != all {
		t.Errorf("segments add up to %d customers and %d, want 23570 and %d", sum, sumRevenue, all)
	}
	d := Distributed(scored)
	t.Logf("distribution %+v, thresholds %+v", d, limits)
	// 12,054 customers bought on one day only: more than two fifths, so all have frequency score 1 and nobody has 2.
	if d.F[0] != 12054 || d.F[1] != 0 {
		t.Errorf("frequency scores %v, want 12054 ones and no two", d.F)
	}
}

// naiveCDNOW counts who is worse by a walk over the distinct values.
func naiveCDNOW(histories []purchase.History, asOf purchase.Day) (map[Segment]int, map[Segment]int64) {
	figures := func(h purchase.History) [3]int64 {
		var money int64
		for _, v := range h.Visits {
			money += v.Minor
		}
		return [3]int64{int64(h.Visits[len(h.Visits)-1].Day - asOf), int64(len(h.Visits)), money}
	}
	count := [3]map[int64]int{{}, {}, {}}
	for _, h := range histories {
		for k, v := range figures(h) {
			count[k][v]++
		}
	}
	score := [3]map[int64]int{{}, {}, {}}
	for k := range count {
		values := []int64{}
		for v := range count[k] {
			values = append(values, v)
		}
		slices.Sort(values)
		worse := 0
		for _, v := range values {
			score[k][v] = 1 + 5*worse/len(histories)
			worse += count[k][v]
		}
	}
	customers, revenue := map[Segment]int{}, map[Segment]int64{}
	for _, h := range histories {
		f := figures(h)
		s := naiveSegment(score[0][f[0]], score[1][f[1]], score[2][f[2]])
		customers[s]++
		revenue[s] += f[2]
	}
	return customers, revenue
}

func TestRevenueShareNeedsRevenue(t *testing.T) {
	t.Parallel()
	scored, err := Fixed([]Customer{{"a", 1, 1, 0}}, Thresholds{}, DefaultRules())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range Totals(scored, DefaultRules()) {
		if g.RevenueShare != nil {
			t.Errorf("%s has a revenue share of nothing: %g", g.Segment, *g.RevenueShare)
		}
	}
}
