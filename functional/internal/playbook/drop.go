package playbook

import (
	"slices"

	"github.com/strata-crm/strata/shared/contract"
)

// Drop takes a metric out of use; plans that have it keep it.
func (l *Library) Drop(id contract.MetricID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.metrics = slices.DeleteFunc(slices.Clone(l.metrics), func(d contract.Definition) bool { return d.ID == id })
}
