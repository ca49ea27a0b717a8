package orderfile

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/strata-crm/strata/shared/fault"
)

// File is a file of orders read into memory.
type File struct {
	Name    string
	Digest  string // SHA-256 in hex
	Mapping Mapping
	Rows    []Row
}

// Row is one line: its order, or why it is none. Such a row is sent too, so that the statement accounts for it.
type Row struct {
	Line     string
	Customer string
	Date     string // as it is in the line
	Time     time.Time
	Amount   string
	Items    string
	ID       string
	Bad      string // why the row has no time; empty if it has one
}

// Open reads the file under the mapping. Only what makes the whole file unreadable is an error; a line that does not fit
// is a row with Bad set.
func Open(name string, m Mapping) (*File, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, fault.BadRequest, err, "the file "+name+" cannot be read")
	}
	return Read(filepath.Base(name), text, m)
}

// Read is Open for what is in memory.
func Read(name string, text []byte, m Mapping) (*File, error) {
	sum := sha256.Sum256(text)
	f := &File{Name: name, Digest: hex.EncodeToString(sum[:]), Mapping: m}
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	lines.Buffer(nil, 1<<20)
	var r *reading
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		if strings.TrimSpace(line) == "" {
			continue
		}
		if r == nil {
			var err error
			if r, err = m.prepare(line); err != nil {
				return nil, err
			}
			f.Mapping = r.m
			if r.heading {
				continue
			}
		}
		f.Rows = append(f.Rows, r.row(line))
	}
	if err := lines.Err(); err != nil {
		return nil, fault.Wrap(fault.Invalid, fault.BadRequest, err, "the file "+name+" has a line longer than 1 MiB")
	}
	if len(f.Rows) == 0 {
		return nil, fault.New(fault.Invalid, fault.BadRequest, "the file %s has no rows", name)
	}
	if first, n := f.Undated(); n == len(f.Rows) {
		return nil, fault.New(fault.Invalid, fault.WrongType, "no row of the file %s has a date that can be read; in row %d %s", name, first, f.Rows[first-1].Bad)
	}
	return f, nil
}

// Undated returns how many rows have no date that can be read, and the number of the first.
func (f *File) Undated() (first, n int) {
	for i, r := range f.Rows {
		if r.Bad == "" {
			continue
		}
		if n++; n == 1 {
			first = i + 1
		}
	}
	return first, n
}

func (r *reading) row(line string) Row {
	fields := r.split(line)
	at := func(i int) string {
		if i < 0 || i >= len(fields) {
			return ""
		}
		return strings.TrimSpace(fields[i])
	}
	row := Row{Line: line, Customer: at(r.at.customer), Date: at(r.at.date), Amount: at(r.at.amount), Items: at(r.at.items), ID: at(r.at.id)}
	var err error
	if row.Time, err = r.day(row.Date); err != nil {
		row.Bad = err.Error()
	}
	return row
}

// Item returns the call for the row. A row that is no order gives a call that the gateway answers as invalid, with the reason.
func (f *File) Item(r Row) map[string]any {
	properties := map[string]any{}
	if r.Amount != "" {
		properties["total"] = number(r.Amount)
		properties["currency"] = f.Mapping.Currency
	}
	if r.Items != "" {
		properties["quantity"] = number(r.Items)
	}
	item := map[string]any{"type": "track", "event": f.Mapping.Event, "userId": r.Customer, "properties": properties}
	item["timestamp"] = r.Time.UTC().Format(time.RFC3339)
	if r.Bad != "" {
		item["timestamp"] = cmp.Or(r.Date, "no date") // never nothing, which would be taken as now
	}
	if r.ID != "" {
		item["messageId"] = r.ID
	}
	return item
}

// splitter returns how lines are cut. White space is one separator however long; the others follow CSV's quoting.
func splitter(name, first string) (func(string) []string, error) {
	if name == "" {
		name = "space"
		for _, s := range []string{"\t", ";", ","} {
			if strings.Contains(first, s) {
				name = s
				break
			}
		}
	}
	known := map[string]rune{"comma": ',', "semicolon": ';', "tab": '\t'}
	if name == "space" {
		return strings.Fields, nil
	}
	comma, ok := known[name]
	if one := []rune(name); !ok && len(one) == 1 {
		comma, ok = one[0], true
	}
	if !ok || comma == '"' || comma == '\n' {
		return nil, fault.New(fault.Invalid, fault.BadRequest, "the separator %q is none: use comma, semicolon, tab, space, or one character", name)
	}
	return func(line string) []string {
		c := csv.NewReader(strings.NewReader(line))
		c.Comma, c.LazyQuotes, c.TrimLeadingSpace, c.FieldsPerRecord = comma, true, true, -1
		fields, err := c.Read()
		if err != nil {
			return nil
		}
		return fields
	}, nil
}
