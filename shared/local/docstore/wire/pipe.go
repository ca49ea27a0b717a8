package wire

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Listener hands out connections that live in memory. It is a net.Listener whose other end is [Listener.DialContext].
type Listener struct {
	address string
	accept  chan net.Conn
	done    chan struct{}
	once    sync.Once
}

// NewListener returns a listener that reports address (host:port) as its own.
func NewListener(address string) *Listener {
	return &Listener{address: address, accept: make(chan net.Conn), done: make(chan struct{})}
}

// Accept waits for the next connection. It returns net.ErrClosed after Close.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close stops accepting. It does not touch open connections.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr returns the address given to NewListener.
func (l *Listener) Addr() net.Addr { return addr(l.address) }

// DialContext opens a connection to the listener, whatever the network and the address say.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	a, b := newBuffer(), newBuffer()
	client := &conn{in: a, out: b, address: addr(l.address)}
	server := &conn{in: b, out: a, address: addr(l.address)}
	select {
	case l.accept <- server:
		return client, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type addr string

func (addr) Network() string  { return "memory" }
func (a addr) String() string { return string(a) }

// conn is one end of a buffered duplex pipe.
type conn struct {
	in, out *buffer
	address addr
}

func (c *conn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *conn) Write(p []byte) (int, error) { return c.out.write(p) }
func (c *conn) LocalAddr() net.Addr         { return c.address }
func (c *conn) RemoteAddr() net.Addr        { return c.address }

func (c *conn) Close() error {
	c.in.close()
	c.out.close()
	return nil
}

func (c *conn) SetDeadline(t time.Time) error {
	c.in.setReadDeadline(t)
	c.out.setWriteDeadline(t)
	return nil
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.setReadDeadline(t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.setWriteDeadline(t)
	return nil
}

// bufferLimit bounds the bytes that wait in one direction; a writer blocks above it.
const bufferLimit = 1 << 20

// buffer carries bytes one way. The condition is shared by reader, writer and timers: there is one of each.
type buffer struct {
	mu            sync.Mutex
	cond          *sync.Cond
	data          []byte
	start         int
	closed        bool
	readTimedOut  bool
	writeTimedOut bool
	readTimer     *time.Timer
	writeTimer    *time.Timer
}

func newBuffer() *buffer {
	b := &buffer{}
	b.cond = sync.NewCond(&b.mu)
	return b
}

func (b *buffer) read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.start == len(b.data) {
		switch {
		case b.closed:
			return 0, io.EOF
		case b.readTimedOut:
			return 0, os.ErrDeadlineExceeded
		}
		b.cond.Wait()
	}
	n := copy(p, b.data[b.start:])
	if b.start += n; b.start == len(b.data) {
		b.data, b.start = b.data[:0], 0
	}
	b.cond.Broadcast()
	return n, nil
}

func (b *buffer) write(p []byte) (n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(p) > 0 {
		switch room := bufferLimit - (len(b.data) - b.start); {
		case b.closed:
			return n, io.ErrClosedPipe
		case b.writeTimedOut:
			return n, os.ErrDeadlineExceeded
		case room <= 0:
			b.cond.Wait()
		default:
			if b.start > bufferLimit { // what was read makes room before the slice grows
				b.data, b.start = append(b.data[:0], b.data[b.start:]...), 0
			}
			k := min(room, len(p))
			b.data = append(b.data, p[:k]...)
			p, n = p[k:], n+k
			b.cond.Broadcast()
		}
	}
	return n, nil
}

func (b *buffer) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, t := range []*time.Timer{b.readTimer, b.writeTimer} {
		if t != nil {
			t.Stop()
		}
	}
	b.cond.Broadcast()
}

func (b *buffer) setReadDeadline(t time.Time) {
	b.setDeadline(t, &b.readTimedOut, &b.readTimer)
}

func (b *buffer) setWriteDeadline(t time.Time) {
	b.setDeadline(t, &b.writeTimedOut, &b.writeTimer)
}

func (b *buffer) setDeadline(t time.Time, expired *bool, timer **time.Timer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if *timer != nil {
		(*timer).Stop()
		*timer = nil
	}
	*expired = false
	if t.IsZero() || b.closed {
		return
	}
	var own *time.Timer
	own = time.AfterFunc(time.Until(t), func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if *timer == own { // a later deadline may have replaced this one
			*expired = true
			b.cond.Broadcast()
		}
	})
	*timer = own
}
