// Package metric owns metric definitions: which there are, in which versions, and whether one is valid. It does not
// compute: the operational layer does, from the same data.
package metric

import (
	"cmp"
	_ "embed"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/expr-lang/expr"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

//go:embed metrics.yaml
var shipped []byte

// Known says which parameters exist; a definition may only need those.
type Known interface {
	// Has reports whether the parameter is defined.
	Has(contract.ParameterName) bool
}

// Shipped returns the definitions that come with the product, in the file's order.
func Shipped() ([]contract.Definition, error) { return Read(shipped) }

// Read returns the definitions of a YAML list. An unknown field is an error that names it.
func Read(file []byte) ([]contract.Definition, error) {
	var defs []contract.Definition
	if err := Strict(file, &defs); err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	return defs, nil
}

// Problem is one thing wrong with a definition: where, as a JSON pointer, and what to do.
type Problem struct {
	At   string `json:"at"`
	Text string `json:"text"`
}

// Problems lists everything wrong with a definition. It is an error of kind Invalid.
type Problems []Problem

// Error implements error with the first problem and the number of others.
func (p Problems) Error() string {
	s := p[0].At + ": " + p[0].Text
	if len(p) > 1 {
		s += fmt.Sprintf(" (and %d more)", len(p)-1)
	}
	return s
}

// Unwrap gives the problems their kind and code.
func (p Problems) Unwrap() error {
	return &fault.Error{Kind: fault.Invalid, Code: fault.BadDefinition, At: p[0].At, Text: p[0].Text}
}

// Validate returns nil or [Problems] naming every place that is wrong. What it takes can be computed, whatever the grain and
// the scope, as far as those allow it: a definition that the operational layer refuses is refused here, where its place is known.
func Validate(d *contract.Definition, known Known) error {
	v := &validator{d: d, known: known}
	v.shape()
	v.measures()
	v.byType()
	v.foreign()
	v.filter()
	v.dimension()
	v.parameters()
	if len(v.problems) > 0 {
		return v.problems
	}
	return nil
}

type validator struct {
	d        *contract.Definition
	known    Known
	problems Problems
}

func (v *validator) add(at, format string, args ...any) {
	v.problems = append(v.problems, Problem{at, fmt.Sprintf(format, args...)})
}

func (v *validator) shape() {
	if err := v.d.Check(); err != nil {
		f := err.(*fault.Error)
		v.add("/"+strings.ReplaceAll(strings.TrimPrefix(f.At, "metric."), ".", "/"), "%s", f.Text)
	}
	for _, text := range [][2]string{{"/label", v.d.Label}, {"/description", v.d.Description}, {"/owner", v.d.Owner}, {"/steward", v.d.Steward}} {
		if text[1] == "" {
			v.add(text[0], "is missing: every metric says what it is and who answers for it")
		}
	}
	if !slices.Contains([]contract.Unit{contract.Ratio, contract.Money, contract.Count, contract.Points, contract.PerPerson}, v.d.Unit) {
		v.add("/unit", "must be ratio, money, count, points or per_customer")
	}
	if v.d.Better != contract.Up && v.d.Better != contract.Down {
		v.add("/better", "must be up or down")
	}
}

var numeric = []contract.Aggregation{
	contract.Sum, contract.Average, contract.Median, contract.Percentile, contract.Min, contract.Max,
}

func (v *validator) measures() {
	names := map[string]bool{}
	for i, m := range v.d.Measures {
		at := fmt.Sprintf("/measures/%d", i)
		if m.Name == "" || names[m.Name] {
			v.add(at+"/name", "must be given and unique")
		}
		names[m.Name] = true
		v.measure(at, m)
	}
}

func (v *validator) measure(at string, m contract.Measure) {
	f, ok := contract.FieldOf(m.Entity, m.Field)
	switch {
	case !known(m.Entity):
		v.add(at+"/entity", "%q is not an entity: use customer_day, customer, profile or answer", m.Entity)
	case m.Agg == contract.CountRows:
	case m.Field == "":
		v.add(at+"/field", "is missing: %s needs a field", m.Agg)
	case !ok:
		v.add(at+"/field", "%s has no field %q; it has %s", m.Entity, m.Field, list(contract.FieldsOf(m.Entity)))
	case m.Agg == contract.SumBoolean && f.Value != contract.Boolean:
		v.add(at+"/field", "sum_boolean needs a boolean field; %s is %s", m.Field, f.Value)
	case slices.Contains(numeric, m.Agg) && (f.Value == contract.Text || f.Value == contract.Boolean):
		v.add(at+"/field", "%s needs a number; %s is %s", m.Agg, m.Field, f.Value)
	case m.Agg == contract.Percentile && (m.Percentile == nil || *m.Percentile <= 0 || *m.Percentile >= 1):
		v.add(at+"/percentile", "must lie between 0 and 1")
	case m.Agg != contract.Percentile && m.Percentile != nil:
		v.add(at+"/percentile", "belongs to the aggregation percentile; this is %s", m.Agg)
	case m.Agg == contract.Min || m.Agg == contract.Max:
		v.add(at+"/agg", "the smallest and the largest value are one customer's own: use percentile")
	case !slices.Contains(append(numeric, contract.CountDistinct, contract.SumBoolean), m.Agg):
		v.add(at+"/agg", "%q is not an aggregation", m.Agg)
	}
	v.offset(at+"/offset", m)
	v.condition(at+"/filter", m.Entity, m.Filter)
}

func (v *validator) condition(at string, e contract.Entity, c *contract.Condition) {
	if c == nil {
		return
	}
	for i := range c.All {
		v.condition(fmt.Sprintf("%s/all/%d", at, i), e, &c.All[i])
	}
	for i := range c.Any {
		v.condition(fmt.Sprintf("%s/any/%d", at, i), e, &c.Any[i])
	}
	v.condition(at+"/not", e, c.Not)
	forms := 0
	for _, has := range []bool{len(c.All) > 0, len(c.Any) > 0, c.Not != nil, c.Field != ""} {
		if has {
			forms++
		}
	}
	if forms != 1 {
		v.add(at, "needs exactly one of all, any, not, and a field with op and value")
	}
	if c.Field != "" {
		v.comparison(at, e, c)
	}
}

func (v *validator) comparison(at string, e contract.Entity, c *contract.Condition) {
	f, ok := contract.FieldOf(e, c.Field)
	if !ok {
		v.add(at+"/field", "%s has no field %q; it has %s", e, c.Field, list(contract.FieldsOf(e)))
	}
	values, isList := c.List()
	switch {
	case !slices.Contains([]contract.Operator{contract.Eq, contract.Ne, contract.Gt, contract.Gte, contract.Lt, contract.Lte, contract.In, contract.Exists}, c.Op):
		v.add(at+"/op", "%q is not an operator: use eq, ne, gt, gte, lt, lte, in or exists", c.Op)
		return
	case c.Op == contract.Exists:
		if _, truth := c.Value.(bool); c.Value != nil && !truth {
			v.add(at+"/value", "exists takes true or false")
		}
		return
	case c.Value == nil:
		v.add(at+"/value", "is missing")
		return
	case (c.Op == contract.In) != isList:
		v.add(at+"/value", "must be a text, a number or a boolean; a list of those for in")
		return
	case c.Op != contract.In:
		values = []any{c.Value}
	}
	if e == contract.Profile || !ok {
		f.Value = "" // only the collected values tell
	}
	for _, x := range values {
		if !fits(f.Value, x) {
			v.add(at+"/value", "%s is %s: it cannot be compared with %v", c.Field, cmp.Or(string(f.Value), "a text, a number or a boolean"), x)
		}
	}
}

// fits reports whether a value may be compared with a field of a type; the empty type is not known, and takes any scalar.
func fits(t contract.ValueType, v any) bool {
	switch reflect.ValueOf(v).Kind() {
	case reflect.String:
		return t == "" || t == contract.Text || t == contract.Timestamp
	case reflect.Bool:
		return t == "" || t == contract.Boolean
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Float64:
		return t == "" || slices.Contains([]contract.ValueType{contract.Integer, contract.Decimal, contract.AmountOf, contract.Score}, t)
	}
	return false
}

func (v *validator) byType() {
	d := v.d
	switch d.Type {
	case contract.Simple, contract.Cumulative:
		v.cumulative()
		if len(d.Measures) != 1 {
			v.add("/measures", "a %s metric has exactly one measure; this one has %d", d.Type, len(d.Measures))
		}
	case contract.RatioOf:
		v.summed()
		for _, part := range [][2]string{{"/numerator", d.Numerator}, {"/denominator", d.Denominator}} {
			if !slices.ContainsFunc(d.Measures, func(m contract.Measure) bool { return m.Name == part[1] }) {
				v.add(part[0], "names no measure: %q", part[1])
			}
		}
	case contract.Derived:
		v.expression()
	case contract.RetentionOf:
		v.retention()
	case contract.Conversion:
		v.conversion()
	case contract.ModelOf:
		v.model()
	}
}

// maxNodes bounds a derived metric's expression.
const maxNodes = 200

func (v *validator) expression() {
	v.summed()
	if len(v.d.Measures) == 0 {
		v.add("/measures", "is missing: an expression is over measures")
	}
	env := map[string]any{}
	for _, m := range v.d.Measures {
		env[m.Name] = 0.0
	}
	if _, err := expr.Compile(v.d.Expression, expr.Env(env), expr.AsFloat64(), expr.MaxNodes(maxNodes)); err != nil {
		v.add("/expression", "%v", err)
	}
}

// models lists what can be read off which model.
var models = map[string]string{"bg_nbd_gamma_gamma": "residual_value", "mbg_nbd": "share_alive"}

func (v *validator) model() {
	m := v.d.Model
	switch {
	case m == nil:
		v.add("/model", "is missing")
	case models[m.Name] == "":
		v.add("/model/name", "%q is not a model: use bg_nbd_gamma_gamma or mbg_nbd", m.Name)
	case models[m.Name] != m.Output:
		v.add("/model/output", "%s gives %s, not %q", m.Name, models[m.Name], m.Output)
	case m.Output == "residual_value" && (m.Horizon < 1 || m.Horizon > 520):
		v.add("/model/horizon", "must be 1 to 520 weeks")
	case m.Discount < 0 || m.Discount > 1:
		v.add("/model/discount", "must be a yearly rate of 0 to 1, such as 0.1")
	}
}

func (v *validator) parameters() {
	for i, p := range v.d.Parameters {
		if !v.known.Has(p) {
			v.add(fmt.Sprintf("/parameters/%d", i), "%q is not a defined parameter: define it first", p)
		}
	}
	at, ms := v.counted()
	for i, m := range ms {
		v.reads(at[i], m)
	}
}

// reads checks that the parameters that a measure's field and filter come from are among the metric's.
func (v *validator) reads(what string, m contract.Measure) {
	names := append(named(m.Filter), m.Field)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if f, ok := contract.FieldOf(m.Entity, name); ok && f.Parameter != "" && !slices.Contains(v.d.Parameters, f.Parameter) {
			v.add("/parameters", "%s reads %s, so the metric needs the parameter %s", what, name, f.Parameter)
		}
	}
}

// named returns the fields that a condition names.
func named(c *contract.Condition) []string {
	if c == nil {
		return nil
	}
	names := append(named(c.Not), c.Field)
	for _, children := range [][]contract.Condition{c.All, c.Any} {
		for i := range children {
			names = append(names, named(&children[i])...)
		}
	}
	return slices.DeleteFunc(names, func(n string) bool { return n == "" })
}

func list(names []string) string {
	if len(names) == 0 {
		return "a field per parameter"
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
