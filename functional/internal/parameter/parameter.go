// Package parameter owns the data about customers that metrics may need: their types, who answers for them, and where
// in a collected item each is found. It does not collect.
package parameter

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"

	"github.com/strata-crm/strata/functional/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

//go:embed parameters.yaml
var shipped []byte

// Catalogue is the set of defined parameters. The purpose of one is set by the playbook that asks for it.
type Catalogue struct {
	byName map[contract.ParameterName]contract.Parameter
}

// Shipped returns the parameters that come with the product.
func Shipped() (*Catalogue, error) { return Read(shipped) }

// Read returns the catalogue of a YAML list. Unknown fields and doubled names are errors. A parameter without an owner or a steward has those that
// governance names for its type of data.
func Read(file []byte) (*Catalogue, error) {
	var list []contract.Parameter
	if err := metric.Strict(file, &list); err != nil {
		return nil, fmt.Errorf("parameters: %w", err)
	}
	c := &Catalogue{map[contract.ParameterName]contract.Parameter{}}
	return c, c.add(list)
}

func (c *Catalogue) add(list []contract.Parameter) error {
	for _, p := range list {
		if text := wrong(&p); text != "" {
			return fault.New(fault.Invalid, fault.BadDefinition, "parameter %q %s", p.Name, text)
		}
		if c.Has(p.Name) {
			return fault.New(fault.Invalid, fault.BadDefinition, "parameter %s is defined twice", p.Name)
		}
		c.byName[p.Name] = p
	}
	return nil
}

var (
	dataTypes = []contract.DataType{contract.Identification, contract.Descriptive, contract.Probe, contract.Transactional, contract.Conversed}
	values    = []contract.ValueType{contract.Text, contract.Integer, contract.Decimal, contract.AmountOf, contract.Boolean, contract.Timestamp, contract.Score}
	calls     = []string{"identify", "track"}
)

// wrong says what a parameter lacks; empty if nothing.
func wrong(p *contract.Parameter) string {
	switch _, ok := contract.FieldOf(contract.Profile, string(p.Name)); {
	case !ok: // every parameter may be a field of the profile
		return "needs a name in snake case, such as order_amount"
	case !slices.Contains(dataTypes, p.DataType):
		return fmt.Sprintf("needs a dataType: one of %v", dataTypes)
	case !slices.Contains(values, p.Value):
		return fmt.Sprintf("needs a valueType: one of %v", values)
	case p.Coverage <= 0 || p.Coverage > 1:
		return "needs a requiredCoverage above 0 and up to 1"
	case !slices.Contains(calls, p.Method.Call) || p.Method.Property == "":
		return fmt.Sprintf("needs a method with a call, one of %v, and a property", calls)
	case (p.Method.Call == "track") != (p.Method.Event != ""):
		return "needs a method with an event if, and only if, its call is track"
	}
	return ""
}

// With returns a catalogue with the parameters of a further YAML list added.
func (c *Catalogue) With(file []byte) (*Catalogue, error) {
	more, err := Read(file)
	if err != nil {
		return nil, err
	}
	for name, p := range c.byName {
		if !more.Has(name) {
			more.byName[name] = p
		}
	}
	return more, nil
}

// Has implements metric.Known.
func (c *Catalogue) Has(n contract.ParameterName) bool { _, ok := c.byName[n]; return ok }

// Get returns the parameter of the name.
func (c *Catalogue) Get(n contract.ParameterName) (contract.Parameter, bool) {
	p, ok := c.byName[n]
	return p, ok
}

// All returns every parameter by name.
func (c *Catalogue) All() []contract.Parameter {
	all := make([]contract.Parameter, 0, len(c.byName))
	for _, name := range slices.Sorted(maps.Keys(c.byName)) {
		all = append(all, c.byName[name])
	}
	return all
}
