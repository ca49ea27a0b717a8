package metric

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// What the operational layer refuses, as its own test of the same table has it, is refused here with its place.
func TestWhatIsRefusedBelowIsRefusedHere(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "contract", "testdata", "definitions", "refused.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var table []struct {
		Name, At   string
		Definition map[string]any
	}
	if err := yaml.Unmarshal(raw, &table); err != nil || len(table) == 0 {
		t.Fatalf("%d definitions, %v", len(table), err)
	}
	for _, c := range table {
		refusedAt(t, c.Name, filled(t, c.Definition), c.At)
	}
}

// filled returns a definition with what all have in common.
func filled(t *testing.T, members map[string]any) *contract.Definition {
	t.Helper()
	wire, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	d := contract.Definition{ID: "m", Version: "1.0.0", Label: "l", Description: "d", Unit: contract.Ratio, Better: contract.Up, Owner: "o", Steward: "s",
		Parameters: []contract.ParameterName{contract.ParamCustomerID, contract.ParamOrderTime, contract.ParamOrderAmount, contract.ParamOrderItems, contract.ParamNPS, "age"}}
	if err := json.Unmarshal(wire, &d); err != nil {
		t.Fatal(err)
	}
	return &d
}

func refusedAt(t *testing.T, name string, d *contract.Definition, at string) {
	t.Helper()
	var ps Problems
	err := Validate(d, all{})
	if !errors.As(err, &ps) || !slices.ContainsFunc(ps, func(p Problem) bool { return p.At == at && p.Text != "" }) {
		t.Errorf("%s: %v; want a problem at %s", name, err, at)
	}
}

// What a type has no use for would be ignored below, so that the number would be another than its definition says.
func TestForeignMembersAreRefused(t *testing.T) {
	t.Parallel()
	const (
		simple    = `{type: simple, measures: [{name: m, agg: count, entity: customer_day}], `
		retention = `{type: retention, retention: {base: previous}, `
		model     = `{type: model, model: {name: mbg_nbd, output: share_alive}, `
	)
	for _, c := range []struct{ of, member, at string }{
		{simple, "model: {name: mbg_nbd, output: share_alive}", "/model"}, {simple, "numerator: m", "/numerator"}, {simple, "denominator: m", "/denominator"},
		{simple, "expression: m", "/expression"}, {simple, "retention: {base: previous}", "/retention"}, {simple, "cumulative: {days: 3}", "/cumulative"},
		{simple, "conversion: {days: 3}", "/conversion"}, {retention, "measures: [{name: m, agg: count, entity: customer_day}]", "/measures"},
		{retention, "model: {name: mbg_nbd, output: share_alive}", "/model"}, {model, "filter: {field: orders, op: gt, value: 1}", "/filter"},
		{model, "expression: '1'", "/expression"},
	} {
		for suffix, want := range map[string]bool{"}": false, c.member + "}": true} {
			var members map[string]any
			if err := yaml.Unmarshal([]byte(c.of+suffix), &members); err != nil {
				t.Fatal(err)
			}
			d := filled(t, members)
			if want {
				refusedAt(t, c.of+c.member, d, c.at)
			} else if err := Validate(d, all{}); err != nil {
				t.Errorf("%s is refused without it: %v", c.of, err)
			}
		}
	}
}

// A filter and a dimension need the parameters that they are read from.
func TestFilterAndDimensionNeedTheirParameters(t *testing.T) {
	t.Parallel()
	for of, at := range map[string]string{
		`{type: simple, measures: [{name: m, agg: count, entity: customer_day}], filter: {field: revenue, op: gt, value: 1}}`: "/parameters",
		`{type: retention, retention: {base: previous}, filter: {not: {field: units, op: gt, value: 1}}}`:                     "/parameters",
		`{type: retention, retention: {base: previous}, dimension: age}`:                                                      "/parameters",
		`{type: retention, retention: {base: previous}, dimension: unheard_of}`:                                               "/dimension",
	} {
		var members map[string]any
		if err := yaml.Unmarshal([]byte(of), &members); err != nil {
			t.Fatal(err)
		}
		d := filled(t, members)
		if at == "/parameters" {
			if err := Validate(d, all{}); err != nil {
				t.Errorf("%s with all parameters: %v", of, err)
			}
			d.Parameters = []contract.ParameterName{contract.ParamCustomerID, contract.ParamOrderTime}
		}
		refusedAt(t, of, d, at)
	}
}

// Every place in a file that does not fit is named, with the definition that it is in.
func TestAFileNamesEveryPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ old, new, at, of string }{
		{"label:", "lable:", "/1/lable", "big_orders_month"},
		{"{name: days, agg", "{name: days, aggregation: x, agg", "/1/measures/1/aggregation", "big_orders_month"},
		{"op: gt, value: 10000", "opp: gt, value: 10000", "/1/measures/0/filter/all/0/opp", "big_orders_month"},
		{"label: Big days", "label: [Big]", "/1/label", "big_orders_month"},
		{"measures:", "measures: 3\n  filter:", "/1/measures", "big_orders_month"},
		{"numerator: big", "model: {horizon: soon}", "/1/model/horizon", "big_orders_month"},
	} {
		sound := strings.Replace(valid, "big_orders_month", "other", 1)
		_, err := Read([]byte(sound + strings.Replace(valid, c.old, c.new, 1)))
		var ps Problems
		if !errors.As(err, &ps) || !slices.ContainsFunc(ps, func(p Problem) bool { return p.At == c.at && strings.HasPrefix(p.Text, c.of+": ") }) {
			t.Errorf("%s → %s: %v; want a problem at %s of %s", c.old, c.new, err, c.at, c.of)
		}
		if !fault.Is(err, fault.Invalid) || fault.CodeOf(err) != fault.BadDefinition {
			t.Errorf("%s: kind %v, code %v", c.new, fault.KindOf(err), fault.CodeOf(err))
		}
	}
}
