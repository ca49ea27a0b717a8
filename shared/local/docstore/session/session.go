package session

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// Limits of sessions and transactions.
const (
	Timeout            = 30 * time.Minute // an idle session ends, as announced in hello
	TransactionTimeout = 60 * time.Second // an open transaction is rolled back
	orphanTimeout      = 5 * time.Second  // an open transaction whose connection broke, unless another one takes it up
)

// ID is a session's UUID.
type ID [16]byte

// State says what a session's current number stands for.
type State uint8

// The states of a session's current number.
const (
	None       State = iota
	Writing          // a retryable write
	InProgress       // an open transaction
	Committed
	Aborted
)

// Session is one logical session. Its fields are used only between Lock and Unlock, which span a command.
type Session struct {
	mu     sync.Mutex
	id     ID
	number int64
	state  State
	tx     *engine.Tx
	record *Record
	killed atomic.Bool // the client has ended it; a running command's transaction is rolled back when it is over

	snapshot bool      // the open transaction reads with snapshot or majority guarantees
	started  time.Time // when the open transaction began
	deadline time.Time // when it is rolled back
	conn     int64     // the connection that used it last
	used     time.Time
}

// Manager owns all sessions.
type Manager struct {
	engine *engine.Engine
	now    func() time.Time
	mu     sync.Mutex
	byID   map[ID]*Session
}

// NewManager returns a Manager without sessions.
func NewManager(e *engine.Engine) (*Manager, error) {
	if e == nil {
		return nil, errors.New("docstore session: engine is required")
	}
	return &Manager{engine: e, now: e.Now, byID: map[ID]*Session{}}, nil
}

// Touch returns the session and notes that it is in use. An unknown one begins, with what the store remembers of it.
func (m *Manager) Touch(id ID, conn int64) (*Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.byID[id]
	if s == nil {
		var err error
		if s, err = m.load(id); err != nil {
			return nil, err
		}
		m.byID[id] = s
	}
	s.used = m.now()
	return s, nil
}

func (m *Manager) load(id ID) (*Session, error) {
	s := &Session{id: id, number: -1}
	b, err := m.engine.Session(id[:])
	if err != nil || b == nil {
		return s, err
	}
	if s.record, err = decodeRecord(b); err != nil {
		return nil, err
	}
	s.number, s.state = s.record.Number, Writing
	if s.record.Committed {
		s.state = Committed
	}
	return s, nil
}

// Lock waits until no other command runs in the session.
func (s *Session) Lock(conn int64) {
	s.mu.Lock()
	if s.conn != conn { // a second connection takes the transaction up: its client is alive
		s.conn, s.deadline = conn, s.started.Add(TransactionTimeout)
	}
}

// Unlock ends the command; where the session was killed meanwhile its transaction is rolled back.
func (s *Session) Unlock() {
	if s.killed.Load() {
		s.Abort()
	}
	s.mu.Unlock()
}

// Write begins or repeats the retryable write with that number and returns the answers stored so far.
func (s *Session) Write(number int64) (*Record, error) {
	switch {
	case number < s.number:
		return nil, s.tooOld(number)
	case number > s.number:
		s.Abort()
		s.number, s.state, s.record = number, Writing, &Record{Number: number}
	case s.state != Writing:
		return nil, mongoerr.New(mongoerr.InvalidOptions, "Must specify autocommit=false on all operations of a multi-statement transaction.")
	}
	return s.record, nil
}

func (s *Session) tooOld(number int64) error {
	return mongoerr.New(mongoerr.TransactionTooOld, "Cannot use transaction number %d on a session that has used %d", number, s.number)
}

// Keep stores the record with the writes of t.
func (s *Session) Keep(t *engine.Tx, r *Record, now time.Time) error {
	t.SetSession(s.id[:], r.encode(now))
	return nil
}

// Start opens the transaction with that number.
func (m *Manager) Start(s *Session, number int64, durableReads bool) (*engine.Tx, error) {
	if number < s.number {
		return nil, s.tooOld(number)
	}
	if number == s.number {
		return nil, mongoerr.New(mongoerr.ConflictingOperation, "a transaction or retryable write with number %d has been started on this session already", number)
	}
	s.Abort()
	s.number, s.state, s.record, s.started = number, InProgress, nil, m.now()
	s.tx, s.snapshot, s.deadline = m.engine.Begin(), durableReads, s.started.Add(TransactionTimeout)
	return s.tx, nil
}

// Continue returns the open transaction with that number. The error says what became of it otherwise.
func (s *Session) Continue(number int64) (*engine.Tx, error) {
	switch {
	case number < s.number:
		return nil, s.tooOld(number)
	case number > s.number || s.state == None || s.state == Aborted || s.state == Writing:
		return nil, noSuchTransaction(number)
	case s.state == Committed:
		return nil, mongoerr.New(mongoerr.TransactionCommitted, "Transaction with number %d has been committed", number)
	}
	return s.tx, nil
}

func noSuchTransaction(number int64) error {
	return mongoerr.New(mongoerr.NoSuchTransaction, "Given transaction number %d does not match any in-progress transactions", number).
		WithLabel(mongoerr.TransientTransactionError)
}

// Committed reports whether the session's current number is that of a transaction that was committed.
func (s *Session) Committed() bool { return s.state == Committed }

// DurableReads reports whether answers from the open transaction must wait until what they show is durable.
func (s *Session) DurableReads() bool { return s.snapshot }

// Abort rolls the open transaction back, if there is one.
func (s *Session) Abort() {
	if s.state == InProgress {
		s.tx.Abort()
		s.tx, s.state = nil, Aborted
	}
}

// Reload forgets the answers of retryable writes that the store does not hold, after a failure to write them.
func (m *Manager) Reload(s *Session) error {
	number := s.number
	stored, err := m.load(s.id)
	if err != nil {
		return err
	}
	if s.record = stored.record; s.record == nil || s.record.Number != number {
		s.record = &Record{Number: number}
	}
	return nil
}

// Commit commits the transaction with that number. Committing it again succeeds, once it is durable.
func (m *Manager) Commit(s *Session, number int64) error {
	t, err := s.Continue(number)
	if mongoerr.CodeOf(err) == mongoerr.TransactionCommitted {
		return m.engine.WaitDurable(noDeadline, m.engine.Seq())
	}
	if err != nil {
		return err
	}
	s.record = &Record{Number: number, Committed: true}
	if t.Dirty() {
		if err := s.Keep(t, s.record, m.now()); err != nil {
			return err
		}
	}
	s.tx, s.state = nil, Committed
	seq, err := t.CommitLater()
	if err != nil {
		s.state = Aborted
		return err
	}
	return m.engine.WaitDurable(noDeadline, seq)
}
