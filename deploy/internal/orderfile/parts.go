package orderfile

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// Months cuts the file into one file for each month, in the order of time, with its lines in the order of the file. Rows
// without a date are in the first. Each part has a digest of its own.
func (f *File) Months() []*File {
	by := map[time.Time]*File{}
	var months []time.Time
	earliest := f.earliest()
	for _, r := range f.Rows {
		at := monthOf(r.Time)
		if r.Time.IsZero() {
			at = monthOf(earliest)
		}
		if by[at] == nil {
			by[at] = &File{Name: f.Name + " " + at.Format("2006-01"), Mapping: f.Mapping}
			months = append(months, at)
		}
		by[at].Rows = append(by[at].Rows, r)
	}
	slices.SortFunc(months, time.Time.Compare)
	parts := make([]*File, len(months))
	for i, at := range months {
		parts[i] = by[at]
		parts[i].Digest = digest(parts[i].Rows)
	}
	return parts
}

func (f *File) earliest() time.Time {
	var first time.Time
	for _, r := range f.Rows {
		if !r.Time.IsZero() && (first.IsZero() || r.Time.Before(first)) {
			first = r.Time
		}
	}
	return first
}

// Month returns the first instant of the part's month.
func (f *File) Month() time.Time { return monthOf(f.earliest()) }

// Last returns the latest time in the file.
func (f *File) Last() time.Time {
	var last time.Time
	for _, r := range f.Rows {
		if r.Time.After(last) {
			last = r.Time
		}
	}
	return last
}

func monthOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, t.Location())
}

func digest(rows []Row) string {
	var b strings.Builder
	for _, r := range rows {
		b.WriteString(r.Line)
		b.WriteByte('\n')
	}
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:])
}
