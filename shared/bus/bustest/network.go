package bustest

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// Dial opens a connection.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Network is a way to a Kafka broker that loses replies when told to. It knows just enough of the protocol to tell a
// produce from other requests.
type Network struct {
	dial Dial
	lose atomic.Int64
	hold atomic.Pointer[held]
}

// held is a produce that waits on its way.
type held struct{ arrived, released chan struct{} }

// NewNetwork returns a network over dial; nil = TCP.
func NewNetwork(dial Dial) *Network {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return &Network{dial: dial}
}

// LoseReplies makes the next n produce requests reach the broker and be answered, without the answer arriving.
func (n *Network) LoseReplies(count int) { n.lose.Add(int64(count)) }

// HoldWrite keeps the next produce request from the broker until release is called. arrived is closed once it is on its way.
func (n *Network) HoldWrite() (arrived <-chan struct{}, release func()) {
	h := &held{make(chan struct{}), make(chan struct{})}
	n.hold.Store(h)
	return h.arrived, sync.OnceFunc(func() { close(h.released) })
}

// Dial is for kafkabus.Options.
func (n *Network) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := n.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &lossy{Conn: conn, network: n}, nil
}

type lossy struct {
	net.Conn
	network *Network
	head    []byte // of the request being written: length and key
	left    int    // bytes of the request still to come

	mu     sync.Mutex
	losing bool
}

// Write watches requests go by.
func (c *lossy) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		if c.left == 0 {
			take := min(6-len(c.head), len(rest))
			c.head, rest = append(c.head, rest[:take]...), rest[take:]
			if len(c.head) < 6 {
				break
			}
			c.left = int(binary.BigEndian.Uint32(c.head)) - 2
		}
		take := min(c.left, len(rest))
		c.left, rest = c.left-take, rest[take:]
		if c.left == 0 {
			if binary.BigEndian.Uint16(c.head[4:]) == 0 {
				c.produces()
			}
			c.head = c.head[:0]
		}
	}
	return c.Conn.Write(p)
}

// produces decides what becomes of a produce request whose last bytes are about to be sent.
func (c *lossy) produces() {
	if c.network.lose.Add(-1) >= 0 {
		c.mu.Lock()
		c.losing = true
		c.mu.Unlock()
	}
	if h := c.network.hold.Swap(nil); h != nil {
		close(h.arrived)
		<-h.released
	}
}

// Read loses what the broker answers to a chosen produce, after it has come.
func (c *lossy) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.losing && n > 0 {
		c.Conn.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}
