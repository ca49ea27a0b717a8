package signin

import (
	"crypto/sha256"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/strata-crm/strata/shared/fault"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// remembering returns an issuer, its verifier and a clock that the test sets.
func remembering(t *testing.T) (*Issuer, *localVerifier, *atomic.Pointer[time.Time]) {
	t.Helper()
	clock := &atomic.Pointer[time.Time]{}
	clock.Store(&noon)
	i, err := NewIssuer(Options{Dir: t.TempDir(), Now: func() time.Time { return *clock.Load() }, Tenant: "main"})
	if err != nil {
		t.Fatal(err)
	}
	return i, i.Verifier().(*localVerifier), clock
}

// A token that is remembered is right and wrong at the same instants as one that is verified for the first time.
func TestARememberedTokenEndsWhenItsTimesSay(t *testing.T) {
	t.Parallel()
	i, v, clock := remembering(t)
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{Tenant: "main", RegisteredClaims: jwt.RegisteredClaims{
		Issuer: issuerName, Audience: jwt.ClaimStrings{audienceName}, Subject: "ada",
		NotBefore: jwt.NewNumericDate(noon), ExpiresAt: jwt.NewNumericDate(noon.Add(time.Hour)),
	}})
	token.Header["kid"] = i.kid
	text, err := token.SignedString(i.key)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		at time.Duration
		ok bool
	}{
		{0, true}, {-leeway, true}, {-leeway - time.Nanosecond, false}, {time.Hour, true}, {time.Hour + leeway - time.Nanosecond, true},
		{time.Hour + leeway, false}, {48 * time.Hour, false}, {time.Minute, true},
	} {
		at := noon.Add(step.at)
		clock.Store(&at)
		_, fresh := i.Verifier().Verify(t.Context(), text)
		_, err := v.Verify(t.Context(), text)
		if (err == nil) != step.ok || (fresh == nil) != step.ok {
			t.Errorf("at %s: remembered %v, verified anew %v, want it to be right: %t", step.at, err, fresh, step.ok)
		}
		if err != nil && fault.CodeOf(err) != fault.NotSignedIn {
			t.Errorf("at %s: %v", step.at, err)
		}
	}
}

func TestATokenIsVerifiedOnce(t *testing.T) {
	t.Parallel()
	i, v, _ := remembering(t)
	token, err := i.Token("ada", []Role{Manager, Steward}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	first, err := v.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	first.Roles[0] = Executive // is the caller's own, and nobody else's
	v.public = nil             // whatever is verified from now on is refused
	again, err := v.Verify(t.Context(), token)
	if err != nil || !again.Has(Manager) || again.Has(Executive) {
		t.Errorf("got %v, %v; want the manager who is remembered", again, err)
	}
}

// A verifier of another key, as there is after the key file was replaced, knows nothing of what this one remembers.
func TestAnotherKeyRemembersNothing(t *testing.T) {
	t.Parallel()
	i, v, _ := remembering(t)
	token, err := i.Token("ada", nil, time.Hour)
	if err == nil {
		_, err = v.Verify(t.Context(), token)
	}
	if err != nil {
		t.Fatal(err)
	}
	_, other, _ := remembering(t)
	for range 2 { // a refusal is not remembered as anything else
		if who, err := other.Verify(t.Context(), token); fault.CodeOf(err) != fault.NotSignedIn || who.Subject != "" {
			t.Errorf("got %v, %v; want a refusal", who, err)
		}
	}
	if n := len(other.known.of); n != 0 {
		t.Errorf("%d refused tokens are remembered", n)
	}
}

func TestRememberedTokensAreBounded(t *testing.T) {
	t.Parallel()
	m := newMemo()
	for n := range 3*mostRemembered + 1 {
		m.put(sha256.Sum256(fmt.Append(nil, n)), verified{who: Identity{Subject: fmt.Sprint(n)}, until: noon})
		if len(m.of) > mostRemembered {
			t.Fatalf("%d tokens are remembered", len(m.of))
		}
	}
	if who, ok := m.get(sha256.Sum256(fmt.Append(nil, 3*mostRemembered)), noon.Add(-1)); !ok || who.Subject != fmt.Sprint(3*mostRemembered) {
		t.Errorf("the latest is not remembered: %v, %t", who, ok)
	}
}

func BenchmarkVerify(b *testing.B) {
	i, err := NewIssuer(Options{Dir: b.TempDir(), Now: func() time.Time { return noon }, Tenant: "main"})
	if err != nil {
		b.Fatal(err)
	}
	token, err := i.Token("ada", []Role{Manager}, time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	v := i.Verifier().(*localVerifier)
	for _, remembers := range []bool{false, true} {
		b.Run(fmt.Sprintf("remembered=%t", remembers), func(b *testing.B) {
			for b.Loop() {
				if !remembers {
					clear(v.known.of)
				}
				if _, err := v.Verify(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
