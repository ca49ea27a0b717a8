package signin

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/strata-crm/strata/shared/fault"
)

const (
	issuerName   = "strata"
	audienceName = "strata"
	linkLife     = 24 * time.Hour
	sessionLife  = 30 * 24 * time.Hour
	maxLinks     = 1000 // unredeemed links kept at once; the oldest goes first
)

// Options says how the built-in issuer works.
type Options struct {
	Dir     string           // folder of the key file; made with mode 0700 where it is missing
	Now     func() time.Time // required
	Tenant  string           // required; "main" in local mode
	Session time.Duration    // life of a token from a link; 0 = 30 days
}

// Issuer is the sign-in of local mode: it signs tokens with an Ed25519 key of its own. Safe for concurrent use.
// Links live in memory: a restart makes unredeemed ones worthless, and prints new ones.
type Issuer struct {
	o   Options
	key ed25519.PrivateKey
	kid string

	mu    sync.Mutex
	links map[[sha256.Size]byte]link
}

type link struct {
	subject string
	roles   []Role
	expires time.Time
}

type claims struct {
	jwt.RegisteredClaims
	Roles  []Role `json:"roles"`
	Tenant string `json:"tenant"`
}

// NewIssuer reads the key in o.Dir, or makes it at the first start with mode 0600. It refuses a key file that other
// users may read, and says which command repairs it.
func NewIssuer(o Options) (*Issuer, error) {
	switch {
	case o.Dir == "":
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "sign-in needs a folder for its key: set Options.Dir")
	case o.Now == nil:
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "sign-in needs a clock: set Options.Now")
	case o.Tenant == "":
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "sign-in needs a tenant: set Options.Tenant")
	}
	if o.Session == 0 {
		o.Session = sessionLife
	}
	k, err := loadKey(o.Dir)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(k.Public().(ed25519.PublicKey))
	kid := base64.RawURLEncoding.EncodeToString(sum[:8])
	return &Issuer{o: o, key: k, kid: kid, links: map[[sha256.Size]byte]link{}}, nil
}

// Token returns a signed token for the subject. It refuses an empty subject, an unknown role and a life that isn't
// positive (fault.Invalid).
func (i *Issuer) Token(subject string, roles []Role, ttl time.Duration) (string, error) {
	if subject == "" || ttl <= 0 {
		return "", fault.New(fault.Invalid, fault.BadRequest, "a token needs a subject and a positive life")
	}
	for _, r := range roles {
		if !r.Known() {
			return "", fault.New(fault.Invalid, fault.BadRequest, "unknown role %q: use one of %v", r, Roles())
		}
	}
	now := i.o.Now()
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuerName, Audience: jwt.ClaimStrings{audienceName}, Subject: subject, ID: uuid.NewString(),
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
		},
		Roles: slices.Compact(slices.Sorted(slices.Values(roles))), Tenant: i.o.Tenant,
	})
	t.Header["kid"] = i.kid
	return t.SignedString(i.key)
}

// Link returns a code that [Issuer.Redeem] exchanges once, within 24 h, for a token of the subject. Only a hash of the
// code is kept.
func (i *Issuer) Link(subject string, roles []Role) (code string) {
	code = rand.Text() + rand.Text()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.dropLinks()
	i.links[sha256.Sum256([]byte(code))] = link{subject: subject, roles: slices.Clone(roles), expires: i.o.Now().Add(linkLife)}
	return code
}

// dropLinks forgets expired links and, at the limit, the one nearest its end. The caller holds mu.
func (i *Issuer) dropLinks() {
	var first [sha256.Size]byte
	var firstEnd time.Time
	now := i.o.Now()
	for h, l := range i.links {
		if !now.Before(l.expires) {
			delete(i.links, h)
			continue
		}
		if firstEnd.IsZero() || l.expires.Before(firstEnd) {
			first, firstEnd = h, l.expires
		}
	}
	if len(i.links) >= maxLinks {
		delete(i.links, first)
	}
}

// Redeem exchanges a code for a token. A code works once; a second time, after 24 h, or when it was never given out,
// the same fault.Denied with code not_signed_in comes back.
func (i *Issuer) Redeem(code string) (token string, err error) {
	h := sha256.Sum256([]byte(code))
	i.mu.Lock()
	l, ok := i.links[h]
	delete(i.links, h)
	i.mu.Unlock()
	if !ok || !i.o.Now().Before(l.expires) {
		return "", fault.New(fault.Denied, fault.NotSignedIn,
			"this sign-in link was used or has expired: ask for a new one with `strata link`")
	}
	return i.Token(l.subject, l.roles, i.o.Session)
}

// Verifier returns the check of this issuer's tokens.
func (i *Issuer) Verifier() Verifier {
	return &localVerifier{public: i.key.Public().(ed25519.PublicKey), kid: i.kid, now: i.o.Now, known: newMemo()}
}

// JWKS serves the public key as a JSON Web Key Set (RFC 7517, RFC 8037), for services in other processes.
func (i *Issuer) JWKS() http.Handler {
	public := base64.RawURLEncoding.EncodeToString(i.key.Public().(ed25519.PublicKey))
	body, err := json.Marshal(map[string]any{"keys": []map[string]string{{
		"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": i.kid, "x": public,
	}}})
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err != nil {
			http.Error(w, "the key set cannot be written", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = w.Write(body) // the client went away: nobody is left to tell
	})
}
