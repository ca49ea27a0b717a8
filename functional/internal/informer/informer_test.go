package informer

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// memory is a store in which measurements are only counted.
type memory struct {
	mu            sync.Mutex
	changes, told map[contract.DirectiveID]int64
	rebuilt       map[contract.DirectiveID]int
	fail          error
	broken        contract.DirectiveID
	during        func() // runs while information is made
}

func (m *memory) measured(id contract.DirectiveID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changes[id]++
}

func (m *memory) Due(context.Context) (due []Due, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, n := range m.changes {
		if n > m.told[id] {
			due = append(due, Due{Directive: id, Changes: n})
		}
	}
	return due, nil
}

func (m *memory) Inform(_ context.Context, d Due) error {
	if m.during != nil {
		m.during()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rebuilt[d.Directive]++
	if d.Directive == m.broken {
		return errors.New("it cannot be read")
	}
	return m.fail
}

func (m *memory) Informed(_ context.Context, d Due) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told[d.Directive] = max(m.told[d.Directive], d.Changes)
	return nil
}

// toldOf returns how many measurements of a directive were told, and how often its information was made.
func (m *memory) toldOf(id contract.DirectiveID) (told int64, rebuilt int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.told[id], m.rebuilt[id]
}

func newMemory() *memory {
	return &memory{changes: map[contract.DirectiveID]int64{}, told: map[contract.DirectiveID]int64{}, rebuilt: map[contract.DirectiveID]int{}}
}

func TestManyMeasurementsAreToldOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		i, err := New(m)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- i.Run(ctx) }()
		synctest.Wait()
		for range 1000 {
			m.measured("sd-1")
			i.Wake()
		}
		m.measured("sd-2") // of another replica: nobody wakes this one for it
		synctest.Wait()
		until := func(id contract.DirectiveID, want int64) (rebuilt int) {
			for {
				told, rebuilt := m.toldOf(id)
				if told >= want {
					return rebuilt
				}
				tick(t)
			}
		}
		if one, other := until("sd-1", 1000), until("sd-2", 1); one > 3 || other != 1 {
			t.Errorf("rebuilt %d and %d times for 1000 and 1 measurements", one, other)
		}
		m.measured("sd-2")
		until("sd-2", 2)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// tick lets the bubble's clock go on by one look.
func tick(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), look)
	defer cancel()
	<-ctx.Done()
	synctest.Wait()
}

func TestWhatComesMeanwhileIsDueAgain(t *testing.T) {
	t.Parallel()
	m := newMemory()
	i, err := New(m)
	if err != nil {
		t.Fatal(err)
	}
	m.measured("sd-1")
	m.during = func() { m.during = nil; m.measured("sd-1") }
	for range 2 {
		if err := i.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if m.rebuilt["sd-1"] != 2 || m.told["sd-1"] != 2 {
		t.Errorf("rebuilt %d times, told of %d measurements; want 2 and 2", m.rebuilt["sd-1"], m.told["sd-1"])
	}
}

// One that cannot be informed on keeps nobody else waiting.
func TestOneFailsAlone(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.broken = "sd-1"
	i, err := New(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []contract.DirectiveID{"sd-1", "sd-2", "sd-3"} {
		m.measured(id)
	}
	if err := i.Round(t.Context()); err == nil || m.told["sd-1"] != 0 || m.told["sd-2"] != 1 || m.told["sd-3"] != 1 {
		t.Errorf("%v; told of %v, want all but sd-1", err, m.told)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fail error
		told int64
	}{
		{fault.New(fault.NotFound, "", "there is no directive"), 1}, // else it would be tried for ever
		{errors.New("the database is away"), 0},                     // told later
	} {
		m := newMemory()
		m.fail = c.fail
		i, err := New(m)
		if err != nil {
			t.Fatal(err)
		}
		m.measured("sd-1")
		if err := i.Round(t.Context()); (err == nil) != (c.told == 1) || m.told["sd-1"] != c.told {
			t.Errorf("%v: answered %v, told of %d; want %d", c.fail, err, m.told["sd-1"], c.told)
		}
	}
	if _, err := New(nil); err == nil {
		t.Error("an informer without a store")
	}
}
