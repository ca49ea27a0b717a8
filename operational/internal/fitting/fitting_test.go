package fitting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/model"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// world is everything a keeper is given, in memory.
type world struct {
	t        *testing.T
	keeper   *Keeper
	bought   map[string][]btyd.Bought // days since 1970
	complete contract.Day
	position int64
	touched  map[contract.Day]map[int]int64
	orders   []contract.OperationalDirective
	records  map[string]Record
	reads    int
	settled  int   // how often identities were settled
	broken   error // of histories within a scope
	fell     int
}

func (w *world) Orders() []contract.OperationalDirective { return w.orders }
func (w *world) Complete(context.Context, []contract.ParameterName) (time.Time, bool, error) {
	return w.complete.Start(time.UTC), true, nil
}
func (w *world) Position(context.Context) (map[int]int64, error) {
	return map[int]int64{0: w.position}, nil
}
func (w *world) Touched(context.Context) (map[contract.Day]map[int]int64, error) {
	return w.touched, nil
}
func (w *world) Line(_ context.Context, id string) (Record, error) { return w.records[id], nil }
func (w *world) Lines(context.Context) ([]Record, error)           { return nil, nil }
func (w *world) PutLine(_ context.Context, r Record) error {
	if w.records[r.Subject.ID()].Version != r.Version {
		return fault.New(fault.Conflict, fault.RevisionConflict, "moved")
	}
	r.Version++
	w.records[r.Subject.ID()] = r
	return nil
}

func number(d contract.Day) int { return d.Sub("1970-01-01") }

func (w *world) Settle(context.Context) error {
	w.settled++
	w.touched[linked.day] = linked.touch // as it does where somebody was linked
	return nil
}

// linked is a day that is touched by settling alone.
var linked = struct {
	day   contract.Day
	touch map[int]int64
}{"2025-01-02", map[int]int64{metric.LinksPartition: 1}}

func (w *world) Divided(_ context.Context, cut, end contract.Day, scope *contract.Condition) (out []btyd.Tested, err error) {
	if w.settled == 0 {
		w.t.Error("histories are read before linked identities are settled")
	}
	if w.broken != nil && scope != nil {
		return nil, w.broken
	}
	w.reads++
	for _, days := range w.bought {
		t, customer, err := btyd.Divide(days, number(cut)-1, number(end)-1)
		if err != nil {
			return nil, err
		}
		if customer {
			out = append(out, t)
		}
	}
	return out, nil
}

// opens begins with a shop of so many customers, who buy at rates of their own over a year.
func opens(t *testing.T, customers int) *world {
	t.Helper()
	w := &world{t: t, bought: map[string][]btyd.Bought{}, touched: map[contract.Day]map[int]int64{"2025-01-01": {0: 1}}, position: 1, records: map[string]Record{}}
	d := contract.Definition{ID: "share_alive", Type: contract.ModelOf, Model: &contract.ModelSpec{Name: "mbg_nbd", Output: "share_alive"}}
	w.orders = []contract.OperationalDirective{{Compute: []contract.Computation{
		{Metric: contract.Definition{ID: "revenue"}, Grain: contract.GrainMonth, Until: "2030-12-31"}, {Metric: d, Grain: contract.GrainMonth, Until: "2030-12-31"},
	}}}
	w.trade(customers)
	w.keeper = w.again()
	return w
}

// trade adds customers, who buy at rates of their own until they leave.
func (w *world) trade(customers int) {
	rng := rand.New(rand.NewPCG(uint64(customers), 3))
	for c := range customers {
		rate, leaves := rng.ExpFloat64()*.08, rng.Float64()*.4
		for day := rng.Float64() * 40; day < 365; day += rng.ExpFloat64() / rate {
			k := fmt.Sprint(customers, "-", c)
			if n := len(w.bought[k]); n == 0 || w.bought[k][n-1].Day < number("2025-01-01")+int(day) {
				w.bought[k] = append(w.bought[k], btyd.Bought{Day: number("2025-01-01") + int(day), Revenue: 10})
			}
			if rng.Float64() < leaves {
				break
			}
		}
	}
}

