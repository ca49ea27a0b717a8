package policy_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/policy"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

type issue struct {
	Role     string    `json:"role"`
	Email    string    `json:"email" mask:"true"`
	Amount   int64     `json:"amount"`
	Purposes []string  `json:"purposes"`
	At       time.Time `json:"at"`
	Note     string    `json:"note,omitempty"`
}

const issueRego = `package strata.strategic.issue

import data.strata.strategic.people

default allow := false

allow if {
	people.may_issue(input.role)
	input.amount <= data.governance.ceiling
	every p in input.purposes { p in data.governance.purposes }
}

reasons contains "only an executive may issue a directive" if not people.may_issue(input.role)

reasons contains "the amount is above the ceiling" if input.amount > data.governance.ceiling
`

const peopleRego = `package strata.strategic.people

may_issue(role) if role == "executive"
`

func shipped() fstest.MapFS {
	return fstest.MapFS{
		"issue/issue.rego":      {Data: []byte(issueRego)},
		"issue/issue_test.rego": {Data: []byte("package broken {{{")},
		"people/people.rego":    {Data: []byte(peopleRego)},
	}
}

type governance struct {
	Ceiling  int64    `json:"ceiling"`
	Purposes []string `json:"purposes"`
}

func fine() issue {
	return issue{Role: "executive", Email: "ada@example.com", Amount: 5, Purposes: []string{"service"}, At: time.UnixMilli(1700000000000).UTC()}
}

// book keeps records.
type book struct {
	mu      sync.Mutex
	records []policy.Record
	err     error
}

func (b *book) write(_ context.Context, r policy.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records = append(b.records, r)
	return b.err
}

func (b *book) last(t *testing.T) policy.Record {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.records) == 0 {
		t.Fatal("nothing was recorded")
	}
	return b.records[len(b.records)-1]
}

func options(t *testing.T, b *book) policy.Options {
	manager := fine()
	manager.Role = "manager"
	return policy.Options{
		Layer: "strategic", Files: shipped(), Inputs: map[string]policy.Input{"issue": policy.InputOf[issue]()},
		Data: governance{Ceiling: 10, Purposes: []string{"service"}}, Record: b.write, Now: time.Now,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Timeout: 10 * time.Second,
		Canaries: []policy.Canary{{Rule: "issue", Input: fine(), Allow: true}, {Rule: "issue", Input: manager}},
	}
}

func engine(t *testing.T, o policy.Options) *policy.Engine {
	t.Helper()
	e, err := policy.New(t.Context(), o)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return e
}

