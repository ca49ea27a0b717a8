package operational

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/httpapi"
	"github.com/strata-crm/strata/operational/internal/mongostore"
	"github.com/strata-crm/strata/shared/bus/bustest"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
	"github.com/strata-crm/strata/shared/signin"
)

func TestSettingsAreFixedByTheFirstEvent(t *testing.T) {
	t.Parallel()
	r := memory(t)
	d := host.Deps{DB: r.db, Bus: r.bus, Telemetry: newTelemetry(t), Now: time.Now, NewID: contract.NewID}
	a := orders(time.Now())
	start := func(change func(*Config)) error {
		c := settings()
		change(&c)
		_, err := newCollecting(t.Context(), c, d, a, a, gate(t, d))
		return err
	}
	if err := start(func(c *Config) { c.Tenant.Zone = "Europe/Vienna" }); err != nil {
		t.Fatalf("before the first event the zone cannot be changed: %v", err)
	}
	if err := start(func(*Config) {}); err != nil {
		t.Fatal(err)
	}
	r.do("POST", "/v1/track", basic(r.register("shop")), map[string]any{"event": "Order Completed", "userId": "ada", "messageId": "1",
		"properties": map[string]any{"total": 1}}, 200, nil)
	r.until("the order is stored", func() bool { return stored(r.conserved()) == 1 })
	for name, change := range map[string]func(*Config){
		"tenant.zone":     func(c *Config) { c.Tenant.Zone = "Europe/Vienna" },
		"tenant.currency": func(c *Config) { c.Tenant.Currency = "EUR" },
		"tenant.key":      func(c *Config) { c.Key = "TTEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=" },
	} {
		if err := start(change); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s changed after the first event: %v, want a conflict that names it", name, err)
		}
	}
	if err := start(func(c *Config) { c.Key = "c2hvcnQ=" }); !fault.Is(err, fault.Invalid) {
		t.Errorf("a short key: %v, want an invalid fault", err)
	}
}

func TestAcceptNewLog(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := mongotest.Open(t, Indexes()...)
	b := bustest.Memory(t, contract.Specs()...)
	accept := func() bool {
		t.Helper()
		changed, err := AcceptNewLog(ctx, db, b)
		if err != nil {
			t.Fatal(err)
		}
		return changed
	}
	if accept() {
		t.Error("a log that was never read was replaced")
	}
	fences := mongostore.NewFences(db)
	if _, err := fences.Adopt(ctx, "memory"); err != nil {
		t.Fatal(err)
	}
	if _, err := fences.Open(ctx, 1, 0); err != nil {
		t.Fatal(err)
	}
	if accept() {
		t.Error("the log that is being read was replaced")
	}
	if _, err := fences.Advance(ctx, 1, 0, 0, 5); err != nil {
		t.Fatal(err)
	}
	if !accept() {
		t.Error("a log that is shorter than what was read was not replaced")
	}
	b.Replace("another")
	if !accept() || accept() {
		t.Error("another broker storage must be accepted, once")
	}
	if cluster, next, err := Ingested(ctx, db); err != nil || cluster != "another" || len(next) != 0 {
		t.Errorf("ingested of %q: %v, %v; want nothing of another", cluster, next, err)
	}
}

// TestWhoMayDoWhat: every route but collection refuses who is not signed in, and collectors read nothing but their imports.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	r := memory(t)
	spec, err := httpapi.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	routes := 0
	for path, item := range spec.Paths.Map() {
		for method := range item.Operations() {
			if strings.HasPrefix(path, "/v1/") {
				continue
			}
			routes++
			path := strings.NewReplacer("{source}", "shop", "{run}", "r").Replace(path)
			if strings.Contains(path, "{") {
				continue
			}
			r.do(method, path, "Bearer nobody", map[string]any{}, 401, nil)
		}
	}
	if routes < 10 {
		t.Errorf("%d routes were tried", routes)
	}
	token, err := r.issuer.Token("feeder", []signin.Role{signin.Collector}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	r.register("shop")
	for path, want := range map[string]int{"/sources": 403, "/quarantine": 403, "/ingest/conservation": 403, "/sources/shop/dropped": 403, "/imports": 200, "/sources/shop/watermark": 200} {
		r.do("GET", api+path, "Bearer "+token, nil, want, nil)
	}
	r.do("POST", api+"/sources", "Bearer "+token, map[string]any{"id": "x", "name": "x", "owner": "x", "steward": "x", "offers": []string{"email"}, "format": "call"}, 403, nil)
}

// TestWriteKeysAreStoredNowhere registers a source twice under one idempotency key and looks through the whole database.
func TestWriteKeysAreStoredNowhere(t *testing.T) {
	t.Parallel()
	r := memory(t)
	register := func() string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.server.URL+api+"/sources", strings.NewReader(
			`{"id":"shop","name":"n","owner":"o","steward":"s","offers":["email"],"format":"call"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Authorization": {"Bearer " + r.token}, "Content-Type": {"application/json"}, "Idempotency-Key": {"once"}}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusCreated {
			t.Fatalf("status %d, %v: %s", res.StatusCode, err, body)
		}
		return string(body)
	}
	if first, second := register(), register(); !strings.Contains(first, "wk_") || second != "" {
		t.Errorf("answers are %q and %q, want the key once and then nothing", first, second)
	}
	names, err := r.db.Database().ListCollectionNames(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		cursor, err := r.db.Collection(name).Find(t.Context(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		for cursor.Next(t.Context()) {
			if bytes.Contains(cursor.Current, []byte("wk_")) {
				t.Errorf("a write key is stored in %s", name)
			}
		}
	}
	if len(names) < 3 {
		t.Errorf("only %v were looked through", names)
	}
}
