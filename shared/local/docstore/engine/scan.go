package engine

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// scan walks the keys in [lower, upper) as the transaction sees them: its snapshot merged with its own writes.
type scan struct {
	t            *Tx
	base         *pebble.Iterator
	lower, upper []byte
	reverse      bool
	own          *linked
	started      bool
	last         string // the last key taken from the transaction's own writes
	room         room   // where copies of keys and values go
	lend         bool   // keys and values are given as they are, and die with the following call
	lent         bool   // the iterator still stands on what was given
}

func (s *scan) start(t *Tx, lower, upper []byte, reverse bool) error {
	it, err := t.snap.iterator(lower, upper)
	if err != nil {
		return err
	}
	s.t, s.base, s.lower, s.upper, s.reverse = t, it, lower, upper, reverse
	if reverse {
		it.Last()
	} else {
		it.First()
	}
	return nil
}

// next returns the next key and value, which stay valid unless they are lent; ok is false at the end.
func (s *scan) next() (key, value []byte, ok bool, err error) {
	if s.lent {
		s.lent = false
		s.step()
	}
	for {
		own := s.peekOwn()
		if !s.base.Valid() && own == nil {
			return nil, nil, false, s.base.Error()
		}
		if own == nil || s.base.Valid() && s.baseFirst(own) {
			key, value, err = s.takeBase()
			return key, value, err == nil, err
		}
		if s.base.Valid() && string(s.base.Key()) == own.key {
			s.step()
		}
		s.takeOwn(own)
		if own.value != nil {
			return []byte(own.key), own.value, true, nil
		}
	}
}

func (s *scan) baseFirst(own *linked) bool {
	if s.reverse {
		return string(s.base.Key()) > own.key
	}
	return string(s.base.Key()) < own.key
}

func (s *scan) takeBase() (key, value []byte, err error) {
	v, err := s.base.ValueAndErr()
	if err != nil {
		return nil, nil, err
	}
	if s.lend {
		s.lent = true
		return s.base.Key(), v, nil
	}
	s.lent = true // the iterator moves when the next one is asked for, since that may never be
	return s.room.copy(s.base.Key()), s.room.copy(v), nil
}

func (s *scan) step() {
	if s.reverse {
		s.base.Prev()
	} else {
		s.base.Next()
	}
}

// peekOwn returns the transaction's own next write inside the bounds, or nil.
func (s *scan) peekOwn() *linked {
	if s.t.own == nil {
		return nil
	}
	if s.own == nil {
		s.own = s.findOwn()
	}
	if n := s.own; n != nil && (s.reverse && n.key >= string(s.lower) || !s.reverse && n.key < string(s.upper)) {
		return n
	}
	return nil
}

func (s *scan) findOwn() *linked {
	switch {
	case s.reverse && s.started:
		return s.t.own.before(s.last)
	case s.reverse:
		return s.t.own.before(string(s.upper))
	case s.started:
		return s.t.own.seek(s.last+"\x00", nil)
	default:
		return s.t.own.seek(string(s.lower), nil)
	}
}

func (s *scan) takeOwn(n *linked) {
	s.started, s.last = true, n.key
	if s.reverse {
		s.own = nil
	} else {
		s.own = n.next[0]
	}
}

func (s *scan) seek(key []byte) {
	s.own, s.started, s.lent = nil, false, false
	if s.reverse {
		s.upper = key
		s.base.SeekLT(key)
	} else {
		s.lower = key
		s.base.SeekGE(key)
	}
}

func (s *scan) close() error {
	if s.base == nil {
		return nil
	}
	err := s.t.snap.giveBack(s.base)
	s.base = nil
	return err
}

// errClosed is returned by iterators after Close.
var errClosed = errors.New("docstore engine: iterator is closed")
