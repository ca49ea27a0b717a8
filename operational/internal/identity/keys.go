// Package identity owns how a customer is recognised: the keyed hash that stands for an identifier, and the links between
// identifiers that belong to one person. It never stores an identifier itself (profiles and the lake do), and it does not
// decide which of two linked profiles is the better one.
package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"sync"

	"github.com/strata-crm/strata/shared/fault"
)

// Key stands for one identifier of a customer: an HMAC under the tenant's key, 32 hex digits. It places events in their
// partition and names rows of the warehouse, and tells nobody who the customer is.
type Key string

// Kind of an identifier. The same text as a user id and as an anonymous id is two identifiers.
type Kind string

// The kinds of identifiers.
const (
	User      Kind = "user"
	Anonymous Kind = "anonymous"
)

// KeyBytes is the least length of a tenant's key.
const KeyBytes = 32

// Keys derives what is keyed by the tenant's key. Losing that key makes every customer a new one, and every repeated
// event an id conflict; it belongs into the back-up.
type Keys struct {
	customer, content keyed
	check, sample     []byte
	requests          []byte
}

// keyed is an HMAC under one key. It is used for every event, so what it works with is used again.
type keyed struct{ idle *sync.Pool }

func newKeyed(key []byte) keyed {
	return keyed{&sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

// digest returns 32 hex digits.
func (k keyed) digest(text []byte) string {
	h := k.idle.Get().(hash.Hash)
	defer k.idle.Put(h)
	h.Reset()
	h.Write(text)
	var sum [sha256.Size]byte
	return hex.EncodeToString(h.Sum(sum[:0])[:16])
}

// NewKeys returns the keys derived from the tenant's key; fault.Invalid when it is shorter than KeyBytes.
func NewKeys(tenantKey []byte) (*Keys, error) {
	if len(tenantKey) < KeyBytes {
		return nil, fault.New(fault.Invalid, fault.BadDefinition,
			"the tenant's key has %d bytes and needs %d: make one with `openssl rand -base64 32` and keep it safe", len(tenantKey), KeyBytes)
	}
	derive := func(label string) []byte { return mac(tenantKey, "strata/operational/"+label) }
	return &Keys{customer: newKeyed(derive("customer")), content: newKeyed(derive("content")), check: derive("check"), sample: derive("sample"), requests: derive("requests")}, nil
}

// Customer returns the key of an identifier.
func (k *Keys) Customer(kind Kind, identifier string) Key {
	return Key(k.customer.digest([]byte(string(kind) + "|" + identifier)))
}

// Content returns the keyed hash of an item's canonical form, 32 hex digits.
func (k *Keys) Content(canonical []byte) string {
	return k.content.digest(canonical)
}

// Sample returns the secret that the random order of customers is drawn with, so that nobody can choose an identifier that
// lands in a sample.
func (k *Keys) Sample() []byte { return append([]byte(nil), k.sample...) }

// Requests returns the secret that hashes of requests are keyed with, since some name a person.
func (k *Keys) Requests() []byte { return append([]byte(nil), k.requests...) }

// Fingerprint tells whether two Keys come from the same tenant key, without giving it away.
func (k *Keys) Fingerprint() string { return hex.EncodeToString(k.check[:8]) }

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
