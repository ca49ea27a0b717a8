package signin

import (
	"crypto/sha256"
	"slices"
	"sync"
	"time"
)

// mostRemembered bounds how many tokens a verifier remembers; when there are more, all are forgotten.
const mostRemembered = 1000

// memo remembers whom verified tokens speak for, and from when until when, so that a token that comes with every call is
// parsed and its signature checked once. It belongs to one key: with another one there is another verifier, and so another
// memo. A token that was refused is not in it, and neither is any token itself, only its hash.
type memo struct {
	lock sync.Mutex
	of   map[[sha256.Size]byte]verified
}

// verified is a token whose signature and claims are right at every instant in [from, until).
type verified struct {
	who         Identity
	from, until time.Time
}

func newMemo() *memo { return &memo{of: map[[sha256.Size]byte]verified{}} }

// get returns whom a token speaks for now; false if it must be verified (again), which also says what is wrong with it.
func (m *memo) get(token [sha256.Size]byte, now time.Time) (Identity, bool) {
	m.lock.Lock()
	v, ok := m.of[token]
	m.lock.Unlock()
	if !ok || now.Before(v.from) || !now.Before(v.until) {
		return Identity{}, false
	}
	v.who.Roles = slices.Clone(v.who.Roles) // the caller's own
	return v.who, true
}

func (m *memo) put(token [sha256.Size]byte, v verified) {
	v.who.Roles = slices.Clone(v.who.Roles)
	m.lock.Lock()
	defer m.lock.Unlock()
	if len(m.of) >= mostRemembered {
		clear(m.of)
	}
	m.of[token] = v
}
