package insight

import (
	"fmt"
	"slices"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Known is what a claim may name.
type Known interface {
	// Metric returns the definition in use of the id; false if there is none.
	Metric(contract.MetricID) (contract.Definition, bool)
	// Parameter returns the definition of a parameter; false if there is none.
	Parameter(contract.ParameterName) (contract.Parameter, bool)
}

var kinds = []contract.InsightKind{
	contract.LevelInsight, contract.DifferenceInsight, contract.ChangeInsight, contract.ForecastInsight, contract.MoverInsight,
}

// Check returns nil for a claim that can be ordered, or an Invalid fault saying what is wrong with it.
func (c Claim) Check(l Known) error {
	switch {
	case !slices.Contains(kinds, c.Kind):
		return bad("kind %q must be one of %v", c.Kind, kinds)
	case (c.Kind == contract.DifferenceInsight) != (c.Against != nil):
		return bad("a difference, and nothing else, needs against: the other group")
	case c.Kind == contract.DifferenceInsight && (c.Scope == nil || contract.Same(c.Scope, c.Against)):
		return bad("a difference needs a scope other than against")
	case c.Tolerance < 0 || c.Tolerance >= 1 || c.LaterTolerance < 0 || c.LaterTolerance >= 1:
		return bad("tolerances must lie between 0 and 1")
	}
	if c.Metric != "" {
		d, ok := l.Metric(c.Metric)
		if !ok {
			return bad("metric %q must be defined", c.Metric)
		}
		if !Fits(c.Kind, &d) {
			return bad("a %s cannot be claimed of %s, which is a %s metric%s", c.Kind, c.Metric, d.Type, without(d.Dimension))
		}
	}
	for at, s := range map[string]*contract.Condition{"scope": c.Scope, "against": c.Against} {
		if err := selects(s, l); err != nil {
			return bad("%s: %v", at, err)
		}
	}
	return nil
}

func without(dimension string) string {
	if dimension == "" {
		return " without a dimension"
	}
	return ""
}

func bad(format string, args ...any) error {
	return fault.New(fault.Invalid, fault.BadDefinition, format, args...)
}

var operators = []contract.Operator{
	contract.Eq, contract.Ne, contract.Gt, contract.Gte, contract.Lt, contract.Lte, contract.In, contract.Exists,
}

// selects returns nil if the condition selects customers: by their history up to the window's end, or by parameters.
func selects(c *contract.Condition, l Known) error {
	if c == nil {
		return nil
	}
	forms := 0
	for _, has := range []bool{len(c.All) > 0, len(c.Any) > 0, c.Not != nil, c.Field != ""} {
		if has {
			forms++
		}
	}
	if forms != 1 {
		return fmt.Errorf("needs exactly one of all, any, not, and a field with op and value")
	}
	for _, branch := range append(slices.Clone(c.All), c.Any...) {
		if err := selects(&branch, l); err != nil {
			return err
		}
	}
	if c.Field == "" {
		return selects(c.Not, l)
	}
	return compares(c, l)
}

func compares(c *contract.Condition, l Known) error {
	_, history := contract.FieldOf(contract.Customer, c.Field)
	_, parameter := l.Parameter(contract.ParameterName(c.Field))
	_, list := c.List()
	switch {
	case !history && !parameter:
		return fmt.Errorf("%q is neither of a customer's history (%v) nor a defined parameter", c.Field, fields())
	case !slices.Contains(operators, c.Op):
		return fmt.Errorf("%q is not an operator: use one of %v", c.Op, operators)
	case (c.Op == contract.In) != list:
		return fmt.Errorf("the value of %s must be a list for in, and for nothing else", c.Field)
	case c.Op != contract.Exists && c.Value == nil:
		return fmt.Errorf("the value of %s is missing", c.Field)
	}
	return nil
}

func fields() []string {
	names := contract.FieldsOf(contract.Customer)
	slices.Sort(names)
	return names
}
