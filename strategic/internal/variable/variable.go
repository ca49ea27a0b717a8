// Package variable owns the strategic variables: what the company wants more of. Ten ship with Strata, and a company adds
// its own. It owns no goal on them.
package variable

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Variable is something that the company wants more of.
type Variable struct {
	ID          contract.Variable `json:"id"` // snake case
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Purpose     contract.Purpose  `json:"purpose"` // what data about customers is used for to pursue it, unless a directive says otherwise
	Shipped     bool              `json:"shipped"`
}

var shipped = []Variable{
	{contract.Loyalty, "Loyalty", "Customers come back and stay by choice.", "retention_analysis", true},
	{contract.Advocacy, "Advocacy", "Customers recommend the company.", "satisfaction_analysis", true},
	{contract.LifetimeValue, "Lifetime value", "What a customer is worth over the time to come.", "value_analysis", true},
	{contract.Satisfaction, "Satisfaction", "Customers get what they expected.", "satisfaction_analysis", true},
	{contract.Centricity, "Customer centricity", "Customers are reached as they wish to be.", "service_improvement", true},
	{contract.Resilience, "Resilience", "Revenue rests on many customers and recovers from shocks.", "value_analysis", true},
	{contract.Sustainability, "Sustainability", "Less is returned, wasted and printed.", "service_improvement", true},
	{contract.Innovation, "Innovation", "New products find customers.", "value_analysis", true},
	{contract.Acquisition, "Acquisition", "New customers come at a bearable cost.", "acquisition_analysis", true},
	{contract.Retention, "Retention", "Customers who bought buy again.", "retention_analysis", true},
}

// Shipped returns the variables that come with Strata.
func Shipped() []Variable { return slices.Clone(shipped) }

// Store keeps the company's own variables.
type Store interface {
	// AddVariable stores a variable; Conflict if there is one of its id.
	AddVariable(ctx context.Context, v Variable) error
	// OwnVariables returns the company's own, by id.
	OwnVariables(ctx context.Context) ([]Variable, error)
}

// Catalogue is every variable in use.
type Catalogue struct{ store Store }

// NewCatalogue returns the shipped variables together with those in the store.
func NewCatalogue(s Store) *Catalogue { return &Catalogue{s} }

// List returns every variable, those that ship first.
func (c *Catalogue) List(ctx context.Context) ([]Variable, error) {
	own, err := c.store.OwnVariables(ctx)
	return append(Shipped(), own...), err
}

// Get returns the variable of the id; Invalid with code unknown_variable, naming what there is, if there is none.
func (c *Catalogue) Get(ctx context.Context, id contract.Variable) (Variable, error) {
	all, err := c.List(ctx)
	if err != nil {
		return Variable{}, err
	}
	var names []string
	for _, v := range all {
		if v.ID == id {
			return v, nil
		}
		names = append(names, string(v.ID))
	}
	return Variable{}, &fault.Error{Kind: fault.Invalid, Code: fault.UnknownVariable, At: "/variable",
		Text: "there is no such variable: choose one of " + strings.Join(names, ", ") + ", or add your own first"}
}

var snake = regexp.MustCompile(`^[a-z][a-z0-9_]{1,39}$`)

// Add stores a variable of the company's own; Invalid where a part is missing, Conflict if the id is taken.
func (c *Catalogue) Add(ctx context.Context, v Variable) error {
	v.Shipped = false
	switch {
	case !snake.MatchString(string(v.ID)):
		return &fault.Error{Kind: fault.Invalid, Code: fault.MissingField, At: "/id", Text: "the id is 2 to 40 small letters, digits and underscores, such as warmth"}
	case strings.TrimSpace(v.Name) == "":
		return &fault.Error{Kind: fault.Invalid, Code: fault.MissingField, At: "/name", Text: "name the variable as people in the company do"}
	case !snake.MatchString(string(v.Purpose)):
		return &fault.Error{Kind: fault.Invalid, Code: fault.MissingField, At: "/purpose", Text: "say for which purpose customers' data will be used, such as service_improvement"}
	case slices.ContainsFunc(shipped, func(s Variable) bool { return s.ID == v.ID }):
		return fault.New(fault.Conflict, "", "variable %s comes with Strata: choose another id", v.ID)
	}
	return c.store.AddVariable(ctx, v)
}
