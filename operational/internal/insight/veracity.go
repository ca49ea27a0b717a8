package insight

import (
	"math"

	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
)

// veracity takes away what came from sources that nobody verified.
func (g *gather) veracity(l *look, limit *int64, j int) (validity.Finding, error) {
	e, err := g.without(l, limit, facts(func(o origin) bool { return o.trust == verified }))
	if err != nil {
		return validity.Finding{}, err
	}
	unknown, customers := g.unverified(limit)
	return g.verified(l, e, unknown, customers, j), nil
}

// verified asks for the veracity, given how far the value moves without what nobody verified, its share, and how many
// customers it is of.
func (g *gather) verified(l *look, e validity.Estimate, unknown float64, customers int64, j int) validity.Finding {
	e.Peak = l.now.Peak
	scale := g.scale(l.now.Value)
	found := validity.Veracity(e, unknown, g.c.tolerance.Size, plausible*scale, j)
	if customers > 0 && customers < smallestGroup || customers < l.now.N && l.now.N-customers < smallestGroup {
		found.Effect, found.Margin, found.LogE = 0, 0, 0
		return found.Finding
	}
	l.unknown = &contract.Unverified{Share: finite(unknown)}
	if unknown > 0 {
		tipping := found.Tipping / scale
		l.unknown.Tipping = &tipping
		if far := g.toTarget(l.now); !math.IsNaN(far) {
			cross := math.Abs(far) / unknown / scale
			l.unknown.ToTarget = &cross
		}
	}
	return found.Finding
}

// scale is what an error of 100 % means in the unit of the tolerance: all of the value, or of the unit's scale where the
// value may lie near zero.
func (g *gather) scale(value float64) float64 {
	if !g.c.tolerance.Absolute || g.c.ranked() {
		return 1
	}
	if g.st.Base != nil {
		return math.Abs(*g.st.Base)
	}
	if g.c.order.Metric.Unit == contract.Points {
		return 100
	}
	if g.c.order.Metric.Unit == contract.Ratio {
		return 1
	}
	return math.Abs(value)
}

// unverified is the share of the value that rests on sources that nobody verified, and how many customers have facts of them:
// of its numerator or, where that has signs or is a rank, of its denominator; of another function the largest share of any sum.
func (g *gather) unverified(limit *int64) (share float64, customers int64) {
	w := g.c.form.figure.width()
	all, known := make([]float64, w), make([]float64, w)
	signed := g.c.ranked()
	for i := range g.rows {
		r := &g.rows[i]
		if !r.counts {
			continue
		}
		p := r.whole
		if r.unknown {
			customers++
			var err error
			if p, err = g.left(r, facts(func(o origin) bool { return o.trust == verified })); err != nil {
				continue
			}
		}
		whole := g.terms(r.whole, limit)[:1]
		signed = signed || whole[0].Num < 0
		addTo(all, g.c.form.numbers(nil, whole))
		addTo(known, g.c.form.numbers(nil, g.terms(p, limit)[:1]))
	}
	lost := func(n int) float64 { return max(0, 1-known[n]/all[n]) }
	switch {
	case g.c.curved():
		for n := range all {
			if all[n] > 0 {
				share = max(share, lost(n))
			}
		}
	case !signed && all[0] > 0:
		share = lost(0)
	case all[1] > 0:
		share = lost(1)
	}
	return share, customers
}

func addTo(sums []float64, z []int64) {
	for i, x := range z {
		sums[i] += float64(x)
	}
}
