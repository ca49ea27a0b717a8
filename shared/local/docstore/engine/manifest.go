package engine

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// manifestNote is a file that says how long the manifest was, and with which checksum, when it was synced last. Pebble
// takes a damaged record of its manifest for the end of the file, and would forget all tables named after it.
const manifestNote = "manifest.check"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// tally follows what is written to a manifest.
type tally struct {
	length int64
	sum    uint32
}

func (t *tally) add(p []byte) {
	t.length += int64(len(p))
	t.sum = crc32.Update(t.sum, castagnoli, p)
}

func isManifest(base string) bool { return strings.HasPrefix(base, "MANIFEST-") }

// note writes down what is known of a manifest that has just been synced.
func (d *disk) note(base string, t tally) error {
	fs, temporary := d.FS, d.PathJoin(d.dir, manifestNote+".new")
	f, err := fs.Create(temporary, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s %d %08x\n", base, t.length, t.sum)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return fs.Rename(temporary, d.PathJoin(d.dir, manifestNote))
}

// checkManifest compares the manifest with the note. A manifest that is gone was replaced after the note was written.
func (d *disk) checkManifest() error {
	text, err := d.read(manifestNote, 1<<10)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	var base string
	var want, got tally
	if err == nil {
		_, err = fmt.Sscanf(string(text), "%s %d %x\n", &base, &want.length, &want.sum)
	}
	if err != nil || !isManifest(base) {
		return &Corruption{File: d.PathJoin(d.dir, manifestNote), Err: fmt.Errorf("it holds %q", text)}
	}
	data, err := d.read(base, want.length)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if got.add(data); got != want {
		return &Corruption{File: d.PathJoin(d.dir, base), Err: fmt.Errorf("its first %d bytes have the checksum %08x (%d bytes were read), written was %08x",
			want.length, got.sum, got.length, want.sum)}
	}
	return nil
}

// read returns the first bytes of a file, at most limit.
func (d *disk) read(base string, limit int64) ([]byte, error) {
	f, err := d.FS.Open(d.PathJoin(d.dir, base))
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, limit))
	return data, errors.Join(err, f.Close())
}
