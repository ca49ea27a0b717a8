// Package contract holds every message that the layers exchange: the topics, the CloudEvents envelope, the payloads,
// and the words (enumerations) inside them. Everything speaks it; it imports no layer and holds no business rule
// beyond the shape of a valid message.
//
// Every payload but [CustomerEvent] is the whole current state of one entity with a revision, so a receiver that
// applies only newer revisions is healed by any later copy, whatever was lost, doubled or reordered. Within v1 only
// optional fields are added; readers ignore and count what they do not know ([Unknown]).
//
// Times are UTC at millisecond precision. Days are whole days in the tenant's time zone. Windows are half-open.
// Money is in minor units with an ISO 4217 currency.
package contract

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/strata-crm/strata/shared/fault"
)

// Layer is one of the three levels of management, each a service of its own.
type Layer string

// The three layers.
const (
	Strategic   Layer = "strategic"
	Functional  Layer = "functional"
	Operational Layer = "operational"
)

// Identifiers. Each is opaque to every layer but its owner's.
type (
	TenantID      string // [a-z0-9-]{1,40}
	SourceID      string // [a-z0-9-]{1,40}
	GoalID        string
	DirectiveID   string // of a strategic, governance or operational directive
	PlanID        string
	MetricID      string // snake case; carries the window, such as month_on_month_retention
	ParameterName string // snake case, such as order_amount
	MeasurementID string
	InsightID     string
	DecisionID    string // of a recorded policy decision
	Purpose       string // why data may be used, such as retention_analysis; the governance directive lists them
)

// NewID returns a new UUIDv7 as text. It panics only if the system has no randomness.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// NextRevision returns the revision after previous for a change made at now: max(previous+1, wall clock in
// milliseconds), which goes on growing after a restore from an older back-up.
func NextRevision(previous int64, now time.Time) int64 { return max(previous+1, now.UnixMilli()) }

// Day is a whole day in the tenant's time zone, as 2006-01-02. The zero value means no day.
type Day string

// DayOf returns the day that t falls on in zone.
func DayOf(t time.Time, zone *time.Location) Day { return Day(t.In(zone).Format(time.DateOnly)) }

// ParseDay returns s as a day, or an Invalid fault that says which form is wanted.
func ParseDay(s string) (Day, error) {
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return "", fault.New(fault.Invalid, fault.WrongType, "%q is not a day: write it as 2006-01-02", s)
	}
	return Day(s), nil
}

// Start returns the first instant of the day in zone: where clocks skip midnight, the instant at which they do, and where
// midnight comes twice, the first one.
func (d Day) Start(zone *time.Location) time.Time {
	t, err := time.ParseInLocation(time.DateOnly, string(d), zone)
	if err != nil || zone == time.UTC {
		return t
	}
	begin, end := t.ZoneBounds()
	if DayOf(t, zone) < d {
		return end
	}
	if begin.IsZero() {
		return t
	}
	_, offset := t.Zone()
	_, earlier := begin.Add(-1).Zone()
	if first := t.Add(time.Duration(offset-earlier) * time.Second); first.Before(begin) {
		return first
	}
	return t
}

// End returns the first instant after the day in zone.
func (d Day) End(zone *time.Location) time.Time { return d.Add(1).Start(zone) }

// Add returns the day n days later.
func (d Day) Add(n int) Day {
	return Day(d.Start(time.UTC).AddDate(0, 0, n).Format(time.DateOnly))
}

// Sub returns the number of days from e to d.
func (d Day) Sub(e Day) int { return int(d.Start(time.UTC).Sub(e.Start(time.UTC)).Hours() / 24) }

// Window is a half-open interval of event time.
type Window struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Contains reports whether t lies in the window.
func (w Window) Contains(t time.Time) bool { return !t.Before(w.Start) && t.Before(w.End) }

// Decision names a recorded policy decision.
type Decision struct {
	ID     DecisionID `json:"id"`
	Rule   string     `json:"rule"`             // such as strategic.issue
	Bundle string     `json:"bundle,omitempty"` // the revision of the policy that decided
}

// Reason says why something was refused, degraded or has no value: a code from the closed list, the thing it is
// about, and the figures. It never carries free text or personal data.
type Reason struct {
	Code     fault.Code `json:"code"`
	Item     string     `json:"item,omitempty"`     // a parameter, metric, purpose, feature or source
	Have     *float64   `json:"have,omitempty"`     // what there is, such as a coverage of 0.38
	Need     *float64   `json:"need,omitempty"`     // what is required, such as 0.80
	Optional bool       `json:"optional,omitempty"` // true when the goal's own metric does not need the item
}

// RepeatCustomers is the item of model_not_identified where too few customers came again. Otherwise its item is the
// model, and its figures, if any, are weeks of history.
const RepeatCustomers = "repeat_customers"

// Figures returns r with what there is and what is required.
func (r Reason) Figures(have, need float64) Reason { r.Have, r.Need = &have, &need; return r }

// validID reports whether s may name a tenant or a source.
func validID(s string) bool {
	if len(s) < 1 || len(s) > 40 {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	}) < 0
}

// Valid reports whether the tenant id has the agreed form.
func (t TenantID) Valid() bool { return validID(string(t)) }

// Valid reports whether the source id has the agreed form.
func (s SourceID) Valid() bool { return validID(string(s)) }

// Key returns the stored id of an entity: tenant|id.
func (t TenantID) Key(id string) string { return string(t) + "|" + id }
