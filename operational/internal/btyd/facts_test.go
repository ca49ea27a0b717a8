package btyd

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/fault"
)

// dayNumber counts from a day before all orders.
func dayNumber(d time.Time) int { return int(d.Sub(date("19960101")).Hours() / 24) }

// purchases are the entries of every customer, in the file's order.
func purchases(orders []order) [][]Bought {
	index, out := map[string]int{}, [][]Bought(nil)
	for _, o := range orders {
		i, known := index[o.customer]
		if !known {
			i = len(out)
			index[o.customer], out = i, append(out, nil)
		}
		out[i] = append(out[i], Bought{dayNumber(o.day), float64(o.cents) / 100})
	}
	return out
}

func divided(t testing.TB, orders []order, asOf, until string) []Tested {
	t.Helper()
	var out []Tested
	for _, days := range purchases(orders) {
		one, customer, err := Divide(days, dayNumber(date(asOf)), dayNumber(date(until)))
		if err != nil {
			t.Fatal(err)
		}
		if customer {
			out = append(out, one)
		}
	}
	return out
}

func TestFileFacts(t *testing.T) {
	t.Parallel()
	master, sample := masterOrders(t), sampleOrders(t)
	customers, first, cents, free := purchases(master), []time.Time(nil), int64(0), 0
	perCustomer := map[string]int{}
	for _, o := range master {
		cents += o.cents
		if o.cents == 0 {
			free++
		}
		if perCustomer[o.customer]++; perCustomer[o.customer] == 1 {
			first = append(first, o.day)
		}
	}
	days, oneDay, twoOrders, recent := 0, 0, 0, 0
	for _, c := range customers {
		distinct := map[int]bool{}
		for _, b := range c {
			distinct[b.Day] = true
		}
		days += len(distinct)
		if len(distinct) == 1 {
			oneDay++
		}
		if len(c) > 1 {
			twoOrders++
		}
		if c[len(c)-1].Day > dayNumber(date("19980630"))-90 {
			recent++
		}
	}
	spentNothing := 0
	for _, s := range summarise(master, date("19980630")) {
		if s.X > 0 && s.Spend == 0 {
			spentNothing++
		}
	}
	slices.SortFunc(first, time.Time.Compare)
	for _, f := range []struct {
		what      string
		got, want float64
	}{
		{"transactions", float64(len(master)), 69659}, {"customers", float64(len(customers)), 23570}, {"customer-days", float64(days), 67591},
		{"bought on one day only", float64(oneDay), 12054}, {"came again", float64(len(customers) - oneDay), 11516},
		{"with two orders", float64(twoOrders), 11662}, {"cents", float64(cents), 250031563}, {"free orders", float64(free), 80},
		{"sample rows", float64(len(sample)), 6919}, {"sample customers", float64(len(purchases(sample))), 2357},
		{"repeaters who spent nothing", float64(spentNothing), 1},
	} {
		near(t, f.what, f.got, f.want, 0)
	}
	near(t, "share who came again", float64(len(customers)-oneDay)/float64(len(customers)), .48859, 5.1e-6)
	near(t, "share who bought in the last 90 days", float64(recent)/float64(len(customers)), .140, 5.1e-4)
	if got := first[0].Format("20060102") + " " + first[len(first)-1].Format("20060102"); got != "19970101 19970325" {
		t.Errorf("first purchases from and to %s", got)
	}
}

// What the order type leaves out: the number of CDs, and so which rows are alike in every column.
func TestRowFacts(t *testing.T) {
	t.Parallel()
	rows := dataFile(t, func() ([]string, error) {
		dir, err := dataDir()
		if err != nil {
			return nil, err
		}
		all, err := os.ReadFile(filepath.Join(dir, "cdnow", "CDNOW_master.txt"))
		return strings.Split(strings.TrimSpace(string(all)), "\n")[1:], err
	})
	seen, discs := map[string]bool{}, 0
	revenue := map[string]float64{}
	for _, row := range rows {
		fields := strings.Fields(row)
		seen[strings.Join(fields, " ")] = true
		n, err := strconv.Atoi(fields[2])
		dollars, err2 := strconv.ParseFloat(fields[3], 64)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		discs += n
		revenue[fields[1][:6]] += dollars
	}
	near(t, "rows that are alike", float64(len(rows)-len(seen)), 255, 0)
	near(t, "discs", float64(discs), 167881, 0)
	most := 0.0
	for _, r := range revenue {
		most = math.Max(most, r)
	}
	near(t, "best month", most, 393e3, 500)
	near(t, "last month", revenue["199806"], 76e3, 500)
}

func TestSampleFacts(t *testing.T) {
	t.Parallel()
	var sampleDays, repeats, later, repeaters float64
	sum := 0.0
	for i, c := range divided(t, sampleOrders(t), "19970930", "19980630") {
		repeats += c.X
		later += c.Later
		sum += c.Spend
		if c.X > 0 {
			repeaters++
		}
		if i == 0 && (c.X != 2 || c.Tx != 213./7 || c.T != 272./7) {
			t.Errorf("first customer: %+v", c)
		}
	}
	for _, c := range purchases(sampleOrders(t)) {
		for i, b := range c {
			if i == 0 || b.Day > c[i-1].Day {
				sampleDays++
			}
		}
	}
	near(t, "after merging same-day rows", sampleDays, 6696, 0)
	near(t, "sum of x", repeats, 2457, 0)
	near(t, "repeaters", repeaters, 946, 0)
	near(t, "hold-out repeats", later, 1882, 0)
	near(t, "mean spend of repeaters", sum/repeaters, 35.0778, 5.1e-5)
}

