package insight

import (
	"math"

	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
)

// spread is what they tell of the spread.
func (l *look) spread() validity.Finding { return l.st.Spread.finding() }

// beginSpread watches the spread of the same windows as velocity, where it watches some.
func (g *gather) beginSpread(l *look, n int) error {
	if l.st.Later != nil && l.st.Later.Base > 0 && l.st.Later.frame != g.needs[n].frame && g.c.divisible() && l.st.Later.Anchor == g.at.Until {
		return nil
	}
	if l.st.Later == nil && !g.stated() {
		return nil
	}
	b, err := g.spreadBase(n, g.at.Until, -g.needs[n].first)
	if err != nil {
		return undefined(err)
	}
	v, err := validity.NewSpread(b.StdErr())
	if err != nil {
		return undefined(err)
	}
	l.watchSpread(g.watch(l, g.needs[n].frame, -g.needs[n].first, v))
	return nil
}

// watchSpread begins to watch the spread; in place of a watch whose baseline has gone, whose evidence it takes over: there is one budget
// of false alarms for each publication.
func (l *look) watchSpread(w *watch) {
	if before := l.st.Spread; before != nil {
		w.Velocity.Carry(&before.Velocity)
	}
	l.st.Spread = w
}

// spreadBase is the yardstick of the spread.
func (g *gather) spreadBase(n int, anchor contract.Day, windows int) (*validity.SpreadBaseline, error) {
	s := g.series(n, anchor, -windows, 0)
	scores := make([][]validity.Score, windows)
	for k := range windows {
		scores[k] = g.scores(s, k-windows, s.base)
	}
	b, err := validity.NewSpreadBaseline(scores)
	if err != nil {
		return nil, err
	}
	return b.Overlapping(g.needs[n].Step), nil
}

// scores are what the first customers of a series add to the spread of a window: the logarithm of what they add, or the
// bounded score itself.
func (g *gather) scores(s series, k, customers int) []validity.Score {
	out := make([]validity.Score, customers)
	for i := range out {
		t := s.at[k][i][0]
		switch {
		case t.nothing():
		case g.c.bounded() && t.Den > 0:
			units, err := validity.Fixed(float64(t.Num) / float64(t.Den))
			out[i] = validity.Score{Units: units, Present: err == nil}
		default:
			out[i] = validity.LogMoney(t.Num)
		}
	}
	return out
}

// closeSpread feeds the windows that have closed to the watch on the spread.
func (g *gather) closeSpread(l *look, w watch) (*watch, error) {
	n, closed := g.needOf(w.frame), w.whole(g.c, g.at.Until)
	if n < 0 || closed <= w.Fed {
		return &w, nil
	}
	b, err := g.spreadBase(n, w.Anchor, w.Base)
	if err != nil {
		return &w, undefined(err)
	}
	s := g.series(n, w.Anchor, w.Fed, closed)
	for w.Fed < closed {
		if err := l.spreads(&w, b, g.scores(s, w.Fed, len(s.rows)), g.c); err != nil {
			return nil, err
		}
	}
	return &w, nil
}

// spreads feeds the spread of the next window, given the scores in it.
func (l *look) spreads(w *watch, b *validity.SpreadBaseline, scores []validity.Score, c *claim) error {
	present := int64(0)
	for _, s := range scores {
		if s.Present {
			present++
		}
	}
	shift, err := b.Compare(scores)
	told := present >= c.tellable()
	judged, err := w.close(shift, w.Velocity.BaselineError, told, err)
	if l.st.Ratio = nil; judged && told {
		times := math.Exp(shift.Effect)
		l.st.Ratio = &times
	}
	return err
}
