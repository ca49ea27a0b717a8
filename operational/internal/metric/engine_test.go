package metric

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/model"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// world is everything an engine is given, in memory.
type world struct {
	t        *testing.T
	engine   *Engine
	now      time.Time
	orders   []contract.OperationalDirective
	complete time.Time
	unheard  bool // nobody offers the parameters
	position map[int]int64
	touched  map[contract.Day]map[int]int64
	failing  contract.Entity
	stirred  int64 // customers who did something new
	spans    *tracetest.InMemoryExporter
	line     model.Line
	unfitted error
	failed   model.Failures
	expired  Expired
	mu       sync.Mutex // guards what follows
	puts     []put
	known    map[contract.MeasurementID]put
	summed   int
}

// parent is the span in which the world's directive was received.
const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

type put struct {
	in       trace.SpanContext
	m        contract.Measurement
	contains map[int]int64
	smallest int64
	model    string
}

func (w *world) Orders() []contract.OperationalDirective { return w.orders }
func (w *world) Traceparent(id contract.DirectiveID) string {
	if id == "od-1" {
		return parent
	}
	return ""
}
func (w *world) Complete(context.Context, []contract.ParameterName) (time.Time, bool, error) {
	return w.complete, !w.unheard, nil
}
func (w *world) Position(context.Context) (map[int]int64, error) { return w.position, nil }
func (w *world) Touched(context.Context) (map[contract.Day]map[int]int64, error) {
	return w.touched, nil
}
func (w *world) Put(ctx context.Context, m contract.Measurement, made Basis, smallest int64) error {
	p := put{trace.SpanContextFromContext(ctx), m, map[int]int64{}, smallest, made.Model}
	for part, pos := range made.Contains {
		p.contains[part] = pos
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.puts = append(w.puts, p)
	w.known[m.ID] = p
	return nil
}
func (w *world) measured() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.puts)
}
func (w *world) Known(_ context.Context, id contract.MeasurementID) (Basis, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, ok := w.known[id]
	return Basis{p.contains, p.m.DirectiveRevision, p.model}, ok && p.m.Closed, nil
}
func (w *world) Line(context.Context, model.Subject) (model.Line, error) { return w.line, nil }
func (w *world) Stirred(_ context.Context, _ []Span, _ map[int]int64, enough int64) (int64, error) {
	return min(w.stirred, enough), nil
}
func (w *world) Settle(context.Context) error { return nil }
func (w *world) FirstDay(context.Context) (contract.Day, error) {
	var first contract.Day
	for d := range w.touched {
		if first == "" || d < first {
			first = d
		}
	}
	return first, nil
}

// fitted is the world's models.
type fitted struct{ *world }

func (f fitted) Round(context.Context) (model.Failures, error) { return f.failed, f.unfitted }

var errBroken = errors.New("broken")

func (w *world) Moments(_ context.Context, q Query) ([]Group, error) {
	if q.Entity == w.failing {
		return nil, errBroken
	}
	n := len(q.Measures)
	g := Group{N: 50, Sums: make([]float64, n), Products: make([][]float64, n)}
	for i := range n {
		g.Sums[i], g.Products[i] = 50, make([]float64, n)
		for j := range n {
			g.Products[i][j] = 50
		}
	}
	return []Group{g}, nil
}
func (w *world) Order(context.Context, Order) (Statistic, error) { return Statistic{}, nil }
func (w *world) Summaries(context.Context, Span, *contract.Condition) ([]btyd.Summary, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.summed++
	return []btyd.Summary{{T: 3, Count: 1}}, nil
}
func (w *world) Covered(context.Context, contract.ParameterName) (have, of int64, err error) {
	return 20, 100, nil
}
func (w *world) Quality(context.Context, Span) (Quality, error) { return Quality{Orders: 100}, nil }