func TestDecideAllowsAndRecords(t *testing.T) {
	t.Parallel()
	var b book
	e := engine(t, options(t, &b))
	d, err := e.Decide(t.Context(), "issue", fine())
	if err != nil || !d.Allowed || d.Err() != nil {
		t.Fatalf("Decide = %+v, %v; want allowed", d, err)
	}
	if id, err := uuid.Parse(d.ID); err != nil || id.Version() != 7 {
		t.Errorf("decision id %q is not a UUIDv7", d.ID)
	}
	want := policy.Record{ID: d.ID, Layer: "strategic", Rule: "issue", Bundle: e.Bundle(), Allowed: true, Input: map[string]any{
		"role": "executive", "email": "***", "amount": int64(5), "purposes": []any{"service"}, "at": "2023-11-14T22:13:20Z"}}
	if diff := cmp.Diff(want, b.last(t), cmpopts.IgnoreFields(policy.Record{}, "At", "Took")); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

func TestDecideDeniesWithReasons(t *testing.T) {
	t.Parallel()
	var b book
	e := engine(t, options(t, &b))
	in := fine()
	in.Role, in.Amount = "manager", 11
	d, err := e.Decide(t.Context(), "issue", in)
	if err != nil || d.Allowed {
		t.Fatalf("Decide = %+v, %v; want denied", d, err)
	}
	want := []string{"only an executive may issue a directive", "the amount is above the ceiling"}
	if diff := cmp.Diff(want, d.Reasons); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	if err := d.Err(); !fault.Is(err, fault.Denied) || fault.CodeOf(err) != fault.PolicyDenied || !strings.Contains(err.Error(), want[0]) {
		t.Errorf("Err = %v, want denied with the reasons", err)
	}
	if r := b.last(t); r.Allowed || len(r.Errors) > 0 {
		t.Errorf("record %+v, want a denial without errors", r)
	}
}

// renamed has the fields of issue but one under another name.
type renamed struct {
	Rank     string    `json:"rank"`
	Email    string    `json:"email"`
	Amount   int64     `json:"amount"`
	Purposes []string  `json:"purposes"`
	At       time.Time `json:"at"`
}

func TestDecideFailsClosedOnInput(t *testing.T) {
	t.Parallel()
	var b book
	e := engine(t, options(t, &b))
	whole := func(change func(m map[string]any)) map[string]any {
		m := map[string]any{"role": "executive", "email": "e", "amount": 1, "purposes": []string{}, "at": "2023-11-14T22:13:20Z"}
		change(m)
		return m
	}
	for name, c := range map[string]struct {
		input any
		want  string
	}{
		"renamed field":   {renamed{Rank: "executive"}, "input.role: missing"},
		"missing field":   {whole(func(m map[string]any) { delete(m, "amount") }), "input.amount: missing"},
		"null field":      {whole(func(m map[string]any) { m["role"] = nil }), "input.role: missing"},
		"unknown field":   {whole(func(m map[string]any) { m["admin"] = true }), "does not know"},
		"other type":      {whole(func(m map[string]any) { m["amount"] = "1" }), "input.amount: want integer"},
		"fraction":        {whole(func(m map[string]any) { m["amount"] = 1.5 }), "input.amount: want integer"},
		"no object":       {"executive", "want object"},
		"nothing":         {nil, "missing"},
		"not JSON at all": {func() {}, "cannot be written"},
	} {
		d, err := e.Decide(t.Context(), "issue", c.input)
		if err != nil || d.Allowed {
			t.Errorf("%s: Decide = %+v, %v; want denied", name, d, err)
		}
		if got := strings.Join(b.last(t).Errors, " "); !strings.Contains(got, c.want) {
			t.Errorf("%s: recorded errors %q, want %q", name, got, c.want)
		}
	}
	if d, err := e.Decide(t.Context(), "issue", whole(func(map[string]any) {})); err != nil || !d.Allowed {
		t.Errorf("the whole input is denied too (%+v, %v): the cases above prove nothing", d, err)
	}
}

func TestDecideFailsClosedOnRules(t *testing.T) {
	t.Parallel()
	slow := `allow if { some i in numbers.range(1, 5000); some j in numbers.range(1, 5000); i * j == input.amount + 100000000000 }`
	for name, c := range map[string]struct{ body, want string }{ // only "slow" is worth asking again
		"undefined":        {`allow if data.governance.absent == input.role`, ""},
		"built-in error":   {`allow if to_number(input.role) == 1` + "\n" + `allow if input.amount == 7`, "eval_builtin_error"},
		"conflict":         {`allow := true if input.amount == 7` + "\n" + `allow := false if input.role == "executive"`, "eval_conflict_error"},
		"text":             {`allow := "yes" if input.amount == 7`, "not a boolean"},
		"number":           {`allow := 1 if input.amount == 7`, "not a boolean"},
		"slow":             {slow, "did not end in time"},
		"reasons no texts": {`reasons contains 7`, "not strings"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b book
			o := options(t, &b)
			o.Files = fstest.MapFS{"issue.rego": {Data: []byte("package strata.strategic.issue\n\ndefault allow := false\n\nallow if input.email == \"canary\"\n\n" + c.body)}}
			o.Canaries = nil
			asked := fine()
			asked.Amount = 7
			d, err := decideUnchecked(t, o, asked)
			if d.Allowed || d.Err() == nil || d.Failed != (c.want != "") {
				t.Errorf("decided %+v, want denied", d)
			}
			if late := name == "slow"; fault.Is(err, fault.Transient) != late || (err != nil) != late {
				t.Errorf("the error is %v", err)
			}
			if got := strings.Join(b.last(t).Errors, " "); c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("recorded errors %q, want %q", got, c.want)
			}
		})
	}
}

