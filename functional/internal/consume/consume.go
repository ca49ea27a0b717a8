// Package consume is what the functional layer does with what it hears: one file per topic, each decode → decide → change
// → publish. The change and what must be published are one transaction of the store's. It decides nothing itself; how
// topics are listened to is package listen's.
package consume

import (
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/listen"
)

// Group is the consumer group of the functional layer.
const Group = "strata-functional"

// Deps are what the handlers need; all are required.
type Deps struct {
	Ears       listen.Ears
	Directives Directives
	Measuring  Measuring
	Informer   Informer
	Claiming   Claiming
	Republish  listen.Republish
}

// All returns the listeners to every topic that the functional layer reads.
func All(d Deps) []*listen.Listener {
	return []*listen.Listener{
		d.Ears.To("strategic_directives", contract.TopicStrategicDirectives, strategicDirectives(d)),
		d.Ears.To("operational_acks", contract.TopicOperationalAcks, operationalAcks(d)),
		d.Ears.To("measurements", contract.TopicMeasurements, measurements(d)),
		d.Ears.To("insights", contract.TopicInsights, insights(d)),
		d.Ears.To("requests", contract.TopicFunctionalRequests, listen.Requests(d.Republish)),
	}
}
