package export_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/xuri/excelize/v2"

	"github.com/strata-crm/strata/shared/export"
	"github.com/strata-crm/strata/shared/fault"
)

var when = time.Date(2026, 11, 24, 9, 30, 0, 125e6, time.FixedZone("", 3600))

func table() export.Table {
	return export.Table{
		Title: "Revenue by month", Notes: []string{"as of 2026-11-24", "n: customers"},
		Columns: []export.Column{
			{Name: "window", Type: export.Text, Note: "month"}, {Name: "n", Type: export.Integer, Note: "customers"},
			{Name: "value", Type: export.Number, Note: "minor units"}, {Name: "closed", Type: export.Boolean}, {Name: "at", Type: export.Instant},
		},
	}
}

func rows() [][]any {
	return [][]any{
		{"1997-01", int64(7846), 29905.125, true, when},
		{"Ünï, \"quoted\"\nline", nil, nil, false, nil},
		{"=1+1", int64(-9_007_199_254_740_993), -.1, nil, when.Add(time.Hour)},
	}
}

func all(rows [][]any) export.Rows {
	return func(yield func([]any, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func TestCSVHoldsEveryValueAndRunsNoFormula(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := export.Write(&b, export.CSV, table(), all(rows())); err != nil {
		t.Fatal(err)
	}
	got, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"window", "n", "value", "closed", "at"},
		{"1997-01", "7846", "29905.125", "true", "2026-11-24T08:30:00.125Z"},
		{"Ünï, \"quoted\"\nline", "", "", "false", ""},
		{"'=1+1", "-9007199254740993", "-0.1", "", "2026-11-24T09:30:00.125Z"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestExcelHoldsTypedCellsAndSaysWhatTheyAre(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := export.Write(&b, export.Excel, table(), all(rows())); err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	got, err := book.GetRows("Rows", excelize.Options{RawCellValue: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 4 || got[1][0] != "1997-01" || got[1][1] != "7846" || got[1][2] != "29905.125" || got[3][0] != "=1+1" {
		t.Errorf("the rows are %q", got)
	}
	if f, err := book.GetCellFormula("Rows", "A4"); err != nil || f != "" {
		t.Errorf("text became the formula %q (%v)", f, err)
	}
	if kind, err := book.GetCellType("Rows", "C2"); err != nil || kind == excelize.CellTypeInlineString || kind == excelize.CellTypeSharedString {
		t.Errorf("a number is a cell of type %v (%v)", kind, err)
	}
	about, err := book.GetRows("About")
	if err != nil || about[0][0] != "Revenue by month" || about[1][0] != "as of 2026-11-24" || about[6][1] != "customers" {
		t.Errorf("the workbook says of itself %q (%v)", about, err)
	}
}

func TestParquetComesBackAsItWas(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := export.Write(&b, export.Parquet, table(), all(rows())); err != nil {
		t.Fatal(err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := f.Lookup("note.1"); v != "as of 2026-11-24" {
		t.Errorf("the note is %q", v)
	}
	type row struct {
		Window *string    `parquet:"window,optional"`
		N      *int64     `parquet:"n,optional"`
		Value  *float64   `parquet:"value,optional"`
		Closed *bool      `parquet:"closed,optional"`
		At     *time.Time `parquet:"at,optional,timestamp(millisecond)"`
	}
	got, err := parquet.Read[row](bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	var back [][]any
	for _, r := range got {
		back = append(back, []any{deref(r.Window), deref(r.N), deref(r.Value), deref(r.Closed), deref(r.At)})
	}
	if d := cmp.Diff(rows(), back, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); d != "" {
		t.Error(d)
	}
}

func deref[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

func TestWhatIsWrongStopsTheExport(t *testing.T) {
	t.Parallel()
	broken := errors.New("the store is away")
	failing := func(yield func([]any, error) bool) {
		if yield(rows()[0], nil) {
			yield(nil, broken)
		}
	}
	for _, f := range []export.Format{export.CSV, export.Excel, export.Parquet} {
		if err := export.Write(io.Discard, f, table(), failing); !errors.Is(err, broken) {
			t.Errorf("%s: %v", f, err)
		}
		for name, row := range map[string][]any{"short": {"x"}, "wrong type": {1, nil, nil, nil, nil}, "not finite": {"x", nil, nan(), nil, nil}} {
			if err := export.Write(io.Discard, f, table(), all([][]any{row})); err == nil || !strings.Contains(err.Error(), "Revenue by month") {
				t.Errorf("%s, %s: %v", f, name, err)
			}
		}
		if err := export.Write(full{}, f, table(), all(rows())); err == nil {
			t.Errorf("%s: a full disk passes", f)
		}
	}
	if _, err := export.ParseFormat("pdf"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("pdf: %v", err)
	}
}

func nan() float64 { z := 0.0; return z / z }

type full struct{}

func (full) Write([]byte) (int, error) { return 0, fmt.Errorf("no space left") }

func TestExcelRefusesMoreRowsThanASheetHolds(t *testing.T) {
	if testing.Short() {
		t.Skip("writes a million rows")
	}
	t.Parallel()
	many := func(yield func([]any, error) bool) {
		for range excelize.TotalRows {
			if !yield([]any{"x"}, nil) {
				return
			}
		}
	}
	one := export.Table{Title: "many", Columns: []export.Column{{Name: "x", Type: export.Text}}}
	err := export.Write(io.Discard, export.Excel, one, many)
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "parquet") {
		t.Errorf("%v", err)
	}
}
