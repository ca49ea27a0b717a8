package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strata-crm/strata/deploy/internal/simulate"
	"github.com/strata-crm/strata/shared/contract"
)

// Files of several forms are imported into a running suite, and each statement is exact.
func TestImport(t *testing.T) {
	dir := t.TempDir()
	r := up(t, dir)
	at := []string{"--url", r.url, "--data", dir}
	imported := func(t *testing.T, args ...string) string {
		t.Helper()
		return succeeds(t, append(append([]string{"import"}, args...), at...)...)
	}
	refused := func(t *testing.T, args []string, texts ...string) {
		t.Helper()
		fails(t, append(append([]string{"import"}, args...), at...), texts...)
	}
	r.govern(t)
	orders := simulate.Default(1500, 7).Orders()
	small := orders[:1200]

	t.Run("a source that is not registered", func(t *testing.T) {
		refused(t, []string{comma(t, small)}, "order-file is not registered", "--register", "--source")
	})
	t.Run("CSV, mapped by flags", func(t *testing.T) { importedByFlags(t, r, small, imported) })
	t.Run("white space, mapped by a file", func(t *testing.T) { importedByMapping(t, small, imported) })
	t.Run("bad rows", func(t *testing.T) { importedBadRows(t, imported) })
	t.Run("bad mappings", func(t *testing.T) { refusedMappings(t, refused) })
	t.Run("killed and run again", func(t *testing.T) {
		importedAfterKill(t, comma(t, orders), len(orders), append([]string{"import", "--source", "shop"}, at...))
	})
	t.Run("by two people at once", func(t *testing.T) { importedTwiceAtOnce(t, small, imported) })
	t.Run("a suite that is away", func(t *testing.T) {
		fails(t, []string{"import", comma(t, small), "--data", dir, "--url", "http://127.0.0.1:" + freePort(t)}, "nothing answers at", "strata up", "--url")
	})
	conserved(t, r.steward)
	r.stop(t)
}

// comma writes orders as a file that needs no mapping.
func comma(t *testing.T, orders []simulate.Order) string {
	t.Helper()
	var text bytes.Buffer
	if err := simulate.Write(&text, orders); err != nil {
		t.Fatal(err)
	}
	return write(t, t.TempDir(), "orders.csv", text.String())
}

// lined writes orders line by line in a form.
func lined(orders []simulate.Order, heading string, line func(o simulate.Order) string) string {
	text := []string{heading}
	for _, o := range orders {
		text = append(text, line(o))
	}
	return strings.TrimPrefix(strings.Join(text, "\n"), "\n") + "\n"
}

// total is what a statement must say of the orders, to the cent.
func total(orders []simulate.Order) string {
	cents := int64(0)
	for _, o := range orders {
		cents += o.Cents
	}
	whole := fmt.Sprint(cents / 100)
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return fmt.Sprintf("Total: USD %s.%02d", whole, cents%100)
}

func importedByFlags(t *testing.T, r *running, orders []simulate.Order, imported func(*testing.T, ...string) string) {
	file := write(t, t.TempDir(), "export.csv", lined(orders, `Kunde;"Tag; wie gebucht";Betrag;Stück`, func(o simulate.Order) string {
		return fmt.Sprintf("%d;%s;%d.%02d;%d", o.Customer, o.Day.Format("02.01.2006"), o.Cents/100, o.Cents%100, o.Items)
	}))
	flags := []string{file, "--source", "shop", "--customer", "Kunde", "--date", "Tag; wie gebucht", "--amount", "Betrag", "--items", "4", "--date-format", "DD.MM.YYYY"}
	out := imported(t, append(flags, "--register", "--owner", "head of the shop", "--steward", "shop steward")...)
	if n := counts(t, out); n["not requested"] != len(orders) || n["stored"] != 0 {
		t.Errorf("%v, want all %d not requested: no directive is in force", n, len(orders))
	}
	says(t, out, "no directive in force asks for it. Order one, then import the file again.")
	sources, err := r.steward.Sources(t.Context())
	if err != nil || len(sources) != 1 || sources[0].Owner != "head of the shop" || len(sources[0].Offers) != 4 {
		t.Errorf("registered: %+v, %v", sources, err)
	}
	r.order(t, valueGoal("2024-09-30", "2025-03-31"), contract.Executing)
	out = imported(t, append(flags, "--complete-until", "2024-01-01")...)
	if n := counts(t, out); n["rows read"] != len(orders) || n["stored"] != len(orders) {
		t.Errorf("%v, want all %d stored", n, len(orders))
	}
	says(t, out, fmt.Sprintf("%d of %d rows sent", len(orders), len(orders)), total(orders), "complete until 2024-01-01",
		"customer_id owner: ", "order_amount owner: ")
	out = imported(t, flags...)
	if n := counts(t, out); n["duplicate"] != len(orders) || n["stored"] != 0 {
		t.Errorf("imported again: %v, want all %d duplicates", n, len(orders))
	}
}

func importedByMapping(t *testing.T, orders []simulate.Order, imported func(*testing.T, ...string) string) {
	dir := t.TempDir()
	file := write(t, dir, "orders.txt", lined(orders, "", func(o simulate.Order) string {
		return fmt.Sprintf("  %06d\tx   %s  %d %6d.%02d", o.Customer, o.Day.Format("20060102"), o.Items, o.Cents/100, o.Cents%100)
	}))
	mapping := write(t, dir, "orders.yaml", "separator: space\nheading: no\ncustomer: 1\ndate: 3\nitems: 4\namount: 5\ndate_format: YYYYMMDD\nzone: UTC\n")
	out := imported(t, file, "--source", "till", "--register", "--mapping", mapping)
	if n := counts(t, out); n["rows read"] != len(orders) || n["stored"] != len(orders) {
		t.Errorf("%v, want all %d stored", n, len(orders))
	}
	says(t, out, total(orders))
}

