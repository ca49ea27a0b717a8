package listen

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/recovery"
)

type world struct {
	subscribed bus.Subscription
	asked      []string
	fail       error
}

func (w *world) Subscribe(_ context.Context, s bus.Subscription) error { w.subscribed = s; return nil }
func (w *world) Quarantine(context.Context, bus.Message, error) error  { return nil }
func (w *world) Request(_ context.Context, cause string) error {
	w.asked = append(w.asked, cause)
	return w.fail
}

func (w *world) ReadAll(context.Context, string, func(bus.Message) error) error { return nil }
func (w *world) Log(context.Context, string) (bus.LogInfo, error) {
	return bus.LogInfo{Partitions: []bus.PartitionState{{Partition: 0, First: 2, End: 9}, {Partition: 1, End: 4}}}, w.fail
}
func (w *world) Committed(_ context.Context, topic, group string) (map[int]int64, error) {
	if topic != "t" || group != "g" {
		return nil, nil
	}
	return map[int]int64{0: 7, 1: 4}, nil
}

func ears(w *world) Ears {
	return Ears{Group: "g", Bus: w, Aside: w, Asker: w, Logger: slog.New(slog.DiscardHandler)}
}

func TestAGapIsPassedOnlyAfterStateWasAskedFor(t *testing.T) {
	t.Parallel()
	w := &world{fail: errors.New("down")}
	if err := ears(w).To("n", "t", nil).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.subscribed.Topic != "t" || w.subscribed.Group != "g" {
		t.Errorf("subscribed %+v", w.subscribed)
	}
	if err := w.subscribed.OnGap(t.Context(), bus.Gap{Topic: "t"}); !errors.Is(err, w.fail) || len(w.asked) != 1 || w.asked[0] != recovery.Gap {
		t.Errorf("err %v, asked %v; the gap must not be passed while nobody could be asked", err, w.asked)
	}
}

// The watchdog learns how far the group is in the topic, not another.
func TestAListenerTellsItsProgress(t *testing.T) {
	t.Parallel()
	w := &world{}
	l := ears(w).To("n", "t", nil)
	is := func(what string, want map[int]bus.Standing) {
		t.Helper()
		if at, err := l.Progress(t.Context()); err != nil || !maps.Equal(at, want) {
			t.Errorf("%s: %v, %v; want %v", what, at, err, want)
		}
	}
	all := map[int]bus.Standing{0: {Waiting: 2, Position: 7}, 1: {Position: 4}}
	is("without a partition it answers for all", all)
	if err := l.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	assigned, end := context.WithCancel(t.Context())
	w.subscribed.OnAssigned(assigned, 1)
	is("with one it answers for that", map[int]bus.Standing{1: {Position: 4, Held: true}})
	end()
	is("when that is lost", all)
	w.fail = errors.New("down")
	if _, err := l.Progress(t.Context()); !errors.Is(err, w.fail) {
		t.Errorf("%v, want the broker's error", err)
	}
}

func TestRequestsAnswerTheRequester(t *testing.T) {
	t.Parallel()
	var to contract.Layer
	h := Requests(func(_ context.Context, l contract.Layer) error { to = l; return nil })
	if err := h(t.Context(), bus.Message{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("an unreadable request: %v", err)
	}
	if to != "" {
		t.Error("answered what could not be read")
	}
}

func TestUnknownHereDropsOnlyWhatIsNotFound(t *testing.T) {
	t.Parallel()
	e := ears(&world{})
	if err := e.UnknownHere(t.Context(), "goal", "g", fault.New(fault.NotFound, "", "no")); err != nil {
		t.Error(err)
	}
	down := fault.New(fault.Transient, "", "down")
	if err := e.UnknownHere(t.Context(), "goal", "g", down); !errors.Is(err, down) {
		t.Errorf("lost %v", err)
	}
	if e.UnknownHere(t.Context(), "goal", "g", nil) != nil {
		t.Error("made an error of nothing")
	}
}

func TestEarsNeedEverything(t *testing.T) {
	t.Parallel()
	if ears(&world{}).Check() != nil || (Ears{}).Check() == nil {
		t.Error("Check")
	}
}

// TestUnknownFieldsAreCounted sends what a newer release might send; it is handled all the same.
func TestUnknownFieldsAreCounted(t *testing.T) {
	t.Parallel()
	w, reader := &world{}, sdkmetric.NewManualReader()
	e := ears(w)
	e.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	handled := 0
	h := func(context.Context, bus.Message) error { handled++; return nil }
	if err := e.To("n", "t", h).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{`{"requester":"functional"}`, `{"requester":"functional","mood":1,"weather":{}}`, `not json`} {
		m := bus.Message{Topic: "t", Value: []byte(body), Headers: []bus.Header{{Key: "ce_type", Value: []byte(contract.TypeStateRequest)}}}
		if err := w.subscribed.Handle(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	var got metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &got); err != nil {
		t.Fatal(err)
	}
	sum, ok := got.ScopeMetrics[0].Metrics[0].Data.(metricdata.Sum[int64])
	if !ok || sum.DataPoints[0].Value != 2 || handled != 3 {
		t.Errorf("counted %+v, handled %d; want 2 of 3 messages", got.ScopeMetrics, handled)
	}
}
