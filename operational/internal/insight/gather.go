package insight

import (
	"slices"

	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
)

// part is what a customer adds to each quotient of a claim, and their keys of its dimension.
type part struct {
	terms []term
	keys  []string
}

// row is one customer as a claim sees them.
type row struct {
	first   contract.Day // of the facts that the claim rests on
	counts  bool         // adds to the value
	whole   part
	numbers []float64 // of a percentile
	uses    uint64    // formats, by number
	sources uint64    // by number
	unknown bool      // something came from sources that nobody verified
	known   bool      // something came from others
	mixed   *view     // kept where facts came in several ways, so that some can be left out
	cells   []cell
}

// cell is what a customer adds in one window that velocity and spread watch.
type cell struct {
	need, window int
	part
}

// need is windows that a look wants of every customer: those of a frame with the numbers from first.
type need struct {
	frame
	first int
	spans []metric.Span
	days  map[contract.Day]int // the window of each day, where all have one length
}

// gather collects what one look at one claim needs of customers, in the order of priority.
type gather struct {
	c     *claim
	st    *State
	at    metric.Span
	spans []metric.Span
	needs []need

	size    int64 // customers there are
	read    int64
	all     bool // everybody was read
	rows    []row
	formats []string
	sources []string
	strata  strata
	raw     *validity.Moments
	capped  *validity.Moments
	pool    []int64 // what the first customers add, to take a cap from
	limit   *int64  // cap
	exactly int64   // customers to read, where that is known; else 0
	bent    bool    // the value's linearisation cannot be trusted yet
	stopped bool    // as many were read as one look may
	news    bool    // the look is at a window that nobody looked at before
}

const (
	capFrom   = 2000 // customers from whom a cap is taken
	readWhole = 2000 // smaller bases are read completely
)

func newGather(c *claim, st *State, at metric.Span, first contract.Day, size, exactly int64) (*gather, error) {
	g := &gather{c: c, st: st, at: at, size: size, exactly: exactly, limit: st.Cap, strata: strata{}, news: at.Until > st.Seen}
	c.quantile = nil
	if st.Rank != nil {
		c.quantile = &st.Rank.Published
	}
	value := at
	if c.pinned() && st.Standing != nil && !g.republishes() {
		value = st.At
	}
	g.ordered()
	g.spans = c.spans(value)
	g.plan(first)
	if st.Later != nil && st.Later.Base == 0 && !c.pinned() {
		g.want(st.Later.frame, -1, st.Later.closed(c, at.Until)) // what was stated, customer by customer
	}
	var err error
	if g.raw, err = validity.NewMoments(c.form.width()); err != nil {
		return nil, err
	}
	g.capped, err = validity.NewMoments(c.form.width())
	return g, err
}

// plan says which windows velocity and spread want.
func (g *gather) plan(first contract.Day) {
	if g.st.Standing == nil {
		return // what cannot be published needs no baseline; see round.look
	}
	first = max(first, g.st.Since, g.c.kept)
	for _, w := range []*watch{g.st.Later, g.st.Spread} {
		if w != nil && !w.Gone {
			g.want(w.frame, -w.Base, w.closed(g.c, g.at.Until))
		}
	}
	if g.st.Later != nil && !g.st.Spread.free() {
		return
	}
	days := []int{0}
	if g.c.divisible() {
		days = lengths
	}
	for _, n := range days {
		f := frame{Anchor: g.at.Until, Days: n}
		if n == 0 {
			f = g.c.byGrain(g.at.Until)
		}
		if b := g.c.lasting(f.before(g.c, first)); b >= leastBaseline {
			g.want(f, -b, 0)
		}
	}
}

func (g *gather) want(f frame, first, last int) {
	for i, n := range g.needs {
		if n.frame == f {
			from, until := min(first, n.first), max(last, n.first+len(n.spans))
			g.needs[i] = newNeed(g.c, f, from, until)
			return
		}
	}
	g.needs = append(g.needs, newNeed(g.c, f, first, last))
}

func newNeed(c *claim, f frame, first, last int) need {
	n := need{f, first, f.windows(c, first, last), map[contract.Day]int{}}
	for k, w := range n.spans {
		for d := w.From; f.Days > 0 && d < w.Until; d = d.Add(1) {
			n.days[d] = k
		}
	}
	return n
}