// again makes a keeper, as after a restart.
func (w *world) again() *Keeper {
	w.t.Helper()
	k, err := New(Options{Zone: time.UTC, Calendar: metric.Calendar{WeekStart: time.Monday}, Orders: w, Complete: w, Positions: w, Histories: w, Store: w,
		Gates: btyd.DefaultGates(), Now: func() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	k.OnFall(func() { w.fell++ })
	return k
}

// until declares everything complete to a day, and returns the line.
func (w *world) until(day contract.Day) model.Line {
	w.t.Helper()
	w.complete = day
	failed, err := w.keeper.Round(w.t.Context())
	if err == nil {
		err = failed.Err()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return w.record().Line
}

var subject = model.Subject{Model: "mbg_nbd"}

func (w *world) record() Record { return w.records[subject.ID()] }

func (w *world) says(claim contract.InsightID, fit int, at contract.Day, v contract.Verdict) model.Line {
	w.t.Helper()
	l, err := w.keeper.Judge(w.t.Context(), subject, model.Said{Claim: claim, Fit: fit, AsOf: at.Start(time.UTC), Verdicts: contract.Verdicts{
		Volume: contract.Holds, Velocity: v, Variety: contract.Holds, Variability: contract.Holds, Veracity: contract.Holds}})
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func lived(l model.Line) (out []string) {
	for _, f := range l {
		for _, c := range f.History {
			out = append(out, fmt.Sprintf("%d %s %s", f.Number, c.AsOf.Format("01-02"), c.To))
		}
	}
	return out
}

func TestAFitIsTriedOnceAndHeldOutAgain(t *testing.T) {
	t.Parallel()
	w := opens(t, 2500)
	if l := w.until("2025-04-01"); len(l) != 0 || w.record().Tried != "2025-04-01" || w.record().Why == nil {
		t.Fatalf("a quarter leaves nothing to hold out: %+v", w.record())
	}
	l := w.until("2025-06-01")
	if d := cmp.Diff([]string{"1 05-01 active"}, lived(l)); d != "" {
		t.Fatal(d)
	}
	reads := w.reads
	w.until("2025-06-01")
	if w.reads != reads {
		t.Error("a window was fitted twice")
	}
	l = w.until("2025-12-01")
	var spans []float64
	for _, r := range l[0].Trials {
		spans = append(spans, r.HoldOut.Weeks)
		if !r.Fitted.Before(r.HoldOut.Window.End) || !r.HoldOut.Window.End.Equal(r.AsOf) || !r.HoldOut.Window.Start.Equal(r.Fitted) {
			t.Errorf("fitted until %s, held out over %+v", r.Fitted, r.HoldOut.Window)
		}
		if b := r.HoldOut.Bias; b == nil || *b < -.2 || *b > .2 {
			t.Errorf("held out over %g weeks it is wrong by %v", r.HoldOut.Weeks, b)
		}
		if c := r.HoldOut.Coverage; c == nil || *c < btyd.CoverageLevel || *c > 1 {
			t.Errorf("held out over %g weeks the intervals of %v of customers held", r.HoldOut.Weeks, c)
		}
	}
	if !slices.IsSorted(spans) || spans[0] != 4 || spans[len(spans)-1] != 26 || len(spans) > 7 {
		t.Errorf("held out over %v weeks", spans)
	}
}

func TestAFallAsksForAnotherFit(t *testing.T) {
	t.Parallel()
	w := opens(t, 2500)
	w.until("2025-08-01")
	w.says("a", 1, "2025-08-01", contract.Holds)
	w.says("b", 1, "2025-08-01", contract.Weakening)
	if f, _ := w.record().Line.Current(); f.State != contract.ModelWeakening || w.fell != 1 {
		t.Errorf("one of two claims weakens: %s, told %d times", f.State, w.fell)
	}
	w.says("a", 1, "2025-09-01", contract.Holds) // b weakens still
	if f, _ := w.record().Line.Current(); f.State != contract.ModelWeakening {
		t.Errorf("a holds and b weakens: %s", f.State)
	}
	w.says("b", 1, "2025-09-01", contract.Holds)
	if f, _ := w.record().Line.Current(); f.State != contract.ModelActive {
		t.Errorf("both hold: %s", f.State)
	}
	w.keeper = w.again()
	w.says("a", 1, "2025-10-01", contract.Fails)
	if f, _ := w.record().Line.Current(); f.State != contract.ModelExpired {
		t.Errorf("one failed: %s", f.State)
	}
	l := w.until("2025-10-01")
	if d := cmp.Diff([]string{"1 05-01 active", "1 08-01 weakening", "1 09-01 active", "1 10-01 expired", "1 10-01 retired", "2 10-01 active"}, lived(l)); d != "" {
		t.Error(d)
	}
	w.says("b", 1, "2025-11-01", contract.Fails) // of a fit that is gone
	w.says("a", 2, "2025-11-01", contract.Holds)
	if r := w.record(); r.Line[1].State != contract.ModelActive || len(r.Claims) != 1 || r.Claims[0].Fit != 2 {
		t.Errorf("the second fit is %s by %+v", r.Line[1].State, r.Claims)
	}
	if err := w.keeper.Forget(t.Context(), subject, "a"); err != nil || len(w.record().Claims) != 0 {
		t.Errorf("a claim that is over: %v, %+v", err, w.record().Claims)
	}
}

// Whether windows close one by one or all at once, and whether a fall is known before or after the windows around it were gone
// through, the line lives the same life.
func TestTheLifeIsThatOfTheData(t *testing.T) {
	t.Parallel()
	one, all := opens(t, 2500), opens(t, 2500)
	for _, day := range []contract.Day{"2025-04-01", "2025-05-01", "2025-06-01", "2025-07-01", "2025-08-01", "2025-09-01"} {
		one.until(day)
	}
	one.says("a", 1, "2025-09-01", contract.Fails)
	for _, day := range []contract.Day{"2025-10-01", "2025-11-01", "2025-12-01"} {
		one.until(day)
	}
	all.until("2025-12-01")
	all.keeper = all.again()
	all.says("a", 1, "2025-09-01", contract.Fails)
	all.until("2025-12-01")
	if d := cmp.Diff(one.record().Line, all.record().Line); d != "" {
		t.Error(d)
	}
	early := opens(t, 2500)
	early.until("2025-05-01")
	early.says("a", 1, "2025-10-01", contract.Fails)
	early.until("2025-12-01")
	late := opens(t, 2500)
	late.until("2025-10-01")
	late.says("a", 1, "2025-10-01", contract.Fails)
	late.until("2025-12-01")
	if d := cmp.Diff(late.record().Line, early.record().Line); d != "" {
		t.Errorf("a fall that was known early (-late +early):\n%s", d)
	}
}

func TestFactsThatCameLate(t *testing.T) {
	t.Parallel()
	w := opens(t, 100) // too few who come back
	if l := w.until("2025-12-01"); len(l) != 0 {
		t.Fatalf("fitted on 100 customers: %+v", l)
	}
	w.trade(2500)
	reads := w.reads
	if w.until("2025-12-01"); w.reads != reads {
		t.Error("nothing arrived, and it was tried again")
	}
	w.touched["2025-02-01"], w.position = map[int]int64{0: 2}, 2
	if l := w.until("2025-12-01"); len(l) != 1 || l[0].History[0].AsOf.Format("01-02") != "05-01" {
		t.Errorf("after the rest of the file: %v", lived(l))
	}
}

// TestABadLine: a line that fails is named, and holds up no other; what linking touched is known at once.
func TestABadLine(t *testing.T) {
	t.Parallel()
	w := opens(t, 2500)
	bad := w.orders[0].Compute[1]
	bad.Scope = &contract.Condition{Field: "orders", Op: contract.Gte, Value: 1}
	w.orders[0].Compute = append([]contract.Computation{bad}, w.orders[0].Compute...)
	w.broken, w.complete = errors.New("broken"), "2025-06-01"
	failed, err := w.keeper.Round(t.Context())
	named := model.Subject{Model: bad.Metric.Model.Name, Scope: bad.Scope}.ID()
	if err != nil || len(failed) != 1 || !errors.Is(failed[named], w.broken) || !errors.Is(failed.Err(), w.broken) {
		t.Errorf("failed: %v, %v", failed, err)
	}
	if r := w.record(); len(r.Line) != 1 || r.Contains[metric.LinksPartition] != 1 {
		t.Errorf("the other line is %+v", r)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{}); err == nil {
		t.Error("a keeper without anything was built")
	}
}
