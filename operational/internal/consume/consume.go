// Package consume is what the operational layer does with the directives it hears: each handler is decode → decide →
// change → publish, and the change and what must be published are one transaction of the store's. It decides nothing
// itself; how topics are listened to is package listen's, and the events topic is package ingest's.
package consume

import (
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/listen"
)

// Group is the consumer group of the operational layer for state topics.
const Group = "strata-operational"

// Deps are what the handlers need; all are required.
type Deps struct {
	Ears       listen.Ears
	Directives Directives
	Republish  listen.Republish
}

// All returns the listeners to every state topic that the operational layer reads.
func All(d Deps) []*listen.Listener {
	return []*listen.Listener{
		d.Ears.To("functional_directives", contract.TopicFunctionalDirectives, functionalDirectives(d.Directives)),
		d.Ears.To("requests", contract.TopicOperationalRequests, listen.Requests(d.Republish)),
	}
}
