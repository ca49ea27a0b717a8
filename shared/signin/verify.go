package signin

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
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
	known  *memo
}

// Verify implements [Verifier]. The key of a verifier never changes, so that a token which it has verified is right for as
// long as its own times say.
func (v *localVerifier) Verify(_ context.Context, bearer string) (Identity, error) {
	hash := sha256.Sum256([]byte(bearer))
	if who, ok := v.known.get(hash, v.now()); ok {
		return who, nil
	}
	c, err := v.check(bearer)
	if err != nil {
		return Identity{}, errNotSignedIn(err)
	}
	who := Identity{Subject: c.Subject, Roles: known(c.Roles), Tenant: c.Tenant}
	v.known.put(hash, c.verified(who))
	return who, nil
}

// check returns the claims of a token that is right now.
func (v *localVerifier) check(bearer string) (c claims, err error) {
	_, err = jwt.ParseWithClaims(bearer, &c, func(t *jwt.Token) (any, error) {
		if t.Header["kid"] != v.kid {
			return nil, errors.New("signed with another key")
		}
		return v.public, nil
	}, jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithIssuer(issuerName), jwt.WithAudience(audienceName),
		jwt.WithExpirationRequired(), jwt.WithLeeway(leeway), jwt.WithTimeFunc(v.now))
	if err == nil && (c.Subject == "" || c.Tenant == "") {
		err = errors.New("no subject or no tenant")
	}
	return c, err
}

// verified returns when a token with these claims is right: the same bounds as the check of them has.
func (c *claims) verified(who Identity) verified {
	v := verified{who: who, until: c.ExpiresAt.Add(leeway)}
	if c.NotBefore != nil {
		v.from = c.NotBefore.Add(-leeway)
	}
	return v
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
