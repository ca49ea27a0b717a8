package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// DiskError says that the folder cannot be written to. It is the answer to writes while that lasts, and, where Final, to
// everything until the store is opened again.
type DiskError struct {
	Dir   string
	Final bool  // a sync failed: what the disk holds is unknown until a new start reads it
	Err   error // what the operating system said
}

// Error says what to do.
func (e *DiskError) Error() string {
	switch {
	case e.Final:
		return fmt.Sprintf("the disk did not store what was written to %s: the store has stopped; mend the disk and start again, nothing acknowledged is lost (%v)", e.Dir, e.Err)
	case errors.Is(e.Err, syscall.EROFS):
		return fmt.Sprintf("%s is on a file system that is read-only: make it writable and the store goes on by itself; until then it only reads (%v)", e.Dir, e.Err)
	default:
		return fmt.Sprintf("the disk of %s is full: free some space and the store goes on by itself; until then it only reads (%v)", e.Dir, e.Err)
	}
}

// Unwrap returns what the operating system said.
func (e *DiskError) Unwrap() error { return e.Err }

const (
	retryDisk  = 100 * time.Millisecond // between attempts of a write that found no space
	stallGrace = time.Second            // how long commits wait for space before their writers are told
	probeBytes = 1 << 20                // what must fit before the disk counts as well again
)

// disk is the file system as Pebble sees it. Pebble ends the process when it cannot write its log or manifest. So where
// there is no space, or the file system is read-only, such a write waits here and is tried again until it succeeds;
// writes of tables fail, which Pebble bears and repeats. A failed sync of log or manifest is for good: after it nothing
// is known of the file, and a second sync that succeeds would prove nothing. Then, and after [disk.abandon], whatever
// would change the folder waits for ever, so that a new start can have the folder.
type disk struct {
	vfs.FS
	dir    string
	notify func(err *DiskError, patient bool) // nil err = well again; not patient = waiters are to be told

	fences sync.RWMutex // held for reading while something changes
	fenced bool         // guarded by fences

	mu      sync.Mutex
	trouble *DiskError
	lock    io.Closer // of the folder
}

// change carries out op, which changes the folder. What is essential must not fail; sync tells that op is a sync.
func (d *disk) change(name string, sync bool, op func() error) error {
	ours := d.PathDir(name) == d.dir || name == d.dir
	essential := ours && !strings.HasSuffix(name, ".sst") && !strings.HasSuffix(name, ".blob")
	for {
		err := d.once(op)
		switch {
		case err == nil || !ours || errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrExist):
			return err
		case noSpace(err) && !(essential && sync):
			d.full(err)
			time.Sleep(retryDisk)
			if !essential {
				return err
			}
		case !essential:
			return err
		default:
			d.fail(err)
			select {} // see above
		}
	}
}

func (d *disk) once(op func() error) error {
	d.fences.RLock()
	if d.fenced {
		d.fences.RUnlock()
		select {}
	}
	defer d.fences.RUnlock()
	return op()
}

// abandon returns when nothing will change in the folder any more, and gives it free for another start.
func (d *disk) abandon() error {
	d.fences.Lock()
	d.fenced = true
	d.fences.Unlock()
	return d.unlock()
}

func (d *disk) unlock() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lock == nil {
		return nil
	}
	lock := d.lock
	d.lock = nil
	return lock.Close()
}

// Lock implements vfs.FS.
func (d *disk) Lock(name string) (io.Closer, error) {
	lock, err := d.FS.Lock(name)
	if err != nil {
		return nil, fmt.Errorf("the folder is in use: stop the other process (%w)", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lock = lock
	return unlocker{d}, nil
}

// unlocker is what Pebble closes when it ends: the lock may be gone by then.
type unlocker struct{ d *disk }

// Close implements io.Closer.
func (u unlocker) Close() error { return u.d.unlock() }

func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EROFS)
}

// full notes that there is no space and looks until there is some.
func (d *disk) full(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.trouble != nil {
		return
	}
	d.trouble = &DiskError{Dir: d.dir, Err: err}
	d.notify(d.trouble, true)
	go d.awaitSpace()
}

func (d *disk) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.trouble == nil || !d.trouble.Final {
		d.trouble = &DiskError{Dir: d.dir, Final: true, Err: err}
		d.notify(d.trouble, false)
	}
}

