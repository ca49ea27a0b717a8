package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root returns the folder of the workspace.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for !exists(filepath.Join(dir, "go.work")) {
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.work above this folder")
		}
		dir = parent
	}
	return dir
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// pages returns every Markdown file of the repository.
func pages(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root(t), func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		if d.IsDir() && (strings.HasPrefix(name, ".") && len(name) > 1 || name == "node_modules" || name == "bin") {
			return fs.SkipDir
		}
		if filepath.Ext(path) == ".md" {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fence   = regexp.MustCompile("(?ms)^```.*?^```")
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	followed := 0
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(read(t, page), ""), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			followed++
			path, fragment, _ := strings.Cut(m[1], "#")
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), filepath.FromSlash(path))
			}
			if !exists(target) {
				t.Errorf("%s leads to %s, which is not there", page, m[1])
			} else if fragment != "" && !anchors(t, target)[fragment] {
				t.Errorf("%s leads to %s, which has no such heading", page, m[1])
			}
		}
	}
	if followed < 50 {
		t.Errorf("only %d links were followed", followed)
	}
}

var punctuation = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

// anchors returns the fragments of a page's headings, as forges make them.
func anchors(t *testing.T, page string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(read(t, page), ""), -1) {
		text := punctuation.ReplaceAllString(strings.ToLower(m[1]), "")
		all[strings.ReplaceAll(text, " ", "-")] = true
	}
	return all
}

// TestDecisionRecordsAreWhole checks the form of each record, and that numbers are neither doubled nor left out.
func TestDecisionRecordsAreWhole(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(root(t), "docs", "adr", "*.md"))
	if err != nil || len(files) < 11 {
		t.Fatalf("%d records, %v", len(files), err)
	}
	for i, file := range files {
		number, _, _ := strings.Cut(filepath.Base(file), "-")
		if want := []byte{byte('0' + i/100), byte('0' + i/10%10), byte('0' + i%10)}; number != string(want) {
			t.Errorf("%s comes where %s should", filepath.Base(file), want)
		}
		text := read(t, file)
		for _, part := range []string{"- Status: ", "- Date: ", "## Context", "## Decision", "## Consequences", "The bad ones:", "## Alternatives"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s has no %q", filepath.Base(file), part)
			}
		}
	}
}

var named = regexp.MustCompile("\\[`([A-Za-z.]+)`\\]\\(([^)]+\\.go)\\)")

// TestTheTourNamesFunctionsThatExist checks each link of the architecture page that is named like a function.
func TestTheTourNamesFunctionsThatExist(t *testing.T) {
	t.Parallel()
	page := filepath.Join(root(t), "docs", "architecture.md")
	links := named.FindAllStringSubmatch(read(t, page), -1)
	if len(links) < 20 {
		t.Errorf("only %d functions are named", len(links))
	}
	for _, m := range links {
		name := m[1][strings.LastIndex(m[1], ".")+1:]
		declared := regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + name + `[\[(]`)
		if !declared.MatchString(read(t, filepath.Join(filepath.Dir(page), filepath.FromSlash(m[2])))) {
			t.Errorf("%s has no function %s", m[2], name)
		}
	}
}
