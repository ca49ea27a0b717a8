package insight

import (
	"cmp"
	"math"
	"slices"

	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
)

// examine asks the five questions.
func (g *gather) examine(l *look, limit *int64, unparsed float64) error {
	j := g.windows(g.at.Until)
	volume := l.st.Standing.Volume(l.now, j)
	variety, err := g.variety(l, limit, unparsed, j)
	if err != nil {
		return err
	}
	tail, err := g.tailOf(l, limit, j)
	if err != nil {
		return err
	}
	veracity, err := g.veracity(l, limit, j)
	if err != nil {
		return err
	}
	l.judge(g, []validity.Finding{volume, l.velocity(), variety, validity.Gravest(tail, l.spread()), veracity})
	l.half = l.now.Today(validity.Holding())
	if j > 0 {
		l.half = l.now.Today(validity.Holding().Spend(j))
	}
	l.aboveCap = g.aboveCap(limit)
	l.looks = g.funnel(limit)
	l.smallest = g.smallest()
	return nil
}

// judge latches what was found.
func (l *look) judge(g *gather, found []validity.Finding) {
	v := contract.Verdicts{Volume: found[0].Verdict, Velocity: found[1].Verdict, Variety: found[2].Verdict,
		Variability: found[3].Verdict, Veracity: found[4].Verdict}
	standing := l.st.Standing.Judge(v)
	l.st.Split = v.Variety == contract.Fails || v.Veracity == contract.Fails
	l.st.Standing = &standing
	if l.st.fallen() && g.news {
		l.st.Fell++
		if l.st.Fell == 1 {
			l.st.Since = g.at.Until
		}
	}
	l.findings, l.st.LogE = nil, nil
	for i, q := range questions(standing.Verdicts) {
		f := found[i]
		l.findings = append(l.findings, contract.Finding{Question: q.question, Verdict: q.verdict, Why: string(f.Reason),
			Effect: finite(f.Effect), Margin: finite(f.Margin), Band: f.Band, LogE: finite(f.LogE)})
		l.st.LogE = append(l.st.LogE, finite(f.LogE))
	}
}

// most is what stands for a number that has no end: JSON knows none.
const most = 1e9

// finite keeps a number within what a message can hold; one that is none is 0.
func finite(x float64) float64 {
	if math.IsNaN(x) {
		return 0
	}
	return max(-most, min(most, x))
}

// variety leaves out each way in which facts came.
func (g *gather) variety(l *look, limit *int64, unparsed float64, j int) (validity.Finding, error) {
	if g.c.total() && !g.c.pinned() {
		// Every way adds its part to a sum: leaving one out tells how large it is and nothing of whether the others agree.
		return validity.Finding{Verdict: contract.NotEnoughData, Reason: sumOfFormats, Band: g.c.tolerance.Size}, nil
	}
	groups, err := g.formatGroups()
	if err != nil {
		return validity.Finding{}, err
	}
	return g.varied(l, groups, unparsed, j, func(keep func(origin) bool) (validity.Estimate, error) { return g.without(l, limit, keep) }, g.share)
}

// sumOfFormats is why variety is not asked of a sum.
const sumOfFormats validity.Reason = "sum_of_formats"

// varied asks for the variety of formats, given how far the value moves when some are kept, and which share each holds.
func (g *gather) varied(l *look, groups []validity.FormatGroup, unparsed float64, j int,
	left func(keep func(origin) bool) (validity.Estimate, error), share func(formats uint64) float64) (validity.Finding, error) {
	var formats []validity.Format
	shown := true
	for _, group := range groups {
		without, err := left(func(o origin) bool { return group.Formats&(1<<g.format(o.format)) == 0 })
		if err != nil {
			return validity.Finding{}, err
		}
		without.Peak = l.now.Peak
		own, err := left(func(o origin) bool { return group.Formats&(1<<g.format(o.format)) != 0 })
		if err != nil {
			return validity.Finding{}, err
		}
		formats = append(formats, validity.Format{Name: nameOf(group), Without: without, Own: own})
		shown = shown && group.Shown()
	}
	found := validity.Variety(formats, unparsed, g.c.tolerance.Size, math.NaN(), j)
	for i, f := range found.Formats {
		if groups[i].Shown() {
			l.formats = append(l.formats, contract.Left{Format: f.Name, Effect: finite(f.Effect), Margin: finite(f.Margin), Gap: finite(f.Gap),
				Share: share(groups[i].Formats), Contradicts: f.Contradicts})
		}
	}
	slices.SortFunc(l.formats, func(a, b contract.Left) int { return cmp.Compare(a.Format, b.Format) })
	if !shown {
		found.Effect, found.Margin, found.LogE = 0, 0, 0
	}
	return found.Finding, nil
}

