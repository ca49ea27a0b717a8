// Package source owns the registered senders of data: who owns them, which parameters they offer, under which write key
// they send, and up to when they are complete (their watermark). A source is registered before it sends; that is what
// makes a directive answerable. It does not own what is sent, nor the contract's quality rules.
package source

import (
	"slices"
	"strings"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Trust says how far a source's data may be believed.
type Trust string

// The two levels of trust.
const (
	Verified Trust = "verified"
	Unknown  Trust = "unknown"
)

// Formats that a source may send.
const (
	FormatCall   = "call"
	FormatFile   = "file"
	FormatSurvey = "survey"
	FormatText   = "text"
)

// Draft is what a person registers.
type Draft struct {
	ID       contract.SourceID
	Name     string
	Owner    string // who answers for the data
	Steward  string // who looks after it
	Offers   []contract.ParameterName
	Format   string        // call, file, survey or text
	Trust    Trust         // unknown where empty
	Lateness time.Duration // of a live source: events older than this have arrived; zero: completeness is declared
}

// Source is a registered sender.
type Source struct {
	Tenant   contract.TenantID
	Revision int64
	Draft
	Keys         []string // hashes of the write keys that open it, newest last; at most maxKeys
	RegisteredAt time.Time
	ChangedAt    time.Time
}

const (
	maxText  = 200
	maxOffer = 200
)

// Check returns a fault.Invalid error that names the first wrong field and what it must be.
func (d *Draft) Check() error {
	wrong := func(at, text string, args ...any) error {
		e := fault.New(fault.Invalid, fault.BadDefinition, text, args...)
		e.At = at
		return e
	}
	switch {
	case !d.ID.Valid():
		return wrong("/id", "must have 1 to 40 of a-z, 0-9 and -")
	case strings.TrimSpace(d.Name) == "" || len(d.Name) > maxText:
		return wrong("/name", "must have 1 to %d bytes", maxText)
	case strings.TrimSpace(d.Owner) == "" || len(d.Owner) > maxText:
		return wrong("/owner", "must say who answers for the data, in 1 to %d bytes", maxText)
	case strings.TrimSpace(d.Steward) == "" || len(d.Steward) > maxText:
		return wrong("/steward", "must say who looks after the data, in 1 to %d bytes", maxText)
	case len(d.Offers) == 0 || len(d.Offers) > maxOffer:
		return wrong("/offers", "must name 1 to %d parameters, such as order_amount", maxOffer)
	case !slices.Contains([]string{FormatCall, FormatFile, FormatSurvey, FormatText}, d.Format):
		return wrong("/format", "must be call, file, survey or text")
	case d.Trust != Verified && d.Trust != Unknown:
		return wrong("/trust", "must be verified or unknown")
	case d.Lateness < 0 || d.Lateness > 366*24*time.Hour:
		return wrong("/lateness", "must lie between 0 and a year")
	}
	return nil
}