func newWorld(t *testing.T, metrics ...contract.MetricID) *world {
	t.Helper()
	w := &world{t: t, stirred: 50, now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), known: map[contract.MeasurementID]put{},
		spans: tracetest.NewInMemoryExporter(), position: map[int]int64{0: 10}, touched: map[contract.Day]map[int]int64{"1997-01-05": {0: 3}, "1997-02-10": {0: 9}}}
	d := contract.OperationalDirective{Order: contract.Order{ID: "od-1", Revision: 1}, Strategic: "sd-1", Goal: "g-1", Currency: "USD"}
	for _, def := range shipped(t) {
		if slices.Contains(metrics, def.ID) {
			d.Compute = append(d.Compute, contract.Computation{Metric: def, Grain: contract.GrainMonth, Until: "1998-12-31"})
		}
	}
	w.orders = []contract.OperationalDirective{d}
	var err error
	w.engine, err = NewEngine(Options{Tenant: "main", Zone: time.UTC, Calendar: Calendar{time.Monday}, Orders: w, Complete: w, Positions: w, Warehouse: w,
		Sink: w, Models: fitted{w}, Gates: btyd.DefaultGates(), Cadence: time.Minute, Now: func() time.Time { return w.now }, Logger: slog.New(slog.DiscardHandler),
		Expired: func(context.Context) (Expired, error) { return w.expired, nil },
		Tracer:  sdktrace.NewTracerProvider(sdktrace.WithSyncer(w.spans))})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) round(want ...string) {
	w.t.Helper()
	w.puts = nil
	if err := w.engine.Round(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	var got []string
	for _, p := range w.puts {
		state := " open"
		if p.m.Closed {
			state = " closed"
		}
		got = append(got, string(contract.DayOf(p.m.Window.Start, time.UTC))[:7]+state)
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("measured %v, want %v", got, want)
	}
}

func TestClosedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "revenue_month")
	w.complete = time.Date(1997, 2, 1, 0, 0, 0, 0, time.UTC)
	w.round("1997-01 closed", "1997-02 open")
	m := w.puts[0].m
	if m.AsOf != w.complete || m.Currency != "USD" || m.Unit != contract.Money || m.Strategic != "sd-1" || m.DirectiveRevision != 1 || w.puts[0].contains[0] != 10 {
		t.Errorf("the measurement is %+v", m)
	}
	w.round() // nothing new
	w.complete = time.Date(1997, 3, 1, 0, 0, 0, 0, time.UTC)
	w.round("1997-02 closed")
	w.round()
}

func TestRestatedOnLateFacts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "revenue_month")
	w.complete = time.Date(1997, 3, 1, 0, 0, 0, 0, time.UTC)
	w.round("1997-01 closed", "1997-02 closed")
	w.touched["1997-01-20"], w.position = map[int]int64{0: 12}, map[int]int64{0: 12}
	w.round("1997-01 closed") // February did not change
	if got := w.puts[0].contains[0]; got != 12 {
		t.Errorf("it contains position %d, want 12", got)
	}
	w.round()
}

// TestExpiredWindowsAreFrozen: a window of whose facts some have expired keeps what was measured, whatever comes late, and gets
// no measurement where it had none; others go on.
func TestExpiredWindowsAreFrozen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "revenue_month")
	w.complete = time.Date(1997, 3, 1, 0, 0, 0, 0, time.UTC)
	w.round("1997-01 closed", "1997-02 closed")
	w.expired = Expired{Orders: []contract.Day{"1997-01-05"}}
	w.touched["1997-01-06"], w.touched["1997-02-11"] = map[int]int64{0: 11}, map[int]int64{0: 11}
	w.position[0] = 12
	w.round("1997-02 closed")
	w.orders[0].Revision++
	w.round("1997-02 closed")
	w.orders[0].ID = "od-2"
	w.round("1997-02 closed")
	w.expired.Answers, w.orders[0].ID = []contract.Day{"1997-02-10"}, "od-3"
	w.round("1997-02 closed") // answers are no orders
}

