package suite

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/shared/httpx"
)

// noteName is the file that makes a folder a back-up: it is written last.
const noteName = "backup.json"

// Note says what a back-up is of. Fields may be added; none may change its meaning.
type Note struct {
	At        time.Time `json:"at"`
	Version   string    `json:"version"`
	ClusterID string    `json:"cluster_id"`
}

// BackUp copies a folder's data, while no process runs on it, into dir, which must not exist or
// be empty. The broker copies its groups' offsets, then the store is copied, then the messages: see broker.Backup for
// why they fit together only in this order. The keys come along, so the copy must be kept as safe as the folder itself.
func BackUp(ctx context.Context, o Options, dir string) (n Note, err error) {
	if _, err := os.Stat(filepath.Join(o.Dir, "store")); err != nil {
		return n, fault.New(fault.Invalid, fault.BadRequest, "%s is not the data folder of a suite: name it with --data", o.Dir)
	}
	var closers []func(context.Context) error
	s, err := openStores(ctx, o, &closers)
	defer func() {
		for i := len(closers) - 1; i >= 0; i-- {
			err = errors.Join(err, closers[i](context.WithoutCancel(ctx)))
		}
	}()
	if err != nil {
		return n, err
	}
	return s.backUp(ctx, o, dir)
}

func (s *stores) backUp(ctx context.Context, o Options, dir string) (n Note, err error) {
	if err := empty(dir); err != nil {
		return n, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return n, fault.Wrap(fault.Invalid, fault.BadRequest, err, "the back-up cannot be written to "+dir)
	}
	err = s.broker.Backup(ctx, filepath.Join(dir, "broker"), func(ctx context.Context) error {
		return s.docs.Backup(ctx, filepath.Join(dir, "store"))
	})
	if err != nil {
		return n, err
	}
	for _, name := range []string{"signin", "tenant.key", "made"} {
		if err := copyTree(filepath.Join(o.Dir, name), filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return n, err
		}
	}
	n = Note{At: o.Now().UTC(), Version: host.Version(), ClusterID: s.broker.ClusterID()}
	text, err := json.Marshal(n)
	if err != nil {
		return n, err
	}
	return n, writeWhole(filepath.Join(dir, noteName), string(text)+"\n")
}

// Restore makes a data folder of a back-up. The folder must not exist or be empty, and is there whole or not at all.
func Restore(ctx context.Context, backup, dir string) (n Note, err error) {
	text, err := os.ReadFile(filepath.Join(backup, noteName))
	if err == nil {
		err = json.Unmarshal(text, &n)
	}
	if err != nil {
		return n, fault.Wrap(fault.Invalid, fault.BadRequest, err, backup+" is not a whole back-up: take one with `strata backup`")
	}
	if err := empty(dir); err != nil {
		return n, err
	}
	dir = filepath.Clean(dir)
	half := dir + ".restoring"
	if err := os.RemoveAll(half); err != nil {
		return n, err
	}
	if err := copyTree(backup, half); err != nil {
		return n, errors.Join(err, os.RemoveAll(half))
	}
	err = errors.Join(ctx.Err(), os.Remove(filepath.Join(half, noteName)))
	if err == nil {
		if err = os.Remove(dir); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err == nil {
		err = os.Rename(half, dir)
	}
	if err != nil {
		return n, errors.Join(err, os.RemoveAll(half))
	}
	return n, syncFolder(filepath.Dir(dir))
}

// empty returns nil where dir does not exist or holds nothing.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	return fault.New(fault.Conflict, fault.BadRequest, "%s is not empty: name a folder that does not exist", dir)
}

// copyTree copies a file or folder and syncs the copy.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		if e.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		return copyOne(path, target)
	})
}

func copyOne(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = out.ReadFrom(in)
	return errors.Join(err, out.Sync(), out.Close(), syncFolder(filepath.Dir(to)))
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// backUpNow answers `strata backup`, for whoever may read the data folder's key.
func (s *Suite) backUpNow(w http.ResponseWriter, r *http.Request) {
	who, err := s.bearer(r)
	if err == nil && who.Subject != Operator {
		err = fault.New(fault.Denied, fault.PolicyDenied, "back-ups are made with `strata backup` by whoever may read the data folder")
	}
	var want struct {
		Dir string `json:"dir"`
	}
	if err == nil {
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
		if d.Decode(&want) != nil || !filepath.IsAbs(want.Dir) {
			err = fault.New(fault.Invalid, fault.BadRequest, `send {"dir": "…"} with a whole path`)
		}
	}
	var n Note
	if err == nil {
		n, err = s.stores.backUp(r.Context(), s.o, want.Dir)
	}
	if err != nil {
		_ = httpx.WriteProblem(w, httpx.ProblemOf(err, "")) // the client went away
		return
	}
	answer(w, http.StatusCreated, n)
}
