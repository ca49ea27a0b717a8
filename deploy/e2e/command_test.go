package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/shared/contract"
)

const commandWithin = 3 * time.Minute

// strata runs one command to its end and returns what it wrote, and how it ended.
func strata(t *testing.T, args ...string) (out, problem string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "strata"), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("strata %s did not end within %s:\n%s%s", args[0], commandWithin, &stdout, &stderr)
	}
	if _, ended := err.(*exec.ExitError); err != nil && !ended { //nolint:errorlint // Run returns it as it is
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// succeeds runs a command that must end well and returns what it wrote.
func succeeds(t *testing.T, args ...string) string {
	t.Helper()
	out, problem, code := strata(t, args...)
	if code != 0 {
		t.Fatalf("strata %s ended with %d:\n%s%s", strings.Join(args, " "), code, out, problem)
	}
	return out
}

// fails runs a command that must fail and whose one problem must say all of the texts.
func fails(t *testing.T, args []string, texts ...string) {
	t.Helper()
	out, problem, code := strata(t, args...)
	if code != 1 || !strings.HasPrefix(problem, "strata: ") {
		t.Errorf("strata %s ended with %d, want 1 and a problem:\n%s%s", strings.Join(args, " "), code, out, problem)
	}
	says(t, problem, texts...)
}

// says checks that a text has all the parts, whatever its line breaks.
func says(t *testing.T, text string, parts ...string) {
	t.Helper()
	joined := strings.Join(strings.Fields(text), " ")
	for _, p := range parts {
		if !strings.Contains(joined, p) {
			t.Errorf("there is no %q in:\n%s", p, text)
		}
	}
}

var counted = regexp.MustCompile(`([\d,]+) (rows read|stored|duplicate|quarantined|not requested|invalid|suppressed|lost)`)

// counts reads the numbers of a printed statement.
func counts(t *testing.T, out string) map[string]int {
	t.Helper()
	got := map[string]int{}
	for _, m := range counted.FindAllStringSubmatch(strings.Join(strings.Fields(out), " "), -1) {
		n, err := strconv.Atoi(strings.ReplaceAll(m[1], ",", ""))
		if err != nil {
			t.Fatal(err)
		}
		got[m[2]] = n
	}
	if len(got) == 0 {
		t.Fatalf("there is no statement in:\n%s", out)
	}
	return got
}

func TestVersion(t *testing.T) {
	if out := succeeds(t, "version"); !regexp.MustCompile(`^strata \S+\n$`).MatchString(out) {
		t.Errorf("got %q", out)
	}
}

// Setting a folder up again changes nothing. A folder whose event log was replaced is refused, with what to do; once the
// new log is accepted everything goes on, and orders that come again are recognised.
func TestSetupTwiceAndWithANewLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	says(t, succeeds(t, "setup", "--data", dir), "is set up", "strata up --data "+dir)
	says(t, succeeds(t, "setup", "--data", dir), "is set up")
	says(t, succeeds(t, "setup", "--data", dir, "--accept-new-log"), "no new log to accept")
	r := up(t, dir)
	r.govern(t)
	r.register(t)
	_, d := r.order(t, retentionGoal("2024-06-30", "2024-12-31"), contract.Executing)
	file := write(t, t.TempDir(), "orders.csv", "customer,date,items,amount\nc1,2024-01-05,1,10.00\nc2,2024-01-06,2,11.50\n")
	if n := counts(t, succeeds(t, "import", file, "--url", r.url, "--data", dir)); n["stored"] != 2 {
		t.Errorf("%v, want 2 stored", n)
	}
	r.stop(t)

	replaceLog(t, dir)
	fails(t, []string{"up", "--data", dir, "--listen", "127.0.0.1:0"}, "event log is another", "strata setup --data "+dir+" --accept-new-log", "restore")
	says(t, succeeds(t, "setup", "--data", dir, "--accept-new-log"), "Its event log is accepted")
	r = up(t, dir)
	r.answered(t, d.ID, contract.Executing)
	if n := counts(t, succeeds(t, "import", file, "--url", r.url, "--data", dir)); n["duplicate"] != 2 || n["stored"] != 0 {
		t.Errorf("%v, want 2 duplicates", n)
	}
	conserved(t, r.steward)
	r.stop(t)
}

