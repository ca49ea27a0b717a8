package mongodb

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/fault"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// publish sends a lane's documents and returns how many were published and marked.
func (o *Outbox) publish(ctx context.Context, lane []outboxDocument) (int, error) {
	ctx, span := o.metrics.tracer.Start(ctx, "outbox relay", trace.WithAttributes(attribute.Int("messages", len(lane))))
	defer span.End()
	sent, failure := o.send(ctx, lane)
	for _, d := range sent {
		o.metrics.count(ctx, d, "sent")
	}
	return len(sent), errors.Join(failure, o.mark(ctx, sent))
}

func lanes(batch []outboxDocument) [relayLanes][]outboxDocument {
	var out [relayLanes][]outboxDocument
	for _, d := range batch {
		h := fnv.New32a()
		_, _ = h.Write([]byte(d.Topic + "\x00" + d.Key))
		i := h.Sum32() % relayLanes
		out[i] = append(out[i], d)
	}
	return out
}

// send publishes documents and returns those that are stored. What the bus refuses outright is found one by one, so that
// it holds nothing else up.
func (o *Outbox) send(ctx context.Context, lane []outboxDocument) ([]outboxDocument, error) {
	msgs := make([]bus.Message, len(lane))
	for i, d := range lane {
		msgs[i] = d.message()
	}
	err := o.publisher.Publish(ctx, msgs...)
	var partly *bus.PublishError
	switch {
	case err == nil:
		return lane, nil
	case errors.As(err, &partly):
		return o.without(ctx, lane, partly.Indexes), fmt.Errorf("mongodb: outbox: publish: %w", err)
	case fault.Is(err, fault.Invalid) && len(lane) > 1:
		return o.sendEach(ctx, lane)
	case fault.Is(err, fault.Invalid):
		o.metrics.count(ctx, lane[0], "refused")
		o.o.Logger.ErrorContext(ctx, "outbox: the bus refuses a message: publish a smaller state of the entity",
			"topic", lane[0].Topic, "entity", lane[0].Entity, "error", err)
		return nil, nil
	default:
		return o.without(ctx, lane, nil), fmt.Errorf("mongodb: outbox: publish: %w", err)
	}
}

func (o *Outbox) sendEach(ctx context.Context, lane []outboxDocument) ([]outboxDocument, error) {
	var all []outboxDocument
	for i := range lane {
		sent, err := o.send(ctx, lane[i:i+1])
		if err != nil {
			return all, err
		}
		all = append(all, sent...)
	}
	return all, nil
}

// without returns the documents that are stored although others are not; no indexes mean that nothing is known to be.
func (o *Outbox) without(ctx context.Context, lane []outboxDocument, failed []int) []outboxDocument {
	unknown := make(map[int]bool, len(failed))
	for _, i := range failed {
		unknown[i] = true
	}
	var stored []outboxDocument
	for i, d := range lane {
		if len(failed) > 0 && !unknown[i] {
			stored = append(stored, d)
			continue
		}
		o.metrics.count(ctx, d, "failed")
	}
	return stored
}

func (d outboxDocument) message() bus.Message {
	headers := make([]bus.Header, len(d.Headers))
	for i, h := range d.Headers {
		headers[i] = bus.Header(h)
	}
	return bus.Message{Topic: d.Topic, Key: d.Key, Value: d.Value, Headers: headers}
}

// mark records as sent what was read, in one command, and tries again where transactions are in its way. A document that
// was wanted again since then stays due.
func (o *Outbox) mark(ctx context.Context, sent []outboxDocument) error {
	if len(sent) == 0 {
		return nil
	}
	pause := firstPause
	for attempt := 1; ; attempt++ {
		err := o.markOnce(ctx, sent)
		if err == nil {
			return nil
		}
		err = fmt.Errorf("mongodb: outbox: mark: %w", Fault(err))
		if attempt == markAttempts || !fault.Is(err, fault.Transient) || sleep(ctx, jitter(pause)) != nil {
			return err
		}
		pause = min(2*pause, maxPause)
	}
}

func (o *Outbox) markOnce(ctx context.Context, sent []outboxDocument) error {
	now := o.o.Now().UTC()
	done, raised := make([]mongo.WriteModel, len(sent)), make([]mongo.WriteModel, len(sent))
	for i, d := range sent {
		done[i] = mongo.NewUpdateOneModel().
			SetFilter(bson.D{{Key: "_id", Value: d.ID}, {Key: "wanted", Value: d.Wanted}}).
			SetUpdate(bson.D{{Key: "$set", Value: bson.D{{Key: "sent", Value: d.Wanted}, {Key: "next", Value: o.next(now)}}},
				{Key: "$unset", Value: bson.D{{Key: "due", Value: ""}, {Key: "since", Value: ""}}}})
		raised[i] = mongo.NewUpdateOneModel().
			SetFilter(bson.D{{Key: "_id", Value: d.ID}, {Key: "wanted", Value: bson.D{{Key: "$gt", Value: d.Wanted}}},
				{Key: "sent", Value: bson.D{{Key: "$lt", Value: d.Wanted}}}}).
			SetUpdate(bson.D{{Key: "$set", Value: bson.D{{Key: "sent", Value: d.Wanted}, {Key: "since", Value: now}}}})
	}
	unordered := options.BulkWrite().SetOrdered(false)
	res, err := o.documents.BulkWrite(ctx, done, unordered)
	if err != nil || res.MatchedCount == int64(len(sent)) {
		return err
	}
	_, err = o.documents.BulkWrite(ctx, raised, unordered)
	return err
}
