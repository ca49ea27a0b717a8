// Package playbook owns what is known about pursuing a strategic variable: which metrics tell how it goes, which data
// they need, which further data would help, and how good it all must be. Playbooks are data: three come with the
// product, and a folder of the user's own may add or replace. It drafts nothing; package plan does. It has no default targets: a
// goal states its own. What needs a source that nobody has yet (satisfaction of service, its times, margins) is in none.
package playbook

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/strata-crm/strata/functional/internal/insight"
	"github.com/strata-crm/strata/functional/internal/metric"
	"github.com/strata-crm/strata/functional/internal/parameter"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Playbook maps one variable to what must be known to pursue it.
type Playbook struct {
	ID        string            `json:"id"`
	Version   int               `json:"version"`
	Variable  contract.Variable `json:"variable"`
	Name      string            `json:"name"`
	Purpose   contract.Purpose  `json:"purpose"`   // of every parameter it asks for
	Coverage  float64           `json:"coverage"`  // asked for, 0..1; a parameter that asks for less keeps its own, and [contract.Collection.Needs] has the last word
	Tolerance float64           `json:"tolerance"` // relative half-width wanted of the 95 % interval
	Units     []Unit            `json:"units"`
	Metrics   []Use             `json:"metrics"`
	Wishes    []Wish            `json:"wishes"` // parameters that would help
	Insights  []insight.Claim   `json:"insights,omitempty"`
}

// Unit is a functional unit that carries out a part of the plan.
type Unit struct {
	Name  string `json:"name"` // marketing, sales or service
	Owner string `json:"owner"`
}

// Use is a metric that a unit answers for.
type Use struct {
	Metric contract.MetricID `json:"metric"`
	Unit   string            `json:"unit"`
	Spread float64           `json:"spread"` // planning value: coefficient of variation of one customer's contribution
}

// Wish is a parameter that would help and is not needed by any metric.
type Wish struct {
	Parameter contract.ParameterName `json:"parameter"`
	Unit      string                 `json:"unit"`
	Why       string                 `json:"why"`
}

//go:embed data/*.yaml
var shipped embed.FS

// Library is the playbooks, metrics and parameters in use, checked against one another.
//
// It is safe for concurrent use: definitions that people add are adopted while others read.
type Library struct {
	playbooks  []Playbook
	parameters *parameter.Catalogue

	mu      sync.RWMutex
	metrics []contract.Definition
}

// Load returns the shipped library, with the files of own (may be nil) added: playbooks/*.yaml, metrics.yaml and
// parameters.yaml. A playbook of the same id replaces the shipped one. Anything invalid is an error naming the file.
func Load(own fs.FS) (*Library, error) {
	l := &Library{}
	var err error
	if l.parameters, err = parameter.Shipped(); err != nil {
		return nil, err
	}
	if l.metrics, err = metric.Shipped(); err != nil {
		return nil, err
	}
	if err := l.read(shipped, "data"); err != nil {
		return nil, err
	}
	if own != nil {
		if err := l.add(own); err != nil {
			return nil, err
		}
	}
	return l, l.check()
}

func (l *Library) add(own fs.FS) error {
	if _, err := fs.Stat(own, "."); err != nil {
		return fault.New(fault.Invalid, fault.BadDefinition, "library.folder cannot be read: make the folder, or leave the setting empty: %v", err)
	}
	if b, ok, err := optional(own, "parameters.yaml"); err != nil {
		return err
	} else if ok {
		if l.parameters, err = l.parameters.With(b); err != nil {
			return fmt.Errorf("parameters.yaml: %w", err)
		}
	}
	if b, ok, err := optional(own, "metrics.yaml"); err != nil {
		return err
	} else if ok {
		defs, err := metric.Read(b)
		if err != nil {
			return fmt.Errorf("metrics.yaml: %w", err)
		}
		l.Adopt(defs...)
	}
	return l.read(own, "playbooks")
}

// optional returns a file's content; false if there is none.
func optional(files fs.FS, name string) ([]byte, bool, error) {
	b, err := fs.ReadFile(files, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", name, err)
	}
	return b, true, nil
}

func (l *Library) read(files fs.FS, dir string) error {
	names, err := fs.Glob(files, dir+"/*.yaml")
	if err != nil {
		return fmt.Errorf("list playbooks: %w", err)
	}
	for _, name := range names {
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return fmt.Errorf("read playbook: %w", err)
		}
		var p Playbook
		if err := metric.Strict(b, &p); err != nil {
			return fmt.Errorf("playbook %s: %w", name, err)
		}
		l.playbooks = append(slices.DeleteFunc(l.playbooks, func(o Playbook) bool { return o.ID == p.ID }), p)
	}
	return nil
}

