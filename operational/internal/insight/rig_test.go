package insight

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/egress"
	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/fitting"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/profile"
	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// rig is the engine on customers and records in memory.
type rig struct {
	t         testing.TB
	engine    *Engine
	fits      map[string]fitting.Record
	customers map[identity.Key]*Customer
	orders    []contract.OperationalDirective
	complete  contract.Day
	next      contract.Day // what is complete once fits are being looked at
	position  int64
	touched   map[contract.Day]int64
	records   map[contract.InsightID]Record
	read      int // customers, by the longest walk of the last round
	now       time.Time
	unparsed  float64
	asked     []metric.Span // of which it was asked what could not be read
	broken    error         // of histories within a scope
	measured  *float64
	most      int64 // customers that a look reads; 0: 100,000
	unknown   bool  // directives that are not in force are not known
	expired   metric.Expired
	arrived   func(metric.Span) float64 // nil: all has
	key       *validity.Key
	smallest  map[contract.InsightID]int64
}

func newRig(t testing.TB) *rig {
	t.Helper()
	key, err := validity.NewKey([]byte("a secret of sixteen bytes or more"), profile.Epoch)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, customers: map[identity.Key]*Customer{}, touched: map[contract.Day]int64{}, records: map[contract.InsightID]Record{},
		now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), key: key, smallest: map[contract.InsightID]int64{}}
	r.fits = map[string]fitting.Record{}
	r.engine = r.open()
	return r
}

