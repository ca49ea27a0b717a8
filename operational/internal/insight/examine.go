package insight

import (
	"cmp"
	"math"
	"math/bits"
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
	if g.c.ranked() {
		if l.number, l.half, err = g.number(g.numbers(), l.half); err != nil {
			return err
		}
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
		found.Effect, found.Margin, found.LogE = 0, 0, 0
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

// tailOf takes away the top contributors.
func (g *gather) tailOf(l *look, limit *int64, j int) (validity.Finding, error) {
	var terms []validity.Term
	if g.c.curved() {
		var err error
		if terms, err = g.shares(); err != nil {
			return validity.Finding{}, err
		}
		return g.tailed(l, terms, j)
	}
	for i := range g.rows {
		if r := &g.rows[i]; r.counts {
			terms = append(terms, g.terms(r.whole, limit)[0].Term)
		}
	}
	return g.tailed(l, terms, j)
}

// shares are what customers add to a value that is no quotient, relative to it: 1 and their influence, the mean of which is 1
// (pseudo-values: Tukey 1958). Without a value there are none.
func (g *gather) shares() ([]validity.Term, error) {
	f := g.form()
	f.double = false
	m, err := validity.NewMoments(f.width())
	if err != nil {
		return nil, err
	}
	var counting [][]term
	for i := range g.rows {
		if r := &g.rows[i]; r.counts {
			counting = append(counting, r.whole.terms[:1])
			if err := m.Add(f.numbers(nil, r.whole.terms[:1])); err != nil {
				return nil, err
			}
		}
	}
	at := means(m)
	value, coef := f.value(at), f.influence(at)
	middle := f.centre(coef, at)
	var out []validity.Term
	for _, terms := range counting {
		units, err := validity.Fixed(1 + (f.along(coef, terms)-middle)/value)
		if err != nil {
			return nil, nil // around a value of 0 there are no shares
		}
		out = append(out, validity.Term{Num: units, Den: 1 << 20})
	}
	return out, nil
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
	var numbers []float64
	next := int64(100)
	for i := range g.rows {
		r := &g.rows[i]
		if !r.counts || m.Add(g.c.form.numbers(nil, g.terms(r.whole, limit))) != nil {
			continue
		}
		numbers = append(numbers, r.numbers...)
		if last := m.N() == g.raw.N(); m.N() >= next || last {
			e := g.form().estimate(m, g.of(), false, 0)
			h := e.Today(validity.Holding())
			if g.c.ranked() && !math.IsInf(h, 0) && !math.IsNaN(h) {
				e.Value, h, _ = g.number(numbers, h) // of some, so that it cannot fail
			}
			if !math.IsNaN(e.Value) && !math.IsInf(h, 0) && !math.IsNaN(h) {
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
		plain := !g.c.curved()
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
