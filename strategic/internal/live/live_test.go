package live

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/goal"
	"github.com/strata-crm/strata/strategic/internal/governance"
	"github.com/strata-crm/strata/strategic/internal/knowledge"
)

// source is what a test says has changed.
type source struct {
	mu      sync.Mutex
	records []directive.Record
	claims  []knowledge.Record
	failing bool
	looks   int
}

func (s *source) put(id contract.GoalID, version int64, failing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = []directive.Record{{Version: version, Goal: goal.Goal{Goal: contract.Goal{ID: id}}}}
	s.failing = failing
}

func (s *source) Since(context.Context, time.Time) ([]directive.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	if s.failing {
		s.failing = false // only once
		return nil, errors.New("away")
	}
	return s.records, nil
}

func (s *source) InsightsSince(context.Context, time.Time) ([]knowledge.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claims, nil
}

func (s *source) Governance(context.Context) (governance.Record, error) {
	return governance.Record{}, nil
}

func TestEachChangeIsToldOnce(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	src := &source{}
	h, err := New(src, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	changes := h.Watch(ctx)
	ran := make(chan error, 1)
	go func() { ran <- h.Run(ctx) }()
	for version := int64(1); version <= 3; version++ {
		src.put("g", version, version == 2) // the second look fails, and nothing is lost by it
		h.Wake()
		if c := <-changes; c.Goal != "g" || c.Version != version || c.Kind != Goal {
			t.Fatalf("%+v, want version %d", c, version)
		}
		h.Wake() // nothing new: nothing is told, or the next would be this version again
	}
	src.mu.Lock()
	src.claims = []knowledge.Record{{Version: 1, State: knowledge.Known, Insight: contract.Insight{ID: "in", Goal: "g"}}} // of the same goal
	src.mu.Unlock()
	h.Wake()
	if c := <-changes; c.Kind != Insight || c.Insight != "in" || c.Goal != "g" || c.State != "knowledge" || c.Version != 1 {
		t.Fatalf("%+v, want the insight", c)
	}
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	if _, open := <-changes; open {
		t.Error("the channel stays open after its reader has gone")
	}
}

// Nothing is read while nobody watches; who comes is told what changes from then on.
func TestNobodyIsLookedFor(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	src, asked := &source{}, make(chan struct{})
	now := func() time.Time { // Run asks for the time each time around
		select {
		case asked <- struct{}{}:
		case <-ctx.Done():
		}
		return time.Now()
	}
	h, err := New(src, now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- h.Run(ctx) }()
	<-asked
	for range 3 {
		<-asked
		h.Wake()
	}
	src.mu.Lock()
	looks := src.looks
	src.mu.Unlock()
	if looks > 0 {
		t.Errorf("%d looks for nobody", looks)
	}
	changes := h.Watch(ctx)
	go func() {
		for range asked {
		}
	}()
	src.put("g", 1, false)
	h.Wake()
	if c := <-changes; c.Goal != "g" || c.Version != 1 {
		t.Errorf("told %+v", c)
	}
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	close(asked)
}

func TestWhoDoesNotReadIsLetGo(t *testing.T) {
	t.Parallel()
	h, err := New(&source{}, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	slow := h.Watch(t.Context())
	for range queue + 1 {
		h.tell(Change{})
	}
	n := 0
	for range slow {
		n++
	}
	if n != queue {
		t.Errorf("%d changes", n)
	}
}
