package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	readmeCommand = regexp.MustCompile(`(?m)^    bin/strata ([^#\n]+)`)
	readmeGoal    = regexp.MustCompile("(?s)```yaml\n(.*?)```")
	readmeWord    = regexp.MustCompile(`"[^"]*"|\S+`)
)

// What README says of the use on one machine works as it is written, from an empty folder to a scorecard.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(text), "## Use it on one machine")
	part, _, found := strings.Cut(part, "### What local mode")
	goal := readmeGoal.FindStringSubmatch(part)
	if !found || goal == nil {
		t.Fatal("README has no walk through the use on one machine, or no goal")
	}
	dir := t.TempDir()
	files := map[string]string{
		"goal.yaml":  write(t, dir, "goal.yaml", goal[1]),
		"orders.csv": write(t, dir, "orders.csv", "customer,date,items,amount\nc1,2026-01-05,1,10.00\nc2,2026-01-06,2,11.50\n"),
	}
	data := filepath.Join(dir, "data")
	r := up(t, data)
	said := map[string]string{}
	for _, m := range readmeCommand.FindAllStringSubmatch(part, -1) {
		args := readmeWord.FindAllString(m[1], -1)
		if args[0] == "up" || strings.Contains(m[1], "ID") || strings.Contains(m[1], "KIND") {
			continue // it runs, or it is of something that is not there yet
		}
		for i, a := range args {
			if args[i] = strings.Trim(a, `"`); files[a] != "" {
				args[i] = files[a]
			}
		}
		said[args[0]] = succeeds(t, append(args, "--url", r.url, "--data", data)...)
	}
	says(t, said["governance"], "Version 1: in force", "approved by executive-1 and executive-2", "answer accepted")
	says(t, said["source"], "order-file is registered")
	says(t, said["goal"], "Keep more of our customers is set", "answer executing")
	if n := counts(t, said["import"]); n["stored"] != 2 {
		t.Errorf("%v, want 2 stored", n)
	}
	says(t, said["status"], "Keep more of our customers: no data yet", "The baseline is still being measured")
	if _, insights := said["insight"]; !insights {
		t.Error("README's walk has changed, and this test does not follow it")
	}
	says(t, succeeds(t, "governance", "--url", r.url, "--data", data), "Version 1: in force")
	says(t, succeeds(t, "source", "--url", r.url, "--data", data), "order-file: offers customer_id, order_time, order_amount, order_items")
	fails(t, []string{"governance", "approve", "--as", "executive-1", "--url", r.url, "--data", data}, "the governance is in_force")
	fails(t, []string{"goal", "set", write(t, dir, "bad.yaml", "nme: x\n"), "--url", r.url, "--data", data}, "not understood", "nme")
	fails(t, []string{"goal", "set", write(t, dir, "poor.yaml", "name: x\n"), "--url", r.url, "--data", data}, "specific", "time-bound")
	r.stop(t)
}