// TestExpiredAmidMeasuring: what expires while a window is measured keeps the result from going up.
func TestExpiredAmidMeasuring(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "revenue_month")
	w.complete = time.Date(1997, 3, 1, 0, 0, 0, 0, time.UTC)
	asked := 0
	w.engine.o.Expired = func(context.Context) (Expired, error) {
		if asked++; asked == 1 {
			return Expired{}, nil
		}
		return Expired{Orders: []contract.Day{"1997-01-05"}}, nil
	}
	w.round("1997-02 closed")
}

// TestExpiredHistory: what looks back without end keeps what it measured before, and goes on with what is kept.
func TestExpiredHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "new_customers_month")
	w.complete = time.Date(1997, 2, 1, 0, 0, 0, 0, time.UTC)
	w.touched = map[contract.Day]map[int]int64{"1997-01-05": {0: 3}}
	w.round("1997-01 closed")
	w.expired = Expired{Orders: []contract.Day{"1996-12-05"}}
	w.touched["1997-01-06"], w.touched["1997-02-10"] = map[int]int64{0: 11}, map[int]int64{0: 11}
	w.position[0], w.complete = 12, time.Date(1997, 3, 1, 0, 0, 0, 0, time.UTC)
	w.round("1997-02 closed")
}

// TestHistoryIsRead: a late fact changes every later window of a metric over histories.
func TestHistoryIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "repeat_rate")
	w.complete = time.Date(1997, 3, 1, 0, 0, 0, 0, time.UTC)
	w.round("1997-01 closed", "1997-02 closed")
	w.touched["1997-01-20"], w.position = map[int]int64{1: 1}, map[int]int64{0: 10, 1: 1}
	w.round("1997-01 closed", "1997-02 closed")
}

// TestModelsLife: a value names the fit that it rests on, is made again when that changes, and is none while the fit has
// expired.
func TestModelsLife(t *testing.T) {
	t.Parallel()
	held := &contract.HoldOut{Weeks: 4, Customers: 900, Predicted: 90, Actual: 100, MAE: .5}
	at := model.Turn{AsOf: time.Date(1997, 2, 1, 0, 0, 0, 0, time.UTC)}
	line, err := model.Line(nil).Add(at.AsOf.AddDate(0, 0, -28), map[string]float64{"r": .2}, at)
	if err != nil {
		t.Fatal(err)
	}
	if line, err = line.Try(*held, nil, at); err != nil {
		t.Fatal(err)
	}
	value := 31337.5
	fit := Result{Value: &value, Low: &value, N: 900, Smallest: 300, Parts: []contract.Part{{Key: "repeat", N: 900, Value: value}}, Median: &value,
		Model: &contract.ModelFit{Name: "mbg_nbd", Parameters: map[string]float64{"r": value}, LogLikelihood: value, Customers: 900, Repeaters: 300, Weeks: 30}}
	if r := fit.restingOn(nil, "share_alive"); r.Value == nil || r.Model.State != contract.ModelShadow || r.Model.Fit != 0 || r.Model.Version != btyd.Version {
		t.Errorf("before any trial it rests on %+v", r.Model)
	}
	if r := fit.restingOn(line, "share_alive"); r.Value == nil || r.Model.State != contract.ModelActive || r.Model.Fit != 1 || r.Model.HoldOut.Actual != 100 {
		t.Errorf("in use: %+v", r.Model)
	}
	fallen, _, err := line.Judge(contract.Verdicts{Velocity: contract.Fails}, at)
	if err != nil {
		t.Fatal(err)
	}
	r := fit.restingOn(fallen, "share_alive")
	if r.Value != nil || r.Reason == nil || r.Reason.Code != fault.Validity || r.Reason.Item != "share_alive" || r.N != 900 || r.Smallest != 300 {
		t.Errorf("expired: %+v", r)
	}
	if raw, err := json.Marshal(r); err != nil || strings.Contains(string(raw), "31337") || r.Model.State != contract.ModelExpired {
		t.Errorf("something of the value stayed: %s, %v", raw, err)
	}
	if fit.Model.State != "" {
		t.Error("the result that was handed out has changed")
	}

	w := newWorld(t, "predicted_value_52w")
	w.complete = time.Date(1997, 3, 1, 0, 0, 0, 0, time.UTC)
	w.round("1997-01 closed", "1997-02 closed")
	w.round()
	w.line = line
	w.round("1997-01 closed", "1997-02 closed")
	if w.puts[0].model == "" {
		t.Error("what it was made from does not name the fit")
	}
	w.round()
	later := at
	later.AsOf = at.AsOf.AddDate(0, 1, 0)
	if w.line, _, err = line.Judge(contract.Verdicts{Velocity: contract.Weakening}, later); err != nil {
		t.Fatal(err)
	}
	w.round("1997-02 closed") // January says what was known in January
	w.failed = model.Failures{"another": errBroken}
	w.round()
	own := model.Subject{Model: w.orders[0].Compute[0].Metric.Model.Name}
	w.failed = model.Failures{own.ID(): errBroken}
	if err := w.engine.Round(t.Context()); !errors.Is(err, errBroken) {
		t.Errorf("its own fits could not be made, got %v", err)
	}
	w.failed, w.unfitted = nil, errBroken
	if err := w.engine.Round(t.Context()); !errors.Is(err, errBroken) {
		t.Errorf("without fits nothing is known of a model, got %v", err)
	}
}

