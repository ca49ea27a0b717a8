package metric

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/shared/contract"
)

// TestRanks: of independent rows, the chance that the percentile lies between the two order statistics, which is that
// of a binomial number from the lower rank to below the higher, is 95 % or more; but not so much more that they say nothing.
func TestRanks(t *testing.T) {
	t.Parallel()
	for _, p := range []float64{.05, .1, .25, .5, .75, .9, .95, .99} {
		told := 0
		for n := int64(10); n <= 1500; n++ {
			low, high, ok := Ranks(p, n, n)
			if !ok {
				continue
			}
			told++
			chance := 0.0
			for k := low; k < high; k++ {
				chance += binomial(n, k, p)
			}
			if chance < .95 || n > 500 && p > .04 && p < .96 && chance > .985 {
				t.Errorf("of %d rows the %v point lies between ranks %d and %d with %v", n, p, low, high, chance)
			}
		}
		if told < 700 {
			t.Errorf("the %v point has an interval for %d sizes only", p, told)
		}
	}
}

func binomial(n, k int64, p float64) float64 {
	of := func(n int64) float64 { v, _ := math.Lgamma(float64(n) + 1); return v }
	return math.Exp(of(n) - of(k) - of(n-k) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
}

// TestRanksOfClusters: where customers' rows are alike, intervals made as if they were independent miss the percentile
// far too often, and these do not.
func TestRanksOfClusters(t *testing.T) {
	t.Parallel()
	const seed, runs, customers = 5, 600, 400
	r := rand.New(rand.NewPCG(seed, 1))
	missed, naive := 0, 0
	for range runs {
		var rows []float64
		var squares int64
		for range customers {
			own, n := r.NormFloat64(), 1+r.IntN(8)
			for range n {
				rows = append(rows, own+.3*r.NormFloat64())
			}
			squares += int64(n * n)
		}
		slices.Sort(rows)
		outside := func(squares int64) bool {
			low, high, ok := Ranks(.5, int64(len(rows)), squares)
			return !ok || rows[low-1] > 0 || rows[high-1] < 0
		}
		if outside(squares) {
			missed++
		}
		if outside(int64(len(rows))) {
			naive++
		}
	}
	if missed > runs*7/100 || naive < runs/5 {
		t.Errorf("the median is missed in %d of %d runs, and in %d by intervals that take rows for independent; seed %d", missed, runs, naive, seed)
	}
}

// TestRanksOfSizesTiedToValues: where whoever has many rows has the high ones, the 90 % point is held too; by p·(1 − p) alone it
// is missed several times as often as the interval says.
func TestRanksOfSizesTiedToValues(t *testing.T) {
	t.Parallel()
	const seed, runs, p = 7, 2000, .9
	r := rand.New(rand.NewPCG(seed, 1))
	missed, plain := 0, 0
	for range runs { // customers arrive as they like: 900 with a row below, and 10 with ten above
		below, many := poisson(r, 900), poisson(r, 10)
		n, squares := below+10*many, below+100*many
		outside := func(half float64) bool {
			at := p * float64(n)
			return math.Floor(at-half) > float64(below) || math.Ceil(at+half)+1 <= float64(below)
		}
		low, high, ok := Ranks(p, n, squares)
		if !ok || low > below || high <= below {
			missed++
		}
		if outside(Z95 * math.Sqrt(p*(1-p)*float64(squares))) {
			plain++
		}
	}
	if missed > runs*5/100 || plain < runs*15/100 {
		t.Errorf("the point is missed in %d of %d runs, and in %d by p·(1 − p); seed %d", missed, runs, plain, seed)
	}
}

func poisson(r *rand.Rand, mean float64) (n int64) {
	for at := r.ExpFloat64(); at < mean; at += r.ExpFloat64() {
		n++
	}
	return n
}

// TestLimitsThatAreOfOneCustomer: rows beyond a limit that may all be of one customer tell of that one, however many they are.
func TestLimitsThatAreOfOneCustomer(t *testing.T) {
	t.Parallel()
	low, high := 1.0, 2.0
	for name, c := range map[string]struct {
		s    Statistic
		told bool
	}{
		"one has 400 of 4,000 rows, the others 9 each": {Statistic{Rows: 4000, Customers: 400, Squares: 400*400 + 399*81}, false},
		"each has 10":  {Statistic{Rows: 4000, Customers: 400, Squares: 400 * 100}, true},
		"each has one": {Statistic{Rows: 400, Customers: 400, Squares: 400}, true},
	} {
		c.s.Low, c.s.High = &low, &high
		var r Result
		if r.between(c.s, .75, SmallestGroup); (r.High != nil) != c.told {
			t.Errorf("%s: told %v, want %v", name, !c.told, c.told)
		}
	}
}

// statistics is a warehouse that answers with one statistic.
type statistics struct {
	Warehouse
	Statistic
}

func (s statistics) Order(context.Context, Order) (Statistic, error) { return s.Statistic, nil }

// TestOrderInterval: a percentile and a number of different values carry their interval, and tell of no few by it.
func TestOrderInterval(t *testing.T) {
	t.Parallel()
	median := contract.Definition{ID: "m", Version: "1.0.0", Type: contract.Simple, Unit: contract.Count,
		Measures: []contract.Measure{{Name: "m", Agg: contract.Median, Entity: contract.CustomerDay, Field: "units"}}}
	different := median
	different.Measures = []contract.Measure{{Name: "m", Agg: contract.CountDistinct, Entity: contract.Profile, Field: "city"}}
	v, low, high := 40.0, 30.0, 50.0
	for name, c := range map[string]struct {
		of              contract.Definition
		s               Statistic
		low, high       float64
		none, withError bool
	}{
		"a median":                          {of: median, s: Statistic{Value: &v, Rows: 400, Customers: 400, Squares: 400, Low: &low, High: &high}, low: 30, high: 50},
		"of so few that a limit tells":      {of: median, s: Statistic{Value: &v, Rows: 30, Customers: 30, Squares: 30, Low: &low, High: &high}, none: true},
		"mostly of one customer":            {of: median, s: Statistic{Value: &v, Rows: 400, Customers: 101, Squares: 90100, Low: &low, High: &high}, none: true},
		"different values":                  {of: different, s: Statistic{Value: &v, Rows: 400, Customers: 400, Squares: 25, Alone: 25}, low: 40 - 9.8, high: 40 + 9.8, withError: true},
		"that all are of several":           {of: different, s: Statistic{Value: &v, Rows: 400, Customers: 400}, low: 40, high: 40, withError: true},
		"few of which are of one":           {of: different, s: Statistic{Value: &v, Rows: 400, Customers: 400, Squares: 3, Alone: 3}, low: 40 - 6.198, high: 40 + 6.198, withError: true},
		"fewer than their error":            {of: different, s: Statistic{Value: &v, Rows: 900, Customers: 400, Squares: 900, Alone: 30}, low: 0, high: 40 + 58.8, withError: true},
		"many of which are of one customer": {of: different, s: Statistic{Value: &v, Rows: 400, Customers: 400, Squares: 400, Alone: 1}, none: true},
	} {
		p, why := Compile(monthly(c.of), Calendar{})
		if why != nil {
			t.Fatalf("%s: %+v", name, why)
		}
		r, err := p.Measure(t.Context(), statistics{Statistic: c.s}, Span{"1997-03-01", "1997-04-01"}, btyd.Gates{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case c.none && (r.Low != nil || r.High != nil || r.StdErr != nil):
			t.Errorf("%s: the interval is told", name)
		case !c.none:
			near(t, name+": the lower limit", r.Low, c.low, .01)
			near(t, name+": the upper limit", r.High, c.high, .01)
			if (r.StdErr != nil) != c.withError {
				t.Errorf("%s: the standard error is %v", name, r.StdErr)
			}
		}
	}
}

// TestDifferentInterval: the interval of a number of different values holds the number that is expected of so many
// customers, as often as it says and more.
func TestDifferentInterval(t *testing.T) {
	t.Parallel()
	const seed, runs = 6, 2000
	r := rand.New(rand.NewPCG(seed, 1))
	var numbers, errs []float64
	for range runs {
		times := map[int]int{}
		for range 300 + int(math.Sqrt(300)*r.NormFloat64()) {
			times[int(200*r.ExpFloat64())]++
		}
		n, squares := float64(len(times)), int64(0)
		for _, c := range times {
			if c == 1 {
				squares++
			}
		}
		res := Result{Value: &n}
		res.counted(Statistic{Alone: squares, Squares: squares}, 10)
		numbers, errs = append(numbers, n), append(errs, *res.StdErr)
	}
	mean, square := 0.0, 0.0
	for _, n := range numbers {
		mean += n / runs
	}
	held := 0
	for i, n := range numbers {
		square += (n - mean) * (n - mean) / runs
		if math.Abs(n-mean) <= Z95*errs[i] {
			held++
		}
	}
	if held < runs*95/100 || square == 0 {
		t.Errorf("%d of %d intervals hold the mean %v, standard deviation %v; seed %d", held, runs, mean, math.Sqrt(square), seed)
	}
}
