// Package live tells whoever watches that something changed, in this replica or another. It owns no state: a watcher that
// missed events reads the scorecard again.
package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/governance"
	"github.com/strata-crm/strata/strategic/internal/knowledge"
)

// Source is where changes are read from.
type Source interface {
	// Since returns the records that changed at or after the instant, in the order of their changes.
	Since(ctx context.Context, at time.Time) ([]directive.Record, error)
	// InsightsSince is Since for the records of insights.
	InsightsSince(ctx context.Context, at time.Time) ([]knowledge.Record, error)
	// Governance returns the present record.
	Governance(ctx context.Context) (governance.Record, error)
}

// Kinds of changes.
const (
	Goal       = "goal"
	Insight    = "insight"
	Governance = "governance"
)

// Change says that an entity is now at a version.
type Change struct {
	Kind      string               `json:"kind"`
	Goal      contract.GoalID      `json:"goal,omitempty"`
	Directive contract.DirectiveID `json:"directive,omitempty"` // the goal's present one
	Insight   contract.InsightID   `json:"insight,omitempty"`   // of that goal
	State     string               `json:"state,omitempty"`     // of the directive, of the insight as knowledge, or of the latest governance version
	Version   int64                `json:"version"`
	At        time.Time            `json:"at"`
}

const (
	// every is how long a change in another replica may go unnoticed; one in this replica is told at once.
	every = 2 * time.Second
	// overlap is how far the clocks of replicas may differ.
	overlap = 10 * time.Second
	// queue bounds what a watcher that does not read may miss before it is let go.
	queue = 64
)

// Hub is a component that looks for changes and tells the watchers. It is safe for concurrent use.
type Hub struct {
	source Source
	now    func() time.Time
	logger *slog.Logger
	wake   chan struct{}

	mu       sync.Mutex
	watchers map[chan Change]bool
}

// New returns a hub, or an error naming what is missing.
func New(s Source, now func() time.Time, l *slog.Logger) (*Hub, error) {
	if s == nil || now == nil || l == nil {
		return nil, errors.New("live: source, now and logger are required")
	}
	return &Hub{source: s, now: now, logger: l, wake: make(chan struct{}, 1), watchers: map[chan Change]bool{}}, nil
}

// Wake makes the hub look at once. It never blocks.
func (h *Hub) Wake() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// Watch returns the changes from now on, and perhaps some from a little before, until ctx ends or the watcher falls too far behind; then the channel is closed.
func (h *Hub) Watch(ctx context.Context) <-chan Change {
	c := make(chan Change, queue)
	h.mu.Lock()
	h.watchers[c] = true
	h.mu.Unlock()
	context.AfterFunc(ctx, func() { h.drop(c) })
	return c
}

func (h *Hub) drop(c chan Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers[c] {
		delete(h.watchers, c)
		close(c)
	}
}

func (h *Hub) tell(change Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.watchers {
		select {
		case c <- change:
		default:
			delete(h.watchers, c)
			close(c)
		}
	}
}

func (h *Hub) watched() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.watchers) > 0
}

// Name implements service.Component.
func (h *Hub) Name() string { return "live" }

// Run looks for changes until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	seen := map[string]int64{}
	from := h.now()
	for {
		if !h.watched() { // reading for nobody would slow down what it tells of
			from = h.now()
		} else if next, err := h.look(ctx, from, seen); err == nil {
			from = next
		} else if ctx.Err() == nil {
			h.logger.WarnContext(ctx, "live: changes could not be read; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-h.wake:
		}
	}
}

// look tells what changed since from and was not told yet, and returns from where to look next. seen holds the version
// that was last told of each entity.
func (h *Hub) look(ctx context.Context, from time.Time, seen map[string]int64) (time.Time, error) {
	now := h.now()
	records, err := h.source.Since(ctx, from.Add(-overlap))
	if err != nil {
		return from, fmt.Errorf("read changes: %w", err)
	}
	for i := range records {
		r := &records[i]
		c := Change{Kind: Goal, Goal: r.Goal.ID, Version: r.Version, At: r.At}
		if d := r.Current(); d != nil {
			c.Directive, c.State = d.ID, string(d.State)
		}
		h.news(c, seen)
	}
	insights, err := h.source.InsightsSince(ctx, from.Add(-overlap))
	if err != nil {
		return from, fmt.Errorf("read changes of insights: %w", err)
	}
	for i := range insights {
		r := &insights[i]
		h.news(Change{Kind: Insight, Goal: r.Insight.Goal, Insight: r.Insight.ID, State: string(r.State), Version: r.Version, At: r.At}, seen)
	}
	g, err := h.source.Governance(ctx)
	if err != nil {
		return from, fmt.Errorf("read governance: %w", err)
	}
	if n := len(g.Versions); n > 0 {
		h.news(Change{Kind: Governance, State: string(g.Versions[n-1].State), Version: g.Version, At: g.At}, seen)
	}
	return now, nil
}

func (h *Hub) news(c Change, seen map[string]int64) {
	key := c.Kind + "/" + string(c.Goal) + "/" + string(c.Insight)
	if c.Version > seen[key] {
		seen[key] = c.Version
		h.tell(c)
	}
}
