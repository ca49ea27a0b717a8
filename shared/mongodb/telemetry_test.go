package mongodb_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func TestTelemetryTellsWhatWasDoneAndNeverWithWhat(t *testing.T) {
	t.Parallel()
	spans, reader := tracetest.NewSpanRecorder(), metric.NewManualReader()
	c, d := mongotest.Settings(t)
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	d.Tracer, d.Meter = tracer, metric.NewMeterProvider(metric.WithReader(reader))
	db, err := mongodb.Connect(t.Context(), c, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	people := db.Collection("people")
	const secret = "ada@example.com"
	insert := func(ctx context.Context) error {
		_, err := people.InsertOne(ctx, bson.D{{Key: "_id", Value: secret}})
		return err
	}
	if err := insert(t.Context()); err != nil { // in nobody's trace
		t.Fatal(err)
	}
	if n := len(spans.Ended()); n != 0 {
		t.Errorf("%d spans outside a trace, want none", n)
	}
	ctx, parent := tracer.Tracer("test").Start(t.Context(), "parent")
	_ = insert(ctx)
	_ = people.FindOne(ctx, bson.D{{Key: "$bad", Value: secret}}).Err()
	_ = people.FindOne(ctx, id(secret)).Err()
	parent.End()

	var seen []string
	for _, s := range spans.Ended() {
		if s.Name() != "parent" && s.Parent().SpanID() != parent.SpanContext().SpanID() {
			t.Errorf("span %s is not below its caller's", s.Name())
		}
		seen = append(seen, fmt.Sprint(s.Name(), " ", s.Status().Code == codes.Error))
		if text := fmt.Sprint(s.Name(), s.Attributes(), s.Events(), s.Status()); strings.Contains(text, secret) {
			t.Errorf("span tells a value: %s", text)
		}
	}
	if got, want := strings.Join(seen, ", "), "insert people true, find people true, find people false, parent false"; got != want {
		t.Errorf("spans %s, want %s", got, want)
	}
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%+v", all)
	if strings.Contains(text, secret) || !strings.Contains(text, "db.client.operation.duration") {
		t.Errorf("metrics tell a value or lack the duration: %s", text)
	}
}
