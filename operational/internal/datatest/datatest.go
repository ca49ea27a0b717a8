// Package datatest reads the public data sets of shared/data for tests. Where they are absent a test is skipped with the
// reason; in CI that is a failure.
package datatest

import (
	"bufio"
	"encoding/csv"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strata-crm/strata/operational/internal/purchase"
)

// CDNOW is the whole file: 23,570 customers from 1997-01-01 to 1998-06-30, amounts in cents. Callers must not change it.
func CDNOW(t testing.TB) []purchase.History { t.Helper(); return read(t, master) }

// CDNOWSample is the tenth of it that the literature uses: 2,357 customers.
func CDNOWSample(t testing.TB) []purchase.History { t.Helper(); return read(t, sample) }

// Telco is the churn file: the names of the columns and 7,043 rows of text. Callers must not change it.
func Telco(t testing.TB) (columns []string, rows [][]string) {
	t.Helper()
	all := read(t, telco)
	return all[0], all[1:]
}

// Day is the day of a date as in 19970930.
func Day(yyyymmdd string) purchase.Day {
	d, err := parseDay(yyyymmdd)
	if err != nil {
		panic(err)
	}
	return d
}

var (
	master = sync.OnceValues(func() ([]purchase.History, error) { return orders("CDNOW_master.txt", 0, 1, 3) })
	sample = sync.OnceValues(func() ([]purchase.History, error) { return orders("CDNOW_sample.txt", 1, 2, 4) })
	telco  = sync.OnceValues(func() ([][]string, error) {
		f, err := open("churn", "Telco-Customer-Churn.csv")
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return csv.NewReader(f).ReadAll()
	})
)

func read[T any](t testing.TB, from func() (T, error)) T {
	t.Helper()
	v, err := from()
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("CI") == "" {
		t.Skipf("the public data sets are missing: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// open opens a file of shared/data beside the checkout; the error wraps fs.ErrNotExist where it is absent.
func open(path ...string) (*os.File, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return nil, errors.New("no go.work above the test's folder")
		}
		dir = parent
	}
	return os.Open(filepath.Join(append([]string{filepath.Dir(dir), "shared", "data"}, path...)...))
}

func parseDay(s string) (purchase.Day, error) {
	d, err := time.Parse("20060102", s)
	return purchase.Day(d.Unix() / (24 * 60 * 60)), err
}

// orders reads a CDNOW file, which is sorted by customer and day; the numbers are the columns of the fields. Orders of
// one day are one visit.
func orders(file string, customer, day, dollars int) ([]purchase.History, error) {
	f, err := open("cdnow", file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []purchase.History
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if fields[0] == "customer_id" {
			continue
		}
		d, err := parseDay(fields[day])
		if err != nil {
			return nil, err
		}
		amount, err := strconv.ParseFloat(fields[dollars], 64)
		if err != nil {
			return nil, err
		}
		out = add(out, fields[customer], purchase.Visit{Day: d, Minor: int64(math.Round(amount * 100))})
	}
	return out, lines.Err()
}

func add(out []purchase.History, customer string, v purchase.Visit) []purchase.History {
	if n := len(out); n == 0 || out[n-1].Customer != customer {
		out = append(out, purchase.History{Customer: customer})
	}
	h := &out[len(out)-1]
	if n := len(h.Visits); n > 0 && h.Visits[n-1].Day == v.Day {
		h.Visits[n-1].Minor += v.Minor
		return out
	}
	h.Visits = append(h.Visits, v)
	return out
}
