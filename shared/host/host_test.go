package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/bus/bustest"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/local/broker"
	"github.com/strata-crm/strata/shared/local/docstore"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
	"github.com/strata-crm/strata/shared/service"
	"github.com/strata-crm/strata/shared/signin"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// layered is the configuration of a service that does nothing.
type layered struct{ Config }

// Validate checks nothing of its own.
func (layered) Validate() error { return nil }

func indexes() []mongodb.Index {
	return []mongodb.Index{{Collection: "goals", Keys: bson.D{{Key: "tenant", Value: 1}}}}
}

func idle(built *Deps) Spec[layered] {
	return Spec[layered]{
		Layer: contract.Strategic, Host: func(c *layered) *Config { return &c.Config },
		Indexes: indexes, Migrations: func() []mongodb.Migration { return nil },
		New: func(_ context.Context, _ layered, d Deps) (*service.Service, error) {
			*built = d
			return service.New(service.Options{Name: "idle", Logger: d.Telemetry.Logger, Now: d.Now, Handler: http.NotFoundHandler()})
		},
	}
}

func problem(t *testing.T, url string) httpx.Problem {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%s: %s, %s", url, res.Status, res.Header.Get("Content-Type"))
	}
	var p httpx.Problem
	if err := json.NewDecoder(res.Body).Decode(&p); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestAnUnreadyServiceNamesTheCommand asks with what really verifies topics and indexes, of nothing that is set up.
func TestAnUnreadyServiceNamesTheCommand(t *testing.T) {
	t.Parallel()
	empty, complete := bustest.Memory(t), bustest.Memory(t, contract.Specs()...)
	for name, c := range map[string]struct {
		topics *bustest.Bus
		ix     []mongodb.Index
		want   []string
	}{
		"no topics":         {empty, nil, []string{"strata setup", contract.TopicEvents}},
		"no indexes":        {complete, indexes(), []string{"strata setup", "goals"}},
		"neither of either": {empty, indexes(), []string{"strata setup", contract.TopicEvents, "goals"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := mongotest.Open(t)
			if len(c.ix) == 0 {
				if err := mongodb.Setup(t.Context(), db, nil, nil); err != nil {
					t.Fatal(err)
				}
			}
			srv := httptest.NewServer(unready(func(ctx context.Context) error {
				return errors.Join(c.topics.VerifyTopics(ctx, contract.Specs()...), mongodb.Verify(ctx, db, c.ix, nil))
			}))
			t.Cleanup(srv.Close)
			for _, path := range []string{"/readyz", "/api/strategic/v1/goals"} {
				p := problem(t, srv.URL+path)
				text := fmt.Sprint(p.Detail, p.Errors)
				for _, want := range c.want {
					if !strings.Contains(text, want) {
						t.Errorf("%s says %q; want %q in it", path, text, want)
					}
				}
				if p.Type != "urn:strata:problem:setup_required" {
					t.Errorf("%s: type %s", path, p.Type)
				}
			}
			if res, err := http.Get(srv.URL + "/healthz"); err != nil || res.StatusCode != http.StatusOK {
				t.Errorf("the process lives, but /healthz says %v, %v", res.Status, err)
			}
		})
	}
}