func importedBadRows(t *testing.T, imported func(*testing.T, ...string) string) {
	file := write(t, t.TempDir(), "bad.csv", `customer,date,items,amount
b1,2024-01-05,1,10.00
b2,yesterday,1,10.00
b3,2024-01-05,one,10.00
b4,2024-01-05,1,"10,50"
,2024-01-05,1,10.00
b6,2024-01-05
b7,2024-01-06,2,0.50
`)
	out := imported(t, file, "--source", "till")
	n := counts(t, out)
	if n["rows read"] != 7 || n["stored"] != 2 || n["invalid"] != 5 {
		t.Errorf("%v, want 2 of 7 stored and 5 invalid:\n%s", n, out)
	}
	says(t, out, `1 of 7 rows will be invalid: in row 2 "yesterday" is not a date`, "--date-format", `Row 2: invalid: "yesterday"`,
		`Row 3: invalid: the number of items "one" is not a number`, `Row 4: invalid: the amount "10,50" is not a number`, "--decimal comma",
		"Row 5: invalid: there is no customer", "Row 6: invalid: there are 2 columns, and 4 in the first line")
}

func refusedMappings(t *testing.T, refused func(*testing.T, []string, ...string)) {
	dir := t.TempDir()
	file := write(t, dir, "orders.csv", "who,when,what\nc1,2024-01-05,10.00\n")
	refused(t, []string{file}, "--customer COLUMN --date COLUMN", "who | when | what")
	refused(t, []string{file, "--customer", "name", "--date", "when"}, `no column "name"`, "who | when | what")
	refused(t, []string{file, "--customer", "who", "--date", "9"}, `no column "9"`)
	refused(t, []string{file, "--customer", "who", "--date", "when", "--separator", "pipes"}, `separator "pipes"`, "comma, semicolon, tab, space")
	refused(t, []string{file, "--customer", "who", "--date", "when", "--file-zone", "Vienna"}, `zone "Vienna"`, "Europe/Vienna")
	refused(t, []string{file, "--mapping", write(t, dir, "wrong.yaml", "customer: who\ndatum: when\n")}, "wrong.yaml is not understood", "date_format", "datum")
	refused(t, []string{file, "--customer", "who", "--date", "when", "--date-format", "DD.MM.YYYY"}, "no row of the file", `"2024-01-05" is not a date that looks like DD.MM.YYYY`)
	refused(t, []string{filepath.Join(dir, "missing.csv")}, "missing.csv cannot be read")
	refused(t, []string{write(t, dir, "empty.csv", "who,when\n"), "--customer", "who", "--date", "when"}, "has no rows")
	refused(t, []string{file, "--mapping", filepath.Join(dir, "missing.yaml")}, "missing.yaml")
}

// importedAfterKill kills the import as kill -9 does once it has sent some rows, and runs the same command again.
func importedAfterKill(t *testing.T, file string, rows int, command []string) {
	command = append(command, file)
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "strata"), command...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if line := lines.Text(); killed == "" && strings.HasSuffix(line, "rows sent") && !strings.HasPrefix(line, "0 ") {
			killed = line
			_ = cmd.Process.Kill()
		} else if killed != "" && !strings.HasSuffix(line, "rows sent") {
			t.Fatalf("it was over before it was killed: %s", line)
		}
	}
	_ = cmd.Wait() // it was killed
	if killed == "" || cmd.ProcessState.Success() {
		t.Fatalf("no kill hit the import at work: the test has shown nothing (%v)", cmd.ProcessState)
	}
	t.Log("killed after " + killed)
	started := time.Now()
	again := succeeds(t, command...)
	t.Logf("the rest took %s", time.Since(started).Round(time.Millisecond))
	if strings.Contains(again, fmt.Sprintf("\n0 of %d", rows)) || strings.HasPrefix(again, "0 of") {
		t.Errorf("it began at the first row again:\n%s", again)
	}
	if n := counts(t, again); n["rows read"] != rows || n["stored"] != rows {
		t.Errorf("%v, want all %d rows stored", n, rows)
	}
}

// importedTwiceAtOnce runs the same command twice at the same moment: both end well. Mostly they share one run, whose rows
// are all stored; one that comes when the other is through has them as duplicates.
func importedTwiceAtOnce(t *testing.T, orders []simulate.Order, imported func(*testing.T, ...string) string) {
	file := comma(t, orders)
	var outs [2]string
	var both sync.WaitGroup
	for i := range outs {
		both.Go(func() { outs[i] = imported(t, file, "--source", "till") })
	}
	both.Wait()
	stored := 0
	for _, out := range outs {
		n := counts(t, out)
		if n["rows read"] != len(orders) || n["stored"]+n["duplicate"] != len(orders) {
			t.Errorf("%v, want all %d rows stored, or duplicates", n, len(orders))
		}
		stored = max(stored, n["stored"])
	}
	if stored != len(orders) {
		t.Errorf("%d of %d rows are stored", stored, len(orders))
	}
}
