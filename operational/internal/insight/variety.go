package insight

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
)

// variety leaves out each way in which facts came.
func (g *gather) variety(l *look, limit *int64, unparsed float64, j int) (validity.Finding, error) {
	if g.c.total() && !g.c.pinned() {
		// Every way adds its part to a sum: leaving one out tells how large it is and nothing of whether the others agree.
		return validity.Finding{Verdict: contract.NotEnoughData, Reason: sumOfFormats, Band: g.c.tolerance.Size}, nil
	}
	var rows []*row
	for i := range g.rows {
		if g.rows[i].counts {
			rows = append(rows, &g.rows[i])
		}
	}
	d, err := g.divide(rows)
	if err != nil {
		return validity.Finding{}, err
	}
	return g.varied(l, d, unparsed, j, func(k keep) (validity.Estimate, error) { return g.without(l, limit, k) }, func(group uint64) float64 { return g.share(d, group) })
}

// sumOfFormats is why variety is not asked of a sum.
const sumOfFormats validity.Reason = "sum_of_formats"

// varied asks for the variety of a division, given how far the value moves when some is kept, and which share each group holds.
func (g *gather) varied(l *look, d division, unparsed float64, j int,
	left func(k keep) (validity.Estimate, error), share func(group uint64) float64) (validity.Finding, error) {
	if len(d.groups) < 2 {
		return validity.Variety(nil, unparsed, g.c.tolerance.Size, math.NaN(), j).Finding, nil
	}
	var formats []validity.Format
	shown := true
	for _, group := range d.groups {
		ownKeep, rest := g.parts(d, group)
		without, err := left(rest)
		if err != nil {
			return validity.Finding{}, err
		}
		without.Peak = l.now.Peak
		own, err := left(ownKeep)
		if err != nil {
			return validity.Finding{}, err
		}
		formats = append(formats, validity.Format{Name: nameOf(group), Without: without, Own: own})
		shown = shown && group.Shown()
	}
	found := validity.Variety(formats, unparsed, g.c.tolerance.Size, g.toTarget(l.now), j)
	l.leftOut = d.by
	for i, f := range found.Formats {
		if d.groups[i].Shown() {
			l.formats = append(l.formats, contract.Left{Format: f.Name, Effect: finite(f.Effect), Margin: finite(f.Margin), Gap: finite(f.Gap),
				Share: share(d.groups[i].Formats), Contradicts: f.Contradicts, Tips: f.Tips})
		}
	}
	slices.SortFunc(l.formats, func(a, b contract.Left) int { return cmp.Compare(a.Format, b.Format) })
	if !shown {
		found.Hidden, found.Effect, found.Margin, found.LogE = true, 0, 0, 0
	}
	if d.by == contract.ByCohort && found.Verdict == contract.Fails {
		found.Verdict, found.Reason, found.LogE = contract.Weakening, validity.Segment, 0
	}
	return found.Finding, nil
}

func nameOf(g validity.FormatGroup) string {
	if len(g.Names) == 1 {
		return g.Names[0]
	}
	return "other"
}

// without is how far the value moves when only facts that are kept count.
func (g *gather) without(l *look, limit *int64, k keep) (validity.Estimate, error) {
	m, err := validity.NewMoments(2 * g.c.form.width())
	if err != nil {
		return validity.Estimate{}, err
	}
	var vectors [][]int64
	for i := range g.rows {
		r := &g.rows[i]
		if !r.counts {
			continue
		}
		p, err := g.left(r, k)
		if err != nil {
			return validity.Estimate{}, err
		}
		z := g.c.form.numbers(g.c.form.numbers(nil, g.terms(r.whole, limit)), g.terms(p, limit))
		vectors = append(vectors, z)
		if err := m.Add(z); err != nil {
			return validity.Estimate{}, err
		}
	}
	f := g.form()
	e, coef := f.effect(m, g.of(), l.now.Bounded, g.c.tolerance.Absolute)
	e.Peak = peakOf(coef, f.centre(coef, means(m)), vectors)
	return e, nil
}

// peakOf is the largest share of one customer in the variance of an influence with a mean of middle.
func peakOf(coef []float64, middle float64, vectors [][]int64) float64 {
	psi := make([]float64, len(vectors))
	for i, z := range vectors {
		psi[i] = validity.Linear{Coef: coef}.At(z) - middle
	}
	return validity.Peak(psi)
}

// left is what a customer adds when only facts that are kept count.
func (g *gather) left(r *row, k keep) (part, error) {
	switch {
	case k.customer != nil && k.customer(r), k.fact != nil && r.mixed == nil && k.fact(g.only(r)):
		return r.whole, nil
	case k.fact != nil && r.mixed != nil:
		return g.part(r.mixed.with(k.fact))
	}
	return part{terms: g.c.nothing(), keys: r.whole.keys}, nil
}

// only is the one way in which a customer's facts came.
func (g *gather) only(r *row) origin {
	o := origin{trust: "unknown"}
	if r.known {
		o.trust = verified
	}
	o.format, o.source = nameIn(g.formats, r.uses), nameIn(g.sources, r.sources)
	return o
}

// nameIn is the only name of a set.
func nameIn(names []string, set uint64) string {
	if at := bits.TrailingZeros64(set); at < len(names) {
		return names[at]
	}
	return ""
}

// share is the part of the total that is of some groups, counting a customer of several by halves and so on: exactly
// enough for a chart.
func (g *gather) share(d division, group uint64) float64 {
	var all, part float64
	for i := range g.rows {
		r := &g.rows[i]
		if !r.counts {
			continue
		}
		w := g.weight(r)
		all += w
		part += w * float64(ones(d.row(r)&group)) / float64(max(1, ones(d.row(r))))
	}
	if all == 0 {
		return 0
	}
	return part / all
}

// weight is how much of the value is a customer's.
func (g *gather) weight(r *row) float64 {
	t := r.whole.terms[0]
	if g.c.money() && !g.c.ranked() || t.Den == 0 {
		return math.Abs(float64(t.Num))
	}
	return math.Abs(float64(t.Den))
}

func ones(x uint64) int { return bits.OnesCount64(x) }
