// Package fault classifies errors by what somebody decides from them. It owns the closed list of kinds, the closed
// list of reason codes, and the one table that turns a kind into an HTTP status and into what a consumer of messages
// does. It does not own texts for people beyond an error's own message, and it does not log.
//
// An error gets a kind only where somebody decides by it; every other error is [Internal], whose text never leaves
// the service.
package fault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Kind is what an error means to whoever must act on it.
type Kind uint8

// The closed list of kinds. The zero value is Internal, so that an error nobody classified tells nobody anything.
const (
	Internal  Kind = iota // a defect or an unknown failure; the text stays inside
	Invalid               // the input is wrong and will be wrong again
	NotFound              // the named thing does not exist
	Conflict              // the state changed or forbids it; reading again may help
	Denied                // policy or identity forbids it
	Transient             // a dependency failed; the same call may succeed later
)

// Action is what a consumer of messages does with the message whose handling failed.
type Action uint8

// The closed list of actions.
const (
	Retry      Action = iota // back off, keep the offset
	Quarantine               // set the message aside with its reason, then go on
	Commit                   // nothing to do, go on
)

// table is the one mapping from kind to consequences. Internal failures are retried by consumers: a defect in our own
// code must not cost a message.
var table = map[Kind]struct {
	name   string
	status int
	action Action
}{
	Internal:  {"internal", http.StatusInternalServerError, Retry},
	Invalid:   {"invalid", http.StatusUnprocessableEntity, Quarantine},
	NotFound:  {"not_found", http.StatusNotFound, Quarantine},
	Conflict:  {"conflict", http.StatusConflict, Retry},
	Denied:    {"denied", http.StatusForbidden, Quarantine},
	Transient: {"transient", http.StatusServiceUnavailable, Retry},
}

// String returns the kind's name in snake case.
func (k Kind) String() string { return table[k].name }

// Status returns the HTTP status that a caller sees for the kind.
func (k Kind) Status() int { return table[k].status }

// Action returns what a consumer does with a message whose handling failed with the kind.
func (k Kind) Action() Action { return table[k].action }

// Error is an error with a kind, a reason code, and a text that may be shown to the caller (for every kind but
// Internal).
type Error struct {
	Kind Kind
	Code Code   // why, from the closed list in codes.go; empty means the kind's own name
	Text string // what is wrong and what to do next, for a person
	At   string // the place in the input: a JSON pointer, a field, a row; may be empty
	Err  error  // the cause, never shown to the caller; may be nil
}

// Error implements error.
func (e *Error) Error() string {
	s := e.Text
	if e.At != "" {
		s = e.At + ": " + s
	}
	if e.Err != nil && e.Err.Error() != "" {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New returns an error of the given kind and code. The text says what is wrong and what to do; %w wraps a cause, whose
// text then appears in it, so wrap only causes whose text may be shown.
func New(k Kind, c Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: k, Code: c, Text: err.Error(), Err: hidden(errors.Unwrap(err))}
}

// hidden keeps a wrapped cause reachable for errors.Is without printing its text twice.
func hidden(err error) error {
	if err == nil {
		return nil
	}
	return silent{err}
}

type silent struct{ err error }

func (s silent) Error() string { return "" }
func (s silent) Unwrap() error { return s.err }

// Wrap gives err a kind and hides its text from callers behind text. It returns nil for a nil err.
func Wrap(k Kind, c Code, err error, text string) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: k, Code: c, Text: text, Err: err}
}

// KindOf returns the kind of the outermost [Error] in err's chain. Context cancellation and deadlines are Transient;
// anything else is Internal.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Transient
	}
	return Internal
}

// CodeOf returns the reason code of the outermost [Error] in err's chain, or the kind's name.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) && e.Code != "" {
		return e.Code
	}
	return Code(KindOf(err).String())
}

// Is reports whether err is of kind k.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }
