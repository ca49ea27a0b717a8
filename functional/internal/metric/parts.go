package metric

import (
	"fmt"
	"slices"
	"strings"

	"github.com/strata-crm/strata/shared/contract"
)

// This file checks what a definition has as a whole: members that its type has no use for, its filter over every entity
// that it reads, and the dimension that its change is split by.

// foreign refuses members of another type, which would be ignored below.
func (v *validator) foreign() {
	d := v.d
	for _, part := range []struct {
		at    string
		given bool
		types []contract.MetricType
	}{
		{"/measures", len(d.Measures) > 0, []contract.MetricType{contract.Simple, contract.Cumulative, contract.RatioOf, contract.Derived}},
		{"/numerator", d.Numerator != "", []contract.MetricType{contract.RatioOf}},
		{"/denominator", d.Denominator != "", []contract.MetricType{contract.RatioOf}},
		{"/expression", d.Expression != "", []contract.MetricType{contract.Derived}},
		{"/retention", d.Retention != nil, []contract.MetricType{contract.RetentionOf}},
		{"/model", d.Model != nil, []contract.MetricType{contract.ModelOf}},
		{"/cumulative", d.Cumulative != nil, []contract.MetricType{contract.Cumulative}},
		{"/conversion", d.Conversion != nil, []contract.MetricType{contract.Conversion}},
		{"/filter", d.Filter != nil && d.Type == contract.ModelOf, nil},
	} {
		if !part.given || slices.Contains(part.types, d.Type) {
			continue
		}
		if part.types == nil {
			v.add(part.at, "does not belong to a model, which is of all customers: narrow the goal's scope instead")
			continue
		}
		v.add(part.at, "does not belong to a metric of type %s, only to %s", d.Type, alternatives(part.types))
	}
}

func alternatives(types []contract.MetricType) string {
	var names []string
	for _, t := range types {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}

// counted returns the measures that a definition reads, each with its place.
func (v *validator) counted() (at []string, ms []contract.Measure) {
	for i, m := range v.d.Measures {
		at, ms = append(at, fmt.Sprintf("/measures/%d", i)), append(ms, m)
	}
	if c := v.d.Conversion; c != nil && v.d.Type == contract.Conversion {
		at, ms = append(at, "/conversion/base", "/conversion/converted"), append(ms, c.Base, c.Converted)
	}
	return at, ms
}

// entity returns the entity whose rows the metric is over, which its filter selects; empty for a model, and where it has none.
func (v *validator) entity() contract.Entity {
	switch _, ms := v.counted(); {
	case v.d.Type == contract.RetentionOf:
		return contract.Customer
	case v.d.Type == contract.ModelOf || len(ms) == 0:
		return ""
	default:
		return ms[0].Entity // the others have the same; of a conversion, the base
	}
}

func (v *validator) filter() {
	e := v.entity()
	if v.d.Filter == nil || !known(e) {
		return // the entity's own place says what is wrong
	}
	v.condition("/filter", e, v.d.Filter)
	v.reads("the filter", contract.Measure{Entity: e, Filter: v.d.Filter})
}

func known(e contract.Entity) bool { return e == contract.Profile || len(contract.FieldsOf(e)) > 0 }

// histories are the dimensions that a customer's purchases decide.
var histories = []string{"tenure", "cohort", "buyer_kind"}

// dimension lets only shares of customers, and means per customer, be split: the parts of anything else do not add up to
// the whole. It is by a customer's past, or by a parameter of the profile.
func (v *validator) dimension() {
	by := v.d.Dimension
	parameter := contract.ParameterName(by)
	past := slices.Contains(histories, by)
	_, field := contract.FieldOf(contract.Customer, by) // also where a parameter has its name
	switch {
	case by == "":
	case v.d.Type == contract.ModelOf:
		if by != "buyer_kind" {
			v.add("/dimension", "a model is split by buyer_kind, not by %q", by)
		}
	case field || !past && !v.known.Has(parameter):
		v.add("/dimension", "%q is neither tenure, cohort or buyer_kind nor a defined parameter", by)
	case !v.perCustomer():
		v.add("/dimension", "only a share of customers, or a mean per customer, can be split: the parts of this metric do not add up to it")
	case past && !v.besideHistory():
		v.add("/dimension", "answers and profiles do not lie beside the customers' histories: %s cannot split them", by)
	case !past && !slices.Contains(v.d.Parameters, parameter):
		v.add("/parameters", "the dimension is by %s, so the metric needs that parameter", by)
	}
}

// perCustomer reports whether the metric is over a number of customers.
func (v *validator) perCustomer() bool {
	below := func(m contract.Measure) bool { // what it is divided by
		return m.Entity == contract.Customer || m.Entity == contract.Profile
	}
	switch v.d.Type {
	case contract.RetentionOf, contract.Conversion:
		return true
	case contract.Simple, contract.Cumulative:
		return len(v.d.Measures) == 1 && v.d.Measures[0].Agg == contract.Average && below(v.d.Measures[0])
	case contract.RatioOf:
		i := slices.IndexFunc(v.d.Measures, func(m contract.Measure) bool { return m.Name == v.d.Denominator })
		if i < 0 {
			return false
		}
		m := v.d.Measures[i]
		return m.Agg == contract.CountDistinct || (m.Agg == contract.CountRows || m.Agg == contract.SumBoolean) && below(m)
	}
	return false
}

// besideHistory reports whether the metric's rows lie beside the customers' histories.
func (v *validator) besideHistory() bool {
	_, ms := v.counted()
	return !slices.ContainsFunc(ms, func(m contract.Measure) bool { return m.Entity == contract.Answer || m.Entity == contract.Profile })
}

// summed checks the measures of a ratio or an expression: sums and counts over the rows of one entity.
func (v *validator) summed() {
	for i, m := range v.d.Measures {
		at := fmt.Sprintf("/measures/%d", i)
		if m.Entity != v.d.Measures[0].Entity {
			v.add(at+"/entity", "must be %s as the others': one metric is over the rows of one entity", v.d.Measures[0].Entity)
		}
		switch {
		case m.Agg == contract.CountDistinct && m.Field != "customer":
			v.add(at+"/agg", "only distinct customers can be counted beside other measures")
		case !slices.Contains([]contract.Aggregation{contract.Sum, contract.CountRows, contract.SumBoolean, contract.CountDistinct}, m.Agg):
			v.add(at+"/agg", "%s does not add up over customers: use sum, count, sum_boolean or count_distinct", m.Agg)
		}
	}
}
