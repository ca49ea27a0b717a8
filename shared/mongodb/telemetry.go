package mongodb

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

const scope = "github.com/strata-crm/strata/shared/mongodb"

// instruments are the tracer and the metrics of one DB, named as OpenTelemetry's semantic conventions for databases
// have them. They see command names, collections, durations and codes; never a filter, a document or a server's text.
type instruments struct {
	tracer       trace.Tracer
	duration     metric.Float64Histogram
	transactions metric.Int64Counter
	attempts     metric.Int64Counter
}

func newInstruments(t trace.TracerProvider, m metric.MeterProvider) (instruments, error) {
	if t == nil {
		t = tracenoop.NewTracerProvider()
	}
	if m == nil {
		m = metricnoop.NewMeterProvider()
	}
	meter := m.Meter(scope)
	duration, err := meter.Float64Histogram("db.client.operation.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of database client operations."),
		metric.WithExplicitBucketBoundaries(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10))
	if err != nil {
		return instruments{}, fmt.Errorf("mongodb: metrics: %w", err)
	}
	transactions, err := meter.Int64Counter("strata.db.transactions", metric.WithDescription("Transactions by outcome."))
	if err != nil {
		return instruments{}, fmt.Errorf("mongodb: metrics: %w", err)
	}
	attempts, err := meter.Int64Counter("strata.db.transaction.attempts",
		metric.WithDescription("Runs of transactions; above the number of transactions by the conflicts met."))
	if err != nil {
		return instruments{}, fmt.Errorf("mongodb: metrics: %w", err)
	}
	return instruments{tracer: t.Tracer(scope), duration: duration, transactions: transactions, attempts: attempts}, nil
}

func (in instruments) transaction(ctx context.Context, attempts int, outcome string) {
	in.attempts.Add(ctx, int64(attempts))
	in.transactions.Add(ctx, 1, metric.WithAttributes(attribute.String("outcome", outcome)))
}

// running is a command that has not ended.
type running struct {
	ctx        context.Context
	span       trace.Span
	attributes []attribute.KeyValue
}

type commandID struct {
	connection string
	request    int64
}

func (in instruments) monitor() *event.CommandMonitor {
	var open sync.Map // commandID → running
	return &event.CommandMonitor{
		Started: func(ctx context.Context, e *event.CommandStartedEvent) {
			open.Store(commandID{e.ConnectionID, e.RequestID}, in.start(ctx, e))
		},
		Succeeded: func(_ context.Context, e *event.CommandSucceededEvent) {
			if r, ok := open.LoadAndDelete(commandID{e.ConnectionID, e.RequestID}); ok {
				in.end(r.(running), e.Duration, writeFailure(e.Reply))
			}
		},
		Failed: func(_ context.Context, e *event.CommandFailedEvent) {
			if r, ok := open.LoadAndDelete(commandID{e.ConnectionID, e.RequestID}); ok {
				in.end(r.(running), e.Duration, failureType(e.Failure))
			}
		},
	}
}

// start opens a span below the caller's. Commands of nobody's trace, such as the relay's polls, get metrics only.
func (in instruments) start(ctx context.Context, e *event.CommandStartedEvent) running {
	attributes := []attribute.KeyValue{
		attribute.String("db.system.name", "mongodb"),
		attribute.String("db.namespace", e.DatabaseName),
		attribute.String("db.operation.name", e.CommandName),
	}
	name := e.CommandName
	if c := collectionOf(e.Command, e.CommandName); c != "" {
		attributes = append(attributes, attribute.String("db.collection.name", c))
		name += " " + c
	}
	r := running{ctx: ctx, attributes: attributes, span: tracenoop.Span{}}
	if trace.SpanContextFromContext(ctx).IsValid() {
		r.ctx, r.span = in.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	}
	return r
}

// collectionOf reads the collection's name: the command's own value, or for getMore the field collection.
func collectionOf(command bson.Raw, name string) string {
	if name == "getMore" {
		name = "collection"
	}
	v, err := command.LookupErr(name)
	if err != nil {
		return ""
	}
	s, _ := v.StringValueOK()
	return s
}

// end records the outcome; failure is "" or the type of the error.
func (in instruments) end(r running, took time.Duration, failure string) {
	if failure != "" {
		r.attributes = append(r.attributes, attribute.String("error.type", failure))
		r.span.SetAttributes(attribute.String("error.type", failure), attribute.String("db.response.status_code", failure))
		r.span.SetStatus(codes.Error, "")
	}
	in.duration.Record(r.ctx, took.Seconds(), metric.WithAttributes(r.attributes...))
	r.span.End()
}

// writeFailure returns the code of the first write that failed in a command that did not.
func writeFailure(reply bson.Raw) string {
	code, err := reply.LookupErr("writeErrors", "0", "code")
	if err != nil {
		return ""
	}
	n, _ := code.AsInt64OK()
	return strconv.FormatInt(n, 10)
}

// failureType is the server's code, or the error's Go type: few values, none of them personal.
func failureType(err error) string {
	var command driver.Error
	if errors.As(err, &command) && command.Code != 0 {
		return strconv.Itoa(int(command.Code))
	}
	return fmt.Sprintf("%T", err)
}