func (d *disk) awaitSpace() {
	for waited := retryDisk; ; waited += retryDisk {
		time.Sleep(retryDisk)
		d.fences.RLock()
		err := os.ErrClosed
		if !d.fenced {
			err = d.probe()
		}
		d.fences.RUnlock()
		d.mu.Lock()
		over := err == nil || errors.Is(err, os.ErrClosed) || d.trouble.Final
		if over && !d.trouble.Final {
			d.trouble = nil
			d.notify(nil, true)
		}
		if !over && waited == stallGrace {
			d.notify(d.trouble, false)
		}
		d.mu.Unlock()
		if over {
			return
		}
	}
}

// probe writes a file, syncs and removes it.
func (d *disk) probe() error {
	name := d.PathJoin(d.dir, "probe")
	f, err := d.FS.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, probeBytes))
	return errors.Join(err, f.Sync(), f.Close(), d.FS.Remove(name))
}

// usable returns a *DiskError where nothing can be written, and a *Corruption where the manifest is damaged.
func (d *disk) usable() error {
	err := d.FS.MkdirAll(d.dir, 0o700)
	if err == nil {
		err = d.probe()
	}
	if err == nil {
		err = syncDir(d.FS, d.PathDir(d.dir))
	}
	if err != nil {
		return &DiskError{Dir: d.dir, Final: !noSpace(err), Err: err}
	}
	return d.checkManifest()
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Create implements vfs.FS, as do the methods after it.
func (d *disk) Create(name string, c vfs.DiskWriteCategory) (f vfs.File, err error) {
	return d.opened(name, func() (vfs.File, error) { return d.FS.Create(name, c) })
}

func (d *disk) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return d.opened(name, func() (vfs.File, error) { return d.FS.OpenReadWrite(name, c, o...) })
}

func (d *disk) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.opened(name, func() (vfs.File, error) { return d.FS.ReuseForWrite(old, name, c) })
}

func (d *disk) opened(name string, open func() (vfs.File, error)) (f vfs.File, err error) {
	err = d.change(name, false, func() (err error) { f, err = open(); return err })
	if err != nil {
		return nil, err
	}
	file := &diskFile{File: f, disk: d, name: name}
	if d.PathDir(name) == d.dir && isManifest(d.PathBase(name)) {
		file.manifest = &tally{} // Pebble begins each manifest anew
	}
	return file, nil
}

func (d *disk) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &diskFile{File: f, disk: d, name: name}, nil
}

func (d *disk) Rename(old, name string) error {
	return d.change(name, false, func() error { return d.FS.Rename(old, name) })
}

func (d *disk) Link(old, name string) error {
	return d.change(name, false, func() error { return d.FS.Link(old, name) })
}

// Remove fails where it cannot: Pebble only tidies up.
func (d *disk) Remove(name string) error {
	return d.once(func() error { return d.FS.Remove(name) })
}

func (d *disk) RemoveAll(name string) error {
	return d.once(func() error { return d.FS.RemoveAll(name) })
}

// Unwrap implements vfs.FS.
func (d *disk) Unwrap() vfs.FS { return d.FS }

// diskFile is a file that can be written to.
type diskFile struct {
	vfs.File
	disk     *disk
	name     string
	manifest *tally // nil for other files
}

// Write implements vfs.File, as do the methods after it.
func (f *diskFile) Write(p []byte) (n int, err error) {
	err = f.disk.change(f.name, false, func() error {
		whole := tally{}
		if f.manifest != nil { // before the writing, which may change p
			whole = *f.manifest
			whole.add(p[n:])
		}
		m, err := f.File.Write(p[n:])
		switch {
		case f.manifest == nil:
		case m == len(p)-n:
			*f.manifest = whole
		default:
			f.manifest.add(p[n : n+m])
		}
		n += m
		return err
	})
	return n, err
}

func (f *diskFile) WriteAt(p []byte, at int64) (n int, err error) {
	err = f.disk.change(f.name, false, func() (err error) { n, err = f.File.WriteAt(p, at); return err })
	return n, err
}

func (f *diskFile) Preallocate(at, length int64) error {
	return f.disk.change(f.name, false, func() error { return f.File.Preallocate(at, length) })
}

func (f *diskFile) Sync() error {
	err := f.disk.change(f.name, true, f.File.Sync)
	if err == nil && f.manifest != nil {
		note := f.disk.PathJoin(f.disk.dir, manifestNote)
		err = f.disk.change(note, false, func() error { return f.disk.note(f.disk.PathBase(f.name), *f.manifest) })
	}
	return err
}

func (f *diskFile) SyncData() error { return f.disk.change(f.name, true, f.File.SyncData) }

func (f *diskFile) SyncTo(length int64) (full bool, err error) {
	err = f.disk.change(f.name, true, func() (err error) { full, err = f.File.SyncTo(length); return err })
	return full, err
}
