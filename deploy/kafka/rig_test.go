// Package kafka_test runs the services as they run for real, each in a process of its own, against a broker of Apache
// Kafka from its published jars. `make test-kafka` fetches the jars and runs it; elsewhere it skips.
package kafka_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/realkafka"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/local/docstore"
	"github.com/strata-crm/strata/shared/signin"
)

const (
	startWithin = 60 * time.Second // of a service, on a machine that does much else
	retryWithin = 60 * time.Second // how long a program goes on asking a service that is away
	lookEvery   = 50 * time.Millisecond
)

// newCluster returns brokers of the test's own that are not started yet, with the settings of production, some of them changed.
func newCluster(t *testing.T, nodes int, changed map[string]string) []*realkafka.Broker {
	t.Helper()
	if os.Getenv("STRATA_TEST_KAFKA") == "" {
		t.Skip("run `make test-kafka`: it fetches Apache Kafka and sets STRATA_TEST_KAFKA")
	}
	jars := filepath.Join(".cache", "lib")
	if err := realkafka.VerifyJars(jars, "jars.sha256"); err != nil {
		t.Fatal(err)
	}
	settings, err := realkafka.Settings("broker.properties")
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(settings, changed)
	all, err := realkafka.NewCluster(t.Context(), realkafka.Options{Jars: jars, Dir: t.TempDir(), Settings: settings}, nodes)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range all {
		t.Cleanup(func() {
			if err := b.Kill(); err != nil {
				t.Error(err)
			}
		})
	}
	return all
}

// startBroker returns a running broker of the test's own.
func startBroker(t *testing.T) *realkafka.Broker {
	t.Helper()
	b := newCluster(t, 1, nil)[0]
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// rig is the three services, the document store and the sign-in around a broker.
type rig struct {
	broker   *realkafka.Broker
	services map[contract.Layer]*process
	issuer   *signin.Issuer
	client   *client.Client
}

func startRig(t *testing.T, environ ...string) *rig {
	t.Helper()
	r := &rig{broker: startBroker(t), services: map[contract.Layer]*process{}}
	var err error
	if r.issuer, err = signin.NewIssuer(signin.Options{Dir: t.TempDir(), Now: time.Now, Tenant: "main"}); err != nil {
		t.Fatal(err)
	}
	jwks := httptest.NewServer(r.issuer.JWKS())
	t.Cleanup(jwks.Close)
	common := []string{"MONGO_URI=" + store(t), "KAFKA_BROKERS=" + r.broker.Address(), "SIGNIN_JWKS=" + jwks.URL, "TELEMETRY_LOGLEVEL=warn"}
	programs := build(t)
	for _, l := range []contract.Layer{contract.Strategic, contract.Functional, contract.Operational} {
		p := &process{layer: l, program: filepath.Join(programs, string(l)), address: freeAddress(t), log: &record{}, environ: append(os.Environ(), environ...)}
		for _, setting := range append(common, "HTTP_LISTEN="+p.address) {
			p.environ = append(p.environ, "STRATA_"+strings.ToUpper(string(l))+"_"+setting)
		}
		r.services[l] = p
		p.setUp(t)
		p.start(t)
		t.Cleanup(func() { p.end(t) })
	}
	front := httptest.NewServer(r.front())
	t.Cleanup(front.Close)
	if r.client, err = client.New(front.URL, ""); err != nil {
		t.Fatal(err)
	}
	for _, p := range r.services {
		p.awaitReady(t)
	}
	return r
}

// build compiles the services as `make build` does.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	c := exec.CommandContext(t.Context(), "go", "build", "-o", dir+string(filepath.Separator),
		"./strategic/cmd/strategic", "./functional/cmd/functional", "./operational/cmd/operational")
	c.Dir = filepath.Join("..", "..")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build the services: %v\n%s", err, out)
	}
	return dir
}

