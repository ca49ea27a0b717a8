package service_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/service"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// diary is what happened, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(s string) { d.mu.Lock(); defer d.mu.Unlock(); d.lines = append(d.lines, s) }

func (d *diary) all() []string { d.mu.Lock(); defer d.mu.Unlock(); return slices.Clone(d.lines) }

func (d *diary) count(s string) int {
	n := 0
	for _, l := range d.all() {
		if l == s {
			n++
		}
	}
	return n
}

// part is a component made of a function.
type part struct {
	name string
	run  func(ctx context.Context) error
}

func (p part) Name() string                  { return p.name }
func (p part) Run(ctx context.Context) error { return p.run(ctx) }

// slow is a component that says when it is up.
type slow struct {
	part
	up chan struct{}
}

func (s slow) Started() <-chan struct{} { return s.up }

// noting runs until it is asked to stop and notes both.
func noting(d *diary, name string) part {
	return part{name, func(ctx context.Context) error {
		d.add("start " + name)
		<-ctx.Done()
		d.add("stop " + name)
		return nil
	}}
}

func options(parts ...service.Component) service.Options {
	return service.Options{Name: "test", Logger: slog.New(slog.DiscardHandler), Now: time.Now, Components: parts}
}

func build(t *testing.T, o service.Options) *service.Service {
	t.Helper()
	s, err := service.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// begin runs s in the background; end stops it and returns what Run returned.
func begin(t *testing.T, s *service.Service) (end func() error, done <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := make(chan error, 1)
	go func() { c <- s.Run(ctx) }()
	return func() error { cancel(); return <-c }, c
}

func TestStartsInOrderAndStopsInReverse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d diary
		up := make(chan struct{})
		first := slow{part{"first", func(ctx context.Context) error {
			d.add("start first")
			time.Sleep(time.Minute) // of the bubble's clock
			d.add("up first")
			close(up)
			<-ctx.Done()
			d.add("stop first")
			return nil
		}}, up}
		o := options(first, noting(&d, "second"))
		for _, name := range []string{"a", "b"} {
			o.Close = append(o.Close, func(context.Context) error { d.add("close " + name); return nil })
		}
		s := build(t, o)
		end, _ := begin(t, s)
		synctest.Wait()
		if c := s.Ready(t.Context())[0]; c.Name != "service" || c.Err == nil || !strings.Contains(c.Err.Error(), "first") {
			t.Errorf("while first starts: %v", c)
		}
		time.Sleep(2 * time.Minute)
		if c := s.Ready(t.Context())[0]; c.Err != nil {
			t.Errorf("after the start: %v", c)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
		want := []string{"start first", "up first", "start second", "stop second", "stop first", "close b", "close a"}
		if diff := cmp.Diff(want, d.all()); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
		if c := s.Ready(t.Context())[0]; c.Err == nil {
			t.Error("a stopped service is ready")
		}
		if err := s.Run(t.Context()); err == nil {
			t.Error("it ran twice")
		}
	})
}

func TestABrokenComponentDoesNotKeepTheOthersDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d diary
		broken := slow{part{"broken", func(context.Context) error { return errors.New("hush") }}, make(chan struct{})}
		s := build(t, options(broken, noting(&d, "second")))
		end, _ := begin(t, s)
		synctest.Wait()
		if d.count("start second") != 1 {
			t.Error("the second component did not start")
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestRestartsAFailedComponentWithGrowingPauses(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() error{
		"an error": func() error { return errors.New("hush") },
		"an end":   func() error { return nil },
		"a panic":  func() error { panic("hush") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var d diary
				flaky := part{"flaky", func(ctx context.Context) error {
					d.add("run")
					if d.count("run") <= 3 {
						return fail()
					}
					<-ctx.Done()
					return nil
				}}
				var log bytes.Buffer
				o := options(flaky)
				o.Logger = slog.New(slog.NewTextHandler(&log, nil))
				s := build(t, o)
				end, _ := begin(t, s)
				synctest.Wait()
				if checks := s.Ready(t.Context()); checks[1].Name != "flaky" || checks[1].Err == nil {
					t.Errorf("while it is down: %v", checks)
				}
				if n := d.count("run"); n != 1 {
					t.Errorf("it ran %d times without a pause", n)
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if checks := s.Ready(t.Context()); d.count("run") != 4 || checks[1].Err != nil {
					t.Errorf("after %d runs: %v", d.count("run"), checks)
				}
				if err := end(); err != nil {
					t.Error(err)
				}
				if n := strings.Count(log.String(), "a component failed"); n != 3 {
					t.Errorf("%d failures are in the log, want 3: %s", n, log.String())
				}
			})
		})
	}
}

func TestRunSaysWhatDidNotStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		deaf := part{"deaf", func(context.Context) error { <-release; return nil }}
		o := options(deaf)
		o.Close = []func(context.Context) error{func(context.Context) error { return errors.New("cannot close") }}
		end, _ := begin(t, build(t, o))
		synctest.Wait()
		err := end()
		if err == nil || !strings.Contains(err.Error(), "deaf") || !strings.Contains(err.Error(), "cannot close") {
			t.Errorf("got %v", err)
		}
		close(release)
	})
}

func TestReadyzSaysWhatToDo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		o.Ready = []service.Dependency{
			{"mongodb", func(context.Context) error { return nil }},
			{"topics", func(context.Context) error {
				return fault.Wrap(fault.Conflict, fault.SetupRequired, errors.New("hush"), "run `strata setup`")
			}},
			{"odd", func(context.Context) error { return errors.New("hush") }},
			{"deaf", func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Hour)
				return nil
			}},
		}
		s := build(t, o)
		end, _ := begin(t, s)
		synctest.Wait()
		w := get(s, "/readyz")
		var got struct {
			Status string
			Checks []struct {
				Name string
				OK   bool
				Do   string
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 503 || got.Status != "not_ready" || len(got.Checks) != 5 {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		for i, want := range []string{"service:", "mongodb:", "topics:run `strata setup`", "odd:it failed: the log", "deaf:no answer within 2s"} {
			if c := got.Checks[i]; !strings.HasPrefix(c.Name+":"+c.Do, want) || c.OK != strings.HasSuffix(want, ":") {
				t.Errorf("check %d: got %+v, want %q", i, c, want)
			}
		}
		if strings.Contains(w.Body.String(), "hush") {
			t.Errorf("internal text left the service: %s", w.Body)
		}
		if w := get(s, "/healthz"); w.Code != 200 {
			t.Errorf("health: got %d", w.Code)
		}
		if w := get(s, "/anything"); w.Code != http.StatusTeapot {
			t.Errorf("the service's own route: got %d", w.Code)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Hour) // lets the deaf check end
	})
}

func TestReadyWhenAllIsFine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d diary
		s := build(t, options(noting(&d, "one")))
		if w := get(s, "/readyz"); w.Code != 503 {
			t.Errorf("before it runs: got %d", w.Code)
		}
		end, _ := begin(t, s)
		synctest.Wait()
		if w := get(s, "/readyz"); w.Code != 200 || !strings.Contains(w.Body.String(), `"ready"`) {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func get(s *service.Service, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	var d diary
	good := options(noting(&d, "one"))
	fine := func(context.Context) error { return nil }
	for name, change := range map[string]func(*service.Options){
		"no name":          func(o *service.Options) { o.Name = "" },
		"no logger":        func(o *service.Options) { o.Logger = nil },
		"no clock":         func(o *service.Options) { o.Now = nil },
		"two of one name":  func(o *service.Options) { o.Components = append(o.Components, noting(&d, "one")) },
		"no component":     func(o *service.Options) { o.Components = []service.Component{nil} },
		"no check":         func(o *service.Options) { o.Ready = []service.Dependency{{Name: "mongodb"}} },
		"a nameless check": func(o *service.Options) { o.Ready = []service.Dependency{{Ask: fine}} },
		"two checks of one name": func(o *service.Options) {
			o.Ready = []service.Dependency{{"mongodb", fine}, {"mongodb", fine}}
		},
		"a check named as a component": func(o *service.Options) { o.Ready = []service.Dependency{{"one", fine}} },
		"a check named as the service": func(o *service.Options) { o.Ready = []service.Dependency{{"service", fine}} },
		"watching a stranger":          func(o *service.Options) { o.Watch = []service.Progress{&progress{name: "two"}} },
	} {
		o := good
		change(&o)
		if _, err := service.New(o); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
