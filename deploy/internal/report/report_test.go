package report

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/wording"
)

func printed(print func(out io.Writer)) string {
	var b bytes.Buffer
	print(&b)
	return b.String()
}

// decoded reads what a suite answers.
func decoded[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSayKeepsToTheWidth(t *testing.T) {
	t.Parallel()
	word := strings.Repeat("ü", 9)
	got := printed(func(out io.Writer) { Say(out, "  lead ", strings.Repeat(word+" ", 30)+strings.Repeat("x", 2*Width)) })
	lines := strings.Split(strings.TrimRight(got, "\n"), "\n")
	if !strings.HasPrefix(lines[0], "  lead ü") || strings.Count(got, word) != 30 {
		t.Errorf("got\n%s", got)
	}
	for i, l := range lines[1:] {
		if !strings.HasPrefix(l, strings.Repeat(" ", 7)) || l[7] == ' ' {
			t.Errorf("line %d does not begin below the first one's text: %q", i+1, l)
		}
	}
	for _, l := range lines[:len(lines)-1] {
		if n := utf8.RuneCountInString(l); n > Width {
			t.Errorf("%d columns: %s", n, l)
		}
	}
	if got := printed(func(out io.Writer) { Say(out, "  Missing: ", " ") }); got != "" {
		t.Errorf("nothing to say is printed as %q", got)
	}
}

func TestPoint(t *testing.T) {
	t.Parallel()
	v, se, low, high := .298, .011, .28, .32
	money := 3451.4
	usd := wording.Unit{Unit: contract.Money, Currency: "USD"}
	share := wording.Unit{Unit: contract.Ratio}
	for want, got := range map[string]string{
		"29.8 % ± 2.2, n 1,772":                                Point(&contract.Point{Value: &v, StdErr: &se, N: 1772}, share),
		"29.8 % ± 2.0, n 1,772":                                Point(&contract.Point{Value: &v, StdErr: &se, Low: &low, High: &high, N: 1772}, share), // the suite's own interval is taken
		"USD 34.51, n 5":                                       Point(&contract.Point{Value: &money, N: 5}, usd),
		"no value: the group is too small to be shown":         Point(&contract.Point{Reason: &contract.Reason{Code: fault.GroupTooSmall}}, share),
		"no value: the data cannot carry the model BG/NBD yet": Point(&contract.Point{Reason: &contract.Reason{Code: fault.ModelNotIdentified, Item: "bg_nbd"}}, usd),
		"no closed window yet":                                 Point(nil, share),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Windows begin at midnights of the company's zone, wherever that is.
func TestWindow(t *testing.T) {
	t.Parallel()
	for name, hours := range map[string]int{"UTC": 0, "Vienna": 1, "New York": -5, "Tokyo": 9, "Honolulu": -10, "Auckland": 13} {
		zone := time.FixedZone(name, hours*3600)
		at := func(m time.Month, d int) time.Time { return time.Date(2024, m, d, 0, 0, 0, 0, zone).UTC() }
		for want, w := range map[string]contract.Window{
			"February 2024":                {Start: at(2, 1), End: at(3, 1)},
			"29 February 2024":             {Start: at(2, 29), End: at(3, 1)},
			"1 January 2024 to 3 May 2024": {Start: at(1, 1), End: at(5, 4)},
		} {
			if got := Window(w); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
	}
}

func TestStatement(t *testing.T) {
	t.Parallel()
	s := decoded[client.Statement](t, `{"rowsRead":69662,"stored":69657,"duplicate":1,"invalid":3,"quarantined":1,"caughtUp":true,
		"suspects":{"zero_amount":80,"identical_rows":0,"of_a_newer_suite":1},"totals":{"amountMinor":250031563,"currency":"USD"},
		"problems":[{"row":7,"status":"invalid","detail":"/userId: needs a userId"},{"row":8,"status":"not_requested","detail":"nobody asks"}],
		"owners":[{"parameter":"customer_id","owner":"head of marketing","steward":"customer data steward"}]}`)
	want := `  69,662 rows read = 69,657 stored + 1 duplicate + 1 quarantined + 0 not requested + 3 invalid + 0 suppressed
  Total: USD 2,500,315.63
  Suspect: 1 row with of a newer suite; it is kept, look at it
  Suspect: 80 orders of zero amount; they are kept, look at them
  Row 7: invalid: /userId: needs a userId
  … and 3 more that are invalid or quarantined
  customer_id  owner: head of marketing; steward: customer data steward
`
	if d := cmp.Diff(want, printed(func(out io.Writer) { Statement(out, s) })); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	other := s
	other.Mapping, other.ReadOtherwise = map[string]string{"amount": "gross", "date": "day"}, &client.Reading{Run: "r-1", Mapping: map[string]string{"amount": "net", "date": "day", "items": "n"}}
	told := strings.Join(strings.Fields(printed(func(out io.Writer) { Statement(out, other) })), " ")
	if want := `imported before, by r-1, and read otherwise: amount was "net" and is "gross"; items was "n" and is "". A row`; !strings.Contains(told, want) {
		t.Errorf("there is no %q in\n%s", want, told)
	}
	s.Stored, s.Lost, s.NotInForce, s.NotRequested = 69600, 2, 3, 4
	s.Waiting, s.CaughtUp = 48, false
	got := printed(func(out io.Writer) { Statement(out, s) })
	for _, part := range []string{"69,662 rows read ≠ 69,600 stored", "3 not in", "2 lost", "48 rows wait", "Order one, then import the file"} {
		if !strings.Contains(got, part) {
			t.Errorf("there is no %q in\n%s", part, got)
		}
	}
}

func TestCard(t *testing.T) {
	t.Parallel()
	c := decoded[client.Card](t, `{"goal":{"name":"Keep more","owner":"head of retention","deadline":"1998-06-30"},
		"standing":{"status":"missed","backTest":true,"unit":"ratio","proof":"not_proven","against":"around","why":"Missed.","lacks":"The directive is degraded: too few customers have email.","baseline":{"value":0.298},"target":0.3427,
			"point":{"value":0.2997,"stdErr":0.0119,"n":1488,"window":{"start":"1998-06-01T00:00:00Z","end":"1998-07-01T00:00:00Z"}}},
		"before":{"status":"off_track","point":{"value":0.3194,"window":{"start":"1998-05-01T00:00:00Z","end":"1998-06-01T00:00:00Z"}}},
		"moved":"Fell by 2.0 percentage points.","ask":{"role":"executive","text":"Close the goal."}}`)
	want := `  G1  Keep more: missed, a back-test
      owner      head of retention
      value      30.0 % ± 2.3, n 1,488 (June 1998)
      from, to   29.8 %, 34.3 % by 30 June 1998
      why        Missed.
      lacks      The directive is degraded: too few customers have email.
      changed    Since May 1998: From off track to missed. Fell by 2.0 percentage points.
      proof      not proven: the target lies within the 95 % interval, so chance alone could have decided it
      asked      of the executive: Close the goal.
`
	if d := cmp.Diff(want, printed(func(out io.Writer) { Card(out, "G1", c) })); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// What the functional layer answers three times with the same state is told as the three things that it means.
func TestHops(t *testing.T) {
	t.Parallel()
	trail := decoded[client.Trail](t, `{"directive":{"id":"d"},"plan":{"operational":[{"id":"o","part":"customer_service"}]},"steps":[
		{"layer":"strategic","subject":"d","state":"issued"},
		{"layer":"functional","subject":"d","state":"received"},
		{"layer":"functional","subject":"d","state":"received","reasons":[{"code":"awaiting_approval","item":"an-id"}]},
		{"layer":"functional","subject":"d","state":"received","decision":{"id":"x","rule":"functional.plan"}},
		{"layer":"operational","subject":"o","state":"executing","reasons":[{"code":"no_source","item":"exit_reason","optional":true}]},
		{"layer":"operational","subject":"gone","state":"withdrawn"},
		{"layer":"functional","subject":"d","state":"refused","reasons":[{"code":"no_source","item":"nps"}]}]}`)
	var got []string
	for _, h := range trail.Steps {
		got = append(got, Hop(h, trail))
	}
	want := []string{"issued", "received", "plan drafted", "plan approved, as policy allows",
		"part customer service: executing (optional, and not there: no source offers exit reason)", "a part of an earlier plan: withdrawn",
		"refused: no source offers nps"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestDirective(t *testing.T) {
	t.Parallel()
	d := decoded[client.Directive](t, `{"id":"d-1","state":"issued"}`)
	if d := cmp.Diff("  Keep more: issued (directive d-1)\n      answer     none yet\n", printed(func(out io.Writer) { Directive(out, d, "Keep more") })); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	d.Answer = &contract.Acknowledgement{State: contract.Received, At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Reasons: []contract.Reason{{Code: fault.AwaitingApproval, Item: "an-id"}}}
	got := printed(func(out io.Writer) { Directive(out, d, "Keep more") })
	if !strings.HasSuffix(got, "answer     the plan waits for a manager's approval, on 2026-03-01 12:00:00 UTC\n") {
		t.Errorf("got\n%s", got)
	}
}

// What a plan does not have leaves no empty line behind.
func TestPlanOfNothing(t *testing.T) {
	t.Parallel()
	p := &contract.PlanSummary{Playbook: "life_time", Missing: []contract.Missing{{Reason: contract.Reason{Code: fault.NoSource, Item: "nps", Optional: true}, Remedy: "register_source"}}}
	want := "  Plan:       playbook life time\n  Missing:    No source offers nps (optional). Have a source registered that offers nps.\n"
	if d := cmp.Diff(want, printed(func(out io.Writer) { Plan(out, p) })); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// One reason that many rows share is told once.
func TestProblemsTogether(t *testing.T) {
	t.Parallel()
	var s client.Statement
	s.Invalid, s.Quarantined = 40, 2
	for i := range int64(20) {
		s.Problems = append(s.Problems, client.RowProblem{Row: 2*i + 1, Status: "invalid", Detail: "there is no customer"})
	}
	s.Problems = append(s.Problems, client.RowProblem{Row: 50, Status: "quarantined", Detail: "too early"}, client.RowProblem{Row: 51, Status: "quarantined", Detail: "too early"})
	var b strings.Builder
	problems(&b, s)
	const want = "  Row 1: invalid: there is no customer (so are 19 more of the rows listed)\n  Row 50: quarantined: too early (so is row 51)\n" +
		"  … and 20 more that are invalid or quarantined\n"
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
