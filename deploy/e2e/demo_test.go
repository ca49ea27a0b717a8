package e2e

import (
	"bufio"
	"bytes"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/strata-crm/strata/deploy/e2e/oracle"
	"github.com/strata-crm/strata/deploy/internal/simulate"
)

const (
	storyWithin = 5 * time.Minute
	shopSize    = 1500 // customers: the fewest that a model can be fitted to
	shopSeed    = 2
)

// demo is `strata demo` on the small simulated shop, with more arguments. The shop lies west of UTC, where windows begin and
// end hours after UTC's midnights.
func demo(args ...string) *exec.Cmd {
	return exec.Command(filepath.Join(bin, "strata"), append([]string{"demo", "--listen", "127.0.0.1:0", "--customers", strconv.Itoa(shopSize),
		"--seed", strconv.Itoa(shopSeed), "--file-zone", "America/New_York"}, args...)...)
}

// The demo without data of its own tells the story of a simulated shop, and every step comes true. It prints what README
// shows of it, leaves everything running at the address that it printed, with pages for those whose links it printed, and
// ends in order when it is asked to.
func TestTheDemoOfASimulatedShop(t *testing.T) {
	cmd := demo()
	out, end := stays(t, cmd)
	says(t, out, "before strategic governance proposed", "plan drafted", "plan approved, as policy allows",
		"refused: no source offers nps", "rows read = ", "judge rates, not totals", "changed Since ", "proof not proven", "asked of the executive: ",
		"Owner of the definition: ", "Have a source registered that offers contract end.", "order_amount owner: head of sales", "Yes: all")
	for _, noise := range []string{"no_source", "awaiting_approval", "model_not_identified", "-0."} {
		if strings.Contains(out, noise) {
			t.Errorf("the story has %q in it", noise)
		}
	}
	_, story, _ := strings.Cut(out, "── What this is")
	inOrder(t, story)
	for line := range strings.Lines(story) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 110 && !strings.Contains(line, "Everything goes on running") {
			t.Errorf("a line has %d columns: %s", n, line)
		}
	}
	asInReadme(t, story, false)
	for person, title := range map[string]string{"executive": "Signed in as executive", "manager": "Signed in as manager"} {
		link := regexp.MustCompile(`(?m)^ +` + person + ` +(http\S+)$`).FindStringSubmatch(out)
		if link == nil {
			t.Fatalf("no link for the %s is printed:\n%s", person, out)
		}
		says(t, html.UnescapeString(page(t, link[1])), title, "Month-on-month retention +15 %", "Mean predicted 52-week value +10 %", "Net promoter score +10", "June 2025")
	}
	end()
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("after Ctrl-C it ended with %d", code)
	}
}

// stays runs a command until it says that it goes on until Ctrl-C, and returns what it wrote until then. end presses it.
func stays(t *testing.T, cmd *exec.Cmd) (out string, end func()) {
	t.Helper()
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var problem logFile
	cmd.Stderr = &problem
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done, told := make(chan struct{}), make(chan string, 1)
	go func() {
		defer close(done)
		var text bytes.Buffer
		lines := bufio.NewScanner(pipe)
		for lines.Scan() {
			text.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), "Press Ctrl-C to stop.") {
				break
			}
		}
		told <- text.String()
		_, _ = io.Copy(io.Discard, pipe)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-done })
	select {
	case out = <-told:
	case <-time.After(storyWithin):
		t.Fatalf("the story did not end within %s:\n%s", storyWithin, problem.tail())
	}
	if !strings.Contains(out, "Press Ctrl-C to stop.") {
		t.Fatalf("it did not go on running:\n%s%s", out, problem.tail())
	}
	return out, func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		select {
		case <-done:
		case <-time.After(stopWithin):
			t.Fatalf("it did not stop within %s", stopWithin)
		}
	}
}

// page opens a link as a browser does.
func page(t *testing.T, link string) string {
	t.Helper()
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
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v", answer.Status, err)
	}
	return string(text)
}

var hop = regexp.MustCompile(`^ +(before|([\d.]+) s) +(strategic|functional|operational) `)