// open makes an engine, as after a restart.
func (r *rig) open() *Engine {
	r.t.Helper()
	now := func() time.Time { r.now = r.now.Add(time.Microsecond); return r.now }
	fits, err := fitting.New(fitting.Options{Zone: time.UTC, Calendar: metric.Calendar{WeekStart: time.Monday}, Orders: r, Complete: r, Positions: r, Histories: r,
		Store: r, Gates: btyd.DefaultGates(), Now: now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		r.t.Fatal(err)
	}
	e, err := New(Options{Zone: time.UTC, Calendar: metric.Calendar{WeekStart: time.Monday}, Orders: r, Complete: r, Positions: r, Customers: r,
		Records: r, Sink: r, Models: fits, Ended: func(context.Context, contract.DirectiveID) (bool, error) { return !r.unknown, nil }, Unparsed: func(_ context.Context, _ *contract.Definition, of metric.Span) (float64, error) {
			r.asked = append(r.asked, of)
			return r.unparsed, nil
		},
		Measured: func(context.Context, *contract.OperationalDirective, *contract.InsightOrder, contract.Day) (*float64, error) {
			return r.measured, nil
		}, Gates: btyd.DefaultGates(),
		Arrived: func(context.Context, []contract.ParameterName) (func(metric.Span) float64, error) {
			return r.arrived, nil
		},
		Expired:  func(context.Context) (metric.Expired, error) { return r.expired, nil },
		MostRead: cmp.Or(r.most, 100_000), Cadence: time.Nanosecond, Now: now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}

// Line, PutLine and Lines implement fitting.Store.
func (r *rig) Line(_ context.Context, id string) (fitting.Record, error) {
	r.complete, r.next = max(r.complete, r.next), ""
	return r.fits[id], nil
}

func (r *rig) PutLine(_ context.Context, f fitting.Record) error {
	if r.fits[f.Subject.ID()].Version != f.Version {
		return fault.New(fault.Conflict, fault.RevisionConflict, "moved")
	}
	f.Version++
	r.fits[f.Subject.ID()] = f
	return nil
}

func (r *rig) Lines(context.Context) ([]fitting.Record, error) { return nil, nil }

// Settle implements fitting.Histories.
func (r *rig) Settle(context.Context) error { return nil }

// Divided implements fitting.Histories; all customers are in every scope.
func (r *rig) Divided(_ context.Context, cut, end contract.Day, scope *contract.Condition) (out []btyd.Tested, err error) {
	if r.broken != nil && scope != nil {
		return nil, r.broken
	}
	number := func(d contract.Day) int { return d.Sub("1970-01-01") }
	for _, c := range r.customers {
		var days []btyd.Bought
		for _, f := range c.Facts {
			if f.Amount == nil {
				continue // nothing that was bought
			}
			days = append(days, btyd.Bought{Day: number(f.Day), Revenue: float64(*f.Amount)})
		}
		slices.SortFunc(days, func(a, b btyd.Bought) int { return a.Day - b.Day })
		t, customer, err := btyd.Divide(days, number(cut)-1, number(end)-1)
		if err != nil {
			return nil, err
		}
		if customer {
			t.Spend = max(0, t.Spend)
			out = append(out, t)
		}
	}
	return out, nil
}

func (r *rig) Orders() []contract.OperationalDirective { return r.orders }

func (r *rig) Complete(context.Context, []contract.ParameterName) (time.Time, bool, error) {
	if r.complete == "" {
		return time.Time{}, true, nil
	}
	return r.complete.Start(time.UTC), true, nil
}

func (r *rig) Position(context.Context) (map[int]int64, error) {
	return map[int]int64{0: r.position}, nil
}

func (r *rig) Touched(context.Context) (map[contract.Day]map[int]int64, error) {
	out := map[contract.Day]map[int]int64{}
	for d, at := range r.touched {
		out[d] = map[int]int64{0: at}
	}
	return out, nil
}

type rigWalk struct {
	r    *rig
	keys []identity.Key
	read int
}

func (r *rig) Begin(context.Context) (Walk, error) {
	w := &rigWalk{r: r}
	for k := range r.customers {
		w.keys = append(w.keys, k)
	}
	slices.SortFunc(w.keys, func(a, b identity.Key) int {
		return int(min(1, max(-1, r.customers[a].Priority-r.customers[b].Priority)))
	})
	return w, nil
}

func (w *rigWalk) Size() int64 { return int64(len(w.r.customers)) }

func (w *rigWalk) Next(_ context.Context, limit int) ([]Customer, bool, error) {
	n := min(limit, len(w.keys))
	out := make([]Customer, n)
	for i, k := range w.keys[:n] {
		out[i] = *w.r.customers[k]
		out[i].Facts = slices.Clone(out[i].Facts)
	}
	w.keys = w.keys[n:]
	w.read += n
	w.r.read = max(w.r.read, w.read)
	return out, len(w.keys) == 0, nil
}

func (r *rig) All(context.Context) ([]Record, error) {
	var out []Record
	for _, id := range sortedKeys(r.records) {
		out = append(out, r.records[id])
	}
	return out, nil
}

func (r *rig) PutInsight(_ context.Context, i contract.Insight, smallest int64, k egress.Kept) error {
	if r.records[i.ID].Version != k.Version {
		return fault.New(fault.Conflict, fault.RevisionConflict, "moved")
	}
	if _, err := json.Marshal(i); err != nil {
		r.t.Errorf("an insight that no message can hold: %v", err)
	}
	r.records[i.ID] = Record{k.Version + 1, k.State, k.Contains, i}
	r.smallest[i.ID] = smallest
	return nil
}

// add stores a fact of a customer.
func (r *rig) add(customer string, f fact.Fact) {
	k := identity.Key(customer)
	c := r.customers[k]
	if c == nil {
		c = &Customer{Key: k, Priority: r.key.Priority(customer), Identities: []identity.Key{k}}
		r.customers[k] = c
	}
	f.Tenant, f.Customer = "main", k
	if f.Event == "" {
		f.Event = fmt.Sprint(len(c.Facts))
	}
	if f.Day == "" {
		f.Day = contract.DayOf(f.At, time.UTC)
	}
	if f.At.IsZero() {
		f.At = f.Day.Start(time.UTC)
	}
	if f.Kind == "" {
		f.Kind = fact.Order
	}
	c.Facts = append(c.Facts, f)
	r.position++
	r.touched[f.Day] = r.position
}

func order(day contract.Day, minor int64) fact.Fact {
	return fact.Fact{Source: "shop", Day: day, Amount: &minor, Format: "file", Trust: verified}
}

// want orders a claim of a directive.
func (r *rig) want(o contract.InsightOrder) contract.InsightID {
	if len(r.orders) == 0 {
		r.orders = []contract.OperationalDirective{{Order: contract.Order{ID: "od-1", ValidFrom: r.now}, Strategic: "sd-1", Goal: "g-1", Part: "sales", Currency: "USD"}}
	}
	if o.Until == "" {
		o.Until = "2030-12-31"
	}
	if o.Grain == "" {
		o.Grain = contract.GrainMonth
	}
	o.ID = contract.InsightIdentity("main", "od-1", o.Kind, o.Metric.ID, o.Metric.Major(), o.Scope, o.Against, o.Grain)
	r.orders[0].Insights = append(r.orders[0].Insights, o)
	return o.ID
}

// until declares everything complete to a day, and looks.
func (r *rig) until(day contract.Day) {
	r.t.Helper()
	r.complete, r.read = day, 0
	if err := r.engine.Round(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) insight(id contract.InsightID) contract.Insight { return r.records[id].Insight }

// show is an insight on a line.
func show(i contract.Insight) string {
	w := ""
	if i.Withheld != nil {
		w = fmt.Sprintf(" withheld %s/%s", i.Withheld.Code, i.Withheld.Item)
		if i.Withheld.Have != nil {
			w += fmt.Sprintf(" %.4g of %.4g", *i.Withheld.Have, *i.Withheld.Need)
		}
	}
	for _, f := range i.Findings {
		w += fmt.Sprintf(" %s=%s(%s %.3f±%.3f/%.3g e%.2f)", f.Question[:3], f.Verdict, f.Why, f.Effect, f.Margin, f.Band, f.LogE)
	}
	return fmt.Sprintf("%s %s %s: %.5g now %.5g ± %.3g of %d/%d%s", i.Metric, i.Kind, i.State, i.Published, i.Value, i.HalfWidth, i.N, i.Of, w)
}

// exactly prints the row of docs/validity.md of a test in which nothing is left to chance, when it ends; see package validity.
func exactly(t *testing.T, number, what, allowed string) {
	t.Helper()
	t.Cleanup(func() {
		measured, outcome := "equal", "yes"
		if t.Failed() {
			measured, outcome = "other", "**no**"
		}
		t.Logf("validity: | %s | service: %s | %s | %s | %s |", number, what, measured, allowed, outcome)
	})
}

// root returns the folder that holds go.work.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
	}
	t.Fatal("no folder above has a go.work")
	return ""
}

// shipped returns a metric definition that comes with Strata.
func shipped(t testing.TB, id contract.MetricID) contract.Definition {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root(t), "functional", "internal", "metric", "metrics.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var any []map[string]any
	if err := yaml.Unmarshal(raw, &any); err != nil {
		t.Fatal(err)
	}
	for _, m := range any {
		if m["id"] != string(id) {
			continue
		}
		wire, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var d contract.Definition
		if err := json.Unmarshal(wire, &d); err != nil {
			t.Fatal(err)
		}
		return d
	}
	t.Fatalf("no metric %s", id)
	return contract.Definition{}
}

// cdnow adds every order of the CDNOW file; the test is skipped where the data are absent, but never in CI.
func (r *rig) cdnow() {
	r.t.Helper()
	f, err := os.Open(filepath.Join(filepath.Dir(root(r.t)), "shared", "data", "cdnow", "CDNOW_master.txt"))
	if err != nil {
		if os.Getenv("CI") != "" {
			r.t.Fatalf("the data are missing: %v", err)
		}
		r.t.Skip("the CDNOW file is not here")
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		x := strings.Fields(lines.Text())
		if len(x) != 4 || x[0] == "customer_id" {
			continue
		}
		dollars, err := strconv.ParseFloat(x[3], 64)
		if err != nil {
			r.t.Fatal(err)
		}
		o := order(contract.Day(x[1][:4]+"-"+x[1][4:6]+"-"+x[1][6:]), int64(math.Round(dollars*100)))
		o.Event = fmt.Sprintf("%06d", n)
		n++
		r.add(x[0], o)
	}
}
