package broker

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

type partition struct {
	topic string
	index int
}

// syncer brings partitions' files to disk. Callers that come while a partition's sync is running share the next one, so
// that the number of syncs does not grow with the number of writers. The first failure is for good: after it the disk's
// content is unknown, and a second sync that succeeds would prove nothing.
type syncer struct {
	fs      vfs.FS
	dir     string
	onError func(error)

	mu     sync.Mutex
	logs   map[partition]*logSync
	broken error
	closed bool
	later  sync.WaitGroup // added to only while not closed
}

// logSync is one partition's share.
type logSync struct {
	dir     string
	flight  int    // produces that may have written but are not yet synced; guarded by syncer.mu
	next    *round // the round that a caller may still join; guarded by syncer.mu
	running sync.Mutex
	base    int64    // of the newest segment that was synced, -1 = none; guarded by running
	file    vfs.File // that segment; guarded by running
}

type round struct {
	done chan struct{}
	err  error
}

func newSyncer(fs vfs.FS, dir string, onError func(error)) *syncer {
	return &syncer{fs: fs, dir: dir, onError: onError, logs: map[partition]*logSync{}}
}

// log returns the partition's share. s.mu is held.
func (s *syncer) log(p partition) *logSync {
	if s.logs[p] == nil {
		s.logs[p] = &logSync{dir: partitionDir(s.dir, p), base: -1}
	}
	return s.logs[p]
}

// partitionDir is where kfake keeps a partition.
func partitionDir(dir string, p partition) string {
	return filepath.Join(dir, "partitions", fmt.Sprintf("%s-%d", url.PathEscape(p.topic), p.index))
}

// begin notes that a produce to the partitions is on its way.
func (s *syncer) begin(partitions []partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range partitions {
		s.log(p).flight++
	}
}

// settle returns nil when the produce that began is on disk.
func (s *syncer) settle(partitions []partition) error {
	err := s.sync(partitions)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range partitions {
		s.logs[p].flight--
	}
	return err
}

// settleLater is settle for a produce whose client is gone.
func (s *syncer) settleLater(partitions []partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.later.Go(func() { _ = s.settle(partitions) }) // a failure is kept and stops the broker
	}
}

// barrier returns nil when nothing in the partitions (nil = in any) waits for a sync.
func (s *syncer) barrier(partitions []partition) error {
	var waiting []partition
	s.mu.Lock()
	if partitions == nil {
		for p, l := range s.logs {
			if l.flight > 0 {
				waiting = append(waiting, p)
			}
		}
	}
	for _, p := range partitions {
		if l := s.logs[p]; l != nil && l.flight > 0 {
			waiting = append(waiting, p)
		}
	}
	s.mu.Unlock()
	return s.sync(waiting)
}

// sync brings everything written to the partitions before the call to disk.
func (s *syncer) sync(partitions []partition) error {
	if len(partitions) == 0 {
		return s.failure()
	}
	errs := make([]error, len(partitions))
	var others sync.WaitGroup
	for i, p := range partitions[1:] {
		others.Go(func() { errs[i+1] = s.syncOne(p) })
	}
	errs[0] = s.syncOne(partitions[0])
	others.Wait()
	return errors.Join(errs...)
}

func (s *syncer) syncOne(p partition) error {
	s.mu.Lock()
	if s.broken != nil {
		defer s.mu.Unlock()
		return s.broken
	}
	l := s.log(p)
	mine, leads := l.next, false
	if mine == nil {
		mine, leads = &round{done: make(chan struct{})}, true
		l.next = mine
	}
	s.mu.Unlock()
	if !leads {
		<-mine.done
		return mine.err
	}
	l.running.Lock()
	s.mu.Lock()
	l.next = nil // whoever comes now has written too late for this round
	s.mu.Unlock()
	mine.err = l.flush(s.fs)
	l.running.Unlock()
	if mine.err != nil {
		mine.err = s.fail(fmt.Errorf("syncing partition %d of %s: %w", p.index, p.topic, mine.err))
	}
	close(mine.done)
	return mine.err
}

// flush syncs the newest segment and those that were begun since the last flush. l.running is held.
func (l *logSync) flush(fs vfs.FS) error {
	bases, err := segments(fs, l.dir)
	if err != nil {
		return err
	}
	first := max(len(bases)-1, 0)
	for first > 0 && bases[first] > l.base {
		first--
	}
	for _, base := range bases[first:] {
		if err := l.open(fs, base); err != nil {
			return err
		}
		if err := l.file.SyncData(); err != nil {
			return err
		}
	}
	return nil
}

// open makes the segment the current one. The folder is synced with each new file, or the file might not be found.
func (l *logSync) open(fs vfs.FS, base int64) error {
	if l.file != nil && l.base == base {
		return nil
	}
	file, err := fs.OpenReadWrite(filepath.Join(l.dir, segmentName(base)), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if l.file != nil {
		err = l.file.Close()
	}
	l.file, l.base = file, base
	return errors.Join(err, syncDir(fs, l.dir), syncDir(fs, filepath.Dir(l.dir)))
}

func segmentName(base int64) string { return strconv.FormatInt(base, 10) + ".dat" }

// segments returns the first offsets of a partition's files, ascending.
func segments(fs vfs.FS, dir string) ([]int64, error) {
	names, err := fs.List(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) { // a partition nobody has written to has no folder
		return nil, err
	}
	var bases []int64
	for _, name := range names {
		if stem, ok := strings.CutSuffix(name, ".dat"); ok {
			if base, err := strconv.ParseInt(stem, 10, 64); err == nil {
				bases = append(bases, base)
			}
		}
	}
	slices.Sort(bases)
	return bases, nil
}

// folders syncs the names of the broker's own files and of the folder itself.
func (s *syncer) folders() error {
	for _, dir := range []string{s.dir, filepath.Dir(s.dir)} {
		if err := syncDir(s.fs, dir); err != nil {
			return s.fail(err)
		}
	}
	return s.failure()
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// fail keeps the first failure and returns it.
func (s *syncer) fail(err error) error {
	s.mu.Lock()
	first := s.broken == nil
	if first {
		s.broken = err
	}
	err = s.broken
	s.mu.Unlock()
	if first {
		s.onError(err)
	}
	return err
}

func (s *syncer) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// close waits for syncs under way and closes what is open. kfake must be closed before.
func (s *syncer) close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.later.Wait()
	return errors.Join(s.failure(), s.forget())
}

// forget closes all files, so that the next sync looks for them anew: a topic's may be others once it was deleted.
func (s *syncer) forget() error {
	s.mu.Lock()
	logs := slices.Collect(maps.Values(s.logs))
	s.mu.Unlock()
	var err error
	for _, l := range logs {
		l.running.Lock()
		if l.file != nil {
			err = errors.Join(err, l.file.Close())
		}
		l.file, l.base = nil, -1
		l.running.Unlock()
	}
	return err
}
