package job

import (
	"maps"
	"math"
	"sync"
	"time"

	"github.com/strata-crm/strata/shared/contract"
)

// Meter counts the time that computing jobs take in this process, until it has been written down. It is safe for concurrent
// use. What was not written down when the process ends is lost: a tenth of a job's time at most.
type Meter struct {
	mu    sync.Mutex
	spent map[string]time.Duration // by job
}

// NewMeter returns a meter at nought.
func NewMeter() *Meter { return &Meter{spent: map[string]time.Duration{}} }

// Add counts time that measuring a metric for a directive took.
func (m *Meter) Add(d contract.DirectiveID, metric contract.MetricID, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spent[id(d, Compute, string(metric))] += took
}

// Spent returns what is not written down yet, by job.
func (m *Meter) Spent() map[string]time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.spent)
}

// Told takes off what has been written down of a job.
func (m *Meter) Told(job string, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.spent[job] -= took; m.spent[job] <= 0 {
		delete(m.spent, job)
	}
}

// least is the seconds below which computing is nobody's news.
const least = .1

// Longer reports whether so many seconds are news after what was told: a tenth more, and not next to nothing.
func Longer(seconds, told float64) bool { return seconds-told >= math.Max(least, told/10) }
