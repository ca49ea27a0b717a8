package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/strata-crm/strata/shared/fault"
)

// Decision is the answer of a rule.
type Decision struct {
	ID      string // UUIDv7; what directives and records refer to
	Allowed bool
	Failed  bool // the rule broke on the way: a denial that says nothing about what was asked
	Rule    string
	Bundle  string   // what decided, as [Engine.Bundle]
	Reasons []string // why not, for a person, in a fixed order; empty when allowed
}

// Err returns nil when the decision allows, else a Denied fault with code policy_denied and the reasons.
func (d Decision) Err() error {
	if d.Allowed {
		return nil
	}
	if len(d.Reasons) == 0 {
		return fault.New(fault.Denied, fault.PolicyDenied, "no policy allows this (rule %s, decision %s)", d.Rule, d.ID)
	}
	return fault.New(fault.Denied, fault.PolicyDenied, "policy denies this: %s (rule %s, decision %s)",
		strings.Join(d.Reasons, "; "), d.Rule, d.ID)
}

// Record is a decision as it is kept, with everything needed to make it again.
type Record struct {
	ID      string         `json:"id"`
	At      time.Time      `json:"at"`
	Layer   string         `json:"layer"`
	Rule    string         `json:"rule"`
	Bundle  string         `json:"bundle"`
	Allowed bool           `json:"allowed"`
	Reasons []string       `json:"reasons"`
	Errors  []string       `json:"errors"`
	Input   map[string]any `json:"input"` // the values of fields tagged mask:"true" are "***"; nil when the input had not the rule's fields
	Took    time.Duration  `json:"took"`
}

func (e *Engine) record(d Decision, a answer) Record {
	r := Record{ID: d.ID, At: e.o.Now().UTC().Truncate(time.Millisecond), Layer: e.o.Layer, Rule: d.Rule, Bundle: d.Bundle,
		Allowed: d.Allowed, Reasons: d.Reasons, Input: a.masked, Took: a.took}
	if a.err != nil {
		r.Errors = strings.Split(a.err.Error(), "\n")
	}
	return r
}

func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("policy: new decision id: %w", err)
	}
	return id.String(), nil
}
