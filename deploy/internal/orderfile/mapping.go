// Package orderfile reads files of orders, one a line, and turns each line into the call that the collection interface
// takes. It owns how a file is described and read; it sends nothing.
package orderfile

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/strata-crm/strata/shared/fault"
)

// Mapping says how to read a file. A column is named as in the file's heading, or by its number from 1.
type Mapping struct {
	Separator string `yaml:"separator"` // comma, semicolon, tab, space (any white space), or one character; empty = seen from the first line
	Heading   string `yaml:"heading"`   // yes, no; empty = seen from the first line
	Customer  string `yaml:"customer"`  // column of the customer's identifier; required
	Date      string `yaml:"date"`      // column of the order's day or time; required
	Amount    string `yaml:"amount"`    // column of the amount in whole units, with a decimal point; empty = none
	Items     string `yaml:"items"`     // column of the number of items; empty = none
	ID        string `yaml:"id"`        // column of an id that is unique in the source; empty = file and row number
	Format    string `yaml:"date_format"`
	Zone      string `yaml:"zone"`     // IANA zone of the days; empty = UTC
	Currency  string `yaml:"currency"` // ISO 4217; empty = USD
	Event     string `yaml:"event"`    // name of the event; empty = Order Completed
}

// ReadMapping reads a mapping file. An unknown name in it is an error.
func ReadMapping(name string) (Mapping, error) {
	var m Mapping
	f, err := os.Open(name)
	if err != nil {
		return m, fault.Wrap(fault.Invalid, fault.BadRequest, err, "the mapping file "+name+" cannot be read")
	}
	defer f.Close()
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	if err := d.Decode(&m); err != nil {
		return m, fault.Wrap(fault.Invalid, fault.BadDefinition, err,
			"the mapping file "+name+" is not understood: it has the lines separator, heading, customer, date, amount, items, id, date_format, zone, currency, event")
	}
	return m, nil
}

// layouts are the names of dates' parts as people write them.
var layouts = strings.NewReplacer("YYYY", "2006", "MM", "01", "DD", "02", "hh", "15", "mm", "04", "ss", "05")

// columns are the places of the mapped columns in a line, -1 for those that there are not.
type columns struct{ customer, date, amount, items, id int }

// reading is a mapping made ready for one file.
type reading struct {
	m       Mapping
	split   func(string) []string
	heading bool
	layout  string
	zone    *time.Location
	at      columns
}

// prepare completes the mapping from the file's first line.
func (m Mapping) prepare(first string) (*reading, error) {
	if m.Currency == "" {
		m.Currency = "USD"
	}
	if m.Event == "" {
		m.Event = "Order Completed"
	}
	r := &reading{m: m, zone: time.UTC}
	var err error
	if m.Zone != "" {
		if r.zone, err = time.LoadLocation(m.Zone); err != nil {
			return nil, fault.New(fault.Invalid, fault.BadRequest, "the zone %q is not an IANA zone such as Europe/Vienna", m.Zone)
		}
	}
	if r.split, err = splitter(m.Separator, first); err != nil {
		return nil, err
	}
	names := r.split(first)
	if r.at, r.heading, err = m.places(names); err != nil {
		return nil, err
	}
	r.layout = layouts.Replace(m.Format)
	return r, nil
}

// places finds the columns. Without names for the columns, four columns are customer, date, items, amount.
func (m Mapping) places(first []string) (columns, bool, error) {
	if m.Customer == "" && m.Date == "" && m.Amount == "" && m.Items == "" && len(first) == 4 {
		m.Customer, m.Date, m.Items, m.Amount = "1", "2", "3", "4"
	}
	if m.Customer == "" || m.Date == "" {
		return columns{}, false, fault.New(fault.Invalid, fault.MissingField,
			"say which columns hold the customer and the date: --customer NAME --date NAME, or a mapping file; the first line has %s", strings.Join(first, " | "))
	}
	heading := m.Heading == "yes"
	if m.Heading == "" {
		heading = !strings.ContainsAny(strings.Join(first, ""), "0123456789") || named(m, first)
	}
	var c columns
	for _, one := range []struct {
		name string
		at   *int
	}{{m.Customer, &c.customer}, {m.Date, &c.date}, {m.Amount, &c.amount}, {m.Items, &c.items}, {m.ID, &c.id}} {
		at, err := place(one.name, first)
		if err != nil {
			return c, false, err
		}
		*one.at = at
	}
	return c, heading, nil
}

func named(m Mapping, first []string) bool {
	for _, name := range first {
		if name == m.Customer || name == m.Date {
			return true
		}
	}
	return false
}

func place(name string, first []string) (int, error) {
	if name == "" {
		return -1, nil
	}
	for i, n := range first {
		if n == name {
			return i, nil
		}
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 1 && n <= len(first) {
		return n - 1, nil
	}
	return -1, fault.New(fault.Invalid, fault.MissingField, "the file has no column %q: the first line has %s", name, strings.Join(first, " | "))
}

// Described returns the mapping as the statement shows it.
func (m Mapping) Described() map[string]string {
	all := map[string]string{"separator": m.Separator, "customer": m.Customer, "date": m.Date, "amount": m.Amount, "items": m.Items, "id": m.ID,
		"date_format": m.Format, "zone": m.Zone, "currency": m.Currency, "event": m.Event}
	for k, v := range all {
		if v == "" {
			delete(all, k)
		}
	}
	return all
}

// day reads a date in the given layout, or in one of the usual ones.
func (r *reading) day(text string) (time.Time, error) {
	if r.layout != "" {
		return time.ParseInLocation(r.layout, text, r.zone)
	}
	for _, l := range []string{time.DateOnly, "20060102", time.RFC3339, time.DateTime} {
		if t, err := time.ParseInLocation(l, text, r.zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a date as 2006-01-02, 20060102 or RFC 3339: say how dates look with --date-format, such as DD.MM.YYYY", text)
}
