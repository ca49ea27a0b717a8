package docstore

import (
	"bufio"
	"errors"
	"io"
	"net"

	"github.com/strata-crm/strata/shared/local/docstore/command"
	"github.com/strata-crm/strata/shared/local/docstore/wire"
)

// readBuffer is the size in bytes of a connection's read buffer.
const readBuffer = 64 << 10

// Serve accepts connections until the listener or the store is closed; it then returns ErrClosed, or the listener's
// error. It closes the listener. Clients must name the listener's address as it names itself, or connect directly.
func (s *Store) Serve(l net.Listener) error { return s.serve(l, false) }

func (s *Store) serve(l net.Listener, trusted bool) error {
	if !s.addListener(l) {
		return errors.Join(ErrClosed, l.Close())
	}
	for {
		c, err := l.Accept()
		if err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.listeners, l)
			if s.closed {
				return ErrClosed
			}
			return err
		}
		if !s.addConn(c) {
			return errors.Join(ErrClosed, c.Close())
		}
		s.start(func() {
			defer s.removeConn(c)
			s.talk(c, trusted)
		})
	}
}

func (s *Store) addListener(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.listeners[l] = struct{}{}
	}
	return !s.closed
}

func (s *Store) addConn(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.conns[c] = struct{}{}
	}
	return !s.closed
}

func (s *Store) removeConn(c net.Conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	_ = c.Close() // the peer, or Close, may have closed it before
}

// talk answers one connection's messages, one after the other.
func (s *Store) talk(c net.Conn, trusted bool) {
	conn := s.server.Connect(c.LocalAddr().String(), trusted)
	defer s.server.Disconnect(conn)
	r, replies := bufio.NewReaderSize(c, readBuffer), wire.NewReplies(c)
	for s.exchange(r, replies, conn) {
	}
}

// exchange answers one message and reports whether the connection goes on.
func (s *Store) exchange(r io.Reader, replies *wire.Replies, conn *command.Conn) bool {
	m, err := wire.Read(r)
	if err != nil {
		if errors.Is(err, wire.ErrMalformed) {
			s.log.Warn("docstore: closing a connection", "err", err)
		}
		return false
	}
	reply, hangUp := s.server.Handle(s.ctx, conn, m)
	if hangUp {
		return false
	}
	return m.MoreToCome || replies.Write(m, reply) == nil
}
