package policy

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// answer is what a rule said, or why it said nothing.
type answer struct {
	allowed bool
	reasons []string
	err     error
	late    bool // err is that time ran out
	masked  map[string]any
	took    time.Duration
}

func (a answer) outcome() string {
	switch {
	case a.err != nil:
		return "error"
	case a.allowed:
		return "allow"
	default:
		return "deny"
	}
}

// ask answers for a rule. allowed is true only when the input is the rule's own, and the rule said exactly true in time: now,
// or where the bundle remembers answers, to the same input before.
func (e *Engine) ask(ctx context.Context, b *bundle, rule string, input any) answer {
	start := e.o.Now()
	ctx, cancel := context.WithTimeout(ctx, e.o.Timeout)
	defer cancel()
	p, ok := b.rules[rule]
	if !ok {
		return answer{err: errors.New("no such rule"), reasons: []string{"the policy has no rule for this"}}
	}
	raw, err := json.Marshal(input)
	if err != nil {
		return misfit(errors.New("input: cannot be written as JSON"))
	}
	a := p.answer(ctx, e.o.Inputs[rule], raw)
	a.took = e.o.Now().Sub(start)
	return a
}

// misfit is the answer to what is no input of the rule.
func misfit(err error) answer {
	return answer{err: err, reasons: []string{"the policy was asked about something it does not know"}}
}

// answer returns what the rule answers to an input in JSON, remembered or evaluated.
func (p prepared) answer(ctx context.Context, in Input, raw []byte) answer {
	if p.memo == nil {
		return p.evaluate(ctx, in, raw)
	}
	hash := sha256.Sum256(raw)
	a, ok := p.memo.get(hash)
	if !ok {
		a = p.evaluate(ctx, in, raw)
		p.memo.put(hash, a)
	}
	return a
}

// evaluate asks the rule about an input in JSON.
func (p prepared) evaluate(ctx context.Context, in Input, raw []byte) answer {
	value, kept, err := in.root.read(raw)
	if err != nil {
		return misfit(err)
	}
	a := answer{masked: kept}
	if a.err = ctx.Err(); a.err == nil { // a short rule would not notice
		a.allowed, a.err = allows(ctx, p.allow, value)
	}
	if a.err == nil && !a.allowed {
		a.reasons, a.err = why(ctx, p.reasons, value)
	}
	if a.err != nil {
		a.allowed, a.late, a.reasons = false, ctx.Err() != nil, append(a.reasons, "the policy could not decide")
	}
	return a
}

// allows evaluates every branch of the rule: with OPA's early exit, whether an error in one counts would depend on their
// order.
func allows(ctx context.Context, q rego.PreparedEvalQuery, input ast.Value) (bool, error) {
	results, err := q.Eval(ctx, rego.EvalParsedInput(input), rego.EvalEarlyExit(false))
	if err != nil {
		return false, fmt.Errorf("allow: %w", withoutValues(err))
	}
	if len(results) != 1 || len(results[0].Expressions) != 1 {
		return false, errors.New("allow: undefined")
	}
	allowed, ok := results[0].Expressions[0].Value.(bool)
	if !ok {
		return false, errors.New("allow: the result is not a boolean")
	}
	return allowed, nil
}

// why returns the reasons of a denial; a rule may have none.
func why(ctx context.Context, q rego.PreparedEvalQuery, input ast.Value) ([]string, error) {
	results, err := q.Eval(ctx, rego.EvalParsedInput(input))
	if err != nil {
		return nil, fmt.Errorf("reasons: %w", withoutValues(err))
	}
	if len(results) != 1 || len(results[0].Expressions) != 1 {
		return nil, nil
	}
	values, _ := results[0].Expressions[0].Value.([]any)
	reasons := make([]string, 0, len(values))
	for _, v := range values {
		s, ok := v.(string)
		if !ok {
			return nil, errors.New("reasons: not strings")
		}
		reasons = append(reasons, s)
	}
	slices.Sort(reasons)
	return reasons, nil
}

// withoutValues leaves of OPA's error the code and the place in the rules: its message may quote the input.
func withoutValues(err error) error {
	var e *topdown.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Code == topdown.CancelErr {
		return errors.New("did not end in time")
	}
	return fmt.Errorf("%s at %v", e.Code, e.Location)
}
