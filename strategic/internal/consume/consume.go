// Package consume is what the strategic layer does with what it hears: one file per topic, each decode → decide → change →
// publish. The change and what must be published are one transaction of the store's. It decides nothing itself; how
// topics are listened to is package listen's.
package consume

import (
	"context"
	"errors"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/listen"
)

// Group is the consumer group of the strategic layer.
const Group = "strata-strategic"

// Directives applies what arrives about goals and their directives. Every method is idempotent; NotFound means that the
// goal or directive is not known here.
type Directives interface {
	Answered(ctx context.Context, a contract.Acknowledgement) error
	Informed(ctx context.Context, i contract.Information) error
	Restore(ctx context.Context, o contract.StrategicDirective) error
}

// Knowledge applies insights. It is idempotent; NotFound means that the goal or directive is not known here, and clash that
// another insight of the same revision came before.
type Knowledge interface {
	Learn(ctx context.Context, i contract.Insight) (clash bool, err error)
}

// Governance applies what arrives about the governance directive. Both methods are idempotent.
type Governance interface {
	Answered(ctx context.Context, a contract.Acknowledgement) error
	Restore(ctx context.Context, g contract.GovernanceDirective) error
}

// Deps are what the handlers need; all are required.
type Deps struct {
	Ears       listen.Ears
	Directives Directives
	Knowledge  Knowledge
	Governance Governance
	Republish  listen.Republish
}

// All returns the listeners to every topic that the strategic layer reads, or an error naming what is missing.
func All(d Deps) ([]*listen.Listener, error) {
	if d.Directives == nil || d.Knowledge == nil || d.Governance == nil || d.Republish == nil {
		return nil, errors.New("strategic consumers: directives, knowledge, governance and republish are required")
	}
	return []*listen.Listener{
		d.Ears.To("functional_acks", contract.TopicFunctionalAcks, functionalAcks(d)),
		d.Ears.To("information", contract.TopicInformation, information(d)),
		d.Ears.To("requests", contract.TopicStrategicRequests, listen.Requests(d.Republish)),
	}, d.Ears.Check()
}