func TestOpenAtCadence(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "revenue_month")
	w.round("1997-01 open", "1997-02 open")
	touch := func(day contract.Day, at int64) {
		w.touched[day], w.position = map[int]int64{0: at}, map[int]int64{0: at}
	}
	touch("1997-02-11", 11)
	w.round() // too soon
	w.now = w.now.Add(59 * time.Second)
	w.round()
	w.now = w.now.Add(time.Second)
	w.round("1997-02 open")
	w.now = w.now.Add(time.Minute)
	w.round() // nothing changed
	touch("1997-02-12", 12)
	w.stirred, w.now = 9, w.now.Add(time.Minute)
	w.round() // the change would tell of fewer than a group
	w.stirred, w.now = 10, w.now.Add(time.Minute)
	w.round("1997-02 open")
	w.orders[0].Constraints.MinimumGroup = 30
	touch("1997-02-13", 13)
	w.now = w.now.Add(time.Minute)
	w.round() // the directive wants more
	w.orders[0].Revision, w.now = 2, w.now.Add(time.Minute)
	w.round("1997-02 open") // what is asked changed, and not only the customers
}

// TestRestatedOnLinks: identities that turn out to be one customer change closed windows without any new fact.
func TestRestatedOnLinks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "revenue_month")
	w.complete = time.Date(1997, 3, 1, 0, 0, 0, 0, time.UTC)
	w.round("1997-01 closed", "1997-02 closed")
	w.touched["1997-01-05"][LinksPartition] = 1
	w.round("1997-01 closed")
	if got := w.puts[0].contains[LinksPartition]; got != 1 {
		t.Errorf("it contains link change %d, want 1", got)
	}
	w.round()
	w.touched["1997-02-10"][LinksPartition] = 2
	w.round("1997-02 closed")
}

func TestDirectiveChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "revenue_month")
	w.complete = time.Date(1997, 3, 1, 0, 0, 0, 0, time.UTC)
	w.round("1997-01 closed", "1997-02 closed")
	w.orders[0].Revision = 2
	w.round("1997-01 closed", "1997-02 closed")
	w.orders[0].Compute[0].Until = "1997-01-31"
	w.orders[0].Revision = 3
	w.round("1997-01 closed")
	w.orders[0].Compute[0].From = "1997-02-01"
	w.orders[0].Revision = 4
	w.round()
}

func TestFailureHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "repeat_rate", "revenue_month")
	w.complete, w.failing = time.Date(1997, 3, 1, 0, 0, 0, 0, time.UTC), contract.CustomerDay
	if err := w.engine.Round(t.Context()); !errors.Is(err, errBroken) {
		t.Errorf("the round says %v, want the failure", err)
	}
	if len(w.puts) != 2 || w.puts[0].m.Metric != "repeat_rate" {
		t.Errorf("%d measurements went on, want the two of repeat_rate", len(w.puts))
	}
	w.failing = ""
	w.round("1997-01 closed", "1997-02 closed")
}

