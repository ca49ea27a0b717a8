package replay

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The table stands between these lines of docs/docstore.md.
const (
	tableBegins = "<!-- conformance: written by make conformance -->\n"
	tableEnds   = "<!-- end of conformance -->\n"
)

var errmsg = regexp.MustCompile(`"errmsg": "((?:[^"\\]|\\.)*)"`)

// leftOut names what a refusal refuses, so that the table can say what the unsupported cases need.
func leftOut(text string) string {
	m := errmsg.FindStringSubmatch(text)
	if m == nil {
		return "other"
	}
	name := m[1]
	for _, prefix := range []string{"not supported by the local document store: ", "the local document store does not support ", "this store does not support "} {
		name = strings.TrimPrefix(name, prefix)
	}
	name = strings.TrimPrefix(name, "the stage ")
	switch {
	case strings.Contains(name, "Decimal128"):
		return "arithmetic on Decimal128"
	case strings.HasPrefix(name, "the regular expression"):
		return "regular expressions with look-around or back-references"
	case strings.HasPrefix(name, "collMod with "):
		return strings.TrimPrefix(name, "collMod with ")
	case name == "viewOn":
		return "views"
	}
	return strings.ReplaceAll(name, `\"`, `"`)
}

// table renders a baseline in Markdown.
func (b baseline) table() string {
	var out strings.Builder
	out.WriteString("| area | pass | unsupported | WRONG | excused | set-up unsupported | pass of those that need nothing left out |\n|---|---:|---:|---:|---:|---:|---:|\n")
	var all score
	for _, name := range slices.Sorted(mapKeys(b.Areas)) {
		s := b.Areas[name]
		s.row(&out, name)
		all = score{all.Pass + s.Pass, all.Unsupported + s.Unsupported, all.Wrong + s.Wrong, all.Silent + s.Silent, all.Excused + s.Excused}
	}
	all.row(&out, "**together**")
	fmt.Fprintf(&out, "\n%d cases also ran with indexes on the fields that they find documents by or change, and answered and left the same.\n\nUnsupported, by what the cases need: ", b.Indexed)
	names := slices.Collect(mapKeys(b.LeftOut))
	slices.SortFunc(names, func(x, y string) int {
		if n := b.LeftOut[y] - b.LeftOut[x]; n != 0 {
			return n
		}
		return strings.Compare(x, y)
	})
	for i, name := range names {
		if i > 0 {
			out.WriteString(", ")
		}
		fmt.Fprintf(&out, "%s (%d)", name, b.LeftOut[name])
	}
	out.WriteString(".\n")
	return out.String()
}

func (s score) row(out *strings.Builder, name string) {
	fmt.Fprintf(out, "| %s | %d | %d | %d | %d | %d | %.2f %% |\n", name, s.Pass, s.Unsupported, s.Wrong, s.Excused, s.Silent, s.share())
}

// share is the percentage of passes among the cases that need nothing left out; excused ones count against it.
func (s score) share() float64 {
	return 100 * float64(s.Pass) / float64(max(1, s.Pass+s.Wrong+s.Excused))
}

// floors are the percentages below which an area may not fall, whatever the baseline says.
var floors = map[string]float64{"operator-expressions": 97, "operator-stages": 97, "operator-query": 97, "operator-update": 97, "operator-accumulators": 97,
	"operator-projection": 97, "operator-window": 97, "aggregation": 90, "collections": 90, "indexes": 90, "cursors": 90, "sessions": 90, "query_and_write": 90}

func (b baseline) checkFloors(t *testing.T) {
	t.Helper()
	for name, floor := range floors {
		if got := b.Areas[name].share(); got < floor {
			t.Errorf("%s: %.2f %% of the cases that need nothing left out pass, at least %.0f %% have to", name, got, floor)
		}
	}
}

// docsFile finds docs/docstore.md of the repository.
func docsFile(t *testing.T) string {
	t.Helper()
	at, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; at != filepath.Dir(at); at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.work")); err == nil {
			return filepath.Join(at, "docs", "docstore.md")
		}
	}
	t.Fatal("no go.work above this folder")
	return ""
}

func splitDocs(t *testing.T) (before, table, after string) {
	t.Helper()
	b, err := os.ReadFile(docsFile(t))
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(b), tableBegins)
	table, after, ok2 := strings.Cut(rest, tableEnds)
	if !ok || !ok2 {
		t.Fatalf("docs/docstore.md has no place for the table: %q and %q", tableBegins, tableEnds)
	}
	return before, table, after
}

func writeTable(t *testing.T, b baseline) {
	t.Helper()
	before, _, after := splitDocs(t)
	if err := os.WriteFile(docsFile(t), []byte(before+tableBegins+"\n"+b.table()+"\n"+tableEnds+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestDocumentedTableIsTheBaseline(t *testing.T) {
	t.Parallel()
	if _, table, _ := splitDocs(t); strings.TrimSpace(table) != strings.TrimSpace(readBaseline(t).table()) {
		t.Error("docs/docstore.md shows another table than testdata/baseline.json: run the replay with -update")
	}
}
