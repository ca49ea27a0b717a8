package contract

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTheMessagesPageSaysWhatTheCodeSays compares docs/events.md with the payloads, field by field.
func TestTheMessagesPageSaysWhatTheCodeSays(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	documented := tables(page)
	written := 0
	for _, f := range shape() {
		row, ok := documented[f.owner+"."+f.name]
		need := map[bool]string{true: "optional", false: "required"}[f.optional]
		switch {
		case !ok:
			t.Errorf("%s.%s is not on the page", f.owner, f.name)
		case row[0] != f.wire || row[1] != need || row[2] == "":
			t.Errorf("%s.%s is on the page as %q; want %q, %s and a meaning", f.owner, f.name, row, f.wire, need)
		}
		delete(documented, f.owner+"."+f.name)
		written++
	}
	for name := range documented {
		t.Errorf("the page has %s, which no message has", name)
	}
	if written < 200 {
		t.Errorf("only %d fields were compared", written)
	}
	names(t, page)
}

var row = regexp.MustCompile("^\\| `([^`]+)` \\| ([^|]+) \\| (optional|required) \\| ([^|]*) \\|$")

// tables returns type, need and meaning of every documented field.
func tables(page string) map[string][3]string {
	fields, owner := map[string][3]string{}, ""
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			owner = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
		if m := row.FindStringSubmatch(line); m != nil {
			fields[owner+"."+m[1]] = [3]string{strings.ReplaceAll(m[2], "*", ""), m[3], m[4]}
		}
	}
	return fields
}

// names checks that the page knows every topic, type and golden file.
func names(t *testing.T, page string) {
	t.Helper()
	for _, topic := range Topics() {
		for _, name := range append(slices.Clone(topic.Types), topic.Name) {
			if !strings.Contains(page, "`"+name+"`") {
				t.Errorf("the page does not name %s", name)
			}
		}
	}
	files, err := filepath.Glob(goldenDir + "/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		if !strings.Contains(page, "](../shared/contract/"+filepath.ToSlash(file)+")") {
			t.Errorf("the page does not lead to %s", file)
		}
	}
}
