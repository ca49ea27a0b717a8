package metric

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

const timed = `
- id: growth
  version: 1.0.0
  label: Growth
  description: Revenue on that of a year ago.
  type: ratio
  unit: ratio
  better: up
  measures:
    - {name: revenue, agg: sum, entity: customer_day, field: revenue}
    - {name: earlier, agg: sum, entity: customer_day, field: revenue, offset: {count: 1, grain: year}}
  numerator: revenue
  denominator: earlier
  parameters: [customer_id, order_time, order_amount]
  owner: o
  steward: s
- id: so_far
  version: 1.0.0
  label: So far
  description: Revenue of the year.
  type: cumulative
  unit: money
  better: up
  measures: [{name: revenue, agg: sum, entity: customer_day, field: revenue}]
  cumulative: {toDate: year}
  parameters: [customer_id, order_time, order_amount]
  owner: o
  steward: s
- id: cohort
  version: 1.0.0
  label: Cohort
  description: Of those first seen three months ago.
  type: retention
  unit: ratio
  better: up
  retention: {base: cohort, period: 3}
  parameters: [customer_id, order_time]
  owner: o
  steward: s
- id: answered
  version: 1.0.0
  label: Answered
  description: Answered after buying.
  type: conversion
  unit: ratio
  better: up
  conversion:
    base: {name: bought, agg: count, entity: customer_day, filter: {field: revenue, op: gt, value: 1}}
    converted: {name: answered, agg: count, entity: answer, filter: {field: score, op: gte, value: 9}}
    days: 30
  parameters: [customer_id, order_time, order_amount, nps]
  owner: o
  steward: s
- id: value
  version: 1.0.0
  label: Value
  description: Lifetime value.
  type: model
  unit: money
  better: up
  model: {name: bg_nbd_gamma_gamma, output: residual_value, horizon: 52, discount: 0.1}
  parameters: [customer_id, order_time, order_amount]
  owner: o
  steward: s
`

// TestTimedForms: what speaks of time is taken where it is right, and named where it is not.
func TestTimedForms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ old, new, at string }{
		{"", "", ""},
		{"count: 1, grain: year", "count: 0, grain: year", "/measures/1/offset/count"},
		{"count: 1, grain: year", "count: 1, grain: moon", "/measures/1/offset/grain"},
		{"toDate: year", "toDate: year, days: 3", "/cumulative"},
		{"toDate: year", "toDate: moon", "/cumulative/toDate"},
		{"toDate: year", "days: -1", "/cumulative/days"},
		{"type: cumulative", "type: simple", "/cumulative"},
		{"base: cohort", "base: previous", "/retention/period"},
		{"period: 3", "period: 3, days: 20", "/retention/period"},
		{"days: 30", "days: -1", "/conversion/days"},
		{"agg: count, entity: answer", "agg: sum, field: score, entity: answer", "/conversion/converted/agg"},
		{"agg: count, entity: answer", "agg: count, entity: customer", "/conversion/converted/entity"},
		{"field: score, op: gte", "field: orders, op: gte", "/conversion/converted/filter/field"},
		{"order_amount, nps]", "nps]", "/parameters"},
		{"discount: 0.1", "discount: 10", "/model/discount"},
	} {
		defs, err := Read([]byte(strings.Replace(timed, c.old, c.new, 1)))
		if err != nil {
			t.Fatal(err)
		}
		var found Problems
		for i := range defs {
			var ps Problems
			if errors.As(Validate(&defs[i], all{}), &ps) {
				found = append(found, ps...)
			}
		}
		if c.at == "" && len(found) > 0 || c.at != "" && !slices.ContainsFunc(found, func(p Problem) bool { return p.At == c.at && p.Text != "" }) {
			t.Errorf("%q → %q: %v; want a problem at %q", c.old, c.new, found, c.at)
		}
	}
}