// With some layers only, only they are served; and the rest can join on the next start.
func TestUpWithSomeLayers(t *testing.T) {
	fails(t, []string{"up", "--data", t.TempDir(), "--layers", "strategic,tactical"}, `"tactical" is no layer`, "strategic, functional, operational")
	r := up(t, t.TempDir(), "--layers", "strategic, operational")
	for path, want := range map[string]int{
		"/api/strategic/v1/scorecard": http.StatusOK, "/api/functional/v1/metrics": http.StatusNotFound, "/api/operational/v1/sources": http.StatusOK,
	} {
		var ignored map[string]any
		got := http.StatusOK
		if err := r.executive.Get(t.Context(), path, &ignored); err != nil {
			got = client.Status(err)
		}
		if got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	r.stop(t)
}

// The scorecard tells how each goal stands, and every directive has its state and answer; a link lets one person in, once.
func TestStatusAndLink(t *testing.T) {
	dir := t.TempDir()
	r := up(t, dir)
	at := []string{"--url", r.url, "--data", dir}
	says(t, succeeds(t, append([]string{"status"}, at...)...), "No goals are set", "None is ordered")
	r.govern(t)
	r.register(t)
	_, kept := r.order(t, retentionGoal("1997-09-30", "1998-06-30"), contract.Executing)
	_, refused := r.order(t, npsGoal("Recommended more"), contract.Refused)
	out := succeeds(t, append([]string{"status"}, at...)...)
	says(t, out, "1 Keep more: no data yet, a back-test", "owner head of retention", "why The baseline is still being measured.",
		"2 Recommended more: not measurable (refused)", "asked of the executive: Decide: have a source registered that offers nps",
		"Keep more: in force (directive "+string(kept.ID)+") answer executing",
		"Recommended more: refused (directive "+string(refused.ID)+") answer refused: no source offers nps")
	for line := range strings.Lines(out) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 110 {
			t.Errorf("a line has %d columns: %s", n, line)
		}
	}
	fails(t, append([]string{"status", "--as-of", "June"}, at...), "--as-of June is not a day", "2006-01-02")
	fails(t, []string{"status", "--data", filepath.Join(dir, "nowhere")}, "is not the data folder of a suite", "--data", "--token")
	fails(t, []string{"status", "--data", dir, "--url", "http://127.0.0.1:" + freePort(t)}, "nothing answers at", "strata up", "--url")
	fails(t, []string{"status", "--data", dir, "--url", "nowhere"}, "is not the address of a suite")
	linkWorksOnce(t, strings.Fields(succeeds(t, append([]string{"link", "manager"}, at...)...))[0])
	r.stop(t)
}

func linkWorksOnce(t *testing.T, link string) {
	t.Helper()
	open := func() (int, string) {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := (&http.Client{Jar: jar}).Get(link)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text)
	}
	if code, text := open(); code != http.StatusOK || !strings.Contains(text, "Signed in as manager") {
		t.Errorf("the link is answered with %d, want the manager's page:\n%s", code, text[max(0, strings.Index(text, "Signed in")):])
	}
	if code, _ := open(); code < 400 {
		t.Errorf("the link works a second time (%d)", code)
	}
}

// A command that nobody knows, and one without what it needs, say where help is.
func TestMistypedCommands(t *testing.T) {
	fails(t, []string{"improt"}, "strata --help")
	fails(t, []string{"import"}, "<file>", "strata --help")
	fails(t, []string{"link", "emperor"}, "executive")
	for _, command := range []string{"up", "demo", "setup", "import", "status", "link", "version"} {
		says(t, succeeds(t, command, "--help"), fmt.Sprintf("Usage: strata %s", command))
	}
}
