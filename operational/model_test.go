package operational

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/fitting"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/model"
	"github.com/strata-crm/strata/operational/internal/mongostore"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/local/docstore"
	"github.com/strata-crm/strata/shared/mongodb"
)

// appetite is how often customers buy on a day of the year, to how often they do before October.
func appetite(day float64) float64 {
	switch {
	case day < 273:
		return 1
	case day < 304:
		return 1.05
	case day < 334:
		return 1.3
	}
	return 2
}

// purchases are the days of 1997 on which each of some customers buys, at rates of their own until they leave.
func purchases(customers int) [][]int {
	rng := rand.New(rand.NewPCG(97, 11))
	out := make([][]int, customers)
	for c := range out {
		rate, leaves := rng.ExpFloat64()*.05, rng.Float64()*.3
		for day := rng.Float64() * 60; day < 365; day += rng.ExpFloat64() / (rate * appetite(day)) {
			if n := len(out[c]); n == 0 || out[c][n-1] < int(day) {
				out[c] = append(out[c], int(day))
			}
			if rng.Float64() < leaves {
				break
			}
		}
	}
	return out
}

func asOrders(bought [][]int) (rows []map[string]any) {
	for c, days := range bought {
		for _, day := range days {
			rows = append(rows, map[string]any{"row": len(rows) + 1, "item": map[string]any{"type": "track", "event": "Order Completed", "userId": fmt.Sprintf("u%d", c),
				"timestamp":  time.Date(1997, 1, 1+day, 10, 0, 0, 0, time.UTC).Format(time.RFC3339),
				"properties": map[string]any{"total": "10.50", "currency": "USD"}}})
		}
	}
	return rows
}

func (s *suite) restart() {
	s.t.Helper()
	s.stop()
	s.run()
}

// line is the life of the only model, as the API tells it.
func (s *suite) line() model.Line {
	s.t.Helper()
	var page struct{ Items []fitting.Record }
	s.do("GET", api+"/models", "", nil, 200, &page)
	if len(page.Items) != 1 {
		s.t.Fatalf("the lines of fits are %+v", page.Items)
	}
	return page.Items[0].Line
}

func states(f model.Fit) (out []contract.ModelState) {
	for _, c := range f.History {
		out = append(out, c.To)
	}
	return out
}

// TestModelLives: customers buy ever more than was foretold of them. The verdicts on that take the fit behind the claim from
// active to weakening to expired; another is tried on later weeks and takes its place. The service is restarted after
// every look, and goes on where it was.
func TestModelLives(t *testing.T) {
	t.Parallel()
	s := whole(t)
	s.govern("retention_analysis")
	s.offer("shop", "customer_id", "order_time", "order_amount")
	d := s.claims("od-1", contract.InsightOrder{Kind: contract.ForecastInsight, Metric: forecast, Tolerance: .4, LaterTolerance: .10})
	rows, claim := asOrders(purchases(3000)), d.Insights[0].ID
	run := s.start(strings.Repeat("b", 64))
	s.rig.send(run.Run, rows)
	s.do("POST", api+"/imports/"+run.Run+"/finish", "", map[string]any{}, 200, nil)
	s.caughtUp(run.Run)
	for _, look := range []struct {
		day  string
		want contract.ModelState
	}{{"1997-10-01", contract.ModelActive}, {"1997-11-01", contract.ModelActive}, {"1997-12-01", contract.ModelWeakening}, {"1998-01-01", contract.ModelExpired}} {
		s.do("POST", api+"/sources/shop/watermark", "", map[string]any{"completeUntil": look.day}, 200, nil)
		i := s.claimed("a look at "+look.day, claim, func(i contract.Insight) bool { return i.AsOf.Format(time.DateOnly) == look.day && i.Withheld == nil })
		if i.Model == nil || i.Model.Fit != 1 || i.Model.State != look.want {
			t.Fatalf("at %s the claim rests on %+v, verdicts %+v, findings %+v; want fit 1, %s", look.day, i.Model, i.Verdicts, i.Findings, look.want)
		}
		s.restart()
		if before := s.line()[0]; !slices.Contains(states(before), look.want) {
			t.Fatalf("restarted at %s the fit was %v, want %s", look.day, states(before), look.want)
		}
	}
	s.until("another fit is in use", func() bool { return len(s.line()) == 2 })
	s.restart()
	l := s.line()
	if d := cmp.Diff([]contract.ModelState{contract.ModelActive, contract.ModelWeakening, contract.ModelExpired, contract.ModelRetired}, states(l[0])); d != "" {
		t.Errorf("the first fit (-want +got):\n%s", d)
	}
	if f := l[1]; f.State != contract.ModelActive || f.History[0].From != contract.ModelShadow || f.History[0].By != string(model.ByHoldOut) || f.Latest().HoldOut == nil {
		t.Errorf("the second is %+v", f)
	}
}

// till is what a keeper is given, in memory, but for its store.
type till struct {
	bought   [][]int
	complete contract.Day
}

