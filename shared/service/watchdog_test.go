package service_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/service"
)

// progress is a consumer's state, set by tests.
type progress struct {
	name string

	mu  sync.Mutex
	at  map[int]bus.Standing
	err error
}

func (p *progress) Name() string { return p.name }

func (p *progress) Progress(context.Context) (map[int]bus.Standing, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.at), p.err
}

// set is the state of a consumer that has one partition.
func (p *progress) set(lag, position int64, err error) {
	p.are(map[int]bus.Standing{0: {Waiting: lag, Position: position, Held: true}}, err)
}

func (p *progress) are(at map[int]bus.Standing, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.err = at, err
}

// held is a partition that the consumer has.
func held(waiting, position int64) bus.Standing {
	return bus.Standing{Waiting: waiting, Position: position, Held: true}
}

// dependency is one whose health tests set.
type dependency struct {
	mu  sync.Mutex
	err error
}

func (d *dependency) ask(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

func (d *dependency) set(err error) { d.mu.Lock(); defer d.mu.Unlock(); d.err = err }

// watched runs a service with the component "fences" under the watchdog, within a bubble.
func watched(t *testing.T, check func(t *testing.T, d *diary, p *progress, dep *dependency, end func() error, done <-chan error)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d diary
		p, dep := &progress{name: "fences"}, &dependency{}
		o := options(noting(&d, "fences"), noting(&d, "other"))
		o.Watch = []service.Progress{p}
		o.Ready = []service.Dependency{{Name: "mongodb", Ask: dep.ask}}
		s := build(t, o)
		end, done := begin(t, s)
		synctest.Wait()
		check(t, &d, p, dep, end, done)
	})
}

func TestWatchdogRestartsThreeTimesThenEndsTheProcess(t *testing.T) {
	watched(t, func(t *testing.T, d *diary, p *progress, _ *dependency, _ func() error, done <-chan error) {
		p.set(5, 100, nil)
		time.Sleep(34 * time.Second) // the first look, after 5 s, learns the position: 30 s begin there
		if d.count("start fences") != 1 {
			t.Error("restarted within 30 s")
		}
		time.Sleep(2 * time.Second)
		for n := 2; n <= 4; n++ {
			synctest.Wait()
			if got := d.count("start fences"); got != n {
				t.Fatalf("it was started %d times, want %d", got, n)
			}
			time.Sleep(30 * time.Second)
		}
		err := <-done
		if err == nil || !strings.Contains(err.Error(), "fences") || !strings.Contains(err.Error(), "3 restarts") {
			t.Errorf("Run returned %v", err)
		}
		if d.count("start fences") != 4 || d.count("stop fences") != 4 || d.count("start other") != 1 || d.count("stop other") != 1 {
			t.Errorf("what happened: %v", d.all())
		}
	})
}

func TestWatchdogLeavesAWorkingConsumerAlone(t *testing.T) {
	for name, tick := range map[string]func(n int64, p *progress, dep *dependency){
		"progress":             func(n int64, p *progress, _ *dependency) { p.set(1000-n, n, nil) },
		"nothing to do":        func(_ int64, p *progress, _ *dependency) { p.set(0, 7, nil) },
		"a broken dependency":  func(_ int64, p *progress, dep *dependency) { p.set(9, 7, nil); dep.set(errors.New("down")) },
		"a log out of reach":   func(_ int64, p *progress, _ *dependency) { p.set(9, 7, errors.New("no broker")) },
		"a short interruption": func(n int64, p *progress, dep *dependency) { p.set(9, n/5, nil); dep.set(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			watched(t, func(t *testing.T, d *diary, p *progress, dep *dependency, end func() error, _ <-chan error) {
				for n := range int64(120) {
					tick(n, p, dep)
					time.Sleep(5 * time.Second)
				}
				if err := end(); err != nil {
					t.Error(err)
				}
				if d.count("start fences") != 1 {
					t.Errorf("it was restarted: %v", d.all())
				}
			})
		})
	}
}

