package contract

import (
	"strconv"
	"time"

	"github.com/strata-crm/strata/shared/bus"
)

// Topic describes one Kafka topic of the suite.
type Topic struct {
	Name       string
	From, To   Layer  // To is empty where any layer may read
	Key        string // what the message key is
	Partitions int    // fixed at creation
	Retention  time.Duration
	Types      []string // the CloudEvents types that travel on it
}

// Topic names. The version is part of the name: a break is a new topic.
const (
	TopicStrategicDirectives  = "strata.strategic.directives.v1"
	TopicFunctionalAcks       = "strata.functional.acks.v1"
	TopicFunctionalDirectives = "strata.functional.directives.v1"
	TopicOperationalAcks      = "strata.operational.acks.v1"
	TopicEvents               = "strata.operational.events.v1"
	TopicMeasurements         = "strata.operational.measurements.v1"
	TopicInsights             = "strata.operational.insights.v1"
	TopicInformation          = "strata.functional.information.v1"
	TopicStrategicRequests    = "strata.strategic.requests.v1"
	TopicFunctionalRequests   = "strata.functional.requests.v1"
	TopicOperationalRequests  = "strata.operational.requests.v1"
	statePartitions           = 6
	eventPartitions           = 24
	stateRetention            = 30 * 24 * time.Hour
	eventRetention            = 30 * 24 * time.Hour
	maxMessageBytes           = 1 << 20
)

// CloudEvents types.
const (
	TypeStrategicDirective   = "strata.strategic.directive.changed.v1"
	TypeGovernance           = "strata.strategic.governance.changed.v1"
	TypeFunctionalAck        = "strata.functional.acknowledgement.changed.v1"
	TypeOperationalDirective = "strata.functional.directive.changed.v1"
	TypeOperationalAck       = "strata.operational.acknowledgement.changed.v1"
	TypeCustomerEvent        = "strata.operational.event.collected.v1"
	TypeMeasurement          = "strata.operational.measurement.changed.v1"
	TypeOperationalInsight   = "strata.operational.insight.changed.v1"
	TypeInformation          = "strata.functional.information.changed.v1"
	TypeFunctionalInsight    = "strata.functional.insight.changed.v1"
	TypeStateRequest         = "strata.any.staterequest.made.v1"
)

// Topics returns every topic of the suite, in the order of a directive's way down and its answers' way up.
func Topics() []Topic {
	state := func(name string, from, to Layer, key string, types ...string) Topic {
		return Topic{name, from, to, key, statePartitions, stateRetention, types}
	}
	return []Topic{
		state(TopicStrategicDirectives, Strategic, Functional, "directive id", TypeStrategicDirective, TypeGovernance),
		state(TopicFunctionalDirectives, Functional, Operational, "directive id", TypeOperationalDirective, TypeGovernance),
		state(TopicOperationalAcks, Operational, Functional, "directive id", TypeOperationalAck),
		state(TopicFunctionalAcks, Functional, Strategic, "directive id", TypeFunctionalAck),
		{TopicEvents, Operational, Operational, "customer key", eventPartitions, eventRetention, []string{TypeCustomerEvent}},
		state(TopicMeasurements, Operational, Functional, "measurement id", TypeMeasurement),
		state(TopicInsights, Operational, Functional, "insight id", TypeOperationalInsight),
		state(TopicInformation, Functional, Strategic, "goal id", TypeInformation, TypeFunctionalInsight),
		state(TopicStrategicRequests, "", Strategic, "requester", TypeStateRequest),
		state(TopicFunctionalRequests, "", Functional, "requester", TypeStateRequest),
		state(TopicOperationalRequests, "", Operational, "requester", TypeStateRequest),
	}
}

// Specs returns the topics as the broker is asked for them: deleted by age, never compacted, log-append time.
func Specs() []bus.TopicSpec {
	var specs []bus.TopicSpec
	for _, t := range Topics() {
		specs = append(specs, bus.TopicSpec{Name: t.Name, Partitions: t.Partitions, Config: map[string]string{
			"cleanup.policy":         "delete",
			"retention.ms":           strconv.FormatInt(t.Retention.Milliseconds(), 10),
			"max.message.bytes":      strconv.Itoa(maxMessageBytes),
			"message.timestamp.type": "LogAppendTime",
		}})
	}
	return specs
}

// Requests returns the topic on which state is asked of a layer.
func Requests(of Layer) string { return "strata." + string(of) + ".requests.v1" }
