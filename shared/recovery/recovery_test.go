package recovery

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
)

type memory struct{ done bool }

func (m *memory) Done(context.Context) (bool, error) { return m.done, nil }
func (m *memory) Set(context.Context) error          { m.done = true; return nil }

type log struct {
	own  []bus.Message
	sent []bus.Message
	fail error
}

func (l *log) ReadAll(_ context.Context, topic string, fn func(bus.Message) error) error {
	for _, m := range l.own {
		if m.Topic == topic {
			if err := fn(m); err != nil {
				return err
			}
		}
	}
	return nil
}
func (l *log) Log(context.Context, string) (bus.LogInfo, error) { return bus.LogInfo{}, nil }
func (l *log) Publish(_ context.Context, ms ...bus.Message) error {
	if l.fail == nil {
		l.sent = append(l.sent, ms...)
	}
	return l.fail
}

func start(t *testing.T, l *log, m *memory, apply func(bus.Message)) (*Recovery, error) {
	t.Helper()
	r, err := New(Options{
		Layer: contract.Functional, Tenant: "main", Memory: m, Reader: l, Publisher: l, Own: []string{contract.TopicFunctionalAcks},
		Apply: func(_ context.Context, msg bus.Message) error { apply(msg); return nil },
		Ask:   []contract.Layer{contract.Strategic, contract.Operational}, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	select {
	case <-r.Started():
		cancel()
		return r, <-ended
	case err := <-ended:
		cancel()
		return r, err
	}
}

func TestAnEmptyStoreReadsItsOwnTopicsThenAsks(t *testing.T) {
	t.Parallel()
	l := &log{own: []bus.Message{{Topic: contract.TopicFunctionalAcks, Key: "a"}, {Topic: "other", Key: "b"}}}
	m := &memory{}
	var applied []string
	if _, err := start(t, l, m, func(m bus.Message) { applied = append(applied, m.Key) }); err != nil {
		t.Fatal(err)
	}
	if len(applied) != 1 || applied[0] != "a" || len(l.sent) != 2 || !m.done {
		t.Errorf("applied %v, asked %d, remembered %v; want [a], 2, true", applied, len(l.sent), m.done)
	}
	_, req, err := contract.Decode[contract.StateRequest](l.sent[0])
	if err != nil || req.Cause != EmptyStore || req.Of != contract.Strategic {
		t.Errorf("request %+v, %v", req, err)
	}
}

func TestAKnownStoreDoesNothing(t *testing.T) {
	t.Parallel()
	l := &log{own: []bus.Message{{Topic: contract.TopicFunctionalAcks}}}
	if _, err := start(t, l, &memory{done: true}, func(bus.Message) { t.Error("applied") }); err != nil || len(l.sent) > 0 {
		t.Errorf("err %v, sent %d", err, len(l.sent))
	}
}

func TestAFailedRequestIsNotForgotten(t *testing.T) {
	t.Parallel()
	m := &memory{}
	down := errors.New("down")
	if _, err := start(t, &log{fail: down}, m, func(bus.Message) {}); !errors.Is(err, down) || m.done {
		t.Errorf("err %v, remembered %v; want the broker's error and nothing remembered", err, m.done)
	}
}
