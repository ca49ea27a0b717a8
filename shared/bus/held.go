package bus

import (
	"context"
	"sync"
)

// Held is which partitions a member of a group has: the part of the group's progress that is its own. Its zero value holds
// none. It is safe for concurrent use.
type Held struct {
	mu    sync.Mutex
	until map[int]context.Context
}

// Take notes that the partition is the member's until ctx ends.
func (h *Held) Take(ctx context.Context, partition int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.until == nil {
		h.until = map[int]context.Context{}
	}
	h.until[partition] = ctx
}

// Own returns those of the partitions that the member has now, or false and all of them if it has none: then it answers for those
// that nobody may have, as when no member of the group gets any.
func (h *Held) Own(all []PartitionState) (own []PartitionState, held bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range all {
		if ctx := h.until[p.Partition]; ctx != nil && ctx.Err() == nil {
			own = append(own, p)
		}
	}
	if len(own) == 0 {
		return all, false
	}
	return own, true
}
