package service_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/service"
)

// client keeps no connection, so that none outlives its test.
func client(t *testing.T) *http.Client {
	tr := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// serve runs f with the address option and returns the bound address, how to stop, and the result.
func serve(t *testing.T, f func(ctx context.Context, o service.ListenOption) error) (addr string, stop context.CancelFunc, done <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	bound, c := make(chan net.Addr, 1), make(chan error, 1)
	go func() { c <- f(ctx, service.OnListen(func(a net.Addr) { bound <- a })) }()
	select {
	case a := <-bound:
		return a.String(), cancel, c
	case err := <-c:
		t.Fatalf("it does not listen: %v", err)
		return "", nil, nil
	}
}

func TestListenAndServeRefusesOtherMachines(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "7070", ""} {
		err := service.ListenAndServe(t.Context(), addr, http.NotFoundHandler())
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%q: got %v", addr, err)
		}
	}
	_, stop, done := serve(t, func(ctx context.Context, o service.ListenOption) error {
		return service.ListenAndServe(ctx, "0.0.0.0:0", http.NotFoundHandler(), o, service.BeyondLoopback())
	})
	stop()
	if err := <-done; err != nil {
		t.Errorf("when told to: %v", err)
	}
}

func TestListenAndServeNamesATakenAddress(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := service.ListenAndServe(t.Context(), l.Addr().String(), nil); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "choose another") {
		t.Errorf("got %v", err)
	}
}

func TestListenAndServeDrains(t *testing.T) {
	t.Parallel()
	begun, finish := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			_, _ = io.WriteString(w, "begin\n")
			_ = http.NewResponseController(w).Flush()
			<-service.Draining(r.Context())
			_, _ = io.WriteString(w, "end\n")
			return
		}
		close(begun)
		<-finish
		if r.Context().Err() != nil {
			w.WriteHeader(http.StatusGone)
		}
	})
	addr, stop, done := serve(t, func(ctx context.Context, o service.ListenOption) error {
		return service.ListenAndServe(ctx, "127.0.0.1:0", h, o)
	})
	c := client(t)
	stream, err := c.Get("http://" + addr + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	lines := bufio.NewScanner(stream.Body)
	if !lines.Scan() || lines.Text() != "begin" {
		t.Fatalf("the stream begins with %q", lines.Text())
	}
	status := make(chan int, 1)
	go func() {
		resp, err := c.Get("http://" + addr + "/work")
		if err != nil {
			status <- 0
			return
		}
		resp.Body.Close()
		status <- resp.StatusCode
	}()
	<-begun
	stop()
	if !lines.Scan() || lines.Text() != "end" {
		t.Errorf("the stream ends with %q, %v", lines.Text(), lines.Err())
	}
	close(finish)
	if got := <-status; got != 200 {
		t.Errorf("a request at work got %d", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestListenAndServeTLS(t *testing.T) {
	t.Parallel()
	lender := httptest.NewUnstartedServer(nil) // whose certificate is borrowed
	lender.StartTLS()
	cert := lender.TLS.Certificates
	lender.Close()
	addr, stop, done := serve(t, func(ctx context.Context, o service.ListenOption) error {
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.TLS == nil {
				w.WriteHeader(http.StatusTeapot)
			}
		})
		return service.ListenAndServe(ctx, "127.0.0.1:0", h, o, service.WithTLS(&tls.Config{Certificates: cert}))
	})
	resp, err := client(t).Get("https://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("got %d", resp.StatusCode)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestServeDrainsBeforeComponentsStop(t *testing.T) {
	t.Parallel()
	var d diary
	begun, finish := make(chan struct{}), make(chan struct{})
	o := options(noting(&d, "one"))
	o.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(begun)
		<-finish
		d.add("request done")
	})
	s := build(t, o)
	addr, stop, done := serve(t, func(ctx context.Context, o service.ListenOption) error { return s.Serve(ctx, "127.0.0.1:0", o) })
	go func() {
		if resp, err := client(t).Get("http://" + addr + "/work"); err == nil {
			resp.Body.Close()
		}
	}()
	<-begun
	stop()
	close(finish)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := d.all(); len(got) != 3 || got[1] != "request done" || got[2] != "stop one" {
		t.Errorf("order: %v", got)
	}
}

func TestServeEndsWhenEitherPartFails(t *testing.T) {
	t.Parallel()
	var d diary
	s := build(t, options(noting(&d, "one")))
	if err := s.Serve(t.Context(), "0.0.0.0:0"); !fault.Is(err, fault.Invalid) {
		t.Errorf("a refused address: got %v", err)
	}
	again := build(t, options(noting(&d, "one")))
	if err := again.Serve(cancelled(t), "127.0.0.1:0"); err != nil {
		t.Errorf("an ended context: got %v", err)
	}
	_, _, done := serve(t, func(ctx context.Context, o service.ListenOption) error { return again.Serve(ctx, "127.0.0.1:0", o) })
	if err := <-done; err == nil || !strings.Contains(err.Error(), "has run already") {
		t.Errorf("a second run: got %v", err)
	}
}

func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("over"))
	return ctx
}