// inOrder checks that the hops of each chapter are told in the order of time.
func inOrder(t *testing.T, story string) {
	t.Helper()
	hops, last := 0, 0.0
	for line := range strings.Lines(story) {
		if strings.HasPrefix(line, "──") {
			last = 0
		}
		m := hop.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		hops++
		at, _ := strconv.ParseFloat(m[2], 64) // before is 0
		if at < last {
			t.Errorf("told after %.3f s: %s", last, line)
		}
		last = at
	}
	if hops < 20 {
		t.Errorf("only %d hops are told", hops)
	}
}

var (
	varies   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}|(\d+m)?[−-]?\d[\d.,:]*s?`)
	standing = regexp.MustCompile(`^ +G\d +(→|achieved|missed|(on|off) track)`)
	label    = regexp.MustCompile(`^      (owner|value|from, to|why|changed|proof|model|rests on|asked) `)
)

// asInReadme checks that the lines which README shows of the demo are printed, whatever the numbers, ids and times in them.
// README shows CDNOW. Of a story of other data the words are not compared that depend on them: how a goal moved and, of the
// scorecard, what follows its labels.
func asInReadme(t *testing.T, story string, same bool) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, sample, _ := strings.Cut(string(text), "It prints, shortened here")
	_, sample, _ = strings.Cut(sample, "```\n")
	sample, _, _ = strings.Cut(sample, "```")
	printed := map[string]bool{}
	for _, line := range masked(story, same) {
		printed[line] = true
	}
	shown := masked(sample, same)
	for _, line := range shown {
		if !printed[line] {
			t.Errorf("README shows a line that is not printed: %q", line)
		}
	}
	if len(shown) < 40 {
		t.Errorf("only %d lines of README's sample were looked for", len(shown))
	}
}

// masked returns the lines of a story with what varies from run to run masked; without what depends on the data unless all of
// it is wanted.
func masked(story string, all bool) (lines []string) {
	card := false
	for line := range strings.Lines(story) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "──") {
			card = strings.HasPrefix(line, "── For an executive")
		} else if !all && standing.MatchString(line) {
			continue
		} else if !all && card {
			line = label.FindString(line)
		}
		if line = strings.Join(strings.Fields(varies.ReplaceAllString(line, "#")), " "); line != "" && line != "…" {
			lines = append(lines, line)
		}
	}
	return lines
}

// The demo of real orders prints what README shows, and ends with exit status 0, as .ci/run has it do.
func TestTheDemoOfCDNOWIsREADMEs(t *testing.T) {
	if !full() {
		t.Skip("long: STRATA_FULL=1 runs it")
	}
	out := succeeds(t, "demo", "--once", "--listen", "127.0.0.1:0", "--orders", data(t, "cdnow/CDNOW_master.txt"),
		"--expect", filepath.Join(root(), "deploy", "e2e", "testdata", "cdnow.expect.yaml"))
	asInReadme(t, out, true)
}

// A false expectation must be noticed, else the demo proves nothing: what the oracle expects, with one status turned round,
// ends it with what differs, and with exit status 1.
func TestTheDemoNoticesAFalseExpectation(t *testing.T) {
	shop := simulate.Default(shopSize, shopSeed)
	var text bytes.Buffer
	if err := simulate.Write(&text, shop.Orders()); err != nil {
		t.Fatal(err)
	}
	orders, err := oracle.Read(&text)
	if err != nil {
		t.Fatal(err)
	}
	e := oracle.Expect(orders, oracle.Options{Last: shop.Last, Goals: []oracle.Goal{
		{Name: "G1", Metric: "month_on_month_retention", Until: "2024-09", Deadline: "2025-06", Relative: .15},
		{Name: "G2", Metric: "predicted_value_52w", Until: "2024-09", Deadline: "2025-03", Relative: .10},
	}})
	last := e.Goals[0].Statuses["2025-06"]
	turned := map[string]string{"missed": "achieved", "achieved": "missed"}[last]
	if turned == "" {
		t.Fatalf("the oracle has G1 %q at its deadline", last)
	}
	e.Goals[0].Statuses["2025-06"] = turned
	file, err := yaml.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	out, err := demo("--once", "--expect", write(t, t.TempDir(), "wrong.yaml", string(file))).CombinedOutput()
	if code, ok := err.(*exec.ExitError); !ok || code.ExitCode() != 1 { //nolint:errorlint // CombinedOutput returns it as it is
		t.Errorf("it ended with %v", err)
	}
	says(t, string(out), "✗ G1 in 2025-06: "+last+", expected "+turned, "✗ G1 was shown as", "No: 2 of ")
}
