package mongodb

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/fault"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

const (
	relayBatch   = 1000 // documents read at once
	relayLanes   = 4    // slices of a batch published side by side; one key is always in one slice
	relayBackoff = 100 * time.Millisecond
	relayMaxWait = 10 * time.Second
	relayLease   = "relay"
	relayTerm    = 10 * time.Second // how long a relay that died keeps others from polling
	markAttempts = 5
)

type outboxMetrics struct {
	tracer    trace.Tracer
	published metric.Int64Counter
}

func newOutboxMetrics(t trace.TracerProvider, m metric.MeterProvider) (outboxMetrics, error) {
	if t == nil {
		t = tracenoop.NewTracerProvider()
	}
	if m == nil {
		m = metricnoop.NewMeterProvider()
	}
	published, err := m.Meter(scope).Int64Counter("strata.outbox.messages",
		metric.WithDescription("Messages of the outbox by topic and outcome: sent, failed, refused."))
	if err != nil {
		return outboxMetrics{}, fmt.Errorf("mongodb: outbox: metrics: %w", err)
	}
	return outboxMetrics{tracer: t.Tracer(scope), published: published}, nil
}

func (m outboxMetrics) count(ctx context.Context, d outboxDocument, outcome string) {
	m.published.Add(ctx, 1, metric.WithAttributes(attribute.String("topic", d.Topic), attribute.String("outcome", outcome)))
}

// Run is the relay: it publishes what is due until ctx ends, then returns nil. It never gives up: failures are logged and
// tried again with growing pauses. Several relays on one database are harmless; a lease lets one of them poll, while a
// Wake is served by the relay that got it, at once.
func (o *Outbox) Run(ctx context.Context) error {
	turns := &relayTurns{Outbox: o}
	defer turns.end(context.WithoutCancel(ctx))
	pause, woken := relayBackoff, true
	for ctx.Err() == nil {
		err := turns.take(ctx, woken)
		if err == nil {
			pause = relayBackoff
			woken = o.wait(ctx)
			continue
		}
		if ctx.Err() == nil {
			o.o.Logger.WarnContext(ctx, "outbox: publishing waits", "for", pause, "error", err)
		}
		_ = sleep(ctx, jitter(pause))
		pause, woken = min(2*pause, relayMaxWait), true
	}
	return nil
}

// relayTurns is what one Run remembers between its turns.
type relayTurns struct {
	*Outbox
	claimAt   time.Time // when the lease is asked for next
	mine      bool
	refreshAt time.Time // when the daily publication is looked after next
}

// take publishes all that is due. Without a wake it does so only under the lease, which saves work and no more.
func (r *relayTurns) take(ctx context.Context, woken bool) error {
	mine, err := r.polls(ctx)
	if err != nil {
		return err
	}
	if now := r.o.Now(); mine && !now.Before(r.refreshAt) {
		if err := r.refresh(ctx); err != nil {
			return err
		}
		r.refreshAt = now.Add(min(time.Minute, r.o.RepublishEvery/10))
	}
	if !mine && !woken {
		return nil
	}
	return r.drain(ctx)
}

// polls says whether this relay has the lease; it asks the database a few times per term only.
func (r *relayTurns) polls(ctx context.Context) (bool, error) {
	now := r.o.Now()
	if now.Before(r.claimAt) {
		return r.mine, nil
	}
	mine, err := r.db.claim(ctx, relayLease, r.holder, relayTerm)
	if err != nil {
		r.mine = false
		return false, fmt.Errorf("mongodb: outbox: lease: %w", err)
	}
	r.mine, r.claimAt = mine, now.Add(relayTerm/3)
	return mine, nil
}

func (r *relayTurns) end(ctx context.Context) {
	if r.mine {
		r.db.giveBack(ctx, relayLease, r.holder)
	}
}

// wait returns when there may be something to do, and whether somebody said so.
func (o *Outbox) wait(ctx context.Context) bool {
	t := time.NewTimer(jitter(o.o.Poll))
	defer t.Stop()
	select {
	case <-o.wake:
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}

// refresh makes due what was not published for RepublishEvery.
func (o *Outbox) refresh(ctx context.Context) error {
	for ctx.Err() == nil {
		late := bson.D{{Key: "next", Value: bson.D{{Key: "$lte", Value: o.o.Now().UTC()}}}}
		cursor, err := o.documents.Find(ctx, late, options.Find().SetLimit(republishBatch).SetProjection(bson.D{{Key: "_id", Value: 1}}))
		var found []outboxDocument
		if err == nil {
			err = cursor.All(ctx, &found)
		}
		if err != nil {
			return fmt.Errorf("mongodb: outbox: refresh: %w", Fault(err))
		}
		ids := make([]string, len(found))
		for i, d := range found {
			ids[i] = d.ID
		}
		if err := o.raise(ctx, ids); err != nil || len(ids) < republishBatch {
			return err
		}
	}
	return nil
}

// drain publishes batch after batch until one was not full, or did not get smaller.
func (o *Outbox) drain(ctx context.Context) error {
	for ctx.Err() == nil {
		batch, err := o.due(ctx)
		if err != nil {
			return err
		}
		sent, err := o.publish(ctx, batch)
		if err != nil || sent == 0 || len(batch) < relayBatch {
			return err
		}
	}
	return nil
}

// due reads the documents that have waited longest.
func (o *Outbox) due(ctx context.Context) ([]outboxDocument, error) {
	cursor, err := o.documents.Find(ctx, bson.D{{Key: "due", Value: true}},
		options.Find().SetSort(bson.D{{Key: "due", Value: 1}, {Key: "since", Value: 1}}).SetLimit(relayBatch).SetBatchSize(relayBatch))
	var batch []outboxDocument
	if err == nil {
		err = cursor.All(ctx, &batch)
	}
	if err != nil {
		return nil, fmt.Errorf("mongodb: outbox: read: %w", Fault(err))
	}
	return batch, nil
}

// publish sends a batch in lanes and returns how many documents were published and marked.
func (o *Outbox) publish(ctx context.Context, batch []outboxDocument) (int, error) {
	var wg sync.WaitGroup
	var sent [relayLanes]int
	var errs [relayLanes]error
	for i, lane := range lanes(batch) {
		if len(lane) > 0 {
			wg.Go(func() { sent[i], errs[i] = o.publishLane(ctx, lane) })
		}
	}
	wg.Wait()
	total := 0
	for _, n := range sent {
		total += n
	}
	return total, errors.Join(errs[:]...)
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

func (o *Outbox) publishLane(ctx context.Context, lane []outboxDocument) (int, error) {
	sent, failure := o.send(ctx, lane)
	for _, d := range sent {
		o.metrics.count(ctx, d, "sent")
	}
	return len(sent), errors.Join(failure, o.mark(ctx, sent))
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
