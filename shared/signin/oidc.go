package signin

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/strata-crm/strata/shared/fault"
)

// tenantClaim names the claim that holds the tenant; a token without it belongs to defaultTenant.
const (
	tenantClaim   = "tenant"
	defaultTenant = "main"
)

type oidcVerifier struct {
	tokens    *oidc.IDTokenVerifier
	roleClaim []string
}

// NewOIDC returns the check of tokens from an OpenID Connect issuer; it reads the issuer's discovery document once and
// its keys as they rotate. The audience is required: without it a token for any other application would do. roleClaim
// names the claim with the roles (a text or a list), with dots for nesting ("realm_access.roles"). The tenant comes
// from the claim "tenant", else it is "main". An issuer that can't be reached gives fault.Transient.
func NewOIDC(ctx context.Context, issuer, audience, roleClaim string) (Verifier, error) {
	if issuer == "" || audience == "" || roleClaim == "" {
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "sign-in by OpenID Connect needs an issuer, an audience and the name of the claim with the roles")
	}
	p, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, fault.Wrap(fault.Transient, fault.Unavailable, err, "the sign-in issuer "+issuer+" does not answer: check the address and the network")
	}
	return &oidcVerifier{tokens: p.Verifier(&oidc.Config{ClientID: audience}), roleClaim: strings.Split(roleClaim, ".")}, nil
}

// Verify implements [Verifier].
func (v *oidcVerifier) Verify(ctx context.Context, bearer string) (Identity, error) {
	t, err := v.tokens.Verify(ctx, bearer)
	if err != nil {
		return Identity{}, refusal(err)
	}
	var all map[string]any
	if err := t.Claims(&all); err != nil {
		return Identity{}, errNotSignedIn(err)
	}
	if t.Subject == "" {
		return Identity{}, errNotSignedIn(errors.New("no subject"))
	}
	tenant, ok := all[tenantClaim].(string)
	if !ok || tenant == "" {
		tenant = defaultTenant
	}
	return Identity{Subject: t.Subject, Roles: known(rolesAt(all, v.roleClaim)), Tenant: tenant}, nil
}

// refusal tells an issuer that can't be reached (try again) from a bad token (sign in again).
func refusal(err error) error {
	var network net.Error
	var address *url.Error
	if errors.As(err, &network) || errors.As(err, &address) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fault.Wrap(fault.Transient, fault.Unavailable, err, "the sign-in issuer does not answer: try again")
	}
	return errNotSignedIn(err)
}

// rolesAt returns the texts at the path of a nested claim.
func rolesAt(claims map[string]any, path []string) []Role {
	var v any = claims
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	switch x := v.(type) {
	case string:
		return []Role{Role(x)}
	case []any:
		var out []Role
		for _, e := range x {
			if s, ok := e.(string); ok {
				out = append(out, Role(s))
			}
		}
		return out
	}
	return nil
}
