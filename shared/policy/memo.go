package policy

import (
	"crypto/sha256"
	"slices"
	"sync"
)

// mostRemembered bounds how many answers of a rule are remembered; when there are more, all are forgotten.
const mostRemembered = 1000

// memo remembers what one rule of one bundle answered to which input. Rules see nothing but their input and the bundle's
// data (there is neither clock nor chance), so the answer to the same input is the same until there is another bundle,
// which has a memo of its own. Errors are not remembered: what failed is asked again.
type memo struct {
	lock sync.Mutex
	of   map[[sha256.Size]byte]answer // by the hash of the input
}

func newMemo() *memo { return &memo{of: map[[sha256.Size]byte]answer{}} }

// get returns the answer to an input; nobody may change its masked input.
func (m *memo) get(input [sha256.Size]byte) (answer, bool) {
	m.lock.Lock()
	defer m.lock.Unlock()
	a, ok := m.of[input]
	a.reasons = slices.Clone(a.reasons) // the caller's own
	return a, ok
}

func (m *memo) put(input [sha256.Size]byte, a answer) {
	if a.err != nil {
		return
	}
	a.reasons = slices.Clone(a.reasons)
	m.lock.Lock()
	defer m.lock.Unlock()
	if len(m.of) >= mostRemembered {
		clear(m.of)
	}
	m.of[input] = a
}
