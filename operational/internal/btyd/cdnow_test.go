package btyd

import (
	"bufio"
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
)

// order is one line of a CDNOW file.
type order struct {
	customer string
	day      time.Time
	cents    int64
}

func date(s string) time.Time {
	d, err := time.Parse("20060102", s)
	if err != nil {
		panic(err)
	}
	return d
}

// dataDir is shared/data beside the checkout; the error wraps fs.ErrNotExist where it is absent.
func dataDir() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.work above the test's folder")
		}
		dir = parent
	}
	data := filepath.Join(filepath.Dir(dir), "shared", "data")
	_, err = os.Stat(data)
	return data, err
}

// dataFile reads one public data set, or skips the test where they are absent; in CI that is a failure.
func dataFile[T any](t testing.TB, read func() (T, error)) T {
	t.Helper()
	v, err := read()
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("CI") == "" {
		t.Skipf("the public data sets are missing: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// readOrders reads a CDNOW file; the numbers are the columns of the fields.
func readOrders(file string, customer, day, dollars int) ([]order, error) {
	dir, err := dataDir()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(dir, "cdnow", file))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []order
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if fields[0] == "customer_id" {
			continue
		}
		d, err := time.Parse("20060102", fields[day])
		if err != nil {
			return nil, err
		}
		amount, err := strconv.ParseFloat(fields[dollars], 64)
		if err != nil {
			return nil, err
		}
		out = append(out, order{fields[customer], d, int64(math.Round(amount * 100))})
	}
	return out, lines.Err()
}

var readMaster = sync.OnceValues(func() ([]order, error) { return readOrders("CDNOW_master.txt", 0, 1, 3) })

var readSample = sync.OnceValues(func() ([]order, error) { return readOrders("CDNOW_sample.txt", 1, 2, 4) })

func masterOrders(t testing.TB) []order { t.Helper(); return dataFile(t, readMaster) }

func sampleOrders(t testing.TB) []order { t.Helper(); return dataFile(t, readSample) }

// summarise makes a summary of every customer who had bought by the as-of day, in the file's order: same-day orders are
// one purchase, Spend is the mean revenue of the repeat days.
func summarise(orders []order, asOf time.Time) []Summary {
	type history struct {
		first, last time.Time
		days        int
		repeatCents int64
	}
	index := map[string]int{}
	var histories []history
	for _, o := range orders { // the files are sorted by customer and day
		if o.day.After(asOf) {
			continue
		}
		i, known := index[o.customer]
		if !known {
			index[o.customer] = len(histories)
			histories = append(histories, history{first: o.day, last: o.day})
			continue
		}
		h := &histories[i]
		if o.day.After(h.last) {
			h.last, h.days = o.day, h.days+1
		}
		if o.day.After(h.first) {
			h.repeatCents += o.cents
		}
	}
	out := make([]Summary, len(histories))
	for i, h := range histories {
		out[i] = Summary{X: float64(h.days), Tx: weeks(h.first, h.last), T: weeks(h.first, asOf), Count: 1}
		if h.days > 0 {
			out[i].Spend = float64(h.repeatCents) / 100 / float64(h.days)
		}
	}
	return out
}

func weeks(from, to time.Time) float64 { return to.Sub(from).Hours() / 24 / 7 }

func population(t testing.TB, orders []order, asOf string) *Population {
	t.Helper()
	p, err := NewPopulation(summarise(orders, date(asOf)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}
