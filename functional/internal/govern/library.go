package govern

import (
	"slices"
	"sync"

	"github.com/strata-crm/strata/functional/internal/definition"
	"github.com/strata-crm/strata/functional/internal/playbook"
	"github.com/strata-crm/strata/shared/contract"
)

// Library is the definitions in use beside those that came with the product or from the library's folder; it is a
// definition.Library.
type Library struct {
	*playbook.Library
	shipped map[contract.MetricID]contract.Definition

	mu    sync.Mutex
	known map[contract.MetricID]int64 // revision of the family that was last put to use
}

// NewLibrary returns the library of what has been loaded. Call it before anything else is put to use.
func NewLibrary(l *playbook.Library) *Library {
	shipped := map[contract.MetricID]contract.Definition{}
	for _, d := range l.Metrics() {
		shipped[d.ID] = d
	}
	return &Library{Library: l, shipped: shipped, known: map[contract.MetricID]int64{}}
}

// Shipped implements definition.Library.
func (l *Library) Shipped(m contract.MetricID) *contract.Definition {
	if d, ok := l.shipped[m]; ok {
		return &d
	}
	return nil
}

// Needs implements definition.Library.
func (l *Library) Needs(m contract.MetricID) bool {
	return slices.ContainsFunc(l.Playbooks(), func(p playbook.Playbook) bool {
		return slices.ContainsFunc(p.Metrics, func(u playbook.Use) bool { return u.Metric == m })
	})
}

// Use implements definition.Library. What was read before a later change and comes after it changes nothing: a look at all
// families may be overtaken by somebody who certifies.
func (l *Library) Use(fs ...definition.Family) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range fs {
		f := &fs[i]
		if f.Revision < l.known[f.Metric] {
			continue
		}
		l.known[f.Metric] = f.Revision
		if d := f.InUse(l.Shipped(f.Metric)); d != nil {
			l.Adopt(*d)
		} else {
			l.Drop(f.Metric)
		}
	}
}
