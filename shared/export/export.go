// Package export writes a table as a file that people take elsewhere: CSV, Excel or Parquet. It owns how a value looks in
// each of them. It does not know what the rows mean, who may have them, or where they come from.
package export

import (
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/strata-crm/strata/shared/fault"
)

// Format of a file.
type Format string

// The formats.
const (
	CSV     Format = "csv"     // RFC 4180, UTF-8, with a head line
	Excel   Format = "xlsx"    // one sheet of rows and one that says what they are
	Parquet Format = "parquet" // every column optional, times in UTC milliseconds
)

// ParseFormat returns the format of a name; fault.Invalid, naming the choices, for another.
func ParseFormat(name string) (Format, error) {
	if f := Format(name); slices.Contains([]Format{CSV, Excel, Parquet}, f) {
		return f, nil
	}
	return "", fault.New(fault.Invalid, fault.BadRequest, "the format %q is not known: choose csv, xlsx or parquet", name)
}

// MediaType of the format's files.
func (f Format) MediaType() string {
	switch f {
	case Excel:
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	case Parquet:
		return "application/vnd.apache.parquet"
	}
	return "text/csv; charset=utf-8"
}

// Type of a column's values. A nil value is empty in every format.
type Type uint8

// The types, with the Go type of a value.
const (
	Text    Type = iota // string
	Integer             // int64
	Number              // float64, finite
	Boolean             // bool
	Instant             // time.Time
)

// Column of a table.
type Column struct {
	Name string // snake case, unique
	Type Type
	Note string // what it holds, with its unit
}

// Table is what a file says of itself; the rows come apart, since there may be many.
type Table struct {
	Title   string
	Columns []Column
	Notes   []string // such as: as of, how many customers, the definition. Excel and Parquet carry them.
}

// Rows yields one slice of values a row, in the order of the columns; it may be used again by the sequence. An error ends
// the export and is returned by Write.
type Rows = iter.Seq2[[]any, error]

// Write writes the table. It returns the first error of the rows or of w; fault.Invalid if there are more rows than the
// format holds, which for Excel are 1,048,575; and an error if a value is not of its column's type. What was written before
// an error is no whole file.
func Write(w io.Writer, f Format, t Table, rows Rows) error {
	switch f {
	case CSV:
		return writeCSV(w, t, rows)
	case Excel:
		return writeExcel(w, t, rows)
	case Parquet:
		return writeParquet(w, t, rows)
	}
	_, err := ParseFormat(string(f))
	return err
}

// checked returns a row whose values have the types of their columns.
func checked(t Table, row []any) error {
	if len(row) != len(t.Columns) {
		return fmt.Errorf("export %s: a row of %d values for %d columns", t.Title, len(row), len(t.Columns))
	}
	for i, c := range t.Columns {
		if !c.Type.holds(row[i]) {
			return fmt.Errorf("export %s: column %s holds no %T", t.Title, c.Name, row[i])
		}
	}
	return nil
}

func (t Type) holds(v any) bool {
	if v == nil {
		return true
	}
	ok := false
	switch t {
	case Text:
		_, ok = v.(string)
	case Integer:
		_, ok = v.(int64)
	case Number:
		var f float64
		f, ok = v.(float64)
		ok = ok && f-f == 0
	case Boolean:
		_, ok = v.(bool)
	case Instant:
		_, ok = v.(time.Time)
	}
	return ok
}
