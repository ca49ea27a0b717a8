package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/strata-crm/strata/shared/fault"
)

// Backup copies the running broker's log into dir, which it makes, and calls store in between, which copies whatever
// the log's readers know. The order makes the two fit together. First come the offsets of groups: what a group has
// passed then, its readers have stored before, so the copy of the store holds it, and after a restore nothing is
// skipped. Then comes the store. Then come the messages: every message that the copied store has not passed was in the
// log before, or came since, and nothing is deleted meanwhile, so the copy holds it. What the store passed between the
// first step and the second comes again after a restore, and is recognised, as after a crash.
//
// Appends go on while files are copied: of each the copy holds a beginning, as if the process had been killed. When
// Backup returns nil, all of it is synced.
func (b *Broker) Backup(ctx context.Context, dir string, store func(context.Context) error) error {
	if b.options.Dir == "" {
		return fault.New(fault.Invalid, fault.BadRequest, "a broker in memory has nothing to back up: give it a folder")
	}
	b.deleting.Lock() // until the end: the copied store may need what Expire would delete now
	defer b.deleting.Unlock()
	to := filepath.Join(dir, "log")
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	err := copyFile(b.logDir(), to, "groups.log")
	if err == nil && store != nil {
		err = store(ctx)
	}
	if err == nil {
		err = b.backUpMessages(ctx, to)
	}
	if err != nil {
		return fmt.Errorf("backing the local broker up: %w", err)
	}
	return errors.Join(b.Err(), syncDir(b.options.FS, to), syncDir(b.options.FS, dir))
}

// backUpMessages copies partitions first and the list of topics last, so that no partition lacks its topic.
func (b *Broker) backUpMessages(ctx context.Context, to string) error {
	from := b.logDir()
	partitions, err := os.ReadDir(filepath.Join(from, "partitions"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, p := range partitions {
		if err := errors.Join(ctx.Err(), b.backUpPartition(filepath.Join(from, "partitions", p.Name()), filepath.Join(to, "partitions", p.Name()))); err != nil {
			return err
		}
	}
	for _, name := range []string{"pids.log", "seq_windows.json", "broker_configs.json", "topics.json", "meta.json"} {
		if err := copyFile(from, to, name); err != nil {
			return err
		}
	}
	return nil
}

// backUpPartition copies a partition's files, older ones first, so that the copy has no gap.
func (b *Broker) backUpPartition(from, to string) error {
	bases, err := segments(b.options.FS, from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	err = copyFile(from, to, "snapshot.json")
	for _, base := range bases {
		name := segmentName(base)
		err = errors.Join(err, copyFile(from, to, strings.TrimSuffix(name, ".dat")+".idx"), copyFile(from, to, name))
	}
	return errors.Join(err, syncDir(b.options.FS, to))
}

// copyFile copies a file of a folder, as it is now, and syncs the copy. A file that does not exist is left out.
func copyFile(from, to, name string) (err error) {
	in, err := os.Open(filepath.Join(from, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(filepath.Join(to, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}