// store returns the address of a document store on disk, behind a port and a credential, as `strata up --expose` opens it.
func store(t *testing.T) string {
	t.Helper()
	secret := rand.Text()
	s, err := docstore.Open(docstore.Options{Dir: t.TempDir(), Now: time.Now, Credential: &docstore.Credential{Username: "strata", Password: secret}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }() // ends with the store
	return fmt.Sprintf("mongodb://strata:%s@%s/?directConnection=true", secret, l.Addr())
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// tenantKey is a fresh key as the operational service wants it.
func tenantKey() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	return "STRATA_OPERATIONAL_TENANT_KEY=" + base64.StdEncoding.EncodeToString(raw)
}

// token is for demo.Options.
func (r *rig) token(subject string, roles ...signin.Role) (string, error) {
	return r.issuer.Token(subject, roles, time.Hour)
}

// front is the one address before the three services, as an ingress is. Like a patient program it repeats what was not
// answered, with the same Idempotency-Key.
func (r *rig) front() http.Handler {
	mux := http.NewServeMux()
	for l, p := range r.services {
		proxy := &httputil.ReverseProxy{
			Rewrite:   func(q *httputil.ProxyRequest) { q.SetURL(&url.URL{Scheme: "http", Host: p.address}) },
			Transport: patient{},
		}
		mux.Handle("/api/"+string(l)+"/", proxy)
		if l == contract.Operational {
			mux.Handle("/v1/", proxy)
		}
	}
	return mux
}

// patient repeats requests that were not answered, or with 503.
type patient struct{}

func (patient) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	until := time.Now().Add(retryWithin)
	for {
		again := r.Clone(r.Context())
		again.Body = io.NopCloser(bytes.NewReader(body))
		answer, err := http.DefaultTransport.RoundTrip(again)
		if err == nil && answer.StatusCode != http.StatusServiceUnavailable || r.Context().Err() != nil || time.Now().After(until) {
			return answer, err
		}
		if err == nil {
			answer.Body.Close()
		}
		time.Sleep(lookEvery)
	}
}

// process is one service in a process of its own. It is for one goroutine at a time.
type process struct {
	layer            contract.Layer
	program, address string
	environ          []string
	log              *record
	running          *exec.Cmd
}

func (p *process) setUp(t *testing.T) {
	t.Helper()
	c := exec.CommandContext(t.Context(), p.program, "setup")
	c.Env = p.environ
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s setup: %v\n%s", p.layer, err, out)
	}
}

func (p *process) start(t *testing.T) {
	t.Helper()
	p.running = exec.Command(p.program)
	p.running.Env, p.running.Stderr = p.environ, p.log
	if err := p.running.Start(); err != nil {
		t.Errorf("start the %s service: %v", p.layer, err)
	}
}

// kill ends the process as a crash would.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.running.Process.Kill(); err != nil {
		t.Errorf("%s had ended by itself: %v\n%s", p.layer, err, p.log)
	}
	_ = p.running.Wait() // it was killed
}

// end stops the process in order, and shows the end of its log when the test failed.
func (p *process) end(t *testing.T) {
	_ = p.running.Process.Signal(os.Interrupt)
	if err := p.running.Wait(); err != nil {
		t.Errorf("%s ended with %v", p.layer, err)
	}
	if t.Failed() {
		t.Logf("the %s service's log:\n%s", p.layer, p.log)
	}
}

func (p *process) awaitReady(t *testing.T) {
	t.Helper()
	until := time.Now().Add(startWithin)
	for {
		answer, err := http.Get("http://" + p.address + "/readyz")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(until) {
			t.Fatalf("the %s service did not become ready\n%s", p.layer, p.log)
		}
		time.Sleep(lookEvery)
	}
}

// record keeps the last part of a log.
type record struct {
	mu   sync.Mutex
	text []byte
}

const recordBytes = 8 << 10

// Write implements io.Writer.
func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text = append(r.text, p...)
	r.text = r.text[max(0, len(r.text)-recordBytes):]
	return len(p), nil
}

// String returns what is kept.
func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return string(r.text)
}

// settings are those with which one person fills several layers, and open windows are measured at once.
func settings() []string {
	return []string{"STRATA_FUNCTIONAL_PLAN_APPROVAL=policy", "STRATA_OPERATIONAL_METRIC_CADENCE=1s", tenantKey()}
}

// background runs do until the test's end, and waits for it.
func background(t *testing.T, do func(ctx context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); do(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}
