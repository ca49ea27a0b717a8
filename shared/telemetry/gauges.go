package telemetry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// askWithin is what all sources get together: far less than the 10 s after which a scrape is given up.
const askWithin = 3 * time.Second

// Gauge is one whose value has to be asked for.
type Gauge struct {
	Name  string // "strata.outbox.age"
	Unit  string // "s"; empty for a number of things
	About string // one sentence
}

// Tell hands over the value that a gauge has now. Ask calls it from its own goroutine only.
type Tell func(g Gauge, value float64, labels ...attribute.KeyValue)

// Ask tells the values of a source's gauges, and returns soon once ctx ends. What it has told counts also when it fails; a gauge of
// which it tells nothing has no value.
type Ask func(ctx context.Context, tell Tell) error

// Gauges are those that rest on what is beyond the process, such as a database. Whenever metrics are read all sources are asked at
// once, within 3 s, so that none that is away keeps the others from being seen. OpenTelemetry's own observable gauges are asked
// one after another, with no limit: they are for what the process knows by itself. Its zero value has no source. It is safe for
// concurrent use.
type Gauges struct {
	mu   sync.Mutex
	asks []Ask
}

var _ sdkmetric.Producer = (*Gauges)(nil)

// From adds a source.
func (g *Gauges) From(a Ask) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asks = append(g.asks, a)
}

// Produce implements metric.Producer: it returns what the sources told, and the errors of those that failed.
func (g *Gauges) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	g.mu.Lock()
	asks := slices.Clone(g.asks)
	g.mu.Unlock()
	told, errs := make([]values, len(asks)), make([]error, len(asks))
	var all sync.WaitGroup
	for i, ask := range asks {
		all.Go(func() { errs[i] = ask(ctx, told[i].tell) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return metricsOf(told), fmt.Errorf("ask for gauges: %w", err)
	}
	return metricsOf(told), nil
}

type value struct {
	of    Gauge
	point metricdata.DataPoint[float64]
}

// values are what one source told.
type values []value

func (v *values) tell(g Gauge, n float64, labels ...attribute.KeyValue) {
	now := time.Now() //nolint:forbidigo // when it was read, for the collector
	*v = append(*v, value{g, metricdata.DataPoint[float64]{Attributes: attribute.NewSet(labels...), Time: now, Value: n}})
}

// metricsOf gathers the values by gauge, in the order in which the gauges were first told of.
func metricsOf(told []values) []metricdata.ScopeMetrics {
	var order []Gauge
	points := map[Gauge][]metricdata.DataPoint[float64]{}
	for _, v := range slices.Concat(told...) {
		if points[v.of] == nil {
			order = append(order, v.of)
		}
		points[v.of] = append(points[v.of], v.point)
	}
	scope := metricdata.ScopeMetrics{Scope: instrumentation.Scope{Name: "strata"}}
	for _, g := range order {
		scope.Metrics = append(scope.Metrics, metricdata.Metrics{
			Name: g.Name, Unit: g.Unit, Description: g.About, Data: metricdata.Gauge[float64]{DataPoints: points[g]},
		})
	}
	return []metricdata.ScopeMetrics{scope}
}
