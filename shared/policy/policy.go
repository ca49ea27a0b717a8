// Package policy decides by Rego, and is the only importer of OPA. It owns how a rule is asked so that it cannot fail
// open, how a decision is recorded, and how a governance directive becomes policy data. It owns no rule: each service
// embeds its own packages and names the Go struct that each rule reads.
//
// A rule "issue" of the layer "strategic" is the package strata.strategic.issue:
//
//	package strata.strategic.issue
//
//	default allow := false
//
//	allow if input.role == "executive"
//
//	reasons contains "only an executive may issue a directive" if input.role != "executive"
//
// Closed by construction: the input is the rule's struct and nothing else, an unknown or missing field denies, and a rule
// that reads a field the struct does not have does not compile; allow must be exactly true; undefined, an error of a
// built-in function, a timeout and a broken rule deny; allow may not rest on a negation (not), which would turn a
// missing value into a yes; built-in functions that reach the network, the clock or chance do not exist: what a decision
// needs is in its input or its data, so that it can be repeated.
package policy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strata-crm/strata/shared/fault"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
)

const (
	scope          = "github.com/strata-crm/strata/shared/policy"
	defaultTimeout = time.Second
	sampleEvery    = time.Second
)

// Options are an engine's rules and what it needs from the process.
type Options struct {
	Layer    string                                    // required: the second part of every package name, for example strategic
	Files    fs.FS                                     // required: the .rego files; those ending in _test.rego are left out
	Inputs   map[string]Input                          // required: every rule with the struct it reads
	Data     any                                       // what rules read as data.governance until the first SetData; nil means {}
	Canaries []Canary                                  // required: at least one that must be allowed and one that must be denied
	Record   func(ctx context.Context, r Record) error // required: stores a decision durably before it returns nil
	Now      func() time.Time                          // required: the wall clock
	Logger   *slog.Logger                              // required
	Meter    metric.MeterProvider                      // nil means no metrics
	Timeout  time.Duration                             // the limit of one decision; 0 means 1 s
}

// Canary is a decision whose outcome is known. New makes each one; a wrong outcome fails it.
type Canary struct {
	Rule  string
	Input any
	Data  any  // what the rule reads as data.governance; nil means Options.Data
	Allow bool // the outcome
}

// Engine decides. It is safe for concurrent use.
type Engine struct {
	o       Options
	sources *sources
	counter metric.Int64Counter
	loading sync.Mutex // one SetData at a time
	current atomic.Pointer[bundle]
	sampled map[string]*atomic.Int64 // per-event rules → when a denial was last recorded, in ns
}

// New compiles the rules and makes the canaries' decisions. An error means that the service must not start, so that it never
// becomes ready: nothing is decided by rules that are missing, do not compile, are not closed, or answer a canary wrongly.
func New(ctx context.Context, o Options) (*Engine, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Meter == nil {
		o.Meter = metricnoop.NewMeterProvider()
	}
	counter, err := o.Meter.Meter(scope).Int64Counter("strata.policy.decisions",
		metric.WithDescription("Decisions by layer, rule and outcome: allow, deny, error."))
	if err != nil {
		return nil, fmt.Errorf("policy: metrics: %w", err)
	}
	src, err := load(o.Files, o.Layer, o.Inputs)
	if err != nil {
		return nil, err
	}
	e := &Engine{o: o, sources: src, counter: counter, sampled: map[string]*atomic.Int64{}}
	for rule, in := range o.Inputs {
		if in.perEvent {
			e.sampled[rule] = new(atomic.Int64)
		}
	}
	first, err := src.prepare(ctx, 0, o.Data)
	if err != nil {
		return nil, err
	}
	e.current.Store(first)
	return e, e.tryCanaries(ctx)
}

func (o Options) check() error {
	switch {
	case o.Layer == "":
		return errors.New("policy: Options.Layer is missing")
	case o.Files == nil:
		return errors.New("policy: Options.Files is missing")
	case len(o.Inputs) == 0:
		return errors.New("policy: Options.Inputs is empty: name every rule with the struct it reads")
	case o.Record == nil:
		return errors.New("policy: Options.Record is missing")
	case o.Now == nil:
		return errors.New("policy: Options.Now is missing")
	case o.Logger == nil:
		return errors.New("policy: Options.Logger is missing")
	}
	var allows, denies bool
	for _, c := range o.Canaries {
		allows, denies = allows || c.Allow, denies || !c.Allow
	}
	if !allows || !denies {
		return errors.New("policy: Options.Canaries needs a decision that is known to be allowed and one that is known to be denied")
	}
	return nil
}

