package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// maxFrame bounds one request. kfake believes whatever length a client claims.
	maxFrame = 16 << 20
	// minFrame is a request's header: key, version, correlation id.
	minFrame = 8
	// maxProduce is the last version of a produce that names its topics; later ones have ids, which only kfake knows.
	maxProduce = 12
)

// guarded is the broker's end of a connection. It lets only whole, known requests through to kfake, which would end the
// process on an unknown one, and holds an answer back until what it tells of is on disk.
type guarded struct {
	net.Conn
	syncer *syncer // nil in memory
	logger *slog.Logger

	rest []byte // of the current request, not yet read by kfake

	mu      sync.Mutex
	waiting []request // without an answer yet, in order
}

type request struct {
	key         int16
	correlation int32
	partitions  []partition // of a produce: where it writes; of a fetch: where it reads, nil = anywhere
}

func (b *Broker) guard(conn net.Conn) net.Conn {
	return &guarded{Conn: conn, syncer: b.syncer, logger: b.options.Logger}
}

// Read implements net.Conn for kfake's reading of requests.
func (c *guarded) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		frame, err := c.frame()
		if err != nil {
			return 0, err
		}
		c.rest = frame
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// frame reads one request with its length in front.
func (c *guarded) frame() ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(c.Conn, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n < minFrame || n > maxFrame {
		return nil, c.refuse(fmt.Errorf("a request of %d bytes", n))
	}
	frame := make([]byte, 4+n)
	copy(frame, length[:])
	if _, err := io.ReadFull(c.Conn, frame[4:]); err != nil {
		return nil, err
	}
	r, err := parse(frame[4:])
	if err != nil {
		return nil, c.refuse(err)
	}
	if r.key == int16(kmsg.Produce) && c.syncer != nil {
		c.syncer.begin(r.partitions)
	}
	c.mu.Lock()
	c.waiting = append(c.waiting, r)
	c.mu.Unlock()
	return frame, nil
}

func (c *guarded) refuse(err error) error {
	c.logger.Warn("the local broker closed a connection that does not speak as it should", slog.Any("error", err))
	c.Conn.Close()
	return err
}

// parse finds out what a request is and, where it matters, which partitions it touches.
func parse(body []byte) (request, error) {
	head := kbin.Reader{Src: body}
	r := request{key: head.Int16()}
	version := head.Int16()
	r.correlation = head.Int32()
	full := kmsg.RequestForKey(r.key)
	if full == nil {
		return r, fmt.Errorf("a request with the unknown key %d", r.key)
	}
	if r.key != int16(kmsg.Produce) && r.key != int16(kmsg.Fetch) {
		return r, nil
	}
	head.NullableString() // the client's id
	full.SetVersion(version)
	if full.IsFlexible() {
		kmsg.SkipTags(&head)
	}
	if !head.Ok() {
		return r, errors.New("a request with a broken header")
	}
	if err := full.ReadFrom(head.Src); err != nil {
		return r, fmt.Errorf("a request with key %d: %w", r.key, err)
	}
	switch full := full.(type) {
	case *kmsg.ProduceRequest:
		return r, r.written(full)
	case *kmsg.FetchRequest:
		r.read(full)
	}
	return r, nil
}

func (r *request) written(p *kmsg.ProduceRequest) error {
	if p.Acks == 0 {
		return errors.New("a produce that wants no acknowledgement: set acks=all")
	}
	for _, t := range p.Topics {
		if t.Topic == "" {
			return fmt.Errorf("a produce of a version above %d, which the broker does not offer", maxProduce)
		}
		for _, part := range t.Partitions {
			r.partitions = append(r.partitions, partition{t.Topic, int(part.Partition)})
		}
	}
	return nil
}

// read notes the partitions of a fetch that names them all. One with a session, or with ids for names, may be about any.
func (r *request) read(f *kmsg.FetchRequest) {
	if f.SessionID > 0 || f.SessionEpoch > 0 {
		return
	}
	r.partitions = []partition{}
	for _, t := range f.Topics {
		if t.Topic == "" {
			r.partitions = nil
			return
		}
		for _, part := range t.Partitions {
			r.partitions = append(r.partitions, partition{t.Topic, int(part.Partition)})
		}
	}
}

// Write implements net.Conn for kfake's answers, each of which it writes in one call.
func (c *guarded) Write(p []byte) (int, error) {
	if c.syncer != nil && len(p) >= 8 {
		if err := c.stored(c.answered(int32(binary.BigEndian.Uint32(p[4:8])))); err != nil {
			c.Conn.Close() // no answer: the client cannot know, which is the truth
			return 0, err
		}
	}
	return c.Conn.Write(p)
}

func (c *guarded) answered(correlation int32) request {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, r := range c.waiting {
		if r.correlation == correlation {
			c.waiting = c.waiting[i+1:]
			return r
		}
	}
	return request{key: -1}
}

// stored returns when everything that the answer to r tells of is on disk.
func (c *guarded) stored(r request) error {
	switch r.key {
	case int16(kmsg.Produce):
		return c.syncer.settle(r.partitions)
	case int16(kmsg.Fetch):
		return c.syncer.barrier(r.partitions)
	case int16(kmsg.CreateTopics):
		return c.syncer.folders()
	case int16(kmsg.DeleteTopics):
		return errors.Join(c.syncer.forget(), c.syncer.failure())
	}
	return c.syncer.failure()
}

// Close implements net.Conn. Produces that kfake may have written without being able to answer are still synced.
func (c *guarded) Close() error {
	c.mu.Lock()
	waiting := c.waiting
	c.waiting = nil
	c.mu.Unlock()
	if c.syncer != nil {
		for _, r := range waiting {
			if r.key == int16(kmsg.Produce) {
				c.syncer.settleLater(r.partitions)
			}
		}
	}
	return c.Conn.Close()
}
