package mongostore

import "sync"

// memory keeps decoded documents, each with the version that it was read at: a document that is looked at all the time need
// not be decoded anew as long as its version, which rises with every change, is still the same. Nobody may change what comes
// out of it.
type memory[V any] struct {
	most int // documents; when there are more, all are forgotten

	lock sync.Mutex
	of   map[string]remembered[V]
}

type remembered[V any] struct {
	version int64
	value   V
}

func newMemory[V any](most int) *memory[V] {
	return &memory[V]{most: most, of: map[string]remembered[V]{}}
}

// get returns the document as it is at a version; false if it is not known at that.
func (m *memory[V]) get(id string, version int64) (v V, ok bool) {
	m.lock.Lock()
	defer m.lock.Unlock()
	r, ok := m.of[id]
	if !ok || r.version != version {
		return v, false
	}
	return r.value, true
}

func (m *memory[V]) put(id string, version int64, v V) {
	m.lock.Lock()
	defer m.lock.Unlock()
	if len(m.of) >= m.most {
		clear(m.of)
	}
	m.of[id] = remembered[V]{version, v}
}