func nameOf(g validity.FormatGroup) string {
	if len(g.Names) == 1 {
		return g.Names[0]
	}
	return "other"
}

func (g *gather) formatGroups() ([]validity.FormatGroup, error) {
	uses := make([]uint64, 0, len(g.rows))
	for i := range g.rows {
		if g.rows[i].counts {
			uses = append(uses, g.rows[i].uses)
		}
	}
	return validity.GroupFormats(g.formats, uses)
}

// without is how far the value moves when only facts that are kept count.
func (g *gather) without(l *look, limit *int64, keep func(origin) bool) (validity.Estimate, error) {
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
		p, err := g.left(r, keep)
		if err != nil {
			return validity.Estimate{}, err
		}
		z := append(vector(g.terms(r.whole, limit)), vector(g.terms(p, limit))...)
		vectors = append(vectors, z)
		if err := m.Add(z); err != nil {
			return validity.Estimate{}, err
		}
	}
	e, coef := g.form().effect(m, g.of(), l.now.Bounded, g.c.tolerance.Absolute)
	e.Peak = validity.Linear{Coef: coef}.Peak(vectors)
	return e, nil
}

// left is what a customer adds when only facts that are kept count.
func (g *gather) left(r *row, keep func(origin) bool) (part, error) {
	if r.mixed != nil {
		return g.part(r.mixed.with(keep))
	}
	if keep(g.only(r)) {
		return r.whole, nil
	}
	return part{terms: g.c.nothing(), keys: r.whole.keys}, nil
}

// only is the one way in which a customer's facts came.
func (g *gather) only(r *row) origin {
	o := origin{trust: "unknown"}
	if r.known {
		o.trust = verified
	}
	for i, name := range g.formats {
		if r.uses == 1<<i {
			o.format = name
		}
	}
	return o
}

// share is the part of the total that came in some formats, counting a customer who used several by halves and so on: exactly
// enough for a chart.
func (g *gather) share(formats uint64) float64 {
	var all, part float64
	for i := range g.rows {
		r := &g.rows[i]
		if !r.counts {
			continue
		}
		w := math.Abs(float64(r.whole.terms[0].Den))
		if g.c.money() {
			w = math.Abs(float64(r.whole.terms[0].Num))
		}
		all += w
		part += w * float64(ones(r.uses&formats)) / float64(max(1, ones(r.uses)))
	}
	if all == 0 {
		return 0
	}
	return part / all
}

func ones(x uint64) (n int) {
	for ; x != 0; x &= x - 1 {
		n++
	}
	return n
}

// tailOf takes away the top contributors.
func (g *gather) tailOf(l *look, limit *int64, j int) (validity.Finding, error) {
	var terms []validity.Term
	for i := range g.rows {
		if r := &g.rows[i]; r.counts {
			terms = append(terms, g.terms(r.whole, limit)[0])
		}
	}
	return g.tailed(l, terms, j)
}

func (g *gather) tailed(l *look, terms []validity.Term, j int) (validity.Finding, error) {
	fall, n, err := validity.TailFall(terms, g.of(), l.now.Bounded)
	if err != nil { // no contributor, or a value that is not positive
		return validity.Finding{Verdict: contract.NotEnoughData, Reason: validity.Reason(validity.Undefined)}, nil
	}
	found := validity.Tail(fall, n, j)
	if n < smallestGroup {
		found.Effect, found.Margin = 0, 0
		return found, nil
	}
	l.tail = &contract.TailOf{Fall: finite(fall.Value), Margin: finite(found.Margin), Customers: int64(n), Spread: l.st.Ratio}
	return found, nil
}

