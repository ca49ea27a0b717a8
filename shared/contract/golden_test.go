package contract

import (
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/fault"
)

// update rewrites the golden files of the version under work. Those of releases, in folders of their own below it, are
// never written again: a release copies testdata/v1/*.json to testdata/v1/<release>/.
var update = flag.Bool("update", false, "write testdata/v1 anew; only additions pass")

const goldenDir = "testdata/v1"

// golden is a message as its file shows it.
type golden struct {
	Topic   string            `json:"topic"`
	Key     string            `json:"key"`
	Headers map[string]string `json:"headers"`
	Value   json.RawMessage   `json:"value"`
}

func (g golden) message() bus.Message {
	m := bus.Message{Topic: g.Topic, Key: g.Key, Value: g.Value}
	for k, v := range g.Headers {
		m.Headers = append(m.Headers, bus.Header{Key: k, Value: []byte(v)})
	}
	return m
}

func encoded(t *testing.T, x example) golden {
	t.Helper()
	m, err := Encode(x.topic, x.key, x.envelope, x.payload)
	if err != nil {
		t.Fatal(err)
	}
	g := golden{Topic: m.Topic, Key: m.Key, Headers: map[string]string{}, Value: m.Value}
	for _, h := range m.Headers {
		g.Headers[h.Key] = string(h.Value)
	}
	return g
}

func readGolden(t *testing.T, path string) golden {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return g
}

