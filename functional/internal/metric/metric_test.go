package metric

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

type all struct{}

func (all) Has(n contract.ParameterName) bool { return n != "unheard_of" }

func TestShippedDefinitionsAreValid(t *testing.T) {
	t.Parallel()
	defs, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []contract.MetricID{
		"active_customers_month", "new_customers_month", "orders_month", "revenue_month", "average_order_value_month", "purchase_frequency_month",
		"repeat_rate", "month_on_month_retention", "retention_90d", "monthly_cohort_retention", "predicted_value_52w", "share_alive",
	} {
		if !slices.ContainsFunc(defs, func(d contract.Definition) bool { return d.ID == want }) {
			t.Errorf("%s is missing", want)
		}
	}
	for i := range defs {
		if err := Validate(&defs[i], all{}); err != nil {
			t.Errorf("%s: %v", defs[i].ID, err)
		}
	}
}

const valid = `
- id: big_orders_month
  version: 1.0.0
  label: Big days
  description: Customer days worth more than a hundred.
  type: ratio
  unit: ratio
  better: up
  measures:
    - {name: big, agg: count, entity: customer_day, filter: {all: [{field: revenue, op: gt, value: 10000}, {not: {field: orders, op: in, value: [0]}}]}}
    - {name: days, agg: count, entity: customer_day}
  numerator: big
  denominator: days
  parameters: [customer_id, order_time, order_amount]
  owner: o
  steward: s
`

func TestInvalidDefinitionsNameThePlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ old, new, at string }{
		{"big_orders_month", "Big Orders", "/id"},
		{"version: 1.0.0", "version: '1'", "/version"},
		{"type: ratio", "type: wish", "/type"},
		{"unit: ratio", "unit: furlong", "/unit"},
		{"better: up", "better: sideways", "/better"},
		{"label: Big days", "label: ''", "/label"},
		{"entity: customer_day}", "entity: planet}", "/measures/1/entity"},
		{"field: revenue", "field: shoe_size", "/measures/0/filter/all/0/field"},
		{"op: gt", "op: resembles", "/measures/0/filter/all/0/op"},
		{"value: 10000", "value: [1]", "/measures/0/filter/all/0/value"},
		{"value: [0]", "value: 0", "/measures/0/filter/all/1/not/value"},
		{"numerator: big", "numerator: small", "/numerator"},
		{"name: days", "name: big", "/measures/1/name"},
		{"order_time, order_amount]", "unheard_of]", "/parameters/1"},
		{"agg: count, entity: customer_day}", "agg: sum, entity: customer_day}", "/measures/1/field"},
		{"agg: count, entity: customer_day}", "agg: sum, entity: customer_day, field: customer}", "/measures/1/field"},
		{"agg: count, entity: customer_day}", "agg: percentile, entity: customer_day, field: orders, percentile: 50}", "/measures/1/percentile"},
		{"agg: count, entity: customer_day}", "agg: sum, entity: customer_day, field: units}", "/parameters"},
	} {
		defs, err := Read([]byte(strings.Replace(valid, c.old, c.new, 1)))
		if err != nil {
			t.Fatal(err)
		}
		err = Validate(&defs[0], all{})
		var ps Problems
		if !errors.As(err, &ps) || !slices.ContainsFunc(ps, func(p Problem) bool { return p.At == c.at && p.Text != "" }) {
			t.Errorf("%s → %s: %v; want a problem at %s", c.old, c.new, err, c.at)
		}
		if !fault.Is(err, fault.Invalid) || fault.CodeOf(err) != fault.BadDefinition {
			t.Errorf("%s: kind %v, code %v", c.new, fault.KindOf(err), fault.CodeOf(err))
		}
	}
}

func TestTypesNeedTheirParts(t *testing.T) {
	t.Parallel()
	base := contract.Definition{ID: "m", Version: "1.0.0", Label: "l", Description: "d", Unit: contract.Ratio, Better: contract.Up, Owner: "o", Steward: "s"}
	for name, c := range map[string]struct {
		set func(*contract.Definition)
		at  string
	}{
		"simple without a measure": {func(d *contract.Definition) { d.Type = contract.Simple }, "/measures"},
		"retention without a base": {func(d *contract.Definition) { d.Type = contract.RetentionOf }, "/retention/base"},
		"model without a model":    {func(d *contract.Definition) { d.Type = contract.ModelOf }, "/model"},
		"BG/NBD gives no share": {func(d *contract.Definition) {
			d.Type = contract.ModelOf
			d.Model = &contract.ModelSpec{Name: "bg_nbd_gamma_gamma", Output: "share_alive"}
		}, "/model/output"},
		"a value needs a horizon": {func(d *contract.Definition) {
			d.Type = contract.ModelOf
			d.Model = &contract.ModelSpec{Name: "bg_nbd_gamma_gamma", Output: "residual_value"}
		}, "/model/horizon"},
		"an expression of nothing": {func(d *contract.Definition) { d.Type = contract.Derived; d.Expression = "a / b" }, "/expression"},
	} {
		d := base
		c.set(&d)
		var ps Problems
		if err := Validate(&d, all{}); !errors.As(err, &ps) || !slices.ContainsFunc(ps, func(p Problem) bool { return p.At == c.at }) {
			t.Errorf("%s: %v; want a problem at %s", name, err, c.at)
		}
	}
}

func TestUnknownKeysAreRefused(t *testing.T) {
	t.Parallel()
	_, err := Read([]byte(strings.Replace(valid, "label:", "lable:", 1)))
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "lable") {
		t.Errorf("%v; want the misspelt key named", err)
	}
}
