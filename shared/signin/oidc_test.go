package signin_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/signin"
)

// provider is an OpenID Connect issuer whose keys are those of a local one.
func provider(t *testing.T) (srv *httptest.Server, sign func(jwt.MapClaims) string) {
	t.Helper()
	dir := t.TempDir()
	keys := issuer(t, dir, newClock())
	mux := http.NewServeMux()
	srv = httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	mux.Handle("/keys", keys.JWKS())
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": srv.URL, "jwks_uri": srv.URL + "/keys", "authorization_endpoint": srv.URL + "/auth", "token_endpoint": srv.URL + "/token",
			"id_token_signing_alg_values_supported": []string{"EdDSA"},
		})
	})
	own := ownKey(t, dir)
	return srv, func(change jwt.MapClaims) string {
		claims := jwt.MapClaims{
			"iss": srv.URL, "aud": "strata-api", "sub": "u1", "exp": time.Now().Add(time.Hour).Unix(),
			"realm_access": map[string]any{"roles": []any{"steward", "offline_access", 7}},
		}
		for k, v := range change {
			claims[k] = v
		}
		s, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims).SignedString(own)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func TestOIDCTokens(t *testing.T) {
	t.Parallel()
	srv, sign := provider(t)
	v, err := signin.NewOIDC(t.Context(), srv.URL, "strata-api", "realm_access.roles")
	if err != nil {
		t.Fatal(err)
	}
	got, err := v.Verify(t.Context(), sign(jwt.MapClaims{"tenant": "acme"}))
	if d := cmp.Diff(signin.Identity{Subject: "u1", Roles: []signin.Role{signin.Steward}, Tenant: "acme"}, got); err != nil || d != "" {
		t.Errorf("%v, identity (-want +got):\n%s", err, d)
	}
	for name, tt := range map[string]struct {
		claims jwt.MapClaims
		want   signin.Identity
	}{
		"no tenant": {nil, signin.Identity{Subject: "u1", Roles: []signin.Role{signin.Steward}, Tenant: "main"}},
		"no roles":  {jwt.MapClaims{"realm_access": "x"}, signin.Identity{Subject: "u1", Tenant: "main"}},
		"one role":  {jwt.MapClaims{"realm_access": map[string]any{"roles": "manager"}}, signin.Identity{Subject: "u1", Roles: []signin.Role{signin.Manager}, Tenant: "main"}},
	} {
		if got, err := v.Verify(t.Context(), sign(tt.claims)); err != nil || !cmp.Equal(tt.want, got) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	for name, token := range map[string]string{
		"another audience": sign(jwt.MapClaims{"aud": "elsewhere"}),
		"another issuer":   sign(jwt.MapClaims{"iss": "https://example.org"}),
		"expired":          sign(jwt.MapClaims{"exp": time.Now().Add(-time.Hour).Unix()}),
		"no subject":       sign(jwt.MapClaims{"sub": ""}),
		"no token":         "",
	} {
		t.Run(name, func(t *testing.T) { refused(t, v, token) })
	}
}

func TestOIDCSaysWhenTheIssuerIsAway(t *testing.T) {
	t.Parallel()
	srv, sign := provider(t)
	v, err := signin.NewOIDC(t.Context(), srv.URL, "strata-api", "roles")
	if err != nil {
		t.Fatal(err)
	}
	token := sign(nil)
	srv.Close()
	if _, err := v.Verify(t.Context(), token); !fault.Is(err, fault.Transient) {
		t.Errorf("verify: got %v, want transient", err)
	}
	if _, err := signin.NewOIDC(t.Context(), srv.URL, "strata-api", "roles"); !fault.Is(err, fault.Transient) {
		t.Errorf("discovery: got %v, want transient", err)
	}
	if _, err := signin.NewOIDC(t.Context(), srv.URL, "", "roles"); !fault.Is(err, fault.Invalid) {
		t.Errorf("no audience: got %v, want invalid", err)
	}
}

func ownKey(t *testing.T, dir string) ed25519.PrivateKey {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "signin.key"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return k.(ed25519.PrivateKey)
}
