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
	Amount    string `yaml:"amount"`    // column of the amount in whole units; empty = none
	Price     string `yaml:"price"`     // column of the price of one item, instead of the amount; needs items
	Items     string `yaml:"items"`     // column of the number of items; empty = none
	ID        string `yaml:"id"`        // column of an id that is unique in the source; empty = file and row number
	Decimal   string `yaml:"decimal"`   // point or comma; empty = point, and no marks between thousands
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
			"the mapping file "+name+" is not understood: it has the lines separator, heading, customer, date, amount, price, items, id, decimal, date_format, zone, currency, event")
	}
	return m, nil
}

// layouts are the names of dates' parts as people write them: one letter where a leading zero may be missing.
var (
	layouts = strings.NewReplacer("YYYY", "2006", "YY", "06", "MMM", "Jan", "MM", "01", "M", "1", "DD", "02", "D", "2", "hh", "15", "h", "15",
		"mm", "04", "m", "4", "ss", "05", "s", "5")
	halfDays = strings.NewReplacer("15", "3", "AM", "PM")
)

// layoutOf returns the layout that Go's time package takes. With AM in the format hours count to twelve.
func layoutOf(format string) string {
	if before, after, ok := strings.Cut(format, "AM"); ok {
		return halfDays.Replace(layouts.Replace(before) + "AM" + layouts.Replace(after))
	}
	return layouts.Replace(format)
}

// columns are the places of the mapped columns in a line, -1 for those that there are not.
type columns struct{ customer, date, amount, price, items, id int }

// reading is a mapping made ready for one file.
type reading struct {
	m        Mapping
	split    splitter
	width    int // columns of the first line
	heading  bool
	layout   string
	decimals decimals
	zone     *time.Location
	at       columns
}

// prepare completes the mapping from the file's first line.
func (m Mapping) prepare(first string) (*reading, error) {
	if m.Currency == "" {
		m.Currency = "USD"
	}
	if m.Event == "" {
		m.Event = "Order Completed"
	}
	r := &reading{zone: time.UTC, layout: layoutOf(m.Format)}
	var err error
	if r.decimals, err = decimalsOf(m.Decimal); err != nil {
		return nil, err
	}
	if m.Zone != "" {
		if r.zone, err = time.LoadLocation(m.Zone); err != nil {
			return nil, fault.New(fault.Invalid, fault.BadRequest, "the zone %q is not an IANA zone such as Europe/Vienna", m.Zone)
		}
	}
	if r.split, err = newSplitter(m.Separator, first); err != nil {
		return nil, err
	}
	names := r.split.fields(first)
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	r.width = len(names)
	if m, err = m.named(names); err != nil {
		return nil, err
	}
	if r.heading, err = m.headed(names); err != nil {
		return nil, err
	}
	if m.Price != "" && (m.Items == "" || m.Amount != "") {
		return nil, fault.New(fault.Invalid, fault.MissingField, "a price is of one item: name the column of the number of items too, and none of an amount")
	}
	r.at, err = m.places(names, r.heading)
	r.m = m
	return r, err
}

func (m Mapping) places(first []string, heading bool) (columns, error) {
	var c columns
	for _, one := range []struct {
		name string
		at   *int
	}{{m.Customer, &c.customer}, {m.Date, &c.date}, {m.Amount, &c.amount}, {m.Price, &c.price}, {m.Items, &c.items}, {m.ID, &c.id}} {
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
	all := map[string]string{"separator": m.Separator, "customer": m.Customer, "date": m.Date, "amount": m.Amount, "price": m.Price, "decimal": m.Decimal, "items": m.Items, "id": m.ID,
		"date_format": m.Format, "zone": m.Zone, "currency": m.Currency, "event": m.Event}
	for k, v := range all {
		if v == "" {
			delete(all, k)
		}
	}
	return all
}

// usual are the layouts that leave no doubt.
var usual = []string{time.DateOnly, "20060102", time.RFC3339, time.DateTime, "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05Z07:00",
	"2006/01/02", "2006/01/02 15:04:05", "2006/01/02 15:04", "2006.01.02"}

// day reads a date in the given layout, or in one of the usual ones.
func (r *reading) day(text string) (time.Time, error) {
	if r.layout != "" {
		t, err := time.ParseInLocation(r.layout, text, r.zone)
		if err != nil {
			return time.Time{}, fmt.Errorf("%q is not a date that looks like %s", text, r.m.Format)
		}
		return t.In(r.zone), nil
	}
	for _, l := range usual {
		if t, err := time.ParseInLocation(l, text, r.zone); err == nil {
			return t.In(r.zone), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a date as 2006-01-02, 20060102 or RFC 3339: say how dates look with --date-format, such as DD.MM.YYYY, "+
		"or M/D/YYYY h:mm where there are no leading zeros", text)
}
