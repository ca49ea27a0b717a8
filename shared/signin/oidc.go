package signin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/strata-crm/strata/shared/fault"
)

// tenantClaim names the claim that holds the tenant; a token without it belongs to defaultTenant. fetchWithin bounds
// one request to the issuer.
const (
	tenantClaim   = "tenant"
	defaultTenant = "main"
	fetchWithin   = 10 * time.Second
)

type oidcVerifier struct {
	tokens    *oidc.IDTokenVerifier
	roleClaim []string
}

// NewOIDC returns the check of tokens from an OpenID Connect issuer; it reads the issuer's discovery document once and
// its keys as they rotate. The audience is required: without it a token for any other application would do. roleClaim
// names the claim with the roles (a text or a list), with dots for nesting ("realm_access.roles"). The tenant comes
// from the claim "tenant", else it is "main". An issuer that can't be reached gives fault.Transient; one that names
// itself otherwise, or signs with nothing that can be checked with a public key, fault.Invalid.
func NewOIDC(ctx context.Context, issuer, audience, roleClaim string) (Verifier, error) {
	if issuer == "" || audience == "" || roleClaim == "" {
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "sign-in by OpenID Connect needs an issuer, an audience and the name of the claim with the roles")
	}
	// The keys are fetched for as long as the verifier lives, which is longer than ctx.
	ctx = oidc.ClientContext(context.WithoutCancel(ctx), &http.Client{Timeout: fetchWithin})
	p, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, discoveryFault(err, issuer)
	}
	var meta struct {
		Keys string   `json:"jwks_uri"`
		Algs []string `json:"id_token_signing_alg_values_supported"`
	}
	if err := p.Claims(&meta); err != nil {
		return nil, fault.Wrap(fault.Invalid, fault.BadDefinition, err, "the discovery document of "+issuer+" cannot be read")
	}
	algs := slices.DeleteFunc(meta.Algs, func(a string) bool { return !slices.Contains(publicKeyAlgs, a) })
	if len(algs) == 0 || meta.Keys == "" {
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "the issuer %s must publish its keys and sign with one of %v", issuer, publicKeyAlgs)
	}
	tokens := oidc.NewVerifier(issuer, keys{oidc.NewRemoteKeySet(ctx, meta.Keys)}, &oidc.Config{ClientID: audience, SupportedSigningAlgs: algs})
	return &oidcVerifier{tokens: tokens, roleClaim: strings.Split(roleClaim, ".")}, nil
}

// publicKeyAlgs are the signatures that are accepted: those that are checked with a public key.
var publicKeyAlgs = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}

func discoveryFault(err error, issuer string) error {
	var other *oidc.IssuerMismatchError
	if errors.As(err, &other) {
		return fault.Wrap(fault.Invalid, fault.BadDefinition, err, "the sign-in issuer names itself otherwise than "+issuer+": configure it exactly as in its discovery document")
	}
	return fault.Wrap(fault.Transient, fault.Unavailable, err, "the sign-in issuer "+issuer+" does not answer: check the address and the network")
}

type awayKey struct{}

// keys tells the verification around it that the keys could not be fetched; go-oidc reports that as a bad signature.
type keys struct{ oidc.KeySet }

// VerifySignature implements oidc.KeySet.
func (k keys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := k.KeySet.VerifySignature(ctx, token)
	if away, ok := ctx.Value(awayKey{}).(*bool); ok && err != nil {
		*away = ctx.Err() != nil || strings.HasPrefix(err.Error(), "fetching keys")
	}
	return payload, err
}

// Verify implements [Verifier].
func (v *oidcVerifier) Verify(ctx context.Context, bearer string) (Identity, error) {
	away := false
	t, err := v.tokens.Verify(context.WithValue(ctx, awayKey{}, &away), bearer)
	if away {
		return Identity{}, fault.Wrap(fault.Transient, fault.Unavailable, err, "the sign-in issuer does not answer: try again")
	}
	if err != nil {
		return Identity{}, errNotSignedIn(err)
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