// freePort returns a loopback address that nobody listens on now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// servers starts a broker and a store that listen, each behind a credential, and an issuer; it returns the environment
// that makes a service use them, listening on addr.
func servers(t *testing.T, addr string) []string {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	b, err := broker.Open(broker.Options{Logger: log, Listen: "127.0.0.1:0", Credential: &broker.Credential{Username: "strata", Password: "kafka-secret"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	s, err := docstore.Open(docstore.Options{InMemory: true, Now: time.Now, Credential: &docstore.Credential{Username: "strata", Password: "mongo-secret"}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-served })
	issuer, err := signin.NewIssuer(signin.Options{Dir: t.TempDir(), Now: time.Now, Tenant: "main"})
	if err != nil {
		t.Fatal(err)
	}
	keys := httptest.NewServer(issuer.JWKS())
	t.Cleanup(keys.Close)
	return []string{
		"STRATA_STRATEGIC_KAFKA_BROKERS=" + strings.Join(b.Brokers(), ","), "STRATA_STRATEGIC_KAFKA_USERNAME=strata",
		"STRATA_STRATEGIC_KAFKA_PASSWORD=kafka-secret",
		"STRATA_STRATEGIC_MONGO_URI=mongodb://strata:mongo-secret@" + l.Addr().String() + "/?directConnection=true",
		"STRATA_STRATEGIC_SIGNIN_JWKS=" + keys.URL, "STRATA_STRATEGIC_HTTP_LISTEN=" + addr,
	}
}

// eventually waits for the address to answer with the status.
func eventually(t *testing.T, url string, status int, done <-chan error) {
	t.Helper()
	end := time.NewTimer(30 * time.Second)
	defer end.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if res, err := http.Get(url); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == status {
				return
			}
		}
		select {
		case err := <-done:
			t.Fatalf("it ended: %v", err)
		case <-end.C:
			t.Fatalf("%s never answered %d", url, status)
		case <-tick.C:
		}
	}
}

// TestAServiceWaitsForItsSetUp runs the whole of a main against listening servers: unready until `setup` has run beside
// it, then ready by itself, until it is told to end.
func TestAServiceWaitsForItsSetUp(t *testing.T) {
	t.Parallel()
	addr := freePort(t)
	environ := servers(t, addr)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var built Deps
	var logged bytes.Buffer
	done := make(chan error, 1)
	go func() { done <- Main(ctx, idle(&built), nil, environ, &logged) }()
	eventually(t, "http://"+addr+"/readyz", http.StatusServiceUnavailable, done)
	if p := problem(t, "http://"+addr+"/readyz"); !strings.Contains(p.Detail+fmt.Sprint(p.Errors), "strata setup") {
		t.Errorf("it does not say what to do: %+v", p)
	}
	if err := Main(t.Context(), idle(new(Deps)), []string{"setup"}, environ, io.Discard); err != nil {
		t.Fatalf("setup: %v", err)
	}
	if err := Main(t.Context(), idle(new(Deps)), []string{"setup"}, environ, io.Discard); err != nil {
		t.Fatalf("setup again: %v", err)
	}
	eventually(t, "http://"+addr+"/readyz", http.StatusOK, done)
	stop()
	if err := <-done; err != nil {
		t.Fatalf("it ended with %v", err)
	}
	if err := built.Check(); err != nil {
		t.Errorf("the service was built with too little: %v", err)
	}
	if name := built.DB.Database().Name(); name != "strata_strategic" {
		t.Errorf("database %s", name)
	}
	for _, secret := range []string{"kafka-secret", "mongo-secret"} {
		if strings.Contains(logged.String(), secret) {
			t.Errorf("the log tells a secret: %s", secret)
		}
	}
}

func TestMainRefusesWhatIsWrong(t *testing.T) {
	t.Parallel()
	const layer = "STRATA_STRATEGIC_"
	for name, c := range map[string]struct {
		args, environ []string
		want          string
	}{
		"an unknown variable":   {nil, []string{layer + "MONGO_URL=x"}, layer + "MONGO_URI"},
		"a tenant with a space": {nil, []string{layer + "TENANT_ID=Main Street"}, "tenant.id"},
		"no currency":           {nil, []string{layer + "TENANT_CURRENCY=euro"}, "ISO 4217"},
		"no time zone":          {nil, []string{layer + "TENANT_ZONE=Vienna"}, "IANA"},
		"no week start":         {nil, []string{layer + "TENANT_WEEKSTART=someday"}, "tenant.weekstart"},
		"no address":            {nil, []string{layer + "HTTP_LISTEN=7071"}, "address:port"},
		"an unknown command":    {[]string{"serve"}, nil, "setup, version"},
		"an unknown flag":       {[]string{"-port", "1"}, nil, "port"},
		"a file that is not":    {[]string{"-config", "nowhere.yaml"}, nil, "nowhere.yaml"},
	} {
		err := Main(t.Context(), idle(new(Deps)), c.args, c.environ, io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q in it", name, err, c.want)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := Main(t.Context(), idle(new(Deps)), []string{"version"}, nil, &out); err != nil || strings.TrimSpace(out.String()) != Version() {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestNobodyServesWithoutSignIn(t *testing.T) {
	t.Parallel()
	_, err := (&Config{}).verifier(t.Context())
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "signin.issuer") || !strings.Contains(err.Error(), "signin.jwks") {
		t.Errorf("%v; want it to name what to set", err)
	}
}

func TestEachLayerHasItsPlace(t *testing.T) {
	t.Parallel()
	var c Config
	for layer, want := range map[contract.Layer][2]string{
		contract.Strategic: {"127.0.0.1:7071", "strata_strategic"}, contract.Functional: {"127.0.0.1:7072", "strata_functional"},
		contract.Operational: {"127.0.0.1:7073", "strata_operational"},
	} {
		if got := [2]string{c.listen(layer), c.database(layer)}; got != want {
			t.Errorf("%s: %v, want %v", layer, got, want)
		}
	}
	c.HTTP.Listen, c.Mongo.Database = "127.0.0.1:1", "crm"
	if c.listen(contract.Strategic) != "127.0.0.1:1" || c.database(contract.Strategic) != "crm" {
		t.Error("what is configured does not count")
	}
}

func TestDepsNameWhatIsMissing(t *testing.T) {
	t.Parallel()
	if err := (Deps{}).Check(); err == nil {
		t.Error("nothing at all is enough")
	}
}

func TestAcceptingALogIsForWhoReadsIt(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"setup", "--accept-new-log"}, {"--accept-new-log"}, {"--accept-new-log", "version"}} {
		err := Main(t.Context(), Spec[Config]{Layer: contract.Strategic, Host: func(c *Config) *Config { return c }}, args, nil, io.Discard)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "operational") {
			t.Errorf("%v: %v; want it refused, naming the service that it is for", args, err)
		}
	}
}

func TestFirstDay(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]time.Weekday{"monday": time.Monday, "saturday": time.Saturday, "sunday": time.Sunday, "": time.Monday} {
		if got := (Tenant{WeekStart: name}).FirstDay(); got != want {
			t.Errorf("weeks from %q begin on %s", name, got)
		}
	}
}
