package signin_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/signin"
)

// clock is a time that tests move.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC).Unix())
	return c
}

func (c *clock) now() time.Time       { return time.Unix(c.at.Load(), 0) }
func (c *clock) pass(d time.Duration) { c.at.Add(int64(d / time.Second)) }
func issuer(t *testing.T, dir string, c *clock) *signin.Issuer {
	t.Helper()
	i, err := signin.NewIssuer(signin.Options{Dir: dir, Now: c.now, Tenant: "main"})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestTokenCarriesTheIdentityUntilItExpires(t *testing.T) {
	t.Parallel()
	c := newClock()
	dir := t.TempDir()
	token, err := issuer(t, dir, c).Token("ada", []signin.Role{signin.Manager, signin.Executive, signin.Manager}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	again := issuer(t, dir, c).Verifier() // after a restart the key is the same
	got, err := again.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	want := signin.Identity{Subject: "ada", Roles: []signin.Role{signin.Executive, signin.Manager}, Tenant: "main"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("identity (-want +got):\n%s", d)
	}
	if !got.Has(signin.Executive) || got.Has(signin.Steward) {
		t.Errorf("Has is wrong for %v", got.Roles)
	}
	c.pass(time.Hour + time.Minute)
	refused(t, again, token)
}

func TestTokenRefusesWhatItCannotSay(t *testing.T) {
	t.Parallel()
	i := issuer(t, t.TempDir(), newClock())
	for name, call := range map[string]func() (string, error){
		"no subject":   func() (string, error) { return i.Token("", nil, time.Hour) },
		"no life":      func() (string, error) { return i.Token("ada", nil, 0) },
		"unknown role": func() (string, error) { return i.Token("ada", []signin.Role{"root"}, time.Hour) },
	} {
		if token, err := call(); !fault.Is(err, fault.Invalid) || token != "" {
			t.Errorf("%s: got %q, %v", name, token, err)
		}
	}
}

func TestVerifierRefusesForgedTokens(t *testing.T) {
	t.Parallel()
	c := newClock()
	dir := t.TempDir()
	i := issuer(t, dir, c)
	v := i.Verifier()
	good, err := i.Token("ada", []signin.Role{signin.Manager}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := issuer(t, t.TempDir(), c).Token("ada", nil, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	parsed, _, err := jwt.NewParser().ParseUnverified(good, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	kid := parsed.Header["kid"]
	forge := func(m jwt.SigningMethod, key any, change jwt.MapClaims) string {
		claims := jwt.MapClaims{"iss": "strata", "aud": "strata", "sub": "ada", "tenant": "main", "exp": c.now().Add(time.Hour).Unix()}
		for k, x := range change {
			claims[k] = x
		}
		tok := jwt.NewWithClaims(m, claims)
		tok.Header["kid"] = kid
		s, err := tok.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	_, other, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	own := ownKey(t, dir)
	if _, err := v.Verify(t.Context(), forge(jwt.SigningMethodEdDSA, own, nil)); err != nil {
		t.Fatalf("the forger's tools are blunt: %v", err)
	}
	for name, token := range map[string]string{
		"empty":             "",
		"text":              "not.a.token",
		"another issuer":    stranger,
		"another key":       forge(jwt.SigningMethodEdDSA, other, nil),
		"no signature":      forge(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil),
		"public key as MAC": forge(jwt.SigningMethodHS256, []byte(own.Public().(ed25519.PublicKey)), nil),
		"changed":           good[:len(good)-8] + "AAAAAAAA",
		"wrong audience":    forge(jwt.SigningMethodEdDSA, own, jwt.MapClaims{"aud": "other"}),
		"wrong issuer":      forge(jwt.SigningMethodEdDSA, own, jwt.MapClaims{"iss": "other"}),
		"no expiry":         forge(jwt.SigningMethodEdDSA, own, jwt.MapClaims{"exp": nil}),
		"not yet valid":     forge(jwt.SigningMethodEdDSA, own, jwt.MapClaims{"nbf": c.now().Add(time.Hour).Unix()}),
		"no subject":        forge(jwt.SigningMethodEdDSA, own, jwt.MapClaims{"sub": ""}),
		"no tenant":         forge(jwt.SigningMethodEdDSA, own, jwt.MapClaims{"tenant": ""}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refused(t, v, token)
		})
	}
	ignored, err := v.Verify(t.Context(), forge(jwt.SigningMethodEdDSA, own, jwt.MapClaims{"roles": []string{"root", "manager", "manager"}}))
	if err != nil || !cmp.Equal(ignored.Roles, []signin.Role{signin.Manager}) {
		t.Errorf("unknown and repeated roles: got %v, %v", ignored, err)
	}
}

func TestKeyFileIsPrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	c := newClock()
	issuer(t, dir, c)
	name := filepath.Join(dir, "signin.key")
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("key file: %v, %v", info, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
	if err := os.Chmod(name, 0o640); err != nil {
		t.Fatal(err)
	}
	_, err = signin.NewIssuer(signin.Options{Dir: dir, Now: c.now, Tenant: "main"})
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a readable key: got %v", err)
	}
	if err := os.Chmod(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("half a k"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = signin.NewIssuer(signin.Options{Dir: dir, Now: c.now, Tenant: "main"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a damaged key: got %v", err)
	}
}

func TestIssuersThatStartTogetherShareOneKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := newClock()
	tokens := make([]string, 8)
	var wg sync.WaitGroup
	for n := range tokens {
		wg.Go(func() {
			i, err := signin.NewIssuer(signin.Options{Dir: dir, Now: c.now, Tenant: "main"})
			if err == nil {
				tokens[n], err = i.Token("ada", nil, time.Hour)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	v := issuer(t, dir, c).Verifier()
	for _, token := range tokens {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Error(err)
		}
	}
}

func TestLinkWorksOnceWithinADay(t *testing.T) {
	t.Parallel()
	c := newClock()
	i := issuer(t, t.TempDir(), c)
	code := i.Link("ada", []signin.Role{signin.Steward})
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			token, err := i.Redeem(code)
			if err != nil {
				return
			}
			won.Add(1)
			if who, err := i.Verifier().Verify(context.Background(), token); err != nil || !who.Has(signin.Steward) {
				t.Errorf("got %v, %v", who, err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("the code worked %d times", won.Load())
	}
	late := i.Link("ada", nil)
	c.pass(24 * time.Hour)
	for _, code := range []string{late, code, ""} {
		if _, err := i.Redeem(code); fault.CodeOf(err) != fault.NotSignedIn {
			t.Errorf("code %q: got %v", code, err)
		}
	}
}

func TestLinksAreBounded(t *testing.T) {
	t.Parallel()
	c := newClock()
	i := issuer(t, t.TempDir(), c)
	first := i.Link("first", nil)
	c.pass(time.Second)
	for range 1000 {
		i.Link("more", nil)
	}
	if _, err := i.Redeem(first); err == nil {
		t.Error("the oldest link outlived a thousand younger ones")
	}
}

func TestKeySetHoldsThePublicKey(t *testing.T) {
	t.Parallel()
	i := issuer(t, t.TempDir(), newClock())
	w := httptest.NewRecorder()
	i.JWKS().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	var got struct{ Keys []map[string]string }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got.Keys) != 1 {
		t.Fatalf("got %s, %v", w.Body, err)
	}
	k := got.Keys[0]
	if k["kty"] != "OKP" || k["crv"] != "Ed25519" || k["x"] == "" || k["d"] != "" {
		t.Errorf("got %v", k)
	}
}

func TestNewIssuerNeedsEverything(t *testing.T) {
	t.Parallel()
	c := newClock()
	for _, o := range []signin.Options{{Now: c.now, Tenant: "main"}, {Dir: t.TempDir(), Tenant: "main"}, {Dir: t.TempDir(), Now: c.now}} {
		if _, err := signin.NewIssuer(o); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: got %v", o, err)
		}
	}
}

func TestIdentityTravelsInTheContext(t *testing.T) {
	t.Parallel()
	if who, ok := signin.From(t.Context()); ok {
		t.Errorf("nobody signed in, got %v", who)
	}
	want := signin.Identity{Subject: "ada", Tenant: "main"}
	if got, ok := signin.From(signin.With(t.Context(), want)); !ok || !cmp.Equal(got, want) {
		t.Errorf("got %v, %v", got, ok)
	}
}

func refused(t *testing.T, v signin.Verifier, token string) {
	t.Helper()
	who, err := v.Verify(t.Context(), token)
	if !fault.Is(err, fault.Denied) || fault.CodeOf(err) != fault.NotSignedIn || who.Subject != "" {
		t.Errorf("got %v, %v; want a refusal", who, err)
	}
}
