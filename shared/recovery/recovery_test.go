package recovery

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
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

	mu   sync.Mutex
	fail error
}

func (l *log) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = nil
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
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail == nil {
		l.sent = append(l.sent, ms...)
	}
	return l.fail
}

func made(t *testing.T, l *log, m *memory, apply func(bus.Message)) *Recovery {
	t.Helper()
	r, err := New(Options{
		Layer: contract.Functional, Tenant: "main", Memory: m, Reader: l, Publisher: l, Own: []string{contract.TopicFunctionalAcks},
		Apply: func(_ context.Context, msg bus.Message) error { apply(msg); return nil },
		Ask:   []contract.Layer{contract.Strategic, contract.Operational}, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func start(t *testing.T, l *log, m *memory, apply func(bus.Message)) (*Recovery, error) {
	t.Helper()
	r := made(t, l, m, apply)
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

// Whatever fails is tried again before anything else may start: neither is the database taken for recovered, nor do
// consumers begin on it.
func TestNothingStartsBeforeItIsRecovered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, l := &memory{}, &log{fail: errors.New("down")}
		r := made(t, l, m, func(bus.Message) {})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		time.Sleep(time.Minute)
		select {
		case <-r.Started():
			t.Error("it has started although the neighbours could not be asked")
		case err := <-ended:
			t.Errorf("it ended with %v, which lets the next component start", err)
		default:
		}
		if m.done {
			t.Error("the failed recovery is remembered as done")
		}
		l.mend()
		time.Sleep(time.Minute)
		<-r.Started()
		if !m.done || len(l.sent) != 2 {
			t.Errorf("remembered %v, asked %d; want true, 2", m.done, len(l.sent))
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
