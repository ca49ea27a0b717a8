package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/fault"
)

// SpecVersion is the CloudEvents version of the envelope, in binary mode: attributes in ce_* headers, data in the value.
const SpecVersion = "1.0"

// Envelope is the CloudEvents attributes of one message.
type Envelope struct {
	ID          string    // ce_id: unique per message
	Source      Layer     // ce_source: /strata/<layer>
	Type        string    // ce_type: one of the Type constants
	Subject     string    // ce_subject: the entity's id, equal to the message key unless the topic says otherwise
	Time        time.Time // ce_time: business time of the change
	Tenant      TenantID  // ce_tenant
	Correlation string    // ce_correlationid: the strategic directive this belongs to; may be empty
	Causation   string    // ce_causationid: the directive or measurement that caused it, never an event id; may be empty
	TraceParent string    // traceparent: W3C trace context; may be empty
}

// Payload is a message body that can say whether its shape is valid.
type Payload interface {
	// Check returns nil, or an Invalid fault naming the field and what it must be.
	Check() error
}

const sourcePrefix = "/strata/"

// Encode returns the message that carries p under key on topic. It fails with an Invalid fault if p or the envelope
// is not valid, so that nothing invalid is ever published.
func Encode(topic, key string, e Envelope, p Payload) (bus.Message, error) {
	if err := p.Check(); err != nil {
		return bus.Message{}, fmt.Errorf("encode %s %s: %w", e.Type, key, err)
	}
	if e.ID == "" || e.Type == "" || !e.Tenant.Valid() || e.Time.IsZero() {
		return bus.Message{}, fault.New(fault.Invalid, fault.MissingField, "envelope of %s %s needs id, type, tenant and time", e.Type, key)
	}
	value, err := json.Marshal(p)
	if err != nil {
		return bus.Message{}, fmt.Errorf("encode %s %s: %w", e.Type, key, err)
	}
	return bus.Message{Topic: topic, Key: key, Value: value, Headers: e.headers()}, nil
}

func (e Envelope) headers() []bus.Header {
	var hs []bus.Header
	for _, h := range [...][2]string{
		{"content-type", "application/json"},
		{"ce_specversion", SpecVersion},
		{"ce_id", e.ID},
		{"ce_source", sourcePrefix + string(e.Source)},
		{"ce_type", e.Type},
		{"ce_subject", e.Subject},
		{"ce_time", e.Time.UTC().Format(time.RFC3339Nano)},
		{"ce_tenant", string(e.Tenant)},
		{"ce_correlationid", e.Correlation},
		{"ce_causationid", e.Causation},
		{"traceparent", e.TraceParent},
	} {
		if h[1] != "" {
			hs = append(hs, bus.Header{Key: h[0], Value: []byte(h[1])})
		}
	}
	return hs
}

// ReadEnvelope returns the CloudEvents attributes of m, or an Invalid fault naming the first header that is missing or
// malformed.
func ReadEnvelope(m bus.Message) (Envelope, error) {
	if v := m.Header("ce_specversion"); v != SpecVersion {
		return Envelope{}, fault.New(fault.Invalid, fault.Poison, "header ce_specversion is %q, want %q", v, SpecVersion)
	}
	at, err := time.Parse(time.RFC3339Nano, m.Header("ce_time"))
	if err != nil {
		return Envelope{}, fault.New(fault.Invalid, fault.Poison, "header ce_time: want an RFC 3339 time")
	}
	e := Envelope{
		ID: m.Header("ce_id"), Type: m.Header("ce_type"), Subject: m.Header("ce_subject"), Time: at.UTC(),
		Tenant: TenantID(m.Header("ce_tenant")), Correlation: m.Header("ce_correlationid"),
		Causation: m.Header("ce_causationid"), TraceParent: m.Header("traceparent"),
	}
	if s := m.Header("ce_source"); len(s) > len(sourcePrefix) {
		e.Source = Layer(s[len(sourcePrefix):])
	}
	if e.ID == "" || e.Type == "" || !e.Tenant.Valid() {
		return Envelope{}, fault.New(fault.Invalid, fault.Poison, "headers ce_id, ce_type and ce_tenant must be set")
	}
	return e, nil
}

// Decode returns the envelope and the payload of m. Unknown fields are ignored (count them with [Unknown]); anything
// else that is wrong is an Invalid fault with code poison.
func Decode[T any, P interface {
	*T
	Payload
}](m bus.Message) (Envelope, T, error) {
	var v T
	e, err := ReadEnvelope(m)
	if err != nil {
		return e, v, err
	}
	if v, err = body[T](m.Value); err != nil {
		return e, v, fault.New(fault.Invalid, fault.Poison, "body of %s is not the expected JSON: %v", e.Type, err)
	}
	if err := P(&v).Check(); err != nil {
		return e, v, err
	}
	return e, v, nil
}

// body returns the value that encoding/json gives data.
func body[T any](data []byte) (v T, err error) {
	if p, ok := any(&v).(interface{ plain(data []byte) bool }); ok {
		if p.plain(data) {
			return v, nil
		}
		v = *new(T)
	}
	return v, json.Unmarshal(data, &v)
}

// Unknown returns the names of top-level fields in data that T does not have, so that a reader can count what a newer
// writer sent.
func Unknown[T any](data []byte) []string {
	whole := json.NewDecoder(bytes.NewReader(data))
	whole.DisallowUnknownFields()
	var sent map[string]json.RawMessage
	if whole.Decode(new(T)) == nil || json.Unmarshal(data, &sent) != nil {
		return nil
	}
	var names []string
	for name, raw := range sent {
		one, _ := json.Marshal(map[string]json.RawMessage{name: raw})
		d := json.NewDecoder(bytes.NewReader(one))
		d.DisallowUnknownFields()
		var v T
		if err := d.Decode(&v); err != nil && err.Error() == fmt.Sprintf("json: unknown field %q", name) {
			names = append(names, name)
		}
	}
	return names
}

// UnknownIn is [Unknown] for the payload of a CloudEvents type; nothing is known of other types, so nothing is counted.
func UnknownIn(kind string, data []byte) []string {
	switch kind {
	case TypeStrategicDirective:
		return Unknown[StrategicDirective](data)
	case TypeGovernance:
		return Unknown[GovernanceDirective](data)
	case TypeOperationalDirective:
		return Unknown[OperationalDirective](data)
	case TypeFunctionalAck, TypeOperationalAck:
		return Unknown[Acknowledgement](data)
	case TypeCustomerEvent:
		return Unknown[CustomerEvent](data)
	case TypeMeasurement:
		return Unknown[Measurement](data)
	case TypeOperationalInsight, TypeFunctionalInsight:
		return Unknown[Insight](data)
	case TypeInformation:
		return Unknown[Information](data)
	case TypeStateRequest:
		return Unknown[StateRequest](data)
	}
	return nil
}

// Same reports whether two values are the same on the wire. Stores give lists and numbers back in other types than the
// wire does, so comparing values in memory would find differences where there are none.
func Same[T any](a, b T) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