// add takes in the next customer.
func (g *gather) add(v *view) error {
	g.read++
	r := row{}
	var err error
	if r.whole, err = g.part(v.whole); err != nil {
		return err
	}
	r.first = g.firstOf(v)
	if r.first == "" || r.first >= g.at.Until {
		return nil // not a customer yet
	}
	r.counts = g.counts(r.whole)
	g.origins(&r, v)
	if err := g.watched(&r, v.whole); err != nil {
		return err
	}
	if !r.counts && len(r.cells) == 0 {
		return nil
	}
	if g.c.ranked() {
		r.numbers = values(g.c.programs[0], v.whole, g.spans[0])
	}
	g.rows = append(g.rows, r)
	if !r.counts {
		return nil
	}
	return g.sum(r.whole.terms)
}

// firstOf returns the first day that the claim knows of a customer.
func (g *gather) firstOf(v *view) contract.Day {
	for i := range v.c.Facts { // ascending by day
		if f := &v.c.Facts[i]; g.c.rests(f.Kind) {
			return f.Day
		}
	}
	if g.c.entity == contract.Profile && len(v.whole.Profile) > 0 {
		return "0001-01-01"
	}
	return ""
}

func (g *gather) part(s *metric.Subject) (part, error) {
	p := part{terms: make([]term, len(g.spans))}
	for q, at := range g.spans {
		t, key, err := g.c.term(s, g.c.program(q), at)
		if err != nil {
			return p, err
		}
		p.terms[q] = t
		if g.c.order.Kind == contract.MoverInsight {
			p.keys = append(p.keys, key)
		}
	}
	return p, nil
}

// counts reports whether the customer is one of those that the value is about.
func (g *gather) counts(p part) bool {
	return slices.ContainsFunc(p.terms, func(t term) bool { return !t.nothing() })
}

// sum adds to the moments by which it is told whether enough was read.
func (g *gather) sum(terms []term) error {
	if err := g.raw.Add(g.c.form.numbers(nil, terms)); err != nil {
		return err
	}
	if !g.c.capped() {
		return nil
	}
	if g.limit == nil {
		for _, t := range terms {
			if !t.nothing() {
				g.pool = append(g.pool, t.Num)
			}
		}
		if int(g.raw.N()) < capFrom {
			return nil
		}
		return g.fixCap()
	}
	return g.capped.Add(g.c.form.numbers(nil, bound(terms, g.limit)))
}

// fixCap takes the cap from the customers so far, and sums them again with it.
func (g *gather) fixCap() error {
	limit, err := capOf(g.pool, g.c.tellable())
	if err != nil {
		return err
	}
	g.limit, g.pool = &limit, nil
	for i := range g.rows {
		if g.rows[i].counts {
			if err := g.capped.Add(g.c.form.numbers(nil, bound(g.rows[i].whole.terms, g.limit))); err != nil {
				return err
			}
		}
	}
	return nil
}

// bound cuts off what a customer adds.
func bound(terms []term, limit *int64) []term {
	if limit == nil {
		return terms
	}
	out := slices.Clone(terms)
	for i := range out {
		out[i].Num = min(out[i].Num, *limit)
	}
	return out
}

// origins notes how a customer's facts came.
func (g *gather) origins(r *row, v *view) {
	origins := v.origins(g.c.rests, g.c.values())
	for _, o := range origins {
		r.uses |= 1 << index(&g.formats, o.format)
		r.sources |= 1 << index(&g.sources, o.source)
		r.known = r.known || o.trust == verified
		r.unknown = r.unknown || o.trust != verified
	}
	if len(origins) > 1 {
		r.mixed = v
	}
	if r.counts {
		g.strata.add(r)
	}
}

// watched adds the cells of the windows that are wanted, those in which the customer did anything.
func (g *gather) watched(r *row, s *metric.Subject) error {
	for n := range g.needs {
		for _, k := range g.busy(n, s) {
			p := part{terms: make([]term, g.quotients())}
			any := false
			for q := range p.terms {
				t, key, err := g.c.term(s, g.c.program(q), g.needs[n].spans[k])
				if err != nil {
					return err
				}
				p.terms[q], any = t, any || !t.nothing()
				if g.c.order.Kind == contract.MoverInsight {
					p.keys = append(p.keys, key)
				}
			}
			if any {
				r.cells = append(r.cells, cell{n, k, p})
			}
		}
	}
	return nil
}

// quotients is how many a watched window has: of a change only the later one moves on.
func (g *gather) quotients() int {
	if g.c.pinned() {
		return 1
	}
	return len(g.spans)
}

