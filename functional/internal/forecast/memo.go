package forecast

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"
)

// remembered is how many forecasts a memo keeps.
const remembered = 256

// Memo is [Of] that remembers its latest results: a long seasonal series takes tenths of a second, and is asked for again
// whenever anything beside it changes. It is safe for concurrent use; what it returns is shared and must not be changed.
type Memo struct {
	mu     sync.Mutex
	known  map[string]result
	oldest []string
}

type result struct {
	forecast *Forecast
	err      error
}

// NewMemo returns an empty memo.
func NewMemo() *Memo { return &Memo{known: map[string]result{}} }

// Of is the function Of; see there.
func (m *Memo) Of(s Series, ahead int, g Gates) (*Forecast, error) {
	key := keyOf(s, ahead, g)
	m.mu.Lock()
	r, ok := m.known[key]
	m.mu.Unlock()
	if ok {
		return r.forecast, r.err
	}
	r.forecast, r.err = Of(s, ahead, g)
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.known[key]; !ok {
		m.known[key] = r
		m.oldest = append(m.oldest, key)
	}
	if len(m.oldest) > remembered {
		delete(m.known, m.oldest[0])
		m.oldest = m.oldest[1:]
	}
	return r.forecast, r.err
}

// keyOf is everything that a forecast depends on, to the bit.
func keyOf(s Series, ahead int, g Gates) string {
	key := fmt.Appendf(nil, "%d|%v|%d|%s|%s|", ahead, g, s.Season, bound(s.Bounds.Low), bound(s.Bounds.High))
	for _, v := range s.Values {
		key = binary.LittleEndian.AppendUint64(key, math.Float64bits(v))
	}
	return string(key)
}

func bound(v *float64) string {
	if v == nil {
		return "none"
	}
	return fmt.Sprint(*v)
}
