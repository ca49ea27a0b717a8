package parameter

import (
	"slices"
	"strings"
	"testing"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

func TestShippedParametersAreWhole(t *testing.T) {
	t.Parallel()
	c, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	types := []contract.DataType{contract.Identification, contract.Descriptive, contract.Probe, contract.Transactional, contract.Conversed}
	values := []contract.ValueType{contract.Text, contract.Integer, contract.Decimal, contract.AmountOf, contract.Boolean, contract.Timestamp, contract.Score}
	for _, p := range c.All() {
		if !slices.Contains(types, p.DataType) || !slices.Contains(values, p.Value) || p.Category == "" || p.Coverage <= 0 || p.Coverage > 1 || p.Purpose != "" {
			t.Errorf("%s: %+v", p.Name, p)
		}
	}
	for _, name := range []contract.ParameterName{contract.ParamCustomerID, contract.ParamOrderTime, contract.ParamOrderAmount, contract.ParamOrderItems, contract.ParamNPS} {
		if !c.Has(name) {
			t.Errorf("%s has a meaning in the warehouse and is not defined", name)
		}
	}
	names := slices.Collect(func(yield func(contract.ParameterName) bool) {
		for _, p := range c.All() {
			if !yield(p.Name) {
				return
			}
		}
	})
	if !slices.IsSorted(names) {
		t.Errorf("not by name: %v", names)
	}
}

const hat = `
- name: hat_size
  dataType: descriptive
  valueType: integer
  category: body
  requiredCoverage: 0.5
  owner: head of hats
  steward: hat data steward
  method: {kind: event_api, call: identify, property: hatSize}
`

func TestInvalidParametersAreNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, new, want string }{
		"no type of data":  {"dataType: descriptive", "dataType: ''", "dataType"},
		"another type":     {"dataType: descriptive", "dataType: gossip", "dataType"},
		"no type of value": {"valueType: integer", "valueType: ''", "valueType"},
		"another value":    {"valueType: integer", "valueType: hats", "valueType"},
		"no call":          {"call: identify", "call: ''", "call"},
		"another call":     {"call: identify", "call: shout", "call"},
		"no event":         {"call: identify", "call: track", "event"},
		"no coverage":      {"requiredCoverage: 0.5", "requiredCoverage: 0", "requiredCoverage"},
		"too much":         {"requiredCoverage: 0.5", "requiredCoverage: 50", "requiredCoverage"},
		"an unknown key":   {"category:", "kategory:", "kategory"},
		"a bad name":       {"name: hat_size", "name: Hat Size", "snake case"},
		"twice":            {hat, hat + hat, "twice"},
	} {
		_, err := Read([]byte(strings.Replace(hat, c.old, c.new, 1)))
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want Invalid naming %q", name, err, c.want)
		}
	}
}

func TestFurtherParametersAddAndReplace(t *testing.T) {
	t.Parallel()
	c, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	more, err := c.With([]byte(hat + strings.Replace(hat, "hat_size", "email", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := more.Get("email"); !ok || p.Owner != "head of hats" {
		t.Errorf("email is %+v", p)
	}
	if len(more.All()) != len(c.All())+1 || c.Has("hat_size") {
		t.Errorf("%d parameters became %d", len(c.All()), len(more.All()))
	}
}
