package insight

import (
	"math"
	"slices"

	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
)

// watchOn compares what came in each closed window with what was foretold.
func (p *prognosis) watchOn(l *look, f *fitted) error {
	g := p.g
	if l.st.Later == nil && l.st.At == g.at {
		s0 := 0.
		days := forecastDays
		if p.again() {
			days, s0 = 0, g.statementError(l)
		}
		v, err := validity.NewVelocity(g.later(l), s0)
		if err != nil {
			return undefined(err)
		}
		l.st.Later = &watch{frame: frame{Anchor: g.at.Until, Days: days}, Velocity: *v}
	}
	if err := p.beginSpread(l); err != nil {
		return err
	}
	if err := p.closeValue(l, f); err != nil {
		return err
	}
	return p.closeSpread(l)
}

// again reports whether later windows tell by fitting again, since nothing that is foretold comes to pass in a window: whether
// somebody is still a customer, and differences between fits.
func (p *prognosis) again() bool { return p.output() == outputAlive || p.g.c.double() }

func (p *prognosis) closeValue(l *look, f *fitted) error {
	if l.st.Later == nil || l.st.Later.Gone {
		return nil
	}
	w := *l.st.Later
	for closed := w.whole(p.g.c, p.g.at.Until); w.Fed < closed; {
		at := w.windows(p.g.c, w.Fed, w.Fed+1)[0]
		var shift validity.Shift
		var err error
		own, told := w.Velocity.BaselineError, true
		if p.again() {
			shift, err = p.refitted(l, f, at)
		} else {
			shift, own, err = p.came(f, w.Fed, at)
			told = p.active(at) >= p.g.c.tellable()
		}
		judged, err := w.close(shift, own, told, err)
		if err != nil {
			return err
		}
		if judged && told {
			l.closed(at, shift, p.g.c)
		}
	}
	l.st.Later = &w
	return nil
}

// active is how many of those whom the forecast is of bought anything in a window; those who bought nothing are no group where
// nobody did.
func (p *prognosis) active(at metric.Span) int64 {
	n := int64(0)
	for i := range p.buyers {
		if slices.ContainsFunc(p.buyers[i].days, func(d fact.CustomerDay) bool { return at.Has(d.Day) }) {
			n++
		}
	}
	if n == 0 {
		return int64(len(p.buyers))
	}
	return n
}

// came is how far what came in a window lies from what was foretold for it, and the forecast's own relative standard error,
// which its parameters leave.
func (p *prognosis) came(f *fitted, k int, at metric.Span) (validity.Shift, float64, error) {
	const weeks = float64(forecastDays) / 7
	after, err := f.at(weeks * float64(k+1))
	if err != nil {
		return validity.Shift{}, 0, err
	}
	if k > 0 {
		before, err := f.at(weeks * float64(k))
		if err != nil {
			return validity.Shift{}, 0, err
		}
		for i := range after.Expected {
			after.Expected[i] -= before.Expected[i]
		}
		for i := range after.Grad {
			after.Grad[i] -= before.Grad[i]
		}
	}
	actual, expected := make([]float64, len(p.buyers)), 0.
	for i := range p.buyers {
		for _, d := range p.buyers[i].days {
			if at.Has(d.Day) {
				actual[i] += p.weight(&d)
			}
		}
		expected += after.Expected[i]
	}
	shift, err := validity.CompareForecast(actual, after.Expected)
	if err != nil {
		return shift, 0, err
	}
	psi, err := validity.ModelInfluence(make([]float64, len(p.buyers)), after.Grad, after.Information, after.Scores)
	if err != nil {
		return shift, 0, err
	}
	squares := 0.
	for _, x := range psi {
		squares += x * x
	}
	return shift, math.Sqrt(squares) / expected, nil
}

// refitted compares the figure of the model, fitted again at the end of a window, with what was stated.
func (p *prognosis) refitted(l *look, f *fitted, at metric.Span) (validity.Shift, error) {
	again := &prognosis{g: p.g, buyers: p.buyers, since: p.since, gates: p.gates, before: p.before}
	again.renew(at.Until)
	now, err := again.figure(wholeDays)
	if err != nil {
		return validity.Shift{}, err
	}
	unit, n, base := p.g.unit(l.st.Standing.Published), float64(len(again.buyers)), float64(len(p.buyers))
	psi := make([]float64, len(again.buyers))
	for i := range psi { // who came since follows
		psi[i] = now.psi[i] / unit
		if i < len(p.buyers) {
			psi[i] -= f.psi[i] * n / base / unit
		}
	}
	return validity.ShiftOf((now.value.Value-l.st.Standing.Published)/unit, psi)
}

// beginSpread watches the spread of what single customers buy.
func (p *prognosis) beginSpread(l *look) error {
	if !l.st.Spread.free() {
		return nil
	}
	f := frame{Anchor: p.g.at.Until, Days: forecastDays}
	n := p.g.c.lasting(f.before(p.g.c, max(p.first(), p.g.c.kept)))
	if n < leastBaseline {
		return nil
	}
	b, err := p.spreadBase(f, n)
	if err != nil {
		return undefined(err)
	}
	v, err := validity.NewSpread(b.StdErr())
	if err != nil {
		return undefined(err)
	}
	l.watchSpread(&watch{frame: f, Base: n, Velocity: *v})
	return nil
}

func (p *prognosis) first() contract.Day {
	first := p.g.at.Until
	for i := range p.buyers {
		first = min(first, p.buyers[i].row.first)
	}
	return first
}

// everyone is all customers: those before an anchor first, and how many they are.
func (p *prognosis) everyone(anchor contract.Day) (all []*buyer, base int) {
	var later []*buyer
	for _, list := range [][]buyer{p.buyers, p.since} {
		for i := range list {
			if b := &list[i]; b.row.first < anchor {
				all = append(all, b)
			} else {
				later = append(later, b)
			}
		}
	}
	return append(all, later...), len(all)
}

func (p *prognosis) scores(buyers []*buyer, at metric.Span) []validity.Score {
	out := make([]validity.Score, len(buyers))
	for i, b := range buyers {
		sum := 0.
		for _, d := range b.days {
			if at.Has(d.Day) {
				sum += p.weight(&d)
			}
		}
		out[i] = validity.LogMoney(int64(sum))
	}
	return out
}

func (p *prognosis) spreadBase(f frame, windows int) (*validity.SpreadBaseline, error) {
	all, base := p.everyone(f.Anchor)
	var scores [][]validity.Score
	for _, at := range f.windows(p.g.c, -windows, 0) {
		scores = append(scores, p.scores(all[:base], at))
	}
	return validity.NewSpreadBaseline(scores)
}

func (p *prognosis) closeSpread(l *look) error {
	if l.st.Spread == nil || l.st.Spread.Gone {
		return nil
	}
	w := *l.st.Spread
	closed := w.whole(p.g.c, p.g.at.Until)
	if closed <= w.Fed {
		l.st.Spread = &w
		return nil
	}
	b, err := p.spreadBase(w.frame, w.Base)
	if err != nil {
		return undefined(err)
	}
	all, _ := p.everyone(w.Anchor)
	for w.Fed < closed {
		if err := l.spreads(&w, b, p.scores(all, w.windows(p.g.c, w.Fed, w.Fed+1)[0]), p.g.c); err != nil {
			return err
		}
	}
	l.st.Spread = &w
	return nil
}
