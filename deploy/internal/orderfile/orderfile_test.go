package orderfile

import (
	"encoding/json"
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
		"what is no number stays as it is": {"c1,2024-01-05,two,\"11,50\"\n", Mapping{},
			`{"event":"Order Completed","properties":{"currency":"USD","quantity":"two","total":"11,50"},"timestamp":"2024-01-05T00:00:00Z","type":"track","userId":"c1"}`},
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
	if first, n := f.Undated(); first != 2 || n != 2 {
		t.Errorf("%d undated from row %d, want 2 from row 2", n, first)
	}
	got := []any{f.Item(f.Rows[1])["timestamp"], f.Item(f.Rows[2])["timestamp"]}
	if d := cmp.Diff([]any{"soon", "no date"}, got); d != "" {
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
