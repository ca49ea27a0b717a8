package insight

import (
	"math"
	"slices"

	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// noBaseline is why velocity or spread cannot be judged yet: fewer than 13 windows lie before.
const noBaseline validity.Reason = "no_baseline"

// velocity is what the windows closed since publication tell.
func (l *look) velocity() validity.Finding { return l.st.Later.finding() }

func (w *watch) finding() validity.Finding {
	if w == nil {
		return validity.Finding{Verdict: contract.NotEnoughData, Reason: noBaseline}
	}
	f := w.Velocity.Finding()
	if f.Windows = w.Fed; w.Fell > 0 {
		f.Windows = w.Fell
	}
	if f.Verdict != contract.Fails { // which no further window changes
		f.Arrived = w.Arrived
	}
	if w.Gone && f.Verdict != contract.Fails {
		return validity.Finding{Verdict: contract.NotEnoughData, Reason: noBaseline, Band: f.Band, LogE: f.LogE, Windows: f.Windows, Hidden: w.hidden()}
	}
	if w.Missed != "" && f.Verdict != contract.Fails {
		return validity.Finding{Arrived: w.Arrived, Verdict: contract.NotEnoughData, Reason: w.Missed, Band: f.Band, LogE: f.LogE, Windows: f.Windows}
	}
	if f.Hidden = w.hidden(); f.Hidden {
		f.Effect, f.Margin = 0, 0
	}
	return f
}

// hidden reports whether the last window may not be told of.
func (w *watch) hidden() bool { return w.Fed > 0 && w.Quiet == w.Fed }

// based reports whether windows go on being compared with a baseline.
func (w *watch) based() bool { return w != nil && w.Base > 0 && !w.Gone }

// since returns the days that it rests on up to the end of a window.
func (w *watch) since(c *claim, at metric.Span) metric.Span {
	return c.reaching(metric.Span{From: min(at.From, w.windows(c, -w.Base, 0)[0].From), Until: at.Until})
}

// leave ends it, since what windows are compared with is gone.
func (w *watch) leave() { w.Gone, w.Arrived = true, nil }

// free reports whether another may take its place: where there is none, or it is over and has proved nothing.
func (w *watch) free() bool { return w == nil || w.Gone && w.Fell == 0 }

// close takes in how far the next window lies off, or why nobody knows. own is the standard error of what it is compared with; of a
// value over all history that of its move. told says whether enough customers did anything in it to be told of. It fails with what is no
// property of the data.
func (w *watch) close(shift validity.Shift, own float64, told bool, err error) (judged bool, _ error) {
	switch {
	case err != nil:
	case w.Velocity.Path != nil:
		err = w.Velocity.Follow(shift, own)
	default:
		err = w.Velocity.CloseAgainst(shift, own)
	}
	if err := undefined(err); err != nil {
		return false, err
	}
	w.Fed++
	if w.Missed = missed(err); w.Missed == "" && w.Fell == 0 && w.Velocity.Finding().Verdict == contract.Fails {
		w.Fell = w.Fed
	}
	if !told {
		w.Quiet = w.Fed
	}
	return err == nil, nil
}

// whole returns how many windows from the anchor on have ended by a day and have arrived as far as it takes to judge them, and notes
// where one is waited for.
func (w *watch) whole(c *claim, by contract.Day) int {
	w.Arrived = nil
	closed := w.closed(c, by)
	for k := w.Fed; k < closed; k++ {
		if share := c.came(w.windows(c, k, k+1)[0]); !validity.Complete(share) {
			share = math.Floor(1000*share) / 1000
			w.Arrived = &share
			return k
		}
	}
	return closed
}

// whole reports whether so much of a window has come that it may be judged, and stated: of those before it at least as much has.
func (c *claim) whole(at metric.Span) bool { return validity.Complete(c.came(at)) }

// came is the share of the facts of a window that has come. What follows on it within so many days is waited for as well.
func (c *claim) came(at metric.Span) float64 {
	if c.arrived == nil {
		return 1
	}
	if then := c.order.Metric.Conversion; then != nil {
		at.Until = at.Until.Add(then.Days)
	}
	return c.arrived(at)
}

// missed says why a window could not be judged.
func missed(err error) validity.Reason {
	switch {
	case err == nil:
		return ""
	case fault.CodeOf(err) == fault.LowSample:
		return validity.Reason(validity.TooFew)
	case fault.CodeOf(err) == fault.ModelNotIdentified:
		return validity.Reason(fault.ModelNotIdentified)
	}
	return validity.Reason(validity.Undefined)
}

// shelfLife is how many windows the claim is good for, were it to go on as it does; none where that would tell of a window that may
// not be told of.
func (w *watch) shelfLife() *float64 {
	if w == nil || w.Gone || w.Missed != "" || w.Quiet > 0 && w.Fed-w.Quiet < len(w.Velocity.Recent) {
		return nil
	}
	windows, ok := w.Velocity.ShelfLife()
	if !ok {
		return nil
	}
	return &windows
}

// watchOn begins what is not watched yet, and closes the windows that have ended since.
func (g *gather) watchOn(l *look) error {
	if err := g.begin(l); err != nil {
		return err
	}
	if w := l.st.Later; w != nil && !w.Gone {
		next, err := g.closeValue(l, *w)
		if err != nil {
			return err
		}
		l.st.Later = next
	}
	if w := l.st.Spread; w != nil && !w.Gone {
		next, err := g.closeSpread(l, *w)
		if err != nil {
			return err
		}
		l.st.Spread = next
	}
	return nil
}

// stated reports whether later windows are compared with the statement, and not with windows before it.
func (g *gather) stated() bool { return g.c.pinned() || !g.c.windowed() }

// begin starts to watch value and spread, from the end of this look's window on.
func (g *gather) begin(l *look) error {
	if l.st.Later == nil && g.stated() && l.st.At == g.at {
		v, err := validity.NewVelocity(g.later(l), g.statementError(l))
		if err != nil {
			return undefined(err)
		}
		l.st.Later = g.watch(l, g.c.byGrain(g.at.Until), 0, v)
		if !g.c.pinned() {
			l.st.Later.Velocity.Path = &validity.Path{}
		}
	}
	for n := range g.needs {
		f := g.needs[n]
		if f.Anchor != g.at.Until || f.first > -leastBaseline {
			continue
		}
		if l.st.Later == nil && !g.stated() {
			if err := g.beginValue(l, n); err != nil {
				return err
			}
		}
		if l.st.Spread.free() {
			if err := g.beginSpread(l, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// undefined lets a claim whose baseline has no value wait for another one.
func undefined(err error) error {
	switch fault.CodeOf(err) {
	case fault.ZeroDenominator, fault.InvalidItem, fault.LowSample, fault.ModelNotIdentified, fault.NoData:
		return nil
	}
	return err
}

// later is the tolerance of velocity: relative, or in the unit where the claim's is absolute.
func (g *gather) later(l *look) float64 {
	if g.c.tolerance.Absolute {
		return max(g.c.tolerance.Size, g.c.later*math.Abs(l.st.Standing.Published))
	}
	return g.c.later
}

// unit is what effects are divided by: the value, or 1 where they are absolute.
func (g *gather) unit(value float64) float64 {
	if g.c.tolerance.Absolute {
		return 1
	}
	return math.Abs(value)
}

// statementError is the standard error of what was stated, in the unit of the effects.
func (g *gather) statementError(l *look) float64 {
	return finite(l.now.SD / math.Sqrt(float64(max(1, l.now.N))) / g.unit(l.st.Standing.Published))
}

// beginValue takes the windows of a need as the baseline, if they are precise enough or the longest there are.
func (g *gather) beginValue(l *look, n int) error {
	b, err := g.baseline(n, g.at.Until, -g.needs[n].first)
	if err != nil {
		return undefined(err)
	}
	if b.b.WindowError(1) > g.later(l)/4 && g.longer(n) {
		return nil
	}
	v, err := validity.NewVelocity(g.later(l), b.b.StdErr())
	if err != nil {
		return undefined(err)
	}
	l.st.Later = g.watch(l, g.needs[n].frame, -g.needs[n].first, v)
	return nil
}

// watch is one that begins now.
func (g *gather) watch(l *look, f frame, base int, v *validity.Velocity) *watch {
	v.Bounded = l.now.Bounded
	return &watch{frame: f, Base: base, Velocity: *v}
}

// longer reports whether longer windows may still be chosen.
func (g *gather) longer(n int) bool {
	for _, f := range g.needs[n+1:] {
		if f.Anchor == g.needs[n].Anchor && f.Days > g.needs[n].Days && f.first <= -leastBaseline {
			return true
		}
	}
	return false
}

// series is what customers add in the windows of a need: those who were there before an anchor first, in the order of
// priority, and then who came since.
type series struct {
	rows []*row
	base int
	at   map[int][][]term // by window and customer
}

func (g *gather) series(n int, anchor contract.Day, first, last int) series {
	s := series{at: map[int][][]term{}}
	var since []*row
	for i := range g.rows {
		if r := &g.rows[i]; r.first < anchor {
			s.rows = append(s.rows, r)
		} else {
			since = append(since, r)
		}
	}
	s.base = len(s.rows)
	s.rows = append(s.rows, since...)
	for k := first; k < last; k++ {
		s.at[k] = make([][]term, len(s.rows))
	}
	base0, since0 := g.none(true), g.none(false)
	for i, r := range s.rows {
		none := since0
		if i < s.base {
			none = base0
		}
		for k := first; k < last; k++ {
			s.at[k][i] = none
		}
		for c := range r.cells {
			if x := &r.cells[c]; x.need == n {
				if k := x.window + g.needs[n].first; k >= first && k < last {
					s.at[k][i] = g.total(g.terms(x.part, g.st.Cap), i < s.base)
				}
			}
		}
	}
	return s
}

// none is what a customer adds who did nothing in a window: of a total, those who were there from the start count.
func (g *gather) none(base bool) []term {
	return g.total(make([]term, g.quotients()), base)
}

func (g *gather) total(terms []term, base bool) []term {
	if !g.c.total() {
		return terms
	}
	terms = slices.Clone(terms)
	for q := range terms {
		terms[q].Den = 0
		if base {
			terms[q].Den = 1
		}
	}
	return terms
}

// based is a baseline and the value that effects are relative to.
type based struct {
	b     *validity.Baseline
	value float64
}

// baseline linearises the value at all windows of the baseline together.
func (g *gather) baseline(n int, anchor contract.Day, windows int) (based, error) {
	s := g.series(n, anchor, -windows, 0)
	if s.base == 0 {
		return based{}, fault.New(fault.Invalid, fault.NoData, "nobody was there before %s", anchor)
	}
	m, err := validity.NewMoments(g.c.form.width())
	if err != nil {
		return based{}, err
	}
	var z []int64
	for k := -windows; k < 0; k++ {
		for i := range s.base {
			z = g.c.form.numbers(z[:0], s.at[k][i])
			if err := m.Add(z); err != nil {
				return based{}, err
			}
		}
	}
	f := g.formOf(s.base, s.base)
	value, coef := f.value(means(m)), f.influence(means(m))
	middle := f.centre(coef, means(m))
	if value == 0 && !g.c.tolerance.Absolute || math.IsNaN(value) {
		return based{}, fault.New(fault.Invalid, fault.ZeroDenominator, "the baseline has no value to compare with")
	}
	unit := g.unit(value)
	psi := make([]float64, windows*s.base)
	for k := range windows {
		for i := range s.base {
			psi[k*s.base+i] = (f.along(coef, s.at[k-windows][i]) - middle) / unit
		}
	}
	b, err := validity.NewLinearBaseline(s.base, windows, func(w, i int) float64 { return psi[w*s.base+i] })
	if err != nil {
		return based{}, err
	}
	return based{b.Overlapping(g.needs[n].Step), value}, nil
}

// closeValue feeds the windows that have closed to velocity.
func (g *gather) closeValue(l *look, w watch) (*watch, error) {
	n, closed := g.needOf(w.frame), w.whole(g.c, g.at.Until)
	if n < 0 || closed <= w.Fed {
		return &w, nil
	}
	compare, err := g.comparison(l, &w, n, closed)
	if err != nil {
		return &w, undefined(err)
	}
	for w.Fed < closed {
		k := w.Fed
		c, err := compare(k)
		judged, err := w.close(c.shift, c.own, c.told, err)
		if err != nil {
			return nil, err
		}
		if judged && c.told {
			l.closed(w.frame.windows(g.c, k, k+1)[0], c.shift, g.c)
		}
	}
	return &w, nil
}

func (g *gather) needOf(f frame) int {
	for n := range g.needs {
		if g.needs[n].frame == f {
			return n
		}
	}
	return -1
}

// closed adds a window to those that are told of.
func (l *look) closed(at metric.Span, s validity.Shift, c *claim) {
	l.st.Windows = append(l.st.Windows, contract.Shifted{Window: at.Window(c.zone), Effect: finite(s.Effect), Margin: finite(1.645 * s.StdErr)})
	l.st.Windows = l.st.Windows[max(0, len(l.st.Windows)-mostWindows):]
}

// compared is how far a closed window lies from what it is compared with, and whether it may be told of.
type compared struct {
	shift validity.Shift
	own   float64 // see watch.close
	told  bool
}

// comparison returns what compares a closed window.
func (g *gather) comparison(l *look, w *watch, n, closed int) (func(k int) (compared, error), error) {
	s := g.series(n, w.Anchor, w.Fed, closed)
	if w.Base == 0 {
		if !g.c.pinned() { // what was stated, and each look since
			s = g.series(n, w.Anchor, -1, closed)
		}
		return func(k int) (compared, error) {
			shift, move, err := g.againstStatement(l, s, k)
			if w.Velocity.Path == nil {
				move = w.Velocity.BaselineError
			}
			return compared{shift, move, g.told(s, k)}, err
		}, nil
	}
	b, err := g.baseline(n, w.Anchor, w.Base)
	if err != nil {
		return nil, err
	}
	return func(k int) (compared, error) {
		value, psi, err := g.linear(s, k, nil)
		if err != nil {
			return compared{}, err
		}
		unit := g.unit(b.value)
		for i := range psi {
			psi[i] /= unit
		}
		shift, err := b.b.CompareLinear((value-b.value)/unit, psi)
		return compared{shift, w.Velocity.BaselineError, g.told(s, k)}, err
	}, nil
}

// linear is the value in a window and each customer's influence on it. fixed is what every customer adds to the other
// quotient, for claims of which only one moves on.
func (g *gather) linear(s series, k int, fixed func(i int) term) (float64, []float64, error) {
	m, err := validity.NewMoments(g.c.form.width())
	if err != nil {
		return 0, nil, err
	}
	all, z := make([][]term, len(s.rows)), []int64(nil)
	for i := range s.rows {
		if all[i] = s.at[k][i]; fixed != nil {
			all[i] = []term{all[i][0], fixed(i)}
		}
		z = g.c.form.numbers(z[:0], all[i])
		if err := m.Add(z); err != nil {
			return 0, nil, err
		}
	}
	f := g.formOf(len(s.rows), s.base)
	value, coef := f.value(means(m)), f.influence(means(m))
	middle := f.centre(coef, means(m))
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return 0, nil, fault.New(fault.Invalid, fault.ZeroDenominator, "a window without a denominator has no value")
	}
	psi := make([]float64, len(all))
	for i, terms := range all {
		psi[i] = f.along(coef, terms) - middle
	}
	return value, psi, nil
}

// againstStatement compares a later window with what was stated, customer by customer; of a value over all history move is the standard
// error of its move since the window before.
func (g *gather) againstStatement(l *look, s series, k int) (shift validity.Shift, move float64, err error) {
	var fixed func(i int) term
	if g.c.pinned() { // of which the window that was stated is the value's own
		fixed = func(i int) term { return g.total(g.terms(s.rows[i].whole, g.st.Cap)[1:2], i < s.base)[0] }
		s.at[-1] = make([][]term, len(s.rows))
		for i, r := range s.rows {
			s.at[-1][i] = g.total(g.terms(r.whole, g.st.Cap)[:1], i < s.base)
		}
	}
	value, psi, err := g.linear(s, k, fixed)
	if err != nil {
		return shift, 0, err
	}
	since := func(k int) (validity.Shift, error) {
		_, before, err := g.linear(s, k, fixed)
		if err != nil {
			return validity.Shift{}, err
		}
		unit := g.unit(l.st.Standing.Published)
		for i := range before {
			before[i] = (psi[i] - before[i]) / unit
		}
		return validity.ShiftOf((value-l.st.Standing.Published)/unit, before)
	}
	if shift, err = since(-1); err != nil || g.c.pinned() {
		return shift, 0, err
	}
	last, err := since(k - 1)
	return shift, last.StdErr, err
}
