// Package spill keeps on disk what sorting and grouping cannot keep in memory: files of records, and a merge sort over
// such files. It does not own the decision whether that is allowed, nor what the records mean.
package spill

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"
)

// bufferBytes is what an open file holds in memory.
const bufferBytes = 32 << 10

// File is a temporary file of records, written first and then read. It has no name on disk, so nothing is left of it when
// it is closed, or when the process dies. It is used by one goroutine at a time.
type File struct {
	f *os.File
	w *bufio.Writer
	r *bufio.Reader
}

// Create makes a file in dir, which is made if it does not exist.
func Create(dir string) (*File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "spill-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &File{f: f, w: bufio.NewWriterSize(f, bufferBytes)}, nil
}

// Write appends a record.
func (f *File) Write(record []byte) error {
	var head [binary.MaxVarintLen64]byte
	if _, err := f.w.Write(binary.AppendUvarint(head[:0], uint64(len(record)))); err != nil {
		return err
	}
	_, err := f.w.Write(record)
	return err
}

// Rewind ends the writing: the next Read returns the first record.
func (f *File) Rewind() error {
	if err := f.w.Flush(); err != nil {
		return err
	}
	f.w, f.r = nil, bufio.NewReaderSize(f.f, bufferBytes)
	_, err := f.f.Seek(0, io.SeekStart)
	return err
}

// Read returns the next record, which is the caller's; ok is false at the end.
func (f *File) Read() (record []byte, ok bool, err error) {
	n, err := binary.ReadUvarint(f.r)
	if errors.Is(err, io.EOF) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	record = make([]byte, n)
	_, err = io.ReadFull(f.r, record)
	return record, err == nil, err
}

// Close gives the room on disk free.
func (f *File) Close() error { return f.f.Close() }
