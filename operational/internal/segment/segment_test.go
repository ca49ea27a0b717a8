package segment

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/fault"
)

// planted are groups about given middles, each value spread by a tenth of itself.
func planted(seed uint64, sizes []int, middles [][]float64) (customers []Customer, group map[string]int) {
	r := rand.New(rand.NewPCG(seed, 0))
	group = map[string]int{}
	for g, size := range sizes {
		for range size {
			c := Customer{ID: fmt.Sprintf("c%05d", r.IntN(1_000_000_000))}
			for _, m := range middles[g] {
				c.Values = append(c.Values, m*math.Exp(.1*r.NormFloat64()))
			}
			customers = append(customers, c)
			group[c.ID] = g
		}
	}
	r.Shuffle(len(customers), func(i, j int) { customers[i], customers[j] = customers[j], customers[i] })
	return customers, group
}

var (
	sizes   = []int{400, 250, 150, 60}
	middles = [][]float64{{400, 1.2, 2000}, {20, 12, 2500}, {150, 3, 20000}, {10, 60, 900}}
)

func suggest(t testing.TB, customers []Customer, s Settings) *Grouping {
	t.Helper()
	g, err := Suggest(customers, s)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestPlantedGroupsAreFound(t *testing.T) {
	t.Parallel()
	customers, group := planted(3, sizes, middles)
	g := suggest(t, customers, DefaultSettings("EUR"))
	if len(g.Groups) != 4 {
		t.Fatalf("%d groups from %+v, want 4", len(g.Groups), g.Candidates)
	}
	for _, m := range g.Members {
		if m.Group != group[m.Customer] { // the planted ones are in the order of their sizes, too
			t.Fatalf("%s is in group %d, planted in %d", m.Customer, m.Group, group[m.Customer])
		}
	}
	for i, want := range [][]string{
		{"buys rarely, on 1.2 days", "not seen for 13 months"}, {"buys often, on 12", "last seen 3 weeks ago"}, {"fills a large basket, EUR 19"},
		{"buys often, on 60", "last seen 10 days ago", "fills a small basket, EUR 8.9"},
	} {
		for _, w := range want {
			if !strings.Contains(g.Groups[i].Text, w) {
				t.Errorf("group %d is told as %q, want %q in it", i, g.Groups[i].Text, w)
			}
		}
	}
	for _, c := range customers[:50] {
		if at, err := g.Assign(c); err != nil || at != group[c.ID] {
			t.Errorf("%s is assigned to %d (%v), planted in %d", c.ID, at, err, group[c.ID])
		}
	}
	if m := g.Model.HoldOut; m.Measures["adjusted_rand"] < .99 || m.Customers != 430 {
		t.Errorf("hold-out %+v", m)
	}
}

func TestNothingDependsOnOrder(t *testing.T) {
	t.Parallel()
	customers, _ := planted(4, []int{90, 60, 40}, middles)
	s := DefaultSettings("EUR")
	s.MaxFitted, s.MaxCompared = 120, 80 // samples, too
	want := suggest(t, customers, s)
	slices.Reverse(customers)
	got := suggest(t, customers, s)
	for _, d := range []string{cmp.Diff(want.Groups, got.Groups), cmp.Diff(want.Members, got.Members), cmp.Diff(want.Candidates, got.Candidates), cmp.Diff(want.Model, got.Model)} {
		if d != "" {
			t.Error(d)
		}
	}
}

// A handful of strange customers makes no group that could be shown, however far away they are.
func TestSmallGroupsAreNotMade(t *testing.T) {
	t.Parallel()
	customers, _ := planted(5, []int{300, 200, 150, 6}, [][]float64{{400, 1.2, 2000}, {20, 12, 2500}, {150, 3, 20000}, {1, 500, 1e7}})
	s := DefaultSettings("EUR")
	g := suggest(t, customers, s)
	small := 0
	for _, c := range g.Candidates {
		if c.Smallest < s.MinSize {
			small++
		}
	}
	if small == 0 {
		t.Errorf("no candidate had the six by themselves: %+v", g.Candidates)
	}
	for _, x := range g.Groups {
		if x.Customers < s.MinSize {
			t.Errorf("a group of %d: %+v", x.Customers, g.Candidates)
		}
	}
	s.MinSize = 250
	_, err := Suggest(customers, s)
	refused(t, err, "leaves 250 customers in each")
}

func refused(t testing.TB, err error, because string) {
	t.Helper()
	if fault.CodeOf(err) != fault.ModelNotIdentified || fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), because) {
		t.Errorf("got %v, want %s naming %q", err, fault.ModelNotIdentified, because)
	}
}

// One cloud is not cut into pieces, whatever the cut's silhouette.
func TestOneCloudIsNoGroups(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		customers, _ := planted(seed, []int{1500}, [][]float64{{100, 40, 3000}})
		_, err := Suggest(customers, DefaultSettings("EUR"))
		refused(t, err, "do not fall into groups")
	}
}

