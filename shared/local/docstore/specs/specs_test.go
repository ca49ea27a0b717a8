package specs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/local/docstore"
)

// The last version of the driver whose module contains the runner and its data.
const (
	driver        = "go.mongodb.org/mongo-driver/v2"
	driverVersion = "v2.1.0"
)

var update = flag.Bool("update", false, "keep the present list of skipped cases")

// suite is a part of the runner's tests. The parts run side by side, each on a store of its own: nearly all of their time is
// the driver's waiting between an error and the next look at the server.
type suite struct {
	dir, run string
}

const (
	unified = "internal/integration/unified"
	legacy  = "internal/integration"
)

var suites = []suite{
	{unified, `^TestUnifiedSpec$/^(crud|transactions|collection-management|sessions|retryable-reads|retryable-writes|run-command|index-management)`},
	{legacy, `^(TestCrudSpec|TestUnifiedSpecs)$/^(convenient-transactions|read-write-concern|.*\.json)`},
	{legacy, `^TestRetryableWritesSpec$/^[a-e]`},
	{legacy, `^TestRetryableWritesSpec$/^[^a-e]`},
	{legacy, `^TestUnifiedSpecs$/^transactions`},
	{legacy, `^TestUnifiedSpecs$/^retryable-reads/legacy/^[a-e]`},
	{legacy, `^TestUnifiedSpecs$/^retryable-reads/legacy/^[f-k]`},
	{legacy, `^TestUnifiedSpecs$/^retryable-reads/legacy/^[^a-k]`},
}

// known is what testdata/exceptions.json lists.
type known struct {
	// Fail has the cases that do not pass, with the reason.
	Fail map[string]string `json:"fail"`
	// Skip has patterns of cases that are not run at all, because they would end the runner or wait for what cannot be.
	Skip map[string]string `json:"skip"`
}

// outcome is what became of a case.
type outcome struct {
	name, verdict, text string
}

func TestDriverSpecifications(t *testing.T) {
	if os.Getenv("STRATA_SPECS") == "" && os.Getenv("STRATA_FULL") == "" && os.Getenv("CI") == "" {
		t.Skip("set STRATA_SPECS=1 to run the drivers' suites: their runner takes a minute to build")
	}
	k := readKnown(t)
	all := runAll(t, copyModule(t), k)
	report(t, all)
	judge(t, all, k)
}

// runAll returns the cases in the order of their names.
func runAll(t *testing.T, module string, k known) []outcome {
	t.Helper()
	binaries := map[string]string{}
	for _, dir := range []string{unified, legacy} {
		binaries[dir] = build(t, filepath.Join(module, dir))
	}
	parts := make([][]outcome, len(suites))
	errs := make([]error, len(suites))
	var running sync.WaitGroup
	for i, s := range suites {
		uri := serve(t)
		running.Go(func() {
			parts[i], errs[i] = s.runOn(t.Context(), binaries[s.dir], filepath.Join(module, s.dir), uri, k)
		})
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	all := slices.Concat(parts...)
	slices.SortFunc(all, func(a, b outcome) int { return strings.Compare(a.name, b.name) })
	return all
}

func readKnown(t *testing.T) (k known) {
	t.Helper()
	b, err := os.ReadFile("testdata/exceptions.json")
	if err == nil {
		err = json.Unmarshal(b, &k)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// copyModule copies the driver out of the module cache, which cannot be written to, and returns where it is.
func copyModule(t *testing.T) string {
	t.Helper()
	empty := t.TempDir()
	out, err := command(t, empty, "go", "mod", "download", "-json", driver+"@"+driverVersion).Output()
	if err != nil {
		t.Fatalf("fetching the driver %s: %v %s", driverVersion, err, out)
	}
	var found struct{ Dir string }
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "driver")
	if err := copyTree(found.Dir, to); err != nil {
		t.Fatal(err)
	}
	return to
}

func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		if strings.HasPrefix(rel, "go.work") {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o644)
	})
}

func command(t *testing.T, dir, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir, c.Env = dir, append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	return c
}

// serve opens a store in memory, with fail points, on a port of its own.
func serve(t *testing.T) string {
	t.Helper()
	s, err := docstore.Open(docstore.Options{InMemory: true, Now: time.Now, FailPoints: true})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(errors.Join(err, s.Close()))
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, docstore.ErrClosed) {
			t.Error(err)
		}
	})
	return "mongodb://" + l.Addr().String() + "/?replicaSet=strata"
}

