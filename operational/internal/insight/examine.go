package insight

import (
	"math"

	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
)

// examine asks the five questions.
func (g *gather) examine(l *look, limit *int64, unparsed float64) error {
	j := g.windows(g.at.Until)
	volume := l.volume(g, j)
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
	level := validity.Holding()
	if j > 0 {
		level = level.Spend(j)
	}
	l.half = l.now.Today(level)
	if g.c.ranked() {
		if l.number, l.half, err = g.number(g.numbers(), l.half); err != nil {
			return err
		}
	}
	l.aboveCap = g.aboveCap(limit)
	l.looks = g.funnel(limit, level)
	l.smallest = g.smallest()
	return nil
}

// volume asks whether more data move the value. While too little has come of what it is of, the value is told as it is, and proves nothing.
func (l *look) volume(g *gather, j int) validity.Finding {
	f := l.st.Standing.Volume(l.now, j)
	if l.st.Early = g.c.early; !l.st.Early || l.st.Standing.Verdicts.Volume == contract.Fails {
		return f
	}
	if f.LogE = min(f.LogE, 0); f.Verdict == contract.Fails {
		f.Verdict, f.Reason = contract.Weakening, validity.Astride
	}
	return f
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
			l.st.Since, l.st.Lost = g.at.Until, false // it stays fallen for as long as any other
		}
	}
	l.findings, l.st.LogE = nil, nil
	for i, q := range questions(standing.Verdicts) {
		f := found[i]
		l.findings = append(l.findings, contract.Finding{Question: q.question, Verdict: q.verdict, Why: string(f.Reason),
			Effect: finite(f.Effect), Margin: finite(f.Margin), Band: f.Band, LogE: finite(f.LogE), Windows: f.Windows, Hidden: f.Hidden, Arrived: f.Arrived})
		if f.Hidden {
			l.findings[i].LogE = 0
		}
		l.st.LogE = append(l.st.LogE, finite(f.LogE))
	}
}

// endless is what stands for a number that has no end, of which JSON knows none: more than 64 bits can count.
const endless = 1e19

// finite makes of a number one that a message can hold: it is itself unless it has no end; one that is none is 0.
func finite(x float64) float64 {
	switch {
	case math.IsNaN(x):
		return 0
	case math.IsInf(x, 0):
		return math.Copysign(endless, x)
	}
	return x
}

// tailOf takes away the top contributors: of a difference those of either of the two values that it is between.
func (g *gather) tailOf(l *look, limit *int64, j int) (validity.Finding, error) {
	groups := make([][]validity.Term, len(g.spans))
	for q := range groups {
		if g.c.curved() {
			var err error
			if groups[q], err = g.shares(q); err != nil {
				return validity.Finding{}, err
			}
			continue
		}
		for i := range g.rows {
			if r := &g.rows[i]; r.counts {
				groups[q] = append(groups[q], g.terms(r.whole, limit)[q].Term)
			}
		}
	}
	return g.tailed(l, groups, j), nil
}

// shares are what customers add to a value that is no quotient, relative to it: 1 and their influence, the mean of which is 1
// (pseudo-values: Tukey 1958). Without a value there are none. q is which of the two values of a difference.
func (g *gather) shares(q int) ([]validity.Term, error) {
	f := g.form()
	f.double = false
	m, err := validity.NewMoments(f.width())
	if err != nil {
		return nil, err
	}
	var counting [][]term
	for i := range g.rows {
		if r := &g.rows[i]; r.counts {
			counting = append(counting, r.whole.terms[q:q+1])
			if err := m.Add(f.numbers(nil, r.whole.terms[q:q+1])); err != nil {
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

// tailed is the gravest that the groups of terms tell, and what is told of: the group that tells it.
func (g *gather) tailed(l *look, groups [][]validity.Term, j int) validity.Finding {
	var found []validity.Finding
	var told *contract.TailOf
	for q, terms := range groups {
		f, t := g.tailIn(l, terms, j, len(groups))
		if found = append(found, f); q == 0 || validity.Gravest(found...).Verdict != validity.Gravest(found[:q]...).Verdict {
			if told = t; told != nil {
				told.Against = q > 0
			}
		}
	}
	l.tail = told
	return validity.Gravest(found...)
}

// tailIn is what one group tells; nothing is told of a tail that is no group.
func (g *gather) tailIn(l *look, terms []validity.Term, j, groups int) (validity.Finding, *contract.TailOf) {
	fall, n, err := validity.TailFall(terms, g.of(), l.now.Bounded)
	if err != nil { // no contributor, or a value that is not positive
		return validity.Finding{Verdict: contract.NotEnoughData, Reason: validity.Reason(validity.Undefined)}, nil
	}
	found := validity.Tail(fall, n, j, groups)
	if n < smallestGroup {
		found.Effect, found.Margin = 0, 0
		return found, nil
	}
	return found, &contract.TailOf{Fall: finite(fall.Value), Margin: finite(found.Margin), Customers: int64(n), Spread: l.st.Ratio}
}

// aboveCap is the share of what customers add that lies above the cap; nil where too few add more than that to be told of.
func (g *gather) aboveCap(limit *int64) *float64 {
	if limit == nil {
		return nil
	}
	var all, above float64
	customers := int64(0)
	for i := range g.rows {
		if t := g.rows[i].whole.terms[0]; g.rows[i].counts && t.Num > 0 {
			all += float64(t.Num)
			above += float64(max(0, t.Num-*limit))
			if t.Num > *limit {
				customers++
			}
		}
	}
	if all == 0 || customers < g.c.tellable() {
		return nil
	}
	share := above / all
	return &share
}

// funnel is the value and its interval after so many customers, at numbers that grow by a quarter: those that could have been shown then.
func (g *gather) funnel(limit *int64, level validity.Level) []contract.Look {
	m, err := validity.NewMoments(g.c.form.width())
	if err != nil {
		return nil
	}
	var out []contract.Look
	var numbers []float64
	next, bounded := int64(100), g.bounded()
	for i := range g.rows {
		r := &g.rows[i]
		if !r.counts || m.Add(g.c.form.numbers(nil, g.terms(r.whole, limit))) != nil {
			continue
		}
		numbers = append(numbers, r.numbers...)
		if last := m.N() == g.raw.N(); m.N() >= next || last {
			e := g.chosen(g.form().estimate(m, g.of(), bounded, g.peakOf(g.rows[:i+1], means(m), limit)))
			h := e.Today(level)
			shown := e.ShownToday() == validity.Released
			if g.c.ranked() && !math.IsInf(h, 0) && !math.IsNaN(h) {
				e.Value, h, _ = g.number(numbers, h) // of some, so that it cannot fail
			}
			if shown && !math.IsNaN(e.Value) && !math.IsInf(h, 0) && !math.IsNaN(h) {
				out = append(out, contract.Look{N: m.N(), Value: e.Value, HalfWidth: h})
			}
			next = m.N() * 5 / 4
		}
	}
	return out
}