// TestModels: they are refused on short histories, are not fitted to open windows, and read the histories once.
func TestModels(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "predicted_value_52w", "share_alive")
	w.complete = time.Date(1997, 2, 1, 0, 0, 0, 0, time.UTC)
	w.round("1997-01 closed", "1997-01 closed")
	for _, p := range w.puts {
		if p.m.Value != nil || p.m.Reason == nil || p.m.Reason.Code != "model_not_identified" {
			t.Errorf("%s is %+v, want model_not_identified", p.m.Metric, p.m)
		}
	}
	if w.summed != 1 {
		t.Errorf("histories were read %d times, want once", w.summed)
	}
}

func TestNothingToMeasure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "revenue_month")
	w.unheard = true
	w.round() // nobody offers the data: the answer says so, and no measurement does
	w.unheard, w.touched = false, map[contract.Day]map[int]int64{}
	w.round() // no data
	w.orders = nil
	w.round() // no directive
}

// TestRunGoesOn: a failure is tried again, and a wake is heard.
func TestRunGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "revenue_month")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.engine.Run(ctx) }()
	w.engine.Wake()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("the engine stopped with %v", err)
	}
	if _, err := NewEngine(Options{}); err == nil {
		t.Error("an engine without anything was built")
	}
}

// Each measurement is put in a trace of its own, whose root links to where its directive was received.
func TestMeasuringBeginsATraceThatLinksToTheDirective(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "revenue_month")
	w.complete = time.Date(1997, 3, 1, 0, 0, 0, 0, time.UTC)
	w.round("1997-01 closed", "1997-02 closed")
	spans := w.spans.GetSpans()
	if len(spans) != len(w.puts) {
		t.Fatalf("%d spans for %d measurements", len(spans), len(w.puts))
	}
	for i, s := range spans {
		if s.Name != "operational.measure" || s.Parent.IsValid() || s.SpanContext.TraceID() != w.puts[i].in.TraceID() || i > 0 && s.SpanContext.TraceID() == spans[0].SpanContext.TraceID() {
			t.Errorf("span %q %v under %v, the measurement in %v; want a root with a trace of its own", s.Name, s.SpanContext, s.Parent, w.puts[i].in)
		}
		if len(s.Links) != 1 || s.Links[0].SpanContext.TraceID().String() != parent[3:35] || s.Links[0].SpanContext.SpanID().String() != parent[36:52] {
			t.Errorf("links %v, want one to %s", s.Links, parent)
		}
		want := []attribute.KeyValue{
			attribute.String("strata.metric", "revenue_month"), attribute.String("strata.metric.version", w.puts[i].m.Version),
			attribute.String("strata.window.grain", "month"), attribute.String("strata.window.start", w.puts[i].m.Window.Start.Format(time.RFC3339)),
			attribute.String("strata.directive", "od-1"), attribute.Int64("strata.directive.revision", 1),
		}
		if !slices.Equal(s.Attributes, want) {
			t.Errorf("attributes %v, want %v and nothing about customers", s.Attributes, want)
		}
	}
}

// A directive that was received outside a trace has no link, and a failure shows without its text, which may name data.
func TestTheTraceOfAFailedMeasurementSaysNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "revenue_month")
	w.orders[0].ID, w.failing = "od-2", contract.CustomerDay
	w.complete = time.Date(1997, 2, 1, 0, 0, 0, 0, time.UTC)
	if err := w.engine.Round(t.Context()); !errors.Is(err, errBroken) {
		t.Fatalf("err %v: nothing failed", err)
	}
	for _, s := range w.spans.GetSpans() {
		if len(s.Links) > 0 || s.Status.Code != codes.Error || s.Status.Description != "not measured" || len(s.Events) > 0 {
			t.Errorf("links %v, status %+v, events %v", s.Links, s.Status, s.Events)
		}
	}
}