// build builds the tests of a folder. The paths in the binary are those of the module, so that the build is cached.
func build(t *testing.T, dir string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "suite.test")
	if out, err := command(t, dir, "go", "test", "-c", "-trimpath", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("building the runner: %v\n%s", err, out)
	}
	return binary
}

func (s suite) runOn(ctx context.Context, binary, dir, uri string, k known) ([]outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, 8*time.Minute)
	defer cancel()
	skip := strings.Join(slices.Sorted(maps.Keys(k.Skip)), "|")
	c := exec.CommandContext(ctx, binary, "-test.v", "-test.run", s.run, "-test.skip", skip)
	c.Dir, c.Env = dir, append(os.Environ(), "MONGODB_URI="+uri, "TOPOLOGY=replica_set")
	out, err := c.CombinedOutput()
	if end := bytes.Index(out, []byte("\npanic: ")); end >= 0 || ctx.Err() != nil {
		return nil, fmt.Errorf("the runner of %s did not come to its end (%v): %s", s.run, err, out[max(0, len(out)-4000):])
	}
	return parse(out), nil
}

var verdictLine = regexp.MustCompile(`^ *--- (PASS|FAIL|SKIP): (\S.*) \([0-9.]+s\)$`)

// parse returns the cases: those tests that have none below them.
func parse(out []byte) []outcome {
	byName := map[string]*outcome{}
	texts := map[string]string{}
	running := ""
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		line := lines.Text()
		if m := verdictLine.FindStringSubmatch(line); m != nil {
			byName[m[2]] = &outcome{name: m[2], verdict: m[1]}
		} else if name, ok := strings.CutPrefix(line, "=== RUN   "); ok {
			running = name
		} else if strings.HasPrefix(line, "    ") && len(texts[running]) < 600 {
			texts[running] += strings.TrimSpace(line) + " "
		}
	}
	parents := map[string]bool{}
	for name := range byName {
		for i := range name {
			if name[i] == '/' {
				parents[name[:i]] = true
			}
		}
	}
	var all []outcome
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		if !parents[name] {
			o := byName[name]
			o.text = texts[name]
			all = append(all, *o)
		}
	}
	return all
}

// folder is the suite that a case belongs to, as the report counts them.
func folder(name string) string {
	parts := strings.Split(name, "/")
	switch parts[0] {
	case "TestCrudSpec":
		return "crud"
	case "TestRetryableWritesSpec":
		return "retryable-writes"
	}
	return parts[1]
}

func report(t *testing.T, all []outcome) {
	t.Helper()
	counts := map[string]map[string]int{}
	for _, o := range all {
		for _, f := range []string{folder(o.name), "together"} {
			if counts[f] == nil {
				counts[f] = map[string]int{}
			}
			counts[f][o.verdict]++
		}
	}
	for _, f := range slices.Sorted(maps.Keys(counts)) {
		c := counts[f]
		t.Logf("%-24s pass %4d  fail %3d  cannot run here %4d  %5.1f %%", f, c["PASS"], c["FAIL"], c["SKIP"], 100*float64(c["PASS"])/float64(max(1, c["PASS"]+c["FAIL"])))
	}
	if c := counts["together"]; float64(c["PASS"]) < 0.95*float64(c["PASS"]+c["FAIL"]) {
		t.Errorf("%d of %d pass: less than 95 %%", c["PASS"], c["PASS"]+c["FAIL"])
	}
}

const skipsFile = "testdata/skips.txt"

// judge compares with the lists.
func judge(t *testing.T, all []outcome, k known) {
	t.Helper()
	var skips strings.Builder
	seen := map[string]bool{}
	for _, o := range all {
		seen[o.name] = true
		switch reason := k.Fail[o.name]; {
		case o.verdict == "FAIL" && reason == "":
			t.Errorf("fails: %s\n     %s", o.name, o.text)
		case o.verdict == "PASS" && reason != "":
			t.Errorf("passes: take its exception out: %s", o.name)
		case o.verdict == "SKIP":
			fmt.Fprintf(&skips, "%s\t%s\n", o.name, strings.TrimSpace(o.text))
		}
	}
	for name := range k.Fail {
		if !seen[name] {
			t.Errorf("listed as failing, and not there: %s", name)
		}
	}
	if *update {
		if err := os.WriteFile(skipsFile, []byte(skips.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(skipsFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != skips.String() {
		t.Errorf("other cases are skipped than %s lists; it is written anew with -update", skipsFile)
	}
}
