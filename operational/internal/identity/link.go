package identity

import (
	"bytes"
	"encoding/json"
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

// Named returns the keys of every identifier that an event names: of its customer, and of those that it links with them. The
// event's customer key is right, as the gateway sets it; of what may not be, see Mentioned.
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

// longestIdentifier is how long a text may be that is looked at as an identifier, in bytes.
const longestIdentifier = 1024

// Mentioned returns the keys of whomever a record may name that cannot be read as an event: each text and number in it is taken
// for an identifier of either kind, and for a key. So it returns many that are nobody's, and misses nobody who is named whole.
func Mentioned(k *Keys, raw []byte) []Key {
	seen := map[string]bool{}
	var keys []Key
	texts(raw, func(text string) {
		if text == "" || len(text) > longestIdentifier || seen[text] {
			return
		}
		seen[text] = true
		keys = append(keys, Key(text), k.Customer(User, text), k.Customer(Anonymous, text))
	})
	return keys
}

// texts calls f with what lies between quotes, and with what lies between the other marks of JSON. Where the record is cut so
// that quotes do not pair, the two change places.
func texts(raw []byte, f func(string)) {
	for len(raw) > 0 {
		n := bytes.IndexAny(raw, "\" \t\r\n,:[]{}")
		if n < 0 {
			f(string(raw))
			return
		}
		f(string(raw[:n]))
		if raw, n = raw[n:], 1; raw[0] == '"' {
			var text string
			text, n = quoted(raw)
			f(text)
		}
		raw = raw[n:]
	}
}

// quoted returns the text that begins with a quote, and how long it is in the record; up to the end if it is not closed.
func quoted(raw []byte) (text string, n int) {
	for n = 1; n < len(raw) && raw[n] != '"'; n++ {
		if raw[n] == '\\' {
			n++
		}
	}
	if n >= len(raw) {
		return string(raw[1:]), len(raw)
	}
	n++
	if json.Unmarshal(raw[:n], &text) != nil { // an escape that is none
		return string(raw[1 : n-1]), n
	}
	return text, n
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