// busy returns the windows in which there is anything of the customer, ascending.
func (g *gather) busy(n int, s *metric.Subject) []int {
	var out []int
	if g.needs[n].Days == 0 {
		for k := range g.needs[n].spans {
			out = append(out, k)
		}
		return out
	}
	add := func(day contract.Day) {
		if k, ok := g.needs[n].days[day]; ok && (len(out) == 0 || out[len(out)-1] != k) {
			out = append(out, k)
		}
	}
	for i := range s.Days {
		add(s.Days[i].Day)
	}
	for i := range s.Answers {
		add(s.Answers[i].Day)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// of is how many customers there are whom the value is about: counted if all were read, else in proportion.
func (g *gather) of() int64 {
	n := g.raw.N()
	if g.all || g.read == 0 {
		return n
	}
	return max(n+1, int64(float64(g.size)*float64(n)/float64(g.read)+.5))
}

// finish says that nobody is left to read.
func (g *gather) finish() error {
	g.all = true
	if g.limit == nil && len(g.pool) > 0 {
		return g.fixCap()
	}
	return nil
}

// enough reports whether the value is known well enough for this look.
func (g *gather) enough(most int64) bool {
	switch {
	case g.exactly > 0:
		return g.all || g.read >= g.exactly
	case g.all || g.size <= readWhole || g.c.order.Kind == contract.MoverInsight && g.st.Standing == nil:
		return g.all
	case g.read >= most:
		g.stopped = true
		return true
	case !g.strata.enough(g.read):
		return false
	}
	part := 2.
	if s := g.st.Standing; s != nil {
		if g.raw.N() < s.N {
			return false
		}
		part = 4
	} else if g.c.ranked() && g.place() != nil {
		return false
	}
	if g.st.Cap != nil {
		return g.narrow(g.capped, part)
	}
	return g.narrow(g.raw, part) || g.st.Standing == nil && g.narrow(g.capped, part) && g.value(g.raw, nil).Withheld() == validity.Dominated
}

// narrow reports whether the interval of a value is narrow enough: within the part-th part of the tolerance.
func (g *gather) narrow(m *validity.Moments, part float64) bool {
	if m.N() == 0 || g.c.order.Kind == contract.MoverInsight {
		return false
	}
	g.level(m)
	e := g.form().estimate(m, g.of(), g.bounded(), 0)
	if !(e.Newcomers(validity.Holding()) <= g.c.tolerance.Band(e.Value)/part) {
		return false
	}
	var limit *int64
	if m == g.capped {
		limit = g.limit
	}
	e.Peak = g.peak(means(m), limit)
	return e.Withheld() == validity.Released
}

// form is the claim's, a total's scaled to the customers there are.
func (g *gather) form() form {
	f := g.c.form
	switch x := f.figure.(type) {
	case quotient:
		if g.c.total() {
			x.scale *= float64(g.of())
		}
		f.figure = x
	case smooth:
		x.customers *= float64(g.of())
		f.figure = x
	}
	return f
}

// formOf is the claim's for means over some customers of those read, whether they count or not, of whom the first were there from
// the start: a total is what all of those did, and what customers who came since did, whose number grows, is part of it.
func (g *gather) formOf(customers, base int) form {
	f := g.form()
	times := 1.
	if !g.all && g.read > 0 {
		times = float64(g.size) / float64(g.read)
	}
	switch x := g.c.form.figure.(type) {
	case smooth:
		x.customers *= float64(customers) * times
		f.figure = x
	case quotient:
		if g.c.total() {
			x.scale *= float64(base) * times
			f.figure = x
		}
	}
	return f
}

// terms is what a customer adds to the value: of a mover those of its group alone, and of money up to the cap.
func (g *gather) terms(p part, limit *int64) []term {
	out := bound(p.terms, limit)
	if g.c.order.Kind != contract.MoverInsight {
		return out
	}
	out = slices.Clone(out)
	for q := range out {
		if p.keys[q] != g.st.Group {
			out[q].Num = 0
		}
	}
	return out
}

// peak is the largest share of one customer in the variance, given the means of all.
func (g *gather) peak(means []float64, limit *int64) float64 { return g.peakOf(g.rows, means, limit) }

// peakOf is peak among some of the customers, given their means.
func (g *gather) peakOf(rows []row, means []float64, limit *int64) float64 {
	f := g.form()
	coef := f.influence(means)
	middle := f.centre(coef, means)
	var largest, sum float64
	for i := range rows {
		if r := &rows[i]; r.counts {
			psi := f.along(coef, g.terms(r.whole, limit)) - middle
			sum, largest = sum+psi*psi, max(largest, psi*psi)
		}
	}
	if sum == 0 {
		return 1
	}
	return largest / sum
}

// bounded reports whether what one customer adds has fixed bounds: a share or a score of at most one thing each.
func (g *gather) bounded() bool {
	if !g.c.bounded() {
		return false
	}
	for i := range g.rows {
		for _, t := range g.rows[i].whole.terms {
			if t.Den < 0 || t.Den > 1 || max(t.Num, -t.Num) > t.Den {
				return false
			}
		}
	}
	return true
}