// veracity takes away what came from sources that nobody verified.
func (g *gather) veracity(l *look, limit *int64, j int) (validity.Finding, error) {
	e, err := g.without(l, limit, func(o origin) bool { return o.trust == verified })
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
	}
	return found.Finding
}

// scale is what an error of 100 % means in the unit of the tolerance: all of the value, or of the unit's scale where the
// value may lie near zero.
func (g *gather) scale(value float64) float64 {
	if !g.c.tolerance.Absolute {
		return 1
	}
	if g.c.order.Metric.Unit == contract.Points {
		return 100
	}
	if g.c.order.Metric.Unit == contract.Ratio {
		return 1
	}
	return math.Abs(value)
}

// unverified is the share of the value that rests on sources that nobody verified, of its numerator or, where that has
// signs, of its denominator; and how many customers have facts of them.
func (g *gather) unverified(limit *int64) (share float64, customers int64) {
	var num, den, numKnown, denKnown float64
	signed := false
	for i := range g.rows {
		r := &g.rows[i]
		if !r.counts {
			continue
		}
		if r.unknown {
			customers++
		}
		p := r.whole
		if r.unknown {
			var err error
			if p, err = g.left(r, func(o origin) bool { return o.trust == verified }); err != nil {
				continue
			}
		}
		t, known := g.terms(r.whole, limit)[0], g.terms(p, limit)[0]
		signed = signed || t.Num < 0
		num, den, numKnown, denKnown = num+float64(t.Num), den+float64(t.Den), numKnown+float64(known.Num), denKnown+float64(known.Den)
	}
	switch {
	case !signed && num > 0:
		return max(0, 1-numKnown/num), customers
	case den > 0:
		return max(0, 1-denKnown/den), customers
	}
	return 0, customers
}

// aboveCap is the share of what customers add that lies above the cap.
func (g *gather) aboveCap(limit *int64) *float64 {
	if limit == nil {
		return nil
	}
	var all, above float64
	for i := range g.rows {
		if t := g.rows[i].whole.terms[0]; g.rows[i].counts && t.Num > 0 {
			all += float64(t.Num)
			above += float64(max(0, t.Num-*limit))
		}
	}
	if all == 0 {
		return nil
	}
	share := above / all
	return &share
}

// funnel is the value and its interval after so many customers, at numbers that grow by a quarter.
func (g *gather) funnel(limit *int64) []contract.Look {
	m, err := validity.NewMoments(g.c.form.width())
	if err != nil {
		return nil
	}
	var out []contract.Look
	next := int64(100)
	for i := range g.rows {
		r := &g.rows[i]
		if !r.counts || m.Add(vector(g.terms(r.whole, limit))) != nil {
			continue
		}
		if last := m.N() == g.raw.N(); m.N() >= next || last {
			e := g.form().estimate(m, g.of(), false, 0)
			if h := e.Today(validity.Holding()); !math.IsNaN(e.Value) && !math.IsInf(h, 0) && !math.IsNaN(h) {
				out = append(out, contract.Look{N: m.N(), Value: e.Value, HalfWidth: h})
			}
			next = m.N() * 5 / 4
		}
	}
	return out
}

// smallest is how many customers are in the smallest group that can be read from the value.
func (g *gather) smallest() int64 {
	least := g.raw.N()
	for q := range g.spans {
		var n, num, den int64
		plain := true
		for i := range g.rows {
			if r := &g.rows[i]; r.counts {
				t := g.terms(r.whole, nil)[q]
				if t.Den != 0 || t.Num != 0 {
					n++
				}
				num, den = num+t.Num, den+t.Den
				plain = plain && t.Den >= 0 && t.Den <= 1 && t.Num >= 0 && t.Num <= t.Den
			}
		}
		least = min(least, n)
		if plain && num != 0 && num != den {
			least = min(least, num, den-num)
		}
	}
	return least
}
