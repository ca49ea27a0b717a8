package session

import (
	"context"
	"time"
)

// noDeadline is for waits that only the disk can end.
var noDeadline = context.Background()

// Disconnected shortens the life of the open transaction that the connection used last: its client may be dead, and
// others wait for what it wrote.
func (m *Manager) Disconnected(conn int64) {
	limit := m.now().Add(orphanTimeout)
	for _, s := range m.all() {
		if !s.mu.TryLock() {
			continue
		}
		if s.state == InProgress && s.conn == conn && limit.Before(s.deadline) {
			s.deadline = limit
		}
		s.mu.Unlock()
	}
}

func (m *Manager) all() []*Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]*Session, 0, len(m.byID))
	for _, s := range m.byID {
		list = append(list, s)
	}
	return list
}

// Reap rolls back transactions that are too old and forgets sessions that nobody used for [Timeout].
func (m *Manager) Reap() {
	now := m.now()
	for _, s := range m.all() {
		if !s.mu.TryLock() {
			continue // a command is running; the next round will see it
		}
		if s.state == InProgress && now.After(s.deadline) {
			s.Abort()
		}
		m.forgetIdle(s, now)
		s.mu.Unlock()
	}
}

func (m *Manager) forgetIdle(s *Session, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Sub(s.used) > Timeout {
		s.Abort()
		delete(m.byID, s.id)
	}
}

// End rolls back what the session has open and forgets it. Where a command is running in it the rollback follows that.
func (m *Manager) End(id ID) {
	m.mu.Lock()
	s := m.byID[id]
	delete(m.byID, id)
	m.mu.Unlock()
	if s == nil {
		return
	}
	s.killed.Store(true)
	if s.mu.TryLock() {
		s.Unlock()
	}
}

// EndAll is End for every session.
func (m *Manager) EndAll() {
	for _, s := range m.all() {
		m.End(s.id)
	}
}
