package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/strata-crm/strata/shared/fault"
)

// listener hands kfake the connections of this process's clients and, if there is a port, of others. Closing it ends
// them all.
type listener struct {
	port  net.Listener // nil = none
	guard func(net.Conn) net.Conn
	conns chan net.Conn
	done  chan struct{}

	mu   sync.Mutex
	open map[*tracked]struct{} // nil once closed
}

type address string

func (a address) Network() string { return "in-process" }
func (a address) String() string  { return string(a) }

// inProcess is the address of a broker without a port. It must look like one, because clients take it apart.
const inProcess = address("broker.in-process:9092")

func listen(at string, guard func(net.Conn) net.Conn) (*listener, error) {
	l := &listener{guard: guard, conns: make(chan net.Conn), done: make(chan struct{}), open: map[*tracked]struct{}{}}
	if at == "" {
		return l, nil
	}
	host, _, err := net.SplitHostPort(at)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return nil, fault.New(fault.Invalid, fault.BadRequest, "the local broker listens on loopback only, not on %q: use 127.0.0.1:PORT", at)
	}
	if l.port, err = net.Listen("tcp", at); err != nil {
		return nil, err
	}
	go l.acceptPort()
	return l, nil
}

func (l *listener) acceptPort() {
	for {
		conn, err := l.port.Accept()
		if err != nil {
			return
		}
		if l.hand(context.Background(), conn) != nil {
			conn.Close()
		}
	}
}

// dial connects a client of this process.
func (l *listener) dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	if err := l.hand(ctx, server); err != nil {
		client.Close()
		server.Close()
		return nil, err
	}
	return client, nil
}

func (l *listener) hand(ctx context.Context, server net.Conn) error {
	conn, err := l.track(l.guard(server))
	if err != nil {
		return err
	}
	select {
	case l.conns <- conn:
		return nil
	case <-l.done:
		err = fmt.Errorf("the local broker is closed: %w", net.ErrClosed)
	case <-ctx.Done():
		err = ctx.Err()
	}
	conn.Close()
	return err
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr {
	if l.port != nil {
		return l.port.Addr()
	}
	return inProcess
}

// Close implements net.Listener; it may be called again.
func (l *listener) Close() error {
	l.mu.Lock()
	open := l.open
	l.open = nil
	l.mu.Unlock()
	if open == nil {
		return nil
	}
	close(l.done)
	var err error
	if l.port != nil {
		err = l.port.Close()
	}
	for conn := range open {
		err = errors.Join(err, conn.Conn.Close())
	}
	return err
}

// tracked is a connection that the listener can close.
type tracked struct {
	net.Conn
	of *listener
}

func (l *listener) track(conn net.Conn) (*tracked, error) {
	t := &tracked{conn, l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		conn.Close()
		return nil, fmt.Errorf("the local broker is closed: %w", net.ErrClosed)
	}
	l.open[t] = struct{}{}
	return t, nil
}

// Close implements net.Conn.
func (t *tracked) Close() error {
	t.of.mu.Lock()
	delete(t.of.open, t)
	t.of.mu.Unlock()
	return t.Conn.Close()
}