func TestSuggestRefuses(t *testing.T) {
	t.Parallel()
	customers, _ := planted(6, []int{99}, middles)
	_, err := Suggest(customers, DefaultSettings("EUR"))
	refused(t, err, "99 customers and groups need 100")
	same := make([]Customer, 200)
	for i := range same {
		same[i] = Customer{fmt.Sprint(i), []float64{1, 2, 3}}
	}
	_, err = Suggest(same, DefaultSettings("EUR"))
	refused(t, err, "no number of groups")
	for name, bad := range map[string]Customer{"twice": same[0], "no id": {"", []float64{1, 2, 3}}, "not finite": {"x", []float64{1, 2, math.NaN()}}, "a trait less": {"x", []float64{1, 2}}} {
		if _, err := Suggest(append(slices.Clone(same), bad), DefaultSettings("EUR")); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for name, change := range map[string]func(*Settings){
		"unknown": func(s *Settings) { s.Traits = []Trait{"colour"} }, "twice": func(s *Settings) { s.Traits = []Trait{Recency, Recency} },
		"none": func(s *Settings) { s.Traits = nil }, "one group": func(s *Settings) { s.MinK = 1 }, "no restart": func(s *Settings) { s.Restarts = 0 },
	} {
		s := DefaultSettings("EUR")
		change(&s)
		if _, err := Suggest(same, s); fault.CodeOf(err) != fault.BadDefinition {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := AsOf([]purchase.History{{Customer: "a", Visits: []purchase.Visit{{Day: 1}}}}, 2, []Trait{"colour"}); fault.CodeOf(err) != fault.BadDefinition {
		t.Errorf("unknown trait: got %v", err)
	}
}

func TestTraits(t *testing.T) {
	t.Parallel()
	h := purchase.History{Customer: "a", Visits: []purchase.Visit{{Day: 10, Minor: 300}, {Day: 20, Minor: 100}, {Day: 99, Minor: 1}}}
	got, err := AsOf([]purchase.History{h}, 30, []Trait{Recency, Frequency, Revenue, MeanSpend, Tenure})
	if d := cmp.Diff([]Customer{{"a", []float64{10, 2, 400, 200, 20}}}, got); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
}

func TestDurations(t *testing.T) {
	t.Parallel()
	for days, want := range map[float64]string{0: "0 days", 1: "1 day", 13: "13 days", 14: "2 weeks", 69: "10 weeks", 70: "2 months", 480: "16 months", 730: "2 years"} {
		if got := duration(days); got != want {
			t.Errorf("%g days are %q, want %q", days, got, want)
		}
	}
}

// On sets small enough to try every partition, what is found is a place where nothing moves any more, and near the best: one
// start of k-means++ is expected to be within 8 (ln k + 2) of it (Arthur & Vassilvitskii 2007, theorem 1.1). Lloyd's algorithm
// does not always reach the best itself, however often it starts.
func TestKMeansComesNearTheBestPartition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(4, 9).Draw(t, "n")
		points := make([][]float64, n)
		for i := range points {
			points[i] = []float64{float64(rapid.IntRange(0, 50).Draw(t, "x")), float64(rapid.IntRange(0, 50).Draw(t, "y"))}
		}
		if different(points, 2) < 2 {
			t.Skip("one point")
		}
		best := math.Inf(1)
		for mask := 1; mask < 1<<(n-1); mask++ {
			side := make([]int, n)
			for i := range side {
				side[i] = mask >> i & 1
			}
			centres, loss := means(points, side, make([][]float64, 2), 0), 0.0
			for i, p := range points {
				loss += squared(p, centres[side[i]])
			}
			best = math.Min(best, loss)
		}
		c := kmeans(points, 2, 40, 1)
		if c.loss < best-1e-9*(1+best) || c.loss > 8*(math.Log(2)+2)*best+1e-9 {
			t.Fatalf("loss %g, the best partition has %g", c.loss, best)
		}
		side := make([]int, n)
		for i, p := range points {
			side[i], _ = c.nearest(p)
		}
		for k, centre := range means(points, side, c.centres, 0) {
			if squared(centre, c.centres[k]) > 1e-18 {
				t.Fatalf("centre %d is at %v, the mean of what is nearest to it is %v", k, c.centres[k], centre)
			}
		}
	})
}

func TestSilhouetteByHand(t *testing.T) {
	t.Parallel()
	points := [][]float64{{0}, {1}, {4}, {6}, {20}}
	// a = 1, 1, 2, 2; b = 5, 4, 3.5, 5.5; the fifth is alone.
	mean, stdErr := silhouette(points, []int{0, 0, 1, 1, 2}, 3)
	values := []float64{4. / 5, 3. / 4, 1.5 / 3.5, 3.5 / 5.5, 0}
	want, spread := 0.0, 0.0
	for _, v := range values {
		want += v / 5
	}
	for _, v := range values {
		spread += (v - want) * (v - want)
	}
	if math.Abs(mean-want) > 1e-12 || math.Abs(stdErr-math.Sqrt(spread)/5) > 1e-12 {
		t.Errorf("silhouette %g ± %g, want %g ± %g", mean, stdErr, want, math.Sqrt(spread)/5)
	}
}

func TestAdjustedRand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b []int
		want float64
	}{
		{[]int{0, 0, 1, 1}, []int{1, 1, 0, 0}, 1},
		{[]int{0, 0, 1, 2}, []int{0, 0, 1, 1}, 4. / 7}, // scikit-learn's example, .57
		{[]int{0, 0, 0, 0}, []int{0, 1, 2, 3}, 0},      // and its other one
		{[]int{0, 0}, []int{0, 0}, 1},
	} {
		if got := adjustedRand(c.a, c.b); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%v and %v: %g, want %g", c.a, c.b, got, c.want)
		}
	}
}
