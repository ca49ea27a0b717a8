package contract

import (
	"encoding/json"
	"time"
)

// CustomerEvent is one observed fact about a customer, as the gateway let it in: only what some directive in force
// asked for. It stays inside the operational layer and is the only message that is not state.
type CustomerEvent struct {
	Source            SourceID                          `json:"source"`
	ID                string                            `json:"id"`                 // unique per source; ≤ 100 bytes of UTF-8
	Assigned          bool                              `json:"assigned,omitempty"` // the gateway made the id: not safe to retry
	Call              string                            `json:"call"`               // identify, track, page, screen, group, alias
	Event             string                            `json:"event,omitempty"`
	CustomerKey       string                            `json:"customerKey"` // HMAC of the first identifier under the tenant's key
	UserID            string                            `json:"userId,omitempty"`
	AnonymousID       string                            `json:"anonymousId,omitempty"`
	PreviousID        string                            `json:"previousId,omitempty"` // alias
	Time              time.Time                         `json:"time"`                 // event time, corrected for clock skew
	OriginalTimestamp *time.Time                        `json:"originalTimestamp,omitempty"`
	SentAt            *time.Time                        `json:"sentAt,omitempty"`
	ReceivedAt        time.Time                         `json:"receivedAt"`
	Parameters        map[ParameterName]json.RawMessage `json:"parameters"` // validated; amounts as {minor, currency}
	Asked             []Asked                           `json:"asked"`
	Content           string                            `json:"content"` // keyed HMAC over the canonical item
	Import            *ImportRow                        `json:"import,omitempty"`
	Format            string                            `json:"format"`          // call, file, survey, text
	Trust             string                            `json:"trust,omitempty"` // of the source when it sent: verified or unknown
}

// Asked names a directive that asked for the event, as stamped by the gateway.
type Asked struct {
	Directive DirectiveID `json:"directive"`
	Revision  int64       `json:"revision"`
	Purposes  []Purpose   `json:"purposes"`
}

// ImportRow places an event in a file import.
type ImportRow struct {
	Run string `json:"run"`
	Row int64  `json:"row"` // from 1
}

// Check implements Payload.
func (e *CustomerEvent) Check() error {
	switch {
	case !e.Source.Valid():
		return invalid("event.source", "must match [a-z0-9-]{1,40}")
	case e.ID == "" || len(e.ID) > 100:
		return invalid("event.id", "must have 1 to 100 bytes")
	case e.CustomerKey == "" || e.Content == "":
		return invalid("event", "needs a customer key and a content hash")
	case e.Time.IsZero() || e.ReceivedAt.IsZero():
		return invalid("event.time", "needs time and receivedAt")
	case len(e.Asked) == 0:
		return invalid("event.asked", "names no directive that asked for it")
	}
	return nil
}
