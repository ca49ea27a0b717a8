package pipeline

import (
	"context"
	"hash/maphash"

	"github.com/strata-crm/strata/shared/local/docstore/spill"
)

const (
	groupFanOut = 16 // files that the documents of one table are divided among
	maxSpills   = 6  // then a table grows: 16^6 tables would not hold the groups
)

// groupParts are the documents of groups for which there was no room, divided by their keys: each group's documents
// lie in one file, in the order they came.
type groupParts struct {
	seed  maphash.Seed
	files [groupFanOut]*spill.File
}

// groupRest is a file of documents that were spilled level times.
type groupRest struct {
	file  *spill.File
	level int
}

// spills reports whether the table takes no more groups.
func (t *groupTable) spills() bool {
	c := t.s.c
	return t.parts != nil || c.deps.AllowDiskUse && t.used > c.spillAt() && t.level < maxSpills
}

// spill puts a document whose key is in t.buf away.
func (t *groupTable) spill(d []byte) error {
	if t.parts == nil {
		t.parts = &groupParts{seed: maphash.MakeSeed()} // another one each time, to divide what lay together
	}
	n := maphash.Bytes(t.parts.seed, t.buf) % groupFanOut
	if t.parts.files[n] == nil {
		var err error
		if t.parts.files[n], err = spill.Create(t.s.c.tempDir()); err != nil {
			return err
		}
	}
	return t.parts.files[n].Write(d)
}

func (p *groupParts) close() {
	if p == nil {
		return
	}
	for _, f := range p.files {
		if f != nil {
			_ = f.Close() // temporary files: nothing depends on them
		}
	}
}

// nextPart groups one of the files that were spilled.
func (i *groupIter) nextPart(ctx context.Context) error {
	if p := i.t.parts; p != nil {
		for _, f := range p.files {
			if f != nil {
				i.rest = append(i.rest, groupRest{f, i.t.level + 1})
			}
		}
		i.t.parts = nil
	}
	r := i.rest[len(i.rest)-1]
	i.rest = i.rest[:len(i.rest)-1]
	i.t = &groupTable{s: i.t.s, env: i.t.env, byKey: map[string]*group{}, level: r.level}
	i.at = 0
	defer func() { _ = r.file.Close() }()
	if err := r.file.Rewind(); err != nil {
		return err
	}
	for {
		d, ok, err := r.file.Read()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || !ok {
			return err
		}
		if err := i.t.add(d); err != nil {
			return compiledCode(err)
		}
	}
}
