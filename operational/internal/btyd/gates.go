package btyd

import "github.com/strata-crm/strata/shared/fault"

// Version is that of the models as this package computes them, major.minor.patch: a major one starts new series.
const Version = "1.0.0"

// Gates says what a population must have before a model is fitted to it. The zero value lets everything pass; a fit
// then still fails when its maximum is not a proper one.
type Gates struct {
	MinWeeks     float64 // weeks of history, from the first purchase of any customer to the as-of day
	MinRepeaters int     // customers with a repeat purchase day
}

// DefaultGates are those of the product: a shorter history or fewer repeaters leave the dropout parameters on a ridge.
func DefaultGates() Gates { return Gates{MinWeeks: 13, MinRepeaters: 500} }

func (g Gates) check(p *Population) error {
	if p.weeks < g.MinWeeks {
		return notIdentified("the history spans %.2f weeks and the model needs %g: wait for more data", p.weeks, g.MinWeeks)
	}
	return g.checkRepeaters(p.repeaters)
}

func (g Gates) checkRepeaters(repeaters int) error {
	if repeaters < g.MinRepeaters {
		return notIdentified("%d customers came back and the model needs %d: wait for more data or widen the selection",
			repeaters, g.MinRepeaters)
	}
	return nil
}

// fit maximises the likelihood of p once the gates have let it pass.
func (g Gates) fit(p *Population, l likelihood, starts [][]float64) (*estimate, error) {
	if err := g.check(p); err != nil {
		return nil, err
	}
	e, err := maximise(l, starts)
	if err != nil {
		return nil, err
	}
	e.population = p
	return e, nil
}

func notIdentified(format string, args ...any) error {
	return fault.New(fault.Conflict, fault.ModelNotIdentified, format, args...)
}