// decideUnchecked decides with an engine whose canaries ask a sound rule beside the one under test.
func decideUnchecked(t *testing.T, o policy.Options, in issue) (policy.Decision, error) {
	t.Helper()
	type yes struct {
		Yes bool `json:"yes"`
	}
	files := fstest.MapFS{"sound.rego": {Data: []byte("package strata.strategic.sound\n\ndefault allow := false\n\nallow if input.yes")}}
	for path, f := range o.Files.(fstest.MapFS) {
		files[path] = f
	}
	o.Files = files
	o.Inputs["sound"] = policy.InputOf[yes]()
	o.Canaries = []policy.Canary{{Rule: "sound", Input: yes{true}, Allow: true}, {Rule: "sound", Input: yes{false}}}
	o.Timeout = 300 * time.Millisecond
	return engine(t, o).Decide(t.Context(), "issue", in)
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	replaced := func(old, now string) func(*policy.Options) {
		return func(o *policy.Options) {
			o.Files = fstest.MapFS{"issue.rego": {Data: []byte(strings.Replace(issueRego, old, now, 1))}, "people.rego": {Data: []byte(peopleRego)}}
		}
	}
	for name, c := range map[string]struct {
		change func(o *policy.Options)
		want   string
	}{
		"policy missing":        {func(o *policy.Options) { o.Files = fstest.MapFS{} }, "is missing"},
		"no default":            {replaced("default allow := false", ""), "default allow := false"},
		"default true":          {replaced("default allow := false", "default allow := true"), "default allow := false"},
		"broken":                {replaced("allow if {", "allow if {{"), "rego_parse_error"},
		"unknown field read":    {replaced("input.amount <=", "input.sum <="), "undefined ref: input.sum"},
		"network":               {replaced("input.amount <=", `http.send({"url": "x", "method": "get"}).status_code <=`), "undefined function http.send"},
		"clock":                 {replaced("input.amount <=", `time.now_ns() <=`), "undefined function time.now_ns"},
		"negation":              {replaced("people.may_issue(input.role)", `not input.amount > 100`), "rests on a negation"},
		"unused variable":       {replaced("people.may_issue(input.role)", `x := input.role`), "assigned var x unused"},
		"rule without input":    {func(o *policy.Options) { o.Inputs = map[string]policy.Input{"other": policy.InputOf[issue]()} }, "no input is named"},
		"input not a struct":    {func(o *policy.Options) { o.Inputs["issue"] = policy.InputOf[string]() }, "is not a struct"},
		"input with any":        {func(o *policy.Options) { o.Inputs["issue"] = policy.InputOf[struct{ X any }]() }, "not a type that an input may have"},
		"canary denied":         {func(o *policy.Options) { o.Canaries[0].Input = o.Canaries[1].Input }, "must be true"},
		"canary allowed":        {func(o *policy.Options) { o.Canaries[1].Input = o.Canaries[0].Input }, "must be false"},
		"canary denied by slip": {func(o *policy.Options) { o.Canaries[1].Input = renamed{} }, "input.role: missing"},
		"no canary of a denial": {func(o *policy.Options) { o.Canaries = o.Canaries[:1] }, "known to be denied"},
		"no record":             {func(o *policy.Options) { o.Record = nil }, "Record is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b book
			o := options(t, &b)
			c.change(&o)
			_, err := policy.New(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("New = %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestNegationBehindAHelperIsRefused(t *testing.T) {
	t.Parallel()
	var b book
	o := options(t, &b)
	o.Files = fstest.MapFS{"issue.rego": {Data: []byte(issueRego)},
		"people.rego": {Data: []byte("package strata.strategic.people\n\nmay_issue(role) if not clerk(role)\n\nclerk(role) if role == \"clerk\"\n")}}
	if _, err := policy.New(t.Context(), o); err == nil || !strings.Contains(err.Error(), "rests on a negation") {
		t.Errorf("New = %v, want the negation refused", err)
	}
}

func TestUnknownRuleIsDenied(t *testing.T) {
	t.Parallel()
	var b book
	e := engine(t, options(t, &b))
	if d, err := e.Decide(t.Context(), "nothing", fine()); err != nil || d.Allowed || len(b.last(t).Errors) == 0 {
		t.Errorf("Decide = %+v, %v; want a recorded denial", d, err)
	}
}

func TestUnrecordedDecisionIsADenial(t *testing.T) {
	t.Parallel()
	b := book{err: errors.New("disk full")}
	e := engine(t, options(t, &b))
	if d, err := e.Decide(t.Context(), "issue", fine()); !errors.Is(err, b.err) || d.Allowed || d.Err() == nil {
		t.Errorf("Decide = %+v, %v; want the error and a denial", d, err)
	}
}

func TestSetDataDecidesFromThenOn(t *testing.T) {
	t.Parallel()
	var b book
	e := engine(t, options(t, &b))
	before := e.Bundle()
	if err := e.SetData(t.Context(), 7, governance{Ceiling: 4, Purposes: []string{"service"}}); err != nil {
		t.Fatal(err)
	}
	if e.Bundle() == before || !strings.HasSuffix(e.Bundle(), ".7") {
		t.Errorf("bundle %q after %q, want another that names revision 7", e.Bundle(), before)
	}
	if d, _ := e.Decide(t.Context(), "issue", fine()); d.Allowed {
		t.Error("an amount above the new ceiling is allowed")
	}
	if err := e.SetData(t.Context(), 6, governance{Ceiling: 100}); !fault.Is(err, fault.Conflict) {
		t.Errorf("an older revision: %v, want a conflict", err)
	}
	if err := e.SetData(t.Context(), 7, governance{Ceiling: 100}); err != nil {
		t.Errorf("the present revision again: %v", err)
	}
	if err := e.SetData(t.Context(), 8, []string{"no object"}); err == nil {
		t.Error("data that is no object was accepted")
	}
	if err := e.SetData(t.Context(), 8, governance{}); err != nil {
		t.Error(err)
	}
	if d, _ := e.Decide(t.Context(), "issue", fine()); d.Allowed {
		t.Error("a purpose that empty data does not name is allowed")
	}
}

func TestPerEventRulesAreCountedAndSampled(t *testing.T) {
	t.Parallel()
	var b book
	o := options(t, &b)
	at := time.UnixMilli(1700000000000)
	o.Now = func() time.Time { return at }
	reader := metric.NewManualReader()
	o.Meter = metric.NewMeterProvider(metric.WithReader(reader))
	o.Inputs["issue"] = policy.InputOf[issue]().PerEvent()
	e := engine(t, o)
	denied := fine()
	denied.Role = "manager"
	for range 5 {
		for _, in := range []issue{fine(), denied} {
			if _, err := e.Decide(t.Context(), "issue", in); err != nil {
				t.Fatal(err)
			}
		}
	}
	at = at.Add(time.Second)
	if _, err := e.Decide(t.Context(), "issue", denied); err != nil {
		t.Fatal(err)
	}
	if len(b.records) != 2 {
		t.Errorf("%d records, want one denial for each of two seconds", len(b.records))
	}
	want := map[string]int64{"allow": 5, "deny": 6}
	if diff := cmp.Diff(want, outcomes(t, reader)); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
}

func outcomes(t *testing.T, reader metric.Reader) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	out := map[string]int64{}
	for _, p := range all.ScopeMetrics[0].Metrics[0].Data.(metricdata.Sum[int64]).DataPoints {
		v, _ := p.Attributes.Value("outcome")
		out[v.AsString()] = p.Value
	}
	return out
}

func BenchmarkDecide(b *testing.B) {
	for name, in := range map[string]policy.Input{"recorded": policy.InputOf[issue](), "remembered": policy.InputOf[issue]().PerEvent()} {
		b.Run(name, func(b *testing.B) {
			o := policy.Options{
				Layer: "strategic", Files: shipped(), Inputs: map[string]policy.Input{"issue": in},
				Data: governance{Ceiling: 10, Purposes: []string{"service"}}, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
				Record:   func(context.Context, policy.Record) error { return nil },
				Canaries: []policy.Canary{{Rule: "issue", Input: fine(), Allow: true}, {Rule: "issue", Input: func() issue { i := fine(); i.Role = ""; return i }()}},
			}
			e, err := policy.New(b.Context(), o)
			if err != nil {
				b.Fatal(err)
			}
			in := fine()
			for b.Loop() {
				if d, err := e.Decide(b.Context(), "issue", in); err != nil || !d.Allowed {
					b.Fatal(d, err)
				}
			}
		})
	}
}