// tryCanaries makes the known decisions. A canary that must be denied has to be denied by the rule, not by an error.
func (e *Engine) tryCanaries(ctx context.Context) error {
	for i, c := range e.o.Canaries {
		b := e.current.Load()
		if c.Data != nil {
			var err error
			if b, err = e.sources.prepare(ctx, 0, c.Data); err != nil {
				return fmt.Errorf("policy: canary %d: %w", i, err)
			}
		}
		a := e.ask(ctx, b, c.Rule, c.Input)
		if a.err != nil {
			return fmt.Errorf("policy: canary %d of rule %s.%s: %w", i, e.o.Layer, c.Rule, a.err)
		}
		if a.allowed != c.Allow {
			return fmt.Errorf("policy: canary %d of rule %s.%s is answered %t and must be %t: the policy is not the one that was shipped, or is broken",
				i, e.o.Layer, c.Rule, a.allowed, c.Allow)
		}
	}
	return nil
}

// Bundle names what decides now: a hash of the rules and the revision of the data.
func (e *Engine) Bundle() string { return e.current.Load().name }

// Revision returns the revision of the data in use; 0 before the first SetData.
func (e *Engine) Revision() int64 { return e.current.Load().revision }

// SetData makes data, a governance directive, what the rules read as data.governance, from the next decision on. A
// revision lower than the present one is a Conflict and changes nothing; the present one again is nothing new.
func (e *Engine) SetData(ctx context.Context, revision int64, data any) error {
	e.loading.Lock()
	defer e.loading.Unlock()
	present := e.current.Load().revision
	if revision == present && revision > 0 {
		return nil
	}
	if revision < present || revision <= 0 {
		return fault.New(fault.Conflict, fault.RevisionConflict,
			"policy data of revision %d is not newer than %d: read the present governance directive again", revision, present)
	}
	b, err := e.sources.prepare(ctx, revision, data)
	if err != nil {
		return err
	}
	e.current.Store(b)
	return nil
}

// Decide asks the rule about the input, which must have exactly the fields of the rule's struct. It fails closed: an
// unknown rule, a wrong input, an undefined or non-boolean answer, an error and a timeout are denials, recorded with
// their errors. Decisions of rules declared [Input.PerEvent] are counted; of their denials one a second is recorded.
//
// The error is not nil when the decision could not be recorded, or not be made in time: Transient then, as it says
// nothing about what was asked, and asking again may. The decision is a denial in both cases.
func (e *Engine) Decide(ctx context.Context, rule string, input any) (Decision, error) {
	b := e.current.Load()
	a := e.ask(ctx, b, rule, input)
	id, err := newID()
	if err != nil {
		return Decision{Rule: rule, Bundle: b.name}, err
	}
	d := Decision{ID: id, Allowed: a.allowed, Failed: a.err != nil, Rule: rule, Bundle: b.name, Reasons: a.reasons}
	e.counter.Add(ctx, 1, metric.WithAttributes(attribute.String("layer", e.o.Layer), attribute.String("rule", e.known(rule)),
		attribute.String("outcome", a.outcome())))
	if a.err != nil {
		e.o.Logger.ErrorContext(ctx, "policy: a decision failed and denies", "rule", rule, "decision", d.ID, "error", a.err)
	}
	if !e.records(rule, a.allowed) {
		return d, e.timely(rule, a)
	}
	if err := e.o.Record(ctx, e.record(d, a)); err != nil {
		d.Allowed = false
		d.Reasons = append(d.Reasons, "the decision could not be recorded")
		return d, fmt.Errorf("policy: record decision %s on %s.%s: %w", d.ID, e.o.Layer, rule, err)
	}
	return d, e.timely(rule, a)
}

// timely returns a Transient fault for an answer that did not come in time.
func (e *Engine) timely(rule string, a answer) error {
	if !a.late {
		return nil
	}
	return fault.Wrap(fault.Transient, fault.Unavailable, a.err, fmt.Sprintf("the policy %s.%s did not decide in time: try again", e.o.Layer, rule))
}

// known keeps a rule's name out of metric labels unless it exists.
func (e *Engine) known(rule string) string {
	if _, ok := e.o.Inputs[rule]; ok {
		return rule
	}
	return "unknown"
}

// records says whether the decision is written down: always, but for per-event rules only one denial a second.
func (e *Engine) records(rule string, allowed bool) bool {
	last, perEvent := e.sampled[rule]
	if !perEvent {
		return true
	}
	if allowed {
		return false
	}
	now, then := e.o.Now().UnixNano(), last.Load()
	return now-then >= int64(sampleEvery) && last.CompareAndSwap(then, now)
}
