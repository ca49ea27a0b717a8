package service

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/strata-crm/strata/shared/fault"
)

// The server's limits. The two long ones bound a request's body and its answer; httpx lifts them for streams and
// uploads, one by one.
const (
	headerWithin = 10 * time.Second
	readWithin   = time.Minute
	writeWithin  = 90 * time.Second
	idleWithin   = 2 * time.Minute
	maxHeader    = 64 << 10 // bytes
	drainWithin  = 10 * time.Second
)

// ListenOption changes how [ListenAndServe] listens.
type ListenOption func(*listening)

type listening struct {
	anywhere bool
	tls      *tls.Config
	onListen func(net.Addr)
}

// BeyondLoopback allows an address that other machines reach.
func BeyondLoopback() ListenOption { return func(l *listening) { l.anywhere = true } }

// WithTLS serves HTTPS; c holds at least one certificate.
func WithTLS(c *tls.Config) ListenOption { return func(l *listening) { l.tls = c } }

// OnListen calls f with the bound address before the first request is accepted; useful with port 0.
func OnListen(f func(net.Addr)) ListenOption { return func(l *listening) { l.onListen = f } }

type drainKey struct{}

// Draining is closed when the server of the request's context begins to shut down; long answers (streams) end then.
// It is nil, which never closes, outside ListenAndServe.
func Draining(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(drainKey{}).(chan struct{})
	return c
}

// ListenAndServe serves h on addr until ctx ends, then drains requests for up to 10 s and returns nil; requests that
// last longer are cut off, and that is an error. It refuses an address beyond loopback (fault.Invalid) without
// [BeyondLoopback]. No connection outlives it.
func ListenAndServe(ctx context.Context, addr string, h http.Handler, opts ...ListenOption) error {
	var o listening
	for _, opt := range opts {
		opt(&o)
	}
	l, err := listen(ctx, addr, o)
	if err != nil {
		return err
	}
	if o.onListen != nil {
		o.onListen(l.Addr())
	}
	draining := make(chan struct{})
	base, cut := context.WithCancel(context.WithValue(context.WithoutCancel(ctx), drainKey{}, draining))
	defer cut()
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: headerWithin, ReadTimeout: readWithin, WriteTimeout: writeWithin,
		IdleTimeout: idleWithin, MaxHeaderBytes: maxHeader, BaseContext: func(net.Listener) context.Context { return base },
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return errors.Join(fmt.Errorf("serve HTTP on %s: %w", addr, err), srv.Close())
	case <-ctx.Done():
	}
	close(draining)
	return drain(srv, cut, failed)
}

// drain ends the server: politely, then not.
func drain(srv *http.Server, cut context.CancelFunc, failed <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainWithin)
	defer cancel()
	err := srv.Shutdown(ctx)
	cut()
	if err != nil {
		err = errors.Join(fmt.Errorf("requests were cut off after %s: %w", drainWithin, err), srv.Close())
	}
	<-failed
	return err
}

func listen(ctx context.Context, addr string, o listening) (net.Listener, error) {
	if err := allowed(ctx, addr, o.anywhere); err != nil {
		return nil, err
	}
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, fault.BadDefinition, err, "the address "+addr+" cannot be listened on: free it, or choose another")
	}
	if o.tls != nil {
		return tls.NewListener(l, o.tls), nil
	}
	return l, nil
}

// allowed refuses what is not loopback. A host name counts as loopback only if all its addresses are.
func allowed(ctx context.Context, addr string, anywhere bool) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fault.New(fault.Invalid, fault.BadDefinition, "the address %q to listen on is not of the form 127.0.0.1:7070", addr)
	}
	if anywhere {
		return nil
	}
	refused := fault.New(fault.Invalid, fault.BadDefinition,
		"the address %q can be reached from other machines: listen on 127.0.0.1, or allow it explicitly in the configuration", addr)
	if host == "" {
		return refused
	}
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return fault.Wrap(fault.Invalid, fault.BadDefinition, err, "the host in "+addr+" has no address: listen on 127.0.0.1")
	}
	for _, ip := range ips {
		if !ip.IP.IsLoopback() {
			return refused
		}
	}
	return nil
}

// Serve is [Service.Run] together with [ListenAndServe] for [Service.Handler]. When ctx ends, /readyz turns red, requests
// are drained, and only then do the components stop. When either part fails, the other is stopped and both errors come
// back.
func (s *Service) Serve(ctx context.Context, addr string, opts ...ListenOption) error {
	serveCtx, stopServing := context.WithCancel(ctx)
	defer stopServing()
	runCtx, stopRunning := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRunning()
	ran := make(chan error, 1)
	go func() {
		defer stopServing()
		ran <- s.Run(runCtx)
	}()
	stopRed := context.AfterFunc(serveCtx, func() { s.stopping.Store(true) })
	defer stopRed()
	err := ListenAndServe(serveCtx, addr, s.Handler(), opts...)
	stopRunning()
	return errors.Join(err, <-ran)
}