func writeGolden(t *testing.T, path string, g golden) {
	t.Helper()
	b, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestMessagesEqualTheirGoldenFiles(t *testing.T) {
	for _, x := range examples() {
		path := filepath.Join(goldenDir, x.name+".json")
		got := encoded(t, x)
		if *update {
			writeGolden(t, path, got)
		}
		want := readGolden(t, path)
		if d := cmp.Diff(want, got, cmp.Comparer(sameJSON)); d != "" {
			t.Errorf("%s (-want +got):\n%s\nIf this is an addition, run go test ./contract -update.", x.name, d)
		}
	}
}

// sameJSON compares what JSON texts say, whatever the order of their members.
func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// goldens returns every golden file, of the version under work and of every release.
func goldens(t *testing.T) map[string]golden {
	t.Helper()
	all := map[string]golden{}
	err := filepath.WalkDir(goldenDir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".json" {
			all[path] = readGolden(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < len(examples()) {
		t.Fatalf("%d golden files for %d examples", len(all), len(examples()))
	}
	return all
}

// reader returns the example whose payload type a golden file has.
func reader(t *testing.T, g golden) example {
	t.Helper()
	for _, x := range examples() {
		if x.topic == g.Topic && x.envelope.Type == g.Headers["ce_type"] {
			return x
		}
	}
	t.Fatalf("nothing reads type %q on %s", g.Headers["ce_type"], g.Topic)
	return example{}
}

func TestEveryReleasesMessagesAreStillRead(t *testing.T) {
	t.Parallel()
	for path, g := range goldens(t) {
		_, p, err := reader(t, g).decode(g.message())
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var was, is any
		if json.Unmarshal(g.Value, &was) != nil || json.Unmarshal(again, &is) != nil {
			t.Fatalf("%s: not JSON", path)
		}
		if at, ok := contains(is, was, ""); !ok {
			t.Errorf("%s: what the file says at %s does not survive reading", path, at)
		}
	}
}

// contains reports whether b has everything that a has, and where not.
func contains(b, a any, at string) (string, bool) {
	switch a := a.(type) {
	case map[string]any:
		m, ok := b.(map[string]any)
		if !ok {
			return at, false
		}
		for k, v := range a {
			if where, ok := contains(m[k], v, at+"/"+k); !ok {
				return where, false
			}
		}
		return "", true
	case []any:
		l, ok := b.([]any)
		if !ok || len(l) != len(a) {
			return at, false
		}
		for i := range a {
			if where, ok := contains(l[i], a[i], at+"/"+strconv.Itoa(i)); !ok {
				return where, false
			}
		}
		return "", true
	}
	return at, cmp.Equal(a, b)
}

func TestUnknownFieldsAreIgnoredAndCounted(t *testing.T) {
	t.Parallel()
	for path, g := range goldens(t) {
		x := reader(t, g)
		_, want, err := x.decode(g.message())
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if names := x.unknown(g.Value); len(names) > 0 {
			t.Errorf("%s has fields that its reader does not know: %v", path, names)
		}
		var tree map[string]any
		if err := json.Unmarshal(g.Value, &tree); err != nil {
			t.Fatal(err)
		}
		tree["fromTheFuture"], tree["andAnother"] = map[string]any{"a": 1}, []any{2}
		if nested, ok := tree["goal"].(map[string]any); ok {
			nested["mood"] = "hopeful"
		}
		newer := g
		if newer.Value, err = json.Marshal(tree); err != nil {
			t.Fatal(err)
		}
		_, got, err := x.decode(newer.message())
		if err != nil {
			t.Errorf("%s with unknown fields: %v", path, err)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.Comparer(sameJSON)); d != "" {
			t.Errorf("%s: unknown fields changed what was read:\n%s", path, d)
		}
		if counted := x.unknownIn(newer.Value); counted != 2 {
			t.Errorf("%s: %d unknown fields are counted by its type, want 2", path, counted)
		}
		names := x.unknown(newer.Value)
		slices.Sort(names)
		if d := cmp.Diff([]string{"andAnother", "fromTheFuture"}, names); d != "" {
			t.Errorf("%s: unknown fields (-want +got):\n%s", path, d)
		}
	}
}

func TestHeadersComeBack(t *testing.T) {
	t.Parallel()
	for _, x := range examples() {
		e, _, err := x.decode(encoded(t, x).message())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(x.envelope, e); d != "" {
			t.Errorf("%s (-want +got):\n%s", x.name, d)
		}
	}
}

func TestMalformedMessagesArePoison(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"ce_specversion", "ce_id", "ce_type", "ce_time", "ce_tenant"} {
		g := encoded(t, examples()[0])
		g.Headers[header] = ""
		if _, _, err := examples()[0].decode(g.message()); fault.CodeOf(err) != fault.Poison || fault.KindOf(err).Action() != fault.Quarantine {
			t.Errorf("without %s: %v; want poison", header, err)
		}
	}
	for _, body := range []string{"", "not json", "[]", `{"revision":"seven"}`} {
		g := encoded(t, examples()[0])
		g.Value = json.RawMessage(body)
		if _, _, err := examples()[0].decode(g.message()); fault.CodeOf(err) != fault.Poison {
			t.Errorf("body %q: %v; want poison", body, err)
		}
	}
}

func TestNothingInvalidIsEncoded(t *testing.T) {
	t.Parallel()
	x := examples()[0]
	for name, change := range map[string]func(*Envelope){
		"no id": func(e *Envelope) { e.ID = "" }, "no type": func(e *Envelope) { e.Type = "" },
		"no time":    func(e *Envelope) { e.Time = time.Time{} },
		"bad tenant": func(e *Envelope) { e.Tenant = "Main Street" },
	} {
		e := x.envelope
		change(&e)
		if _, err := Encode(x.topic, x.key, e, x.payload); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v; want Invalid", name, err)
		}
	}
	invalid := map[string]Payload{
		"directive without id": &StrategicDirective{}, "directive of no standing": changed(strategicDirective(), func(d *StrategicDirective) { d.Standing = "asleep" }),
		"directive that ends first":     changed(strategicDirective(), func(d *StrategicDirective) { d.Expires = d.ValidFrom }),
		"goal with two targets":         changed(strategicDirective(), func(d *StrategicDirective) { d.Goal.Target.Value = of(1.0) }),
		"goal with two baselines":       changed(strategicDirective(), func(d *StrategicDirective) { d.Goal.Baseline.Value = of(1.0) }),
		"goal that ends first":          changed(strategicDirective(), func(d *StrategicDirective) { d.Goal.Deadline = d.Goal.Start }),
		"goal of no kind":               changed(strategicDirective(), func(d *StrategicDirective) { d.Goal.Kind = "" }),
		"goal of no direction":          changed(strategicDirective(), func(d *StrategicDirective) { d.Goal.Direction = "sideways" }),
		"governance without purposes":   changed(governance(), func(d *GovernanceDirective) { d.Purposes = nil }),
		"governance of tiny groups":     changed(governance(), func(d *GovernanceDirective) { d.MinimumGroup = 0 }),
		"operational without part":      changed(operationalDirective(), func(d *OperationalDirective) { d.Part = "" }),
		"operational with a bad metric": changed(operationalDirective(), func(d *OperationalDirective) { d.Compute[0].Metric.Version = "1" }),
		"answer without history":        changed(operationalAck(), func(a *Acknowledgement) { a.History = nil }),
		"answer of no state":            changed(operationalAck(), func(a *Acknowledgement) { a.State = "perhaps" }),
		"value and reason":              changed(measurement(), func(m *Measurement) { m.Reason = &Reason{} }),
		"neither value nor reason":      changed(measurement(), func(m *Measurement) { m.Value = nil }),
		"empty window":                  changed(measurement(), func(m *Measurement) { m.Window.End = m.Window.Start }),
		"series out of order":           changed(information(), func(i *Information) { slices.Reverse(i.Series) }),
		"insight of nothing":            changed(insight(), func(i *Insight) { i.Metric = "" }),
		"event nobody asked for":        changed(customerEvent(), func(e *CustomerEvent) { e.Asked = nil }),
		"event with a long id":          changed(customerEvent(), func(e *CustomerEvent) { e.ID = strings.Repeat("é", 51) }),
		"event of a bad source":         changed(customerEvent(), func(e *CustomerEvent) { e.Source = "Shop 1" }),
		"request of nobody":             &StateRequest{},
	}
	for name, p := range invalid {
		if m, err := Encode(x.topic, x.key, x.envelope, p); !fault.Is(err, fault.Invalid) || m.Value != nil {
			t.Errorf("%s: %v; want Invalid and no message", name, err)
		}
	}
}

func changed[T any](v *T, change func(*T)) *T { change(v); return v }