// What this package makes of days is what the tests' own summary makes of dates.
func TestDivideAgreesWithSummarise(t *testing.T) {
	t.Parallel()
	want := summarise(masterOrders(t), date("19980131"))
	got := divided(t, masterOrders(t), "19980131", "19980630")
	if len(got) != len(want) {
		t.Fatalf("%d customers, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i].Summary
		if math.Abs(g.Spend-w.Spend) > 1e-9 || g.X != w.X || g.Tx != w.Tx || g.T != w.T || g.Count != w.Count {
			t.Fatalf("customer %d: %+v, want %+v", i, g, w)
		}
	}
	none, customer, err := Summarise([]Bought{{10, 1}}, 9)
	if err != nil || customer || none != (Summary{}) {
		t.Errorf("before the first purchase: %+v, %v, %v", none, customer, err)
	}
	if _, _, err := Summarise([]Bought{{10, 1}, {9, 1}}, 20); !fault.Is(err, fault.Invalid) {
		t.Errorf("days out of order: got %v, want invalid", err)
	}
}

// CLVTools: a purchase on the split date does not count in the hold-out.
func TestPurchaseOnTheSplitDate(t *testing.T) {
	t.Parallel()
	customers := divided(t, sampleOrders(t), "19980101", "19980630")
	for id, want := range map[int]float64{1: 0, 1000: 3, 1056: 3} {
		near(t, fmt.Sprintf("hold-out purchases of %d", id), customers[id-1].Later, want, 0)
	}
}

// readSummaries reads the files of the lifetimes package, whose weeks are rounded to two digits.
func readSummaries(file string) func() ([]Summary, error) {
	return func() ([]Summary, error) {
		dir, err := dataDir()
		if err != nil {
			return nil, err
		}
		f, err := os.Open(filepath.Join(dir, "cdnow", file))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		rows, err := csv.NewReader(f).ReadAll()
		if err != nil {
			return nil, err
		}
		var out []Summary
		for _, row := range rows[1:] {
			v := make([]float64, len(row))
			for i := range v {
				if v[i], err = strconv.ParseFloat(row[i], 64); err != nil {
					return nil, err
				}
			}
			s := Summary{X: v[1], Tx: v[2], T: v[3], Count: 1}
			if len(v) > 4 {
				s.Spend = v[4]
			}
			out = append(out, s)
		}
		return out, nil
	}
}

func TestRoundedWeeks(t *testing.T) {
	t.Parallel()
	p, err := NewPopulation(dataFile(t, readSummaries("cdnow_customers_summary.csv")))
	if err != nil {
		t.Fatal(err)
	}
	bg := fitted(t, FitBGNBD, p)
	near(t, "BG/NBD LL", bg.LogLikelihood, -9582.4256, 1e-3)
	near(t, "r", bg.Model.R, 0.242593, 1e-3)
	near(t, "alpha", bg.Model.Alpha, 4.413532, 1e-3)
	near(t, "a", bg.Model.A, 0.792886, 1e-3)
	near(t, "b", bg.Model.B, 2.425752, 1e-3)
	near(t, "Pareto/NBD LL", fitted(t, FitParetoNBD, p).LogLikelihood, -9594.9740, 1e-3)
	near(t, "MBG/NBD LL", fitted(t, FitMBGNBD, p).LogLikelihood, -9582.1327, 1e-3)
}

// The lifetime values that the documentation of lifetimes prints: 12 steps of 30 weeks (its "months" are of days, the
// file is in weeks), 1 % a step.
func TestDiscountedValueOfLifetimes(t *testing.T) {
	t.Parallel()
	customers := dataFile(t, readSummaries("cdnow_customers_summary_with_transactions.csv"))
	p, err := NewPopulation(customers)
	if err != nil {
		t.Fatal(err)
	}
	spend := fitted(t, FitGammaGamma, p)
	sum, n := 0.0, 0.0
	for _, c := range customers {
		if c.X > 0 {
			sum, n = sum+c.Spend, n+1
		}
	}
	near(t, "mean spend of repeaters", sum/n, 35.0786, 5.1e-5)
	near(t, "expected spend of the first", spend.Model.ExpectedSpend(customers[0].X, customers[0].Spend), 24.66, .0051)
	f, err := ForecastValue(p, fitted(t, FitBGNBD, p), spend, Horizon{Weeks: 360, Discount: Discount{Rate: .01, Period: 30}})
	if err != nil {
		t.Fatal(err)
	}
	values, err := f.Of(customers[:10])
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{140.096211, 18.943467, 38.180574, 38.180574, 38.180574, 1003.868107, 28.109683, 38.180574, 167.418216, 38.180574} {
		near(t, fmt.Sprintf("value of customer %d", i+1), values[i], want, 1e-3*want)
	}
}
