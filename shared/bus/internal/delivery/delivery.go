package delivery

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/fault"
)

// Observer learns what happened, for logs, traces and metrics. Logger and Tracer are required.
type Observer struct {
	Logger *slog.Logger
	Tracer trace.Tracer
	// Count adds n to what happened to messages of a topic: handled, retried, quarantined, dropped, lost. nil = not
	// counted.
	Count func(ctx context.Context, topic, what string, n int64)
}

func (o Observer) count(ctx context.Context, topic, what string, n int64) {
	if o.Count != nil {
		o.Count(ctx, topic, what, n)
	}
}

// Handle brings one message to its subscription and returns nil when the group may go on behind it. Otherwise ctx ended.
func (o Observer) Handle(ctx context.Context, s bus.Subscription, m bus.Message) error {
	ctx, span := o.Tracer.Start(bus.Extract(ctx, m), "process "+m.Topic,
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attributes(m.Topic, m.Partition, m.Offset, s.Group)...))
	defer span.End()
	err := Until(ctx, func() error { return o.once(ctx, s, m) }, func(err error) {
		o.count(ctx, m.Topic, "retried", 1)
		span.AddEvent("retry")
		o.Logger.WarnContext(ctx, "a message could not be handled and is tried again", where(m.Topic, m.Partition, m.Offset), slog.Any("error", err))
	})
	if err != nil {
		span.SetStatus(codes.Error, "interrupted")
		return err
	}
	o.count(ctx, m.Topic, "handled", 1)
	return nil
}

// once tries the message one time; an error means try again.
func (o Observer) once(ctx context.Context, s bus.Subscription, m bus.Message) error {
	err := guarded(func() error { return s.Handle(ctx, m) })
	if err == nil {
		return nil
	}
	switch fault.KindOf(err).Action() {
	case fault.Quarantine:
		o.count(ctx, m.Topic, "quarantined", 1)
		o.Logger.WarnContext(ctx, "a message was refused and is set aside", where(m.Topic, m.Partition, m.Offset), slog.Any("error", err))
		return guarded(func() error { return s.Quarantine(ctx, m, err) })
	case fault.Commit:
		o.count(ctx, m.Topic, "dropped", 1)
		return nil
	default:
		return err
	}
}

// Gap tells tell of a gap until it accepts it; otherwise ctx ended.
func (o Observer) Gap(ctx context.Context, g bus.Gap, tell func(context.Context, bus.Gap) error) error {
	o.Logger.ErrorContext(ctx, "messages are gone from the log", slog.String("topic", g.Topic),
		slog.Int("partition", g.Partition), slog.Int64("from", g.From), slog.Int64("to", g.To))
	o.count(ctx, g.Topic, "lost", max(g.To-g.From, 0))
	return Until(ctx, func() error { return guarded(func() error { return tell(ctx, g) }) }, func(err error) {
		o.Logger.WarnContext(ctx, "a gap could not be recorded and is reported again", where(g.Topic, g.Partition, g.From), slog.Any("error", err))
	})
}

// Apply brings one batch to the sink and returns where to go on; otherwise ctx ended.
func (o Observer) Apply(ctx context.Context, sink bus.LogSink, topic string, partition int, batch []bus.Message) (next int64, err error) {
	first := batch[0].Offset
	ctx, span := o.Tracer.Start(ctx, "process "+topic, trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(append(attributes(topic, partition, first, ""), attribute.Int("messaging.batch.message_count", len(batch)))...))
	defer span.End()
	err = Until(ctx, func() error {
		return guarded(func() (err error) { next, err = sink.Apply(ctx, topic, partition, batch); return err })
	}, func(err error) {
		o.count(ctx, topic, "retried", int64(len(batch)))
		o.Logger.WarnContext(ctx, "a batch could not be applied and is tried again", where(topic, partition, first), slog.Any("error", err))
	})
	if err != nil {
		span.SetStatus(codes.Error, "interrupted")
		return 0, err
	}
	o.count(ctx, topic, "handled", int64(len(batch)))
	return next, nil
}

// Position asks the sink where to begin and passes a gap before the first offset; otherwise ctx ended.
func (o Observer) Position(ctx context.Context, sink bus.LogSink, topic string, look func() (bus.PartitionState, string, error)) (next int64, err error) {
	var p bus.PartitionState
	ask := func() error {
		state, cluster, err := look()
		if err != nil {
			return err
		}
		p = state
		if next, err = sink.Position(ctx, topic, p, cluster); err != nil {
			return err
		}
		if next > p.End {
			return fault.New(fault.Conflict, fault.LogChanged, "partition %d of %s ends at %d but %d comes next: this is another log", p.Partition, topic, p.End, next)
		}
		return nil
	}
	err = Until(ctx, func() error { return guarded(ask) }, func(err error) {
		o.Logger.WarnContext(ctx, "a partition stays idle", slog.String("topic", topic), slog.Any("error", err))
	})
	if err != nil || next >= p.First {
		return next, err
	}
	return p.First, o.Gap(ctx, bus.Gap{Topic: topic, Partition: p.Partition, From: next, To: p.First}, sink.Gap)
}

// guarded turns a panic of somebody's handler into an error, so that one partition's defect does not end the process
// for all others. It is Internal, hence retried and never skipped.
func guarded(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return do()
}

func where(topic string, partition int, offset int64) slog.Attr {
	return slog.Group("at", slog.String("topic", topic), slog.Int("partition", partition), slog.Int64("offset", offset))
}

func attributes(topic string, partition int, offset int64, group string) []attribute.KeyValue {
	kv := []attribute.KeyValue{
		attribute.String("messaging.system", "kafka"), attribute.String("messaging.destination.name", topic),
		attribute.Int("messaging.destination.partition.id", partition), attribute.Int64("messaging.kafka.offset", offset),
	}
	if group != "" {
		kv = append(kv, attribute.String("messaging.consumer.group.name", group))
	}
	return kv
}