func TestWatchdogGivesFreshTimeAfterAnOutage(t *testing.T) {
	watched(t, func(t *testing.T, d *diary, p *progress, dep *dependency, end func() error, _ <-chan error) {
		p.set(5, 100, nil)
		dep.set(errors.New("down"))
		time.Sleep(10 * time.Minute)
		dep.set(nil)
		time.Sleep(25 * time.Second)
		if d.count("start fences") != 1 {
			t.Error("restarted at once after the outage")
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if d.count("start fences") != 2 {
			t.Error("not restarted although it stays stuck")
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestProgressClearsTheCountOfRestarts(t *testing.T) {
	watched(t, func(t *testing.T, d *diary, p *progress, _ *dependency, end func() error, done <-chan error) {
		for n := range int64(10) { // ten times stuck, each cured by one restart
			p.set(5, n, nil)
			time.Sleep(50 * time.Second)
		}
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("the process ended: %v", err)
		default:
		}
		if got := d.count("start fences"); got < 10 {
			t.Errorf("it was started %d times", got)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

// TestRestartsAreCountedWhateverPartitionsComeAfterThem: each restart hands the consumer's partitions to others, who go on in them,
// and it gets others, in which it is stuck as well.
func TestRestartsAreCountedWhateverPartitionsComeAfterThem(t *testing.T) {
	watched(t, func(t *testing.T, d *diary, p *progress, _ *dependency, end func() error, done <-chan error) {
		over := time.After(10 * time.Minute)
		for n := int64(1); ; n++ {
			starts := d.count("start fences")
			at := map[int]bus.Standing{2 * starts: held(5, 100*n), 2*starts + 1: held(5, 7*n)}
			if n%8 == 0 { // between two assignments it has none
				at = map[int]bus.Standing{0: {Waiting: 5, Position: n}, 2 * starts: {Waiting: 5, Position: 3 * n}}
			}
			for d.count("start fences") == starts {
				p.are(at, nil)
				select {
				case err := <-done:
					if err == nil || !strings.Contains(err.Error(), "3 restarts") || d.count("start fences") != 4 {
						t.Errorf("Run returned %v after %v", err, d.all())
					}
					return
				case <-over:
					t.Fatalf("the process goes on: %v, %v", d.all(), end())
				case <-time.After(5 * time.Second):
				}
			}
		}
	})
}

func TestOneStuckPartitionAmongActiveOnesIsSeen(t *testing.T) {
	watched(t, func(t *testing.T, d *diary, p *progress, _ *dependency, _ func() error, done <-chan error) {
		for n := int64(0); n < 60; n++ {
			p.are(map[int]bus.Standing{0: held(3, 1000), 1: held(900-n, n), 2: held(0, 5)}, nil)
			select {
			case err := <-done:
				if err == nil || !strings.Contains(err.Error(), "3 restarts") || d.count("start fences") != 4 {
					t.Errorf("Run returned %v after %v", err, d.all())
				}
				return
			case <-time.After(5 * time.Second):
			}
		}
		t.Errorf("the process goes on: %v", d.all())
	})
}

// TestAPartitionThatIsTakenOverBeginsAnew: how long it stood with another, or while nobody had it, is not counted.
func TestAPartitionThatIsTakenOverBeginsAnew(t *testing.T) {
	watched(t, func(t *testing.T, d *diary, p *progress, _ *dependency, end func() error, _ <-chan error) {
		stand := func(at map[int]bus.Standing, lasts time.Duration) {
			p.are(at, nil)
			time.Sleep(lasts)
		}
		for range 5 {
			stand(map[int]bus.Standing{0: {Waiting: 5, Position: 100}, 1: {Waiting: 5, Position: 3}}, 25*time.Second) // it has none
			stand(map[int]bus.Standing{0: held(5, 100)}, 25*time.Second)
			stand(map[int]bus.Standing{1: held(5, 3)}, 25*time.Second)
		}
		if d.count("start fences") != 1 {
			t.Errorf("restarted for the time of others: %v", d.all())
		}
		stand(map[int]bus.Standing{1: held(5, 3)}, 15*time.Second)
		synctest.Wait()
		if d.count("start fences") != 2 {
			t.Errorf("not restarted for its own: %v", d.all())
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestWatchdogEndsTheProcessWhenAConsumerWillNotStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := &progress{name: "deaf"}
		p.set(5, 100, nil)
		o := options(part{"deaf", func(context.Context) error { <-release; return nil }})
		o.Watch = []service.Progress{p}
		_, done := begin(t, build(t, o))
		if err := <-done; err == nil || !strings.Contains(err.Error(), "did not stop within") {
			t.Errorf("Run returned %v", err)
		}
		close(release)
	})
}
