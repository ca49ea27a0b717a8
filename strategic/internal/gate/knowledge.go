package gate

import (
	"context"
	"math"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
	"github.com/strata-crm/strata/strategic/internal/knowledge"
	"github.com/strata-crm/strata/strategic/policy"
)

// Know implements knowledge.Policy.
func (g *Gate) Know(ctx context.Context, q knowledge.Question) (knowledge.Verdict, error) {
	rules, err := g.load(ctx)
	if err != nil {
		return knowledge.Verdict{}, err
	}
	in := policy.KnowledgeInput{
		Step: "accept", State: string(q.Insight.State), Verdicts: map[string]string{}, Tolerance: q.Tolerance, Limit: q.Limit,
		ExpiresInHours: int(math.Ceil(q.Left.Hours())), N: q.Insight.N, Bounded: "no",
	}
	if q.Keep {
		in.Step = "keep"
	}
	if bounded(&q.Insight) {
		in.Bounded = "yes"
	}
	for _, question := range wording.Questions() {
		in.Verdicts[string(question)] = string(wording.VerdictOf(q.Insight.Verdicts, question))
	}
	d, err := g.decide(ctx, policy.Knowledge, in)
	return knowledge.Verdict{Allowed: d.Allowed, Decision: made(d), Reasons: d.Reasons, Rules: rules, Bundle: d.Bundle}, err
}

// bounded reports whether one customer's part in the value has bounds: by the definition, which the operational layer has. Of an insight
// that does not say so the unit is all there is to go by.
func bounded(i *contract.Insight) bool {
	if i.Bounded != nil {
		return *i.Bounded
	}
	return i.Unit == contract.Ratio || i.Unit == contract.Points
}

// Rest implements knowledge.Policy.
func (g *Gate) Rest(ctx context.Context, fallen []contract.Question) (contract.Decision, bool, error) {
	in := policy.RestInput{Fallen: []string{}}
	for _, q := range fallen {
		in.Fallen = append(in.Fallen, string(q))
	}
	d, err := g.decide(ctx, policy.Rest, in)
	return made(d), d.Allowed, err
}

// Bundle implements knowledge.Policy.
func (g *Gate) Bundle(ctx context.Context) (string, error) {
	if _, err := g.load(ctx); err != nil {
		return "", err
	}
	return g.engine.Bundle(), nil
}
