package insight

import (
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
)

// A percentile is claimed as a rank: the share of all numbers below the one that was published stays what it was. What a person
// is shown is the number itself, between those at the ends of the rank's interval.

// maxRanks is how far a rank may be allowed to move: the tenth part of all.
const maxRanks = .10

// ranked reports whether the value is a percentile.
func (c *claim) ranked() bool { _, is := c.form.figure.(rank); return is }

// ranks is the tolerance of a percentile: what was ordered as a share is one of ranks.
func (c *claim) ranks() validity.Tolerance {
	size := min(c.tolerance.Size, maxRanks)
	if c.order.Absolute || !(c.order.Tolerance > 0) {
		size = validity.Quantile.DefaultTolerance().Size
	}
	return validity.Tolerance{Size: size, Absolute: true}
}

// values are a customer's numbers for a percentile.
func values(p *metric.Program, s *metric.Subject, at metric.Span) []float64 {
	var out []float64
	for _, v := range p.Values(s, at) {
		if x, ok := v.(float64); ok {
			out = append(out, x)
		}
	}
	return out
}

// placed is the term of a customer's numbers below a quantile, in all, and at it; before there is one, none is below.
func placed(quantile *float64, numbers []float64) term {
	t := term{Term: validity.Term{Den: int64(len(numbers))}}
	if quantile == nil || len(numbers) == 0 {
		return t
	}
	at := int64(0)
	for _, x := range numbers {
		switch {
		case x < *quantile:
			t.Num++
		case x == *quantile:
			at++
		}
	}
	t.more = []int64{at}
	return t
}

// numbers are those of all customers who count.
func (g *gather) numbers() []float64 {
	var all []float64
	for i := range g.rows {
		if g.rows[i].counts {
			all = append(all, g.rows[i].numbers...)
		}
	}
	return all
}

// place takes the shares below the quantile of the customers read so far.
func (g *gather) place() error {
	q, err := validity.QuantileOf(g.numbers(), g.c.shape.Level)
	if err != nil {
		return err
	}
	return g.placeAt(q)
}

func (g *gather) placeAt(q float64) error {
	g.c.quantile = &q
	for i := range g.rows {
		g.rows[i].whole.terms = []term{placed(&q, g.rows[i].numbers)}
	}
	var err error
	g.raw, err = g.sumOf(nil)
	return err
}

// rankOf is what is told of a percentile that is published now: where the allowed ranks end.
func (g *gather) rankOf() (*contract.RankOf, error) {
	all, p := g.numbers(), g.c.shape.Level
	r := &contract.RankOf{Level: p, Published: *g.c.quantile}
	within, err := validity.QuantileRange(all, p, g.c.tolerance.Size)
	r.Low, r.High = within.Low, within.High
	return r, err
}

// number is a percentile of some numbers, and how far the ends of its interval lie from it at most, given half the width of
// the interval of its rank.
func (g *gather) number(all []float64, half float64) (value, width float64, err error) {
	p := g.c.shape.Level
	if value, err = validity.QuantileOf(all, p); err != nil {
		return 0, 0, err
	}
	if half == 0 {
		return value, 0, nil
	}
	r, err := validity.QuantileRange(all, p, half)
	return value, max(value-r.Low, r.High-value), err
}
