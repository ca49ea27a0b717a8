// Package signin says who is calling. It owns roles, identities, the tokens that carry them, the built-in issuer of
// local mode with its one-time links, and the check of tokens from an OpenID Connect issuer. It does not decide what
// an identity may do (that is policy) and it knows nothing of HTTP requests or cookies (that is httpx).
package signin

import (
	"context"
	"slices"

	"github.com/strata-crm/strata/shared/fault"
)

// Role is what somebody does in the business; policy decides by it.
type Role string

// The closed list of roles. A token's unknown roles are ignored: they grant nothing.
const (
	Executive Role = "executive" // sets goals and governance, reads every layer's results
	Manager   Role = "manager"   // turns directives into plans, reads information
	Steward   Role = "steward"   // looks after data, consent and quarantine
	Collector Role = "collector" // sends collected items, reads nothing
	Machine   Role = "service"   // one service of the suite calling another
)

// Roles returns every role, in a fixed order.
func Roles() []Role { return []Role{Executive, Manager, Steward, Collector, Machine} }

// Known reports whether r is one of [Roles].
func (r Role) Known() bool { return slices.Contains(Roles(), r) }

// Identity is who calls. Its zero value has no role and belongs to no tenant.
type Identity struct {
	Subject string // stable and unique within the issuer; never a person's name or address
	Roles   []Role // known roles only, without duplicates
	Tenant  string // "main" in local mode
}

// Has reports whether the identity has role r.
func (i Identity) Has(r Role) bool { return slices.Contains(i.Roles, r) }

// Verifier checks a bearer token.
type Verifier interface {
	// Verify returns the identity in the token once signature, issuer, audience and expiry have been checked. Every
	// bad token gives the same fault.Denied with code not_signed_in; an unreachable issuer gives fault.Transient.
	Verify(ctx context.Context, bearer string) (Identity, error)
}

type key struct{}

// With returns a context that carries the identity.
func With(ctx context.Context, i Identity) context.Context { return context.WithValue(ctx, key{}, i) }

// From returns the identity that With put into ctx; false means that nobody is signed in.
func From(ctx context.Context) (Identity, bool) {
	i, ok := ctx.Value(key{}).(Identity)
	return i, ok
}

// errNotSignedIn hides why a token was refused: the reason helps only whoever forges one.
func errNotSignedIn(cause error) error {
	return fault.Wrap(fault.Denied, fault.NotSignedIn, cause, "sign in again: the token is missing, wrong or has expired")
}
