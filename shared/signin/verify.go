package signin

import (
	"context"
	"crypto/ed25519"
	"errors"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// leeway is how far clocks of issuer and service may be apart.
const leeway = 30 * time.Second

type localVerifier struct {
	public ed25519.PublicKey
	kid    string
	now    func() time.Time
}

// Verify implements [Verifier].
func (v *localVerifier) Verify(_ context.Context, bearer string) (Identity, error) {
	var c claims
	_, err := jwt.ParseWithClaims(bearer, &c, func(t *jwt.Token) (any, error) {
		if t.Header["kid"] != v.kid {
			return nil, errors.New("signed with another key")
		}
		return v.public, nil
	}, jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithIssuer(issuerName), jwt.WithAudience(audienceName),
		jwt.WithExpirationRequired(), jwt.WithLeeway(leeway), jwt.WithTimeFunc(v.now))
	if err != nil {
		return Identity{}, errNotSignedIn(err)
	}
	if c.Subject == "" || c.Tenant == "" {
		return Identity{}, errNotSignedIn(errors.New("no subject or no tenant"))
	}
	return Identity{Subject: c.Subject, Roles: known(c.Roles), Tenant: c.Tenant}, nil
}

// known keeps the known roles, each once.
func known(roles []Role) []Role {
	var out []Role
	for _, r := range roles {
		if r.Known() && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}
