package metric

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/strata-crm/strata/shared/contract"
)

// The dimensions by which a metric over customers can be broken up.
const (
	ByTenure    = "tenure"     // newcomers: first seen in the base window or later; established: before
	ByCohort    = "cohort"     // the month of the first purchase
	ByBuyerKind = "buyer_kind" // one_time or repeat
)

// Keys of parts that no value of a dimension has.
const (
	KeyOther   = "other"   // values that are too rare to show, too long, or no text, whole number or boolean
	KeyUnknown = "unknown" // customers of whom the parameter is not known
)

func checkGrain(g contract.Grain) error {
	grains := []contract.Grain{contract.GrainDay, contract.GrainWeek, contract.GrainMonth, contract.GrainQuarter, contract.GrainYear}
	if !slices.Contains(grains, g) {
		return fmt.Errorf("%q is not a grain", g)
	}
	return nil
}

// histories are the dimensions that a customer's purchases decide.
var histories = []string{ByTenure, ByCohort, ByBuyerKind}

// checkDimension lets only shares of customers, and means per customer, be broken up: the parts of anything else do not
// add up to the whole.
func (p *Program) checkDimension() error {
	by := p.c.Metric.Dimension
	past := slices.Contains(histories, by)
	_, field := contract.FieldOf(contract.Customer, by)
	_, known := profileField(by)
	switch {
	case by == "", p.c.Metric.Model != nil && by == ByBuyerKind:
		return nil
	case !known || field || !p.perCustomer():
		return fmt.Errorf("dimension %q", by)
	case past && !p.besideHistory():
		return lacking("metric.dimension")
	}
	return nil
}

// perCustomer reports whether the metric is over a number of customers.
func (p *Program) perCustomer() bool {
	if !p.ratio {
		return false
	}
	m := p.measures[1]
	return m.Once || p.convert != nil || m.Field == "" && (p.entity == contract.Customer || p.entity == contract.Profile)
}

// besideHistory reports whether the metric's rows lie beside the customers' histories.
func (p *Program) besideHistory() bool {
	in := func(e contract.Entity) bool { return e != contract.Answer && e != contract.Profile }
	return in(p.entity) && (p.convert == nil || in(p.convert.Into))
}

// longest bounds what a definition may ask for in days.
const longest = 3660

func checkCumulative(c *contract.CumulativeSpec) error {
	switch {
	case c == nil:
		return nil
	case c.Days < 0 || c.Days > longest || c.Days > 0 && c.ToDate != "":
		return fmt.Errorf("cumulative over %d days, or since the start of a %q", c.Days, c.ToDate)
	case c.ToDate != "":
		return checkGrain(c.ToDate)
	}
	return nil
}

// checkPeriod checks that whole windows lie between a cohort's and the one that it is looked at in.
func (p *Program) checkPeriod(r *contract.RetentionSpec) error {
	months := map[contract.Grain]int{contract.GrainMonth: 1, contract.GrainQuarter: 3, contract.GrainYear: 12}[p.c.Grain]
	if r.Base != baseCohort || r.Days != 0 || r.Period < 0 || r.Period > 1200 || months == 0 || r.Period%months != 0 {
		return fmt.Errorf("a retention of base %q %d months later, by %s", r.Base, r.Period, p.c.Grain)
	}
	return nil
}

func checkOffset(m contract.Measure) error {
	switch o := m.Offset; {
	case o == nil:
		return nil
	case m.Entity == contract.Profile || o.Count < 1 || o.Count > longest:
		return fmt.Errorf("an offset of %d of %s", o.Count, m.Entity)
	default:
		return checkGrain(o.Grain)
	}
}

// checkScope checks the condition that selects customers: by their history, or by parameters of their profiles.
func (p *Program) checkScope() error {
	if err := checkTree(p.c.Scope, fieldOfScope); err != nil {
		return err
	}
	if Past(p.c.Scope) && !p.besideHistory() {
		return lacking(contract.FeatureScope) // these rows do not lie beside the customers' histories
	}
	return nil
}

func fieldOfScope(name string) (contract.Field, bool) {
	if f, ok := contract.FieldOf(contract.Customer, name); ok {
		return f, true
	}
	return profileField(name)
}

// profileField is a parameter's value in the profile, whose type only the collected values tell.
func profileField(name string) (contract.Field, bool) {
	f, ok := contract.FieldOf(contract.Profile, name)
	f.Value = ""
	return f, ok
}

// Past reports whether a scope asks for anything of a customer's history, rather than of the profile alone.
func Past(c *contract.Condition) bool {
	if c == nil {
		return false
	}
	if _, ok := contract.FieldOf(contract.Customer, c.Field); ok {
		return true
	}
	past := func(o contract.Condition) bool { return Past(&o) }
	return slices.ContainsFunc(c.All, past) || slices.ContainsFunc(c.Any, past) || Past(c.Not)
}

// check checks a measure's field and filter, and the metric's filter, against the entity.
func (p *Program) check(m contract.Measure) error {
	known := []contract.Entity{contract.CustomerDay, contract.Customer, contract.Profile, contract.Answer}
	if !slices.Contains(known, m.Entity) {
		return fmt.Errorf("%q is not an entity", m.Entity)
	}
	if err := checkAggregated(m); err != nil {
		return err
	}
	if err := checkOffset(m); err != nil {
		return err
	}
	if err := checkCondition(m.Entity, p.c.Metric.Filter); err != nil {
		return err
	}
	return checkCondition(m.Entity, m.Filter)
}

func checkAggregated(m contract.Measure) error {
	if m.Agg == contract.CountRows {
		return nil // counts rows, whatever field it may name
	}
	f, ok := fieldOf(m.Entity)(m.Field)
	if !ok {
		return fmt.Errorf("%s has no field %q", m.Entity, m.Field)
	}
	switch {
	case f.Value == "", m.Agg == contract.CountDistinct:
		return nil
	case m.Agg == contract.SumBoolean:
		if f.Value != contract.Boolean {
			return fmt.Errorf("%s is not a boolean", m.Field)
		}
	case !numeric(f.Value):
		return fmt.Errorf("%s is not a number", m.Field)
	}
	return nil
}

func numeric(v contract.ValueType) bool {
	return slices.Contains([]contract.ValueType{contract.Integer, contract.Decimal, contract.AmountOf, contract.Score}, v)
}

func fieldOf(e contract.Entity) func(string) (contract.Field, bool) {
	if e == contract.Profile {
		return profileField
	}
	return func(name string) (contract.Field, bool) { return contract.FieldOf(e, name) }
}

func checkCondition(e contract.Entity, c *contract.Condition) error { return checkTree(c, fieldOf(e)) }

// checkTree checks that a tree is one of all, any, not or a leaf at every node, and each leaf's field, operator and value.
func checkTree(c *contract.Condition, at func(string) (contract.Field, bool)) error {
	if c == nil {
		return nil
	}
	if forms(c) != 1 {
		return fmt.Errorf("a condition is exactly one of all, any, not, or a field with an operator")
	}
	if c.Field != "" {
		return checkLeaf(c, at)
	}
	for _, children := range [][]contract.Condition{c.All, c.Any} {
		for i := range children {
			if err := checkTree(&children[i], at); err != nil {
				return err
			}
		}
	}
	return checkTree(c.Not, at)
}

func forms(c *contract.Condition) (n int) {
	for _, is := range []bool{len(c.All) > 0, len(c.Any) > 0, c.Not != nil, c.Field != ""} {
		if is {
			n++
		}
	}
	return n
}

func checkLeaf(c *contract.Condition, at func(string) (contract.Field, bool)) error {
	f, ok := at(c.Field)
	if !ok {
		return fmt.Errorf("no field %s", c.Field)
	}
	switch c.Op {
	case contract.Exists:
		if _, ok := c.Value.(bool); !ok && c.Value != nil {
			return fmt.Errorf("exists takes true or false")
		}
		return nil
	case contract.In:
		values, ok := c.List()
		if !ok {
			return fmt.Errorf("in takes a list")
		}
		for _, v := range values {
			if !fits(f.Value, v) {
				return fmt.Errorf("%s is not compared with %v", c.Field, v)
			}
		}
		return nil
	case contract.Eq, contract.Ne, contract.Gt, contract.Gte, contract.Lt, contract.Lte:
		if !fits(f.Value, c.Value) {
			return fmt.Errorf("%s is not compared with %v", c.Field, c.Value)
		}
		return nil
	}
	return fmt.Errorf("%q is not an operator", c.Op)
}

// fits reports whether a value may be compared with a field of a type; the empty type is not known, and takes any scalar.
func fits(t contract.ValueType, v any) bool {
	switch reflect.ValueOf(v).Kind() {
	case reflect.String:
		return t == "" || t == contract.Text || t == contract.Timestamp
	case reflect.Bool:
		return t == "" || t == contract.Boolean
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Float64:
		return t == "" || numeric(t)
	}
	return false
}
