package signin

import (
	"context"
	"errors"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"

	"github.com/strata-crm/strata/shared/fault"
)

type jwksVerifier struct {
	keys keyfunc.Keyfunc
	now  func() time.Time
}

// NewJWKS returns the check of tokens that the built-in issuer of another process signed, by the keys at its JWKS
// address, which are read again as they change until ctx ends. An address that does not answer gives fault.Transient.
func NewJWKS(ctx context.Context, url string, now func() time.Time) (Verifier, error) {
	keys, err := keyfunc.NewDefaultCtx(ctx, []string{url})
	if err != nil {
		return nil, fault.Wrap(fault.Transient, fault.Unavailable, err, "the issuer's keys cannot be read: start the issuer, or correct signin.jwks")
	}
	return &jwksVerifier{keys, now}, nil
}

// Verify implements [Verifier].
func (v *jwksVerifier) Verify(ctx context.Context, bearer string) (Identity, error) {
	var c claims
	_, err := jwt.ParseWithClaims(bearer, &c, v.keys.KeyfuncCtx(ctx), jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
		jwt.WithIssuer(issuerName), jwt.WithAudience(audienceName), jwt.WithExpirationRequired(), jwt.WithLeeway(leeway), jwt.WithTimeFunc(v.now))
	if err != nil {
		return Identity{}, errNotSignedIn(err)
	}
	if c.Subject == "" || c.Tenant == "" {
		return Identity{}, errNotSignedIn(errors.New("no subject or no tenant"))
	}
	return Identity{Subject: c.Subject, Roles: known(c.Roles), Tenant: c.Tenant}, nil
}
