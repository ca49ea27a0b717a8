package orderfile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/strata-crm/strata/shared/fault"
)

// File is a file of orders read into memory.
type File struct {
	Name    string
	Digest  string // SHA-256 in hex
	Mapping Mapping
	Rows    []Row
}

// Row is one record: its order, or why it is none. Such a row is sent too, so that the statement accounts for it.
type Row struct {
	Line     string
	Customer string
	Date     string    // as it is in the line
	Time     time.Time // in the file's zone; zero if the date cannot be read
	Amount   string    // as JSON writes it, if it is a number
	Items    string
	ID       string
	Bad      string // why the row is no order; empty if nothing is wrong with it here
	Torn     bool   // it has other columns than the first line, so that none of its fields can be relied on
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
	all, err := lines(name, text)
	if err != nil {
		return nil, err
	}
	if err := f.read(all); err != nil {
		return nil, err
	}
	if len(f.Rows) == 0 {
		return nil, fault.New(fault.Invalid, fault.BadRequest, "the file %s has no rows", name)
	}
	return f, f.useless()
}

func (f *File) read(all []string) error {
	var r *reading
	for n := 0; n < len(all); {
		if strings.TrimSpace(all[n]) == "" {
			n++
			continue
		}
		if r == nil {
			var err error
			if r, err = f.Mapping.prepare(all[n]); err != nil {
				return err
			}
			f.Mapping = r.m
			if r.heading {
				n++
				continue
			}
		}
		record, took := r.split.record(all[n:])
		row := r.row(record)
		if !utf8.ValidString(row.Customer + row.ID) {
			return fault.New(fault.Invalid, fault.BadRequest, "line %d of the file %s is not UTF-8 text, and customers would be taken for one another: "+
				"convert the file, such as with iconv -f ISO-8859-1 -t UTF-8", n+1, f.Name)
		}
		f.Rows = append(f.Rows, row)
		n += took
	}
	return nil
}

// useless refuses a file of which no row is an order: it is read in a wrong way.
func (f *File) useless() error {
	n, first := 0, 0
	for i, r := range f.Rows {
		if r.Bad != "" {
			if n++; n == 1 {
				first = i + 1
			}
		}
	}
	if n < len(f.Rows) {
		return nil
	}
	return fault.New(fault.Invalid, fault.WrongType, "no row of the file %s is an order that can be read; in row %d %s", f.Name, first, f.Rows[first-1].Bad)
}

// Oddity is something that several rows have in common and that whoever imports the file should know.
type Oddity struct {
	What  string // in words, about the rows
	Rows  int
	First int  // number of the first of them
	Bad   bool // the rows will be invalid
}

// Oddities returns what is wrong or strange with rows, by what it is, in the order of their first rows.
func (f *File) Oddities() []Oddity {
	var all []Oddity
	known := map[string]int{}
	note := func(i int, kind, what string, bad bool) {
		at, ok := known[kind]
		if !ok {
			at = len(all)
			known[kind], all = at, append(all, Oddity{What: what, First: i + 1, Bad: bad})
		}
		all[at].Rows++
	}
	ids, long := map[string]int{}, f.middle().AddDate(-stray, 0, 0)
	for i, r := range f.Rows {
		if !r.Time.IsZero() && r.Time.Before(long) {
			note(i, "stray", fmt.Sprintf("the date %s lies more than %d years before most others: every month from it on would be measured, "+
				"so correct it if it is wrong", r.Time.Format(time.DateOnly), stray), false)
		}
		switch {
		case r.Bad != "":
			note(i, kind(r), r.Bad, true)
		case strings.HasPrefix(r.Amount, "-"):
			note(i, "negative", "the amount is below zero: it is kept and lowers totals, and its day counts as a day of a purchase", false)
		}
		if r.ID == "" {
			continue
		}
		if before, ok := ids[r.ID]; ok && f.Rows[before].Line != r.Line {
			note(i, "id", fmt.Sprintf("the id is that of row %d, whose content is another: only one of them will be kept, so name no id "+
				"where a file has several lines of one order", before+1), false)
		} else if !ok {
			ids[r.ID] = i
		}
	}
	return all
}