func (l *Library) check() error {
	for i := range l.metrics {
		if err := metric.Validate(&l.metrics[i], l.parameters); err != nil {
			return fmt.Errorf("metric %s: %w", l.metrics[i].ID, err)
		}
	}
	for i := range l.playbooks {
		if err := l.checkPlaybook(&l.playbooks[i]); err != nil {
			return fmt.Errorf("playbook %s: %w", l.playbooks[i].ID, err)
		}
		for _, o := range l.playbooks[:i] {
			if o.Variable == l.playbooks[i].Variable {
				return fault.New(fault.Invalid, fault.BadDefinition,
					"playbooks %s and %s both are for %s: give the new one the id of the one it replaces", o.ID, l.playbooks[i].ID, o.Variable)
			}
		}
	}
	return nil
}

func (l *Library) checkPlaybook(p *Playbook) error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Invalid, fault.BadDefinition, format, args...)
	}
	if p.ID == "" || p.Variable == "" || p.Purpose == "" || p.Version < 1 {
		return bad("needs id, version, variable and purpose")
	}
	if p.Coverage <= 0 || p.Coverage > 1 || p.Tolerance <= 0 || p.Tolerance >= 1 {
		return bad("coverage must lie above 0 and up to 1, tolerance between 0 and 1")
	}
	if len(p.Units) == 0 {
		return bad("needs at least one unit")
	}
	for i, u := range p.Units {
		if u.Name == "" || u.Owner == "" {
			return bad("unit %d needs a name and an owner", i)
		}
		if slices.ContainsFunc(p.Units[:i], func(o Unit) bool { return o.Name == u.Name }) {
			return bad("unit %s is there twice", u.Name)
		}
	}
	unit := func(name string) bool {
		return slices.ContainsFunc(p.Units, func(u Unit) bool { return u.Name == name })
	}
	for _, u := range p.Metrics {
		if _, ok := l.Metric(u.Metric); !ok || !unit(u.Unit) {
			return bad("metric %q of unit %q: both must be defined", u.Metric, u.Unit)
		}
		if u.Spread <= 0 {
			return bad("metric %q needs a spread above 0: how much one customer differs from another", u.Metric)
		}
	}
	for _, w := range p.Wishes {
		if !l.parameters.Has(w.Parameter) || !unit(w.Unit) {
			return bad("wish %q of unit %q: both must be defined", w.Parameter, w.Unit)
		}
	}
	return l.checkClaims(p)
}

// checkClaims sees to it that every claim can be ordered: of a metric that the playbook computes, or of the goal's own.
func (l *Library) checkClaims(p *Playbook) error {
	for i, c := range p.Insights {
		if err := c.Check(l); err != nil {
			return fmt.Errorf("insight %d: %w", i, err)
		}
		if c.Metric != "" && !slices.ContainsFunc(p.Metrics, func(u Use) bool { return u.Metric == c.Metric }) {
			return fault.New(fault.Invalid, fault.BadDefinition, "insight %d: %s is not among the playbook's metrics", i, c.Metric)
		}
	}
	return nil
}

// For returns the playbook of a variable; false if there is none.
func (l *Library) For(v contract.Variable) (Playbook, bool) {
	for _, p := range l.playbooks {
		if p.Variable == v {
			return p, true
		}
	}
	return Playbook{}, false
}

// Metric returns the definition in use of the id; false if there is none.
func (l *Library) Metric(id contract.MetricID) (contract.Definition, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, d := range l.metrics {
		if d.ID == id {
			return d, true
		}
	}
	return contract.Definition{}, false
}

// Playbooks returns all playbooks.
func (l *Library) Playbooks() []Playbook { return slices.Clone(l.playbooks) }

// Parameter returns the definition of a parameter; false if there is none.
func (l *Library) Parameter(n contract.ParameterName) (contract.Parameter, bool) {
	return l.parameters.Get(n)
}

// Parameters returns every parameter by name.
func (l *Library) Parameters() []contract.Parameter { return l.parameters.All() }

// Metrics returns the definitions in use.
func (l *Library) Metrics() []contract.Definition {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Clone(l.metrics)
}

// Check returns nil if the definition is valid beside the library's parameters, else metric.Problems.
func (l *Library) Check(d *contract.Definition) error { return metric.Validate(d, l.parameters) }

// Adopt takes definitions into use, each instead of any other of its id.
func (l *Library) Adopt(defs ...contract.Definition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range defs {
		l.metrics = append(slices.DeleteFunc(slices.Clone(l.metrics), func(o contract.Definition) bool { return o.ID == d.ID }), d)
	}
}