func (till) Orders() []contract.OperationalDirective {
	return []contract.OperationalDirective{{Compute: []contract.Computation{{Metric: forecast, Grain: contract.GrainMonth, Until: "2030-12-31"}}}}
}

func (w *till) Complete(context.Context, []contract.ParameterName) (time.Time, bool, error) {
	return w.complete.Start(time.UTC), true, nil
}

func (till) Position(context.Context) (map[int]int64, error) { return map[int]int64{0: 1}, nil }

func (till) Touched(context.Context) (map[contract.Day]map[int]int64, error) {
	return map[contract.Day]map[int]int64{"1997-01-01": {0: 1}}, nil
}

func (w *till) Settle(context.Context) error { return nil }

func (w *till) Divided(_ context.Context, cut, end contract.Day, _ *contract.Condition) (out []btyd.Tested, err error) {
	for _, days := range w.bought {
		bought := make([]btyd.Bought, len(days))
		for i, day := range days {
			bought[i] = btyd.Bought{Day: day, Revenue: 10.5}
		}
		t, customer, err := btyd.Divide(bought, cut.Sub("1997-01-01")-1, end.Sub("1997-01-01")-1)
		if err != nil {
			return nil, err
		}
		if customer {
			out = append(out, t)
		}
	}
	return out, nil
}

// kept opens the keeper of a folder's document store; shut leaves the folder.
func (w *till) kept(t *testing.T, dir string) (k *fitting.Keeper, line func() model.Line, shut func()) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	s, err := docstore.Open(docstore.Options{Dir: dir, Now: time.Now, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	db, err := mongodb.Connect(t.Context(), mongodb.Config{URI: s.URI(), Database: "strata_operational"}, mongodb.Deps{Dialer: s.Dialer(), Logger: logger, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := mongodb.Setup(t.Context(), db, mongostore.FittingIndexes(), nil); err != nil {
		t.Fatal(err)
	}
	store := mongostore.NewFits("main", db)
	k, err = fitting.New(fitting.Options{Zone: time.UTC, Calendar: metric.Calendar{WeekStart: time.Monday}, Orders: w, Complete: w, Positions: w, Histories: w, Store: store,
		Gates: btyd.DefaultGates(), Now: time.Now, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	line = func() model.Line {
		l, err := k.Line(t.Context(), foretold)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	return k, line, func() {
		if err := db.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

var foretold = model.Subject{Model: forecast.Model.Name}

// TestLineOnDisk: every state of a fit outlives the process. After each step the document store is closed and opened again
// from its folder, and the line is what it was.
func TestLineOnDisk(t *testing.T) {
	t.Parallel()
	dir, w := t.TempDir(), &till{bought: purchases(3000)}
	round := func(until contract.Day) func(k *fitting.Keeper) error {
		return func(k *fitting.Keeper) error { w.complete = until; _, err := k.Round(t.Context()); return err }
	}
	says := func(fit int, at contract.Day, v contract.Verdict) func(k *fitting.Keeper) error {
		return func(k *fitting.Keeper) error {
			all := contract.Verdicts{Volume: contract.Holds, Velocity: v, Variety: contract.Holds, Variability: contract.Holds, Veracity: contract.Holds}
			_, err := k.Judge(t.Context(), foretold, model.Said{Claim: "in-1", Fit: fit, AsOf: at.Start(time.UTC), Verdicts: all})
			return err
		}
	}
	for _, step := range []struct {
		what string
		take func(k *fitting.Keeper) error
		want []contract.ModelState // of each fit
	}{
		{"too little data", round("1997-04-01"), nil},
		{"tried and in use", round("1997-06-01"), []contract.ModelState{contract.ModelActive}},
		{"a verdict weakens", says(1, "1997-07-01", contract.Weakening), []contract.ModelState{contract.ModelWeakening}},
		{"all hold again", says(1, "1997-08-01", contract.Holds), []contract.ModelState{contract.ModelActive}},
		{"it weakens again", says(1, "1997-09-01", contract.Weakening), []contract.ModelState{contract.ModelWeakening}},
		{"a verdict fails", says(1, "1997-10-01", contract.Fails), []contract.ModelState{contract.ModelExpired}},
		{"another takes its place", round("1997-10-01"), []contract.ModelState{contract.ModelRetired, contract.ModelActive}},
		{"what is said of the first weighs no more", says(1, "1997-11-01", contract.Fails), []contract.ModelState{contract.ModelRetired, contract.ModelActive}},
		{"the second weakens", says(2, "1997-11-01", contract.Weakening), []contract.ModelState{contract.ModelRetired, contract.ModelWeakening}},
	} {
		k, line, shut := w.kept(t, dir)
		if err := step.take(k); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		before := line()
		shut()
		_, line, shut = w.kept(t, dir)
		after := line()
		shut()
		if d := cmp.Diff(before, after); d != "" {
			t.Errorf("%s: a restart changed the line (-before +after):\n%s", step.what, d)
		}
		var got []contract.ModelState
		for _, f := range after {
			got = append(got, f.State)
		}
		if d := cmp.Diff(step.want, got); d != "" {
			t.Fatalf("%s (-want +got):\n%s", step.what, d)
		}
	}
}