// stray is how many years before the middle of a file a date is told as strange.
const stray = 10

// middle is the time that half of the rows with a time are not after; zero if none has one.
func (f *File) middle() time.Time {
	var all []time.Time
	for _, r := range f.Rows {
		if !r.Time.IsZero() {
			all = append(all, r.Time)
		}
	}
	if len(all) == 0 {
		return time.Time{}
	}
	slices.SortFunc(all, time.Time.Compare)
	return all[(len(all)-1)/2]
}

// kind tells reasons apart by the column that they are about, as their words name the row's own values.
func kind(r Row) string {
	switch {
	case r.Torn:
		return "torn"
	case r.Time.IsZero():
		return "date"
	}
	for _, what := range []string{badItems, badAmount} {
		if strings.HasPrefix(r.Bad, what) {
			return what
		}
	}
	return r.Bad
}

// What reasons about numbers begin with.
const (
	badItems  = "the number of items "
	badAmount = "the amount "
)

// Plain reports whether the columns are customer, date, items and amount in this order, with dates in one of the usual forms
// and nothing else said of how they are to be read.
func (f *File) Plain() bool {
	m := f.Mapping
	return m.Customer == "1" && m.Date == "2" && m.Items == "3" && m.Amount == "4" && m.Format == "" && m.Zone == "" && m.Decimal == ""
}

// row reads one record.
func (r *reading) row(record string) Row {
	fields := r.split.fields(record)
	at := func(i int) string {
		if i < 0 || i >= len(fields) {
			return ""
		}
		return strings.TrimSpace(fields[i])
	}
	row := Row{Line: record, Customer: at(r.at.customer), Date: at(r.at.date), Amount: at(r.at.amount), Items: at(r.at.items), ID: at(r.at.id)}
	row.read(r, fields, at(r.at.price))
	return row
}

// read turns the fields into what they mean, and says what does not.
func (row *Row) read(r *reading, fields []string, price string) {
	if n := len(fields); n != r.width && !(n > r.width && strings.TrimSpace(strings.Join(fields[r.width:], "")) == "") {
		row.Bad, row.Torn = torn(n, r.width), true
		return
	}
	errs := make([]error, 3)
	row.Time, errs[0] = r.day(row.Date)
	if row.Items != "" {
		row.Items, errs[1] = r.decimals.read(row.Items)
		row.Items = whole(row.Items)
	}
	switch {
	case r.at.price >= 0:
		row.Amount, errs[2] = r.priced(price, row.Items)
	case row.Amount != "":
		row.Amount, errs[2] = r.decimals.read(row.Amount)
	}
	if row.Customer == "" {
		row.Bad = "there is no customer"
	}
	for i, what := range []string{"", badItems, badAmount} {
		if errs[i] != nil {
			row.Bad = what + errs[i].Error()
			return
		}
	}
}

// torn says what is wrong with a row of so many columns, where the first line has others.
func torn(have, want int) string {
	if have < want {
		return fmt.Sprintf("there are %d columns, and %d in the first line: the row is cut off, or a quotation mark is not closed", have, want)
	}
	return fmt.Sprintf("there are %d columns, and %d in the first line: put a field that has the separator in it into quotation marks", have, want)
}

// priced returns the amount of so many items at a price.
func (r *reading) priced(price, items string) (string, error) {
	p, err := r.decimals.read(price)
	if err != nil {
		return price, err
	}
	return times(p, items)
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
	if r.Bad != "" || r.Time.IsZero() {
		item["timestamp"] = "unknown" // nothing of such a row may be taken: not a price as a total, nor the time of the call as its time
	}
	if r.ID != "" {
		item["messageId"] = r.ID
	}
	return item
}
