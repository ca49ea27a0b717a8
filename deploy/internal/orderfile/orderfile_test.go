package orderfile

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func read(t *testing.T, text string, m Mapping) *File {
	t.Helper()
	f, err := Read("orders", []byte(text), m)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// calls are the items of all rows, as they would be sent.
func calls(t *testing.T, f *File) string {
	t.Helper()
	var all []string
	for _, r := range f.Rows {
		b, err := json.Marshal(f.Item(r))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(b))
	}
	return strings.Join(all, "\n")
}

func TestForms(t *testing.T) {
	t.Parallel()
	const call = `{"event":"Order Completed","properties":{"currency":"USD","quantity":2,"total":11.50},"timestamp":"2024-01-05T00:00:00Z","type":"track","userId":"c1"}`
	for name, c := range map[string]struct {
		text string
		m    Mapping
		want string
	}{
		"four columns by commas, with a heading": {"customer_id,date,items,amount\nc1,2024-01-05,2,11.50\n", Mapping{}, call},
		"four columns by white space":            {"  c1  20240105   2  11.50  \r\n\n", Mapping{}, call},
		"a byte order mark and semicolons":       {"\ufeffwho;day;sum;n\nc1;05.01.2024;11.50;2\n", Mapping{Customer: "who", Date: "day", Amount: "sum", Items: "n", Format: "DD.MM.YYYY"}, call},
		"numbers for columns, one character":     {"2|11.50|2024-01-05|c1\n", Mapping{Separator: "|", Customer: "4", Date: "3", Amount: "2", Items: "1"}, call},
		"a heading that has digits":              {"a1,b2,c3,d4\nc1,2024-01-05,2,11.50", Mapping{Heading: "yes"}, call},
		"a first order whose values look like columns": {"1 20240105 2 4\nc1 20240105 2 11.50", Mapping{},
			strings.NewReplacer("c1", "1", "11.50", "4").Replace(call) + "\n" + call},
		"quotes": {"who,day,sum,n\n\"c,1\",2024-01-05,11.50,2\n", Mapping{Customer: "who", Date: "day", Amount: "sum", Items: "n"}, strings.Replace(call, "c1", "c,1", 1)},
		"a zone and a time of day": {"who,day\nc1,2024-07-05 01:30\n", Mapping{Customer: "who", Date: "day", Format: "YYYY-MM-DD hh:mm", Zone: "Europe/Vienna"},
			`{"event":"Order Completed","properties":{},"timestamp":"2024-07-04T23:30:00Z","type":"track","userId":"c1"}`},
		"an id, a currency and an event": {"who,day,sum,no\nc1,2024-01-05,0.10,A7\n", Mapping{Customer: "who", Date: "day", Amount: "sum", ID: "no", Currency: "EUR", Event: "Sold"},
			`{"event":"Sold","messageId":"A7","properties":{"currency":"EUR","total":0.10},"timestamp":"2024-01-05T00:00:00Z","type":"track","userId":"c1"}`},
		"what is no number stays as it is": {"c1,2024-01-05,two,\"11,50\"\nc1,2024-01-05,2,11.50\n", Mapping{},
			`{"event":"Order Completed","properties":{"currency":"USD","quantity":"two","total":"11,50"},"timestamp":"unknown","type":"track","userId":"c1"}` + "\n" + call},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(c.want, calls(t, read(t, c.text, c.m))); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// A row without a date that can be read is sent with what there is, and never with nothing, which would mean now.
func TestUndatedRows(t *testing.T) {
	t.Parallel()
	f := read(t, "c1,2024-01-05,1,1\nc2,soon,1,1\nc3,,1,1\n", Mapping{})
	if odd := f.Oddities(); len(odd) != 1 || odd[0].First != 2 || odd[0].Rows != 2 || !odd[0].Bad {
		t.Errorf("%+v, want two rows without a date from row 2", odd)
	}
	got := []any{f.Item(f.Rows[1])["timestamp"], f.Item(f.Rows[2])["timestamp"]}
	if d := cmp.Diff([]any{"unknown", "unknown"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if !strings.Contains(f.Rows[1].Bad, "--date-format") {
		t.Errorf("the reason does not say what to do: %s", f.Rows[1].Bad)
	}
}

func TestUnreadableFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		m    Mapping
		want string
	}{
		"no rows":            {"\n \n", Mapping{}, "has no rows"},
		"only a heading":     {"customer,date,items,amount\n", Mapping{}, "has no rows"},
		"unmapped":           {"a,b\nc1,2024-01-05\n", Mapping{}, "--customer COLUMN --date COLUMN"},
		"no such column":     {"a,b\nc1,2024-01-05\n", Mapping{Customer: "a", Date: "c"}, `no column "c": the first line has a | b`},
		"no such number":     {"a,b\nc1,2024-01-05\n", Mapping{Customer: "1", Date: "3"}, `no column "3"`},
		"no such separator":  {"a,b\n", Mapping{Separator: "dash"}, "comma, semicolon, tab, space"},
		"no such zone":       {"a,b\n", Mapping{Zone: "Vienna"}, "Europe/Vienna"},
		"heading is a guess": {"a,b\n", Mapping{Heading: "maybe", Customer: "1", Date: "2"}, "say yes, no, or nothing"},
		"no date at all":     {"c1,5.1.2024\nc2,6.1.2024\n", Mapping{Customer: "1", Date: "2"}, "no row of the file"},
		"a line of 2 MiB":    {strings.Repeat("x", 2<<20), Mapping{}, "longer than 1 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := Read("orders", []byte(c.text), c.m); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestReadMapping(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "m.yaml")
	if err := os.WriteFile(name, []byte("separator: tab\ncustomer: who\ndate: 2\ndate_format: DD.MM.YYYY\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := ReadMapping(name)
	if d := cmp.Diff(Mapping{Separator: "tab", Customer: "who", Date: "2", Format: "DD.MM.YYYY"}, m); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	if err := os.WriteFile(name, []byte("client: who\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadMapping(name); err == nil || !strings.Contains(err.Error(), "separator, heading, customer") {
		t.Errorf("an unknown name: %v", err)
	}
}

// What the suite is told of the mapping is what was used, the columns that were found by themselves among it.
func TestDescribed(t *testing.T) {
	t.Parallel()
	want := map[string]string{"customer": "1", "date": "2", "items": "3", "amount": "4", "currency": "USD", "event": "Order Completed"}
	if d := cmp.Diff(want, read(t, "c1,2024-01-05,2,11.50\n", Mapping{}).Mapping.Described()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// Cutting by months loses no row and keeps the order of the file; parts of different content have different digests.
func TestMonths(t *testing.T) {
	t.Parallel()
	f := read(t, "c1,2024-02-05,1,1\nc2,2024-01-31,1,1\nc3,never,1,1\nc4,2024-02-01,1,1\n", Mapping{})
	var got []string
	digests := map[string]bool{f.Digest: true}
	for _, p := range f.Months() {
		for _, r := range p.Rows {
			got = append(got, p.Month().Format("2006-01")+" "+r.Customer)
		}
		digests[p.Digest] = true
	}
	if d := cmp.Diff([]string{"2024-01 c2", "2024-01 c3", "2024-02 c1", "2024-02 c4"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if len(digests) != 3 {
		t.Errorf("%d digests, want 3", len(digests))
	}
	if want := time.Date(2024, 2, 5, 0, 0, 0, 0, time.UTC); !f.Last().Equal(want) {
		t.Errorf("the last is of %s, want %s", f.Last(), want)
	}
}

// Files as programs write them, and what becomes of each: read right, or refused with what to do.
func TestForeignFiles(t *testing.T) {
	t.Parallel()
	const call = `{"event":"Order Completed","properties":{"currency":"USD","quantity":2,"total":1234.50},"timestamp":"2024-01-05T00:00:00Z","type":"track","userId":"c1"}`
	for name, c := range map[string]struct {
		text string
		m    Mapping
		want string
	}{
		"names in another order":            {"Amount,Qty,Order Date,Customer ID\n1234.50,2,2024-01-05,c1\n", Mapping{}, call},
		"three columns by their names":      {"date,customer,total\n2024-01-05,c1,1234.50\n", Mapping{}, strings.Replace(call, `"quantity":2,`, "", 1)},
		"a decimal comma":                   {"customer;date;items;amount\nc1;2024-01-05;2;1.234,50\n", Mapping{Decimal: "comma"}, call},
		"marks between thousands":           {"c1,2024-01-05,2,\"1,234.50\"\n", Mapping{Decimal: "point"}, call},
		"numbers as spreadsheets have them": {"c1,2024-01-05 00:00:00,2.0,1234.5000\n", Mapping{}, call},
		"signs and leading zeros":           {"c1,2024-01-05,+2,01234.50\n", Mapping{}, call},
		"a price":                           {"who,day,n,each\nc1,2024-01-05,2,617.25\n", Mapping{Customer: "who", Date: "day", Items: "n", Price: "each"}, strings.Replace(call, "1234.50", "1234.5", 1)},
		"a price of three decimals":         {"who,day,n,each\nc1,2024-01-05,3,0.005\n", Mapping{Customer: "who", Date: "day", Items: "n", Price: "each"}, strings.NewReplacer("1234.50", "0.015", ":2,", ":3,").Replace(call)},
		"no leading zeros in dates":         {"c1,1/5/2024 12:00 AM,2,1234.50\n", Mapping{Format: "M/D/YYYY h:mm AM"}, call},
		"a line within quotation marks":     {"customer,date,items,amount\n\"c\n1\",2024-01-05,2,1234.50\n", Mapping{}, strings.Replace(call, "c1", `c\n1`, 1)},
		"a quotation mark within a text":    {"customer,date,items,amount,note\nc1,2024-01-05,2,1234.50,\"a 5\" pipe, blue\"\n", Mapping{}, call},
		"empty columns at the end":          {"customer,date,items,amount\nc1,2024-01-05,2,1234.50,,\n", Mapping{}, call},
		"lines that end as on old machines": {"customer,date,items,amount\rc1,2024-01-05,2,1234.50\r", Mapping{}, call},
		"another zone in each row":          {"c1,2024-01-05T01:00:00+01:00,2,1234.50\nc1,2024-01-04T19:00:00-05:00,2,1234.50\n", Mapping{}, call + "\n" + call},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := read(t, c.text, c.m)
			if d := cmp.Diff(c.want, calls(t, f)); d != "" || len(f.Oddities()) > 0 {
				t.Errorf("%+v (-want +got):\n%s", f.Oddities(), d)
			}
			if n := len(f.Months()); n != 1 {
				t.Errorf("%d months, want 1", n)
			}
		})
	}
}

// Rows that cannot be orders are invalid with the reason, whatever stands in the place of their date and amount.
func TestRowsThatAreNoOrders(t *testing.T) {
	t.Parallel()
	f := read(t, "customer,date,items,amount\nc1,2024-01-05,2,11.50\nc2,2024-01-05,2,11,50\nc3,2024-01-05\n,2024-01-05,1,1\nc4,2024-01-05,1,$5\n\"c5,2024-01-05,1,1\nc6,2024-01-05,1,-3\n", Mapping{})
	var got []string
	for _, o := range f.Oddities() {
		got = append(got, fmt.Sprint(o.First, " ", o.Rows, " ", o.Bad, " ", strings.Fields(o.What)[:4]))
	}
	want := []string{"2 3 true [there are 5 columns,]", "4 1 true [there is no customer]", "5 1 true [the amount \"$5\" is]", "7 1 false [the amount is below]"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, torn := range []int{1, 2, 5} {
		if at := f.Item(f.Rows[torn])["timestamp"]; at != "unknown" {
			t.Errorf("row %d has the time %v, want none that could be taken", torn+1, at)
		}
	}
}

// A year that was mistyped would have decades measured month by month, and is told.
func TestStrayDates(t *testing.T) {
	t.Parallel()
	f := read(t, "c1,2024-01-05,1,1\nc2,1950-01-05,1,1\nc3,2015-01-05,1,1\nc4,1924-01-05,1,-1\nc5,2024-01-05,1,1\nc6,2024-02-05,1,1\nc7,soon,1,1\n", Mapping{})
	odd := f.Oddities()
	if len(odd) != 3 || odd[0].First != 2 || odd[0].Rows != 2 || odd[0].Bad || !strings.Contains(odd[0].What, "1950-01-05") {
		t.Errorf("%+v, want two stray rows from row 2, an amount below zero, and no date", odd)
	}
}

// An id that comes again with other content would lose a row, and is told.
func TestIDsThatComeAgain(t *testing.T) {
	t.Parallel()
	f := read(t, "who,day,no\nc1,2024-01-05,A\nc1,2024-01-06,A\nc1,2024-01-05,A\n", Mapping{Customer: "who", Date: "day", ID: "no"})
	if odd := f.Oddities(); len(odd) != 1 || odd[0].First != 2 || odd[0].Rows != 1 || odd[0].Bad {
		t.Errorf("%+v, want row 2", odd)
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		m    Mapping
		want string
	}{
		"UTF-16":                        {"\xff\xfea\x00", Mapping{}, "iconv -f UTF-16"},
		"Latin-1 customers":             {"customer,date,items,amount\nM\xfcller,2024-01-05,1,1\n", Mapping{}, "line 2 of the file"},
		"currency signs throughout":     {"c1,2024-01-05,1,$5\n", Mapping{}, "take signs of currencies"},
		"a doubt about the amount":      {"customer,date,price,qty\nc1,2024-01-05,5,1\n", Mapping{}, "--amount COLUMN"},
		"a price in the amount's place": {"customer,date,qty,price\nc1,2024-01-05,1,5\n", Mapping{}, "--amount COLUMN"},
		"another first column":          {"order_id,date,items,amount\n7,2024-01-05,1,5\n", Mapping{}, "--customer COLUMN"},
		"two dates":                     {"customer,order date,invoice date,amount\nc1,2024-01-05,2024-01-05,1\n", Mapping{}, "--date COLUMN"},
		"a price without items":         {"who,day,each\nc1,2024-01-05,5\n", Mapping{Customer: "who", Date: "day", Price: "each"}, "the number of items too"},
		"a decimal mark that is none":   {"c1,2024-01-05,1,5\n", Mapping{Decimal: "dot"}, "say point or comma"},
		"decimal commas by themselves":  {"customer,date,items,amount\nc1,2024-01-05,1,5,00\n", Mapping{}, "there are 5 columns"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := Read("orders", []byte(c.text), c.m); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}
