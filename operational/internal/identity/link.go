package identity

import (
	"slices"
	"strings"
	"time"

	"github.com/strata-crm/strata/shared/contract"
)

// Link says that two identifiers belong to one person, and since when that is known. Facts keep the identifier they came
// with; who follows links maps them to a person, so that a link rewrites no history.
type Link struct {
	A, B   Key // A < B
	At     time.Time
	Source contract.SourceID
	Event  string
}

// Of returns the links that an event states: of its user id with its anonymous id, and with the previous id of an alias
// call. Events from which the gateway dropped the identifiers state none.
func Of(k *Keys, e *contract.CustomerEvent) []Link {
	if e.UserID == "" || e.AnonymousID == "" && e.PreviousID == "" { // nothing to link
		return nil
	}
	user := k.Customer(User, e.UserID)
	var links []Link
	add := func(other Key) {
		if other != user {
			links = append(links, newLink(user, other, e))
		}
	}
	if e.AnonymousID != "" {
		add(k.Customer(Anonymous, e.AnonymousID))
	}
	if e.PreviousID != "" {
		add(k.Customer(User, e.PreviousID))
		add(k.Customer(Anonymous, e.PreviousID))
	}
	return links
}

// Named returns the keys of every identifier that an event names: of its customer, and of those that it links with them.
func Named(k *Keys, e *contract.CustomerEvent) []Key {
	keys := []Key{Key(e.CustomerKey)}
	add := func(kind Kind, identifier string) {
		if identifier == "" {
			return
		}
		if key := k.Customer(kind, identifier); !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	if e.UserID != "" { // then the customer's key is the user's
		add(Anonymous, e.AnonymousID)
	}
	add(User, e.PreviousID)
	add(Anonymous, e.PreviousID)
	return keys
}

func newLink(a, b Key, e *contract.CustomerEvent) Link {
	return Link{A: min(a, b), B: max(a, b), At: e.Time, Source: e.Source, Event: e.ID}
}

// ID names the link within its tenant.
func (l Link) ID() string { return string(l.A) + "|" + string(l.B) }

// Earlier returns the one of two statements of the same link that counts: the earliest, ties broken by source and event
// id, so that the order of arrival does not matter.
func (l Link) Earlier(o Link) Link {
	if c := l.At.Compare(o.At); c != 0 {
		if c < 0 {
			return l
		}
		return o
	}
	if strings.Compare(string(l.Source)+"|"+l.Event, string(o.Source)+"|"+o.Event) <= 0 {
		return l
	}
	return o
}
