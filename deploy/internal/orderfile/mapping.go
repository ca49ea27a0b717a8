// Package orderfile reads files of orders, one a line, and turns each line into the call that the collection interface
// takes. It owns how a file is described and read; it sends nothing.
package orderfile

import (
	"fmt"
	"os"
	"slices"
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
	r := &reading{zone: time.UTC, layout: layouts.Replace(m.Format)}
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
	if m, err = m.named(names); err != nil {
		return nil, err
	}
	if r.heading, err = m.headed(names); err != nil {
		return nil, err
	}
	r.at, err = m.places(names, r.heading)
	r.m = m
	return r, err
}

// named completes the mapping with the columns' names: where none is mapped, four columns are customer, date, items, amount.
func (m Mapping) named(first []string) (Mapping, error) {
	if m.Customer == "" && m.Date == "" && m.Amount == "" && m.Items == "" && len(first) == 4 {
		m.Customer, m.Date, m.Items, m.Amount = "1", "2", "3", "4"
	}
	if m.Customer == "" || m.Date == "" {
		return m, fault.New(fault.Invalid, fault.MissingField,
			"say which columns hold the customer and the date: --customer COLUMN --date COLUMN, by name or number, or a mapping file; the first line has %s", strings.Join(first, " | "))
	}
	return m, nil
}

// headed reports whether the first line names the columns: it is said, or a column is mapped by a name in it, or there is
// no digit in it. A number is no name here, as any first order may have it among its values.
func (m Mapping) headed(first []string) (bool, error) {
	switch m.Heading {
	case "yes", "no":
		return m.Heading == "yes", nil
	case "":
		for _, name := range []string{m.Customer, m.Date} {
			if _, err := strconv.Atoi(name); err != nil && slices.Contains(first, name) {
				return true, nil
			}
		}
		return !strings.ContainsAny(strings.Join(first, ""), "0123456789"), nil
	}
	return false, fault.New(fault.Invalid, fault.BadRequest, "heading is %q: say yes, no, or nothing", m.Heading)
}

func (m Mapping) places(first []string, heading bool) (columns, error) {
	var c columns
	for _, one := range []struct {
		name string
		at   *int
	}{{m.Customer, &c.customer}, {m.Date, &c.date}, {m.Amount, &c.amount}, {m.Items, &c.items}, {m.ID, &c.id}} {
		var err error
		if *one.at, err = place(one.name, first, heading); err != nil {
			return c, err
		}
	}
	return c, nil
}

// place finds a column by its name in a heading, or else by its number.
func place(name string, first []string, heading bool) (int, error) {
	if name == "" {
		return -1, nil
	}
	if i := slices.Index(first, name); i >= 0 && heading {
		return i, nil
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
		t, err := time.ParseInLocation(r.layout, text, r.zone)
		if err != nil {
			return t, fmt.Errorf("%q is not a date that looks like %s", text, r.m.Format)
		}
		return t, nil
	}
	for _, l := range []string{time.DateOnly, "20060102", time.RFC3339, time.DateTime} {
		if t, err := time.ParseInLocation(l, text, r.zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a date as 2006-01-02, 20060102 or RFC 3339: say how dates look with --date-format, such as DD.MM.YYYY", text)
}
