package httpx_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/service"
	"github.com/strata-crm/strata/shared/signin"
)

func TestStreamOutlivesTheTimeoutAndEndsWithTheServer(t *testing.T) {
	t.Parallel()
	const timeout = 20 * time.Millisecond
	f := open(t, func(o *httpx.Options) { o.Timeout = timeout })
	events := make(chan httpx.Event)
	last := make(chan string, 1)
	f.e.GET("/events", func(c echo.Context) error {
		last <- httpx.LastEventID(c)
		return httpx.Stream(c, events)
	})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	addr, done := make(chan net.Addr, 1), make(chan error, 1)
	go func() {
		done <- service.ListenAndServe(ctx, "127.0.0.1:0", f.e, service.OnListen(func(a net.Addr) { addr <- a }))
	}()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+(<-addr).String()+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer ada")
	req.Header.Set("Last-Event-ID", "41")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := <-last; got != "41" || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("last id %q, headers %v", got, resp.Header)
	}
	lines := bufio.NewScanner(resp.Body)
	expect(t, lines, "retry: 3000")
	<-time.After(3 * timeout) // the time that must not end the stream is the real one of the server under test
	events <- httpx.Event{ID: "42", Type: "goal", Data: map[string]string{"text": "two\nlines"}}
	expect(t, lines, "id: 42")
	expect(t, lines, "event: goal")
	expect(t, lines, `data: {"text":"two\nlines"}`)
	stop()
	if err := <-done; err != nil {
		t.Errorf("the server stopped with %v", err)
	}
	for lines.Scan() {
		if lines.Text() != "" {
			t.Errorf("after the end: %q", lines.Text())
		}
	}
}

func expect(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	for lines.Scan() {
		if lines.Text() != "" {
			break
		}
	}
	if lines.Text() != want {
		t.Fatalf("got line %q (%v), want %q", lines.Text(), lines.Err(), want)
	}
}

func TestStreamSendsHeartbeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := httptest.NewRecorder()
		done := make(chan error)
		go func() { done <- httpx.StreamTo(ctx, w, make(chan httpx.Event)) }()
		time.Sleep(46 * time.Second) // of the bubble's clock
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := strings.Count(w.Body.String(), ": still here\n\n"); n != 3 {
			t.Errorf("%d heartbeats in 46 s, want 3", n)
		}
	})
}

func TestStreamEndsWithItsChannelAndRefusesBrokenEvents(t *testing.T) {
	t.Parallel()
	events := make(chan httpx.Event, 1)
	close(events)
	if err := httpx.StreamTo(t.Context(), httptest.NewRecorder(), events); err != nil {
		t.Errorf("a closed channel: %v", err)
	}
	for _, e := range []httpx.Event{{ID: "a\nb"}, {Type: "a\rb"}, {Data: make(chan int)}} {
		events := make(chan httpx.Event, 1)
		events <- e
		w := httptest.NewRecorder()
		if err := httpx.StreamTo(t.Context(), w, events); err == nil || strings.Contains(w.Body.String(), "data") {
			t.Errorf("event %v was sent: %v, %s", e, err, w.Body)
		}
	}
}

// broken is a client that has gone.
type broken struct{ httptest.ResponseRecorder }

func (*broken) Write([]byte) (int, error) { return 0, net.ErrClosed }

func TestStreamEndsWhenTheClientIsGone(t *testing.T) {
	t.Parallel()
	if err := httpx.StreamTo(t.Context(), &broken{}, make(chan httpx.Event)); err != nil {
		t.Error(err)
	}
}

// A stream ends with the sign-in that opened it: whoever may not ask any more is told nothing more.
func TestStreamEndsWithTheToken(t *testing.T) {
	t.Parallel()
	f := open(t, func(o *httpx.Options) { o.Verifier = &leaving{Verifier: o.Verifier, after: 2} }) // the request's, and the first event's
	f.e.GET("/events", func(c echo.Context) error {
		events, ctx := make(chan httpx.Event), c.Request().Context()
		go func() {
			defer close(events)
			events <- httpx.Event{ID: "1", Data: "seen"}
			events <- httpx.Event{ID: "2", Data: "not for you"}
			<-ctx.Done()
		}()
		return httpx.Stream(c, events)
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := httptest.NewRequest("GET", "/events", nil).WithContext(ctx)
	r.Header.Set("Authorization", "Bearer ada")
	w := httptest.NewRecorder()
	f.e.ServeHTTP(w, r) // it returns, though nobody ended the stream
	if body := w.Body.String(); !strings.Contains(body, "seen") || strings.Contains(body, "not for you") {
		t.Errorf("sent:\n%s", body)
	}
}

// leaving is a verifier whose tokens are all wrong after so many looks at them.
type leaving struct {
	signin.Verifier
	after int64
	looks atomic.Int64
}

func (l *leaving) Verify(ctx context.Context, token string) (signin.Identity, error) {
	if l.looks.Add(1) > l.after {
		return signin.Identity{}, fault.New(fault.Denied, fault.NotSignedIn, "no")
	}
	return l.Verifier.Verify(ctx, token)
}
