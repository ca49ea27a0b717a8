package insight

import (
	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// sides is how many fits the value is made of: of a difference one for each group, of a change one for each window.
func (p *prognosis) sides() int {
	if p.g.c.double() {
		return 2
	}
	return 1
}

// wholeDays is all that a customer did.
func wholeDays(b *buyer) []fact.CustomerDay { return b.days }

// until is the day up to which a side knows what customers did.
func (p *prognosis) until(side int) contract.Day {
	if side == 1 && p.g.c.pinned() {
		return p.before
	}
	return p.asOf
}

// figure is the value given what is known of each customer, with the influence of each of them, 0 of those in no fit.
func (p *prognosis) figure(days func(b *buyer) []fact.CustomerDay) (*fitted, error) {
	var whole *fitted
	for side := range p.sides() {
		f, at, err := p.side(side, days)
		if err != nil {
			return nil, err
		}
		if whole == nil {
			if whole = f; p.sides() == 1 && len(at) == len(p.buyers) {
				return f, nil
			}
			whole.psi = p.spread(f, at)
			continue
		}
		whole.value.Value, whole.base, whole.against = whole.value.Value-f.value.Value, f.value.Value, f.expected
		for i, x := range p.spread(f, at) {
			whole.psi[i] -= x
		}
	}
	var err error
	whole.value, err = validity.FromInfluences(whole.value.Value, whole.psi, p.g.of(), p.output() == outputAlive)
	return whole, err
}

// side fits to the customers of one side; at says which they are.
func (p *prognosis) side(side int, days func(b *buyer) []fact.CustomerDay) (f *fitted, at []int, err error) {
	var known []btyd.Summary
	for i := range p.buyers {
		if s, in := p.known(side, &p.buyers[i], days); in {
			known, at = append(known, s), append(at, i)
		}
	}
	if len(known) == 0 {
		return nil, nil, fault.New(fault.Invalid, fault.NoData, "nobody is left to fit a model to")
	}
	f, err = p.fit(known)
	return f, at, err
}

// known is what a side knows of a customer; false if they are not of it.
func (p *prognosis) known(side int, b *buyer, days func(b *buyer) []fact.CustomerDay) (btyd.Summary, bool) {
	s, ok := summarise(days(b), p.until(side))
	return s, ok && b.in[p.g.c.program(side)]
}

// spread is the influence of each of all customers, given that of those in a fit.
func (p *prognosis) spread(f *fitted, at []int) []float64 {
	psi := make([]float64, len(p.buyers))
	for n, i := range at {
		psi[i] = f.psi[n] * float64(len(p.buyers)) / float64(len(at))
	}
	return psi
}
