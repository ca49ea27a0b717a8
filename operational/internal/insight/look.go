package insight

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// look is what one look at a claim found.
type look struct {
	st       State
	now      validity.Estimate
	withheld *contract.Reason // why nothing is published
	findings []contract.Finding
	looks    []contract.Look
	formats  []contract.Left
	leftOut  contract.Division // what formats are
	tail     *contract.TailOf
	unknown  *contract.Unverified
	aboveCap *float64
	half     float64 // half-width that is shown
	smallest int64   // customers in the smallest group that the value tells of
	model    *contract.ModelFit
	anew     string  // why it was published anew
	read     int64   // customers read
	number   float64 // of a percentile, which is watched as a rank
	silent   bool    // nothing new is told
	fresh    bool    // it was published at this look: what is watched from now on is still to be gathered
}

// plausible is by how much, relative, facts from sources that nobody verified could be wrong: 100 %.
const plausible = 1

// Smallest group of customers that anything may tell about.
const smallestGroup = 10

// open begins the outcome of a look.
func (g *gather) open() *look {
	l := &look{st: *g.st}
	g.st = &l.st
	l.st.Seen = max(l.st.Seen, g.at.Until)
	return l
}

// conclude makes the look of what was gathered.
func (g *gather) conclude(now time.Time, unparsed float64) (*look, error) {
	l := g.open()
	if l.st.Standing == nil || g.republishes() {
		if err := g.publish(l, now); err != nil || l.st.Standing == nil || l.silent {
			return l, err
		}
		if l.st.Rank != nil {
			if err := g.placeAt(l.st.Rank.Published); err != nil {
				return nil, err
			}
		}
	}
	m, err := g.sumOf(l.st.Cap)
	if err != nil {
		return nil, err
	}
	l.now = g.value(m, l.st.Cap)
	if err := g.watchOn(l); err != nil {
		return nil, err
	}
	return l, g.examine(l, l.st.Cap, unparsed)
}

// republishes reports whether a claim that fell, or lost what it was compared with, is made anew at this look.
func (g *gather) republishes() bool { return g.st.worn() && g.news }

// publish publishes the claim if its value is known well enough, or says why not.
func (g *gather) publish(l *look, now time.Time) error {
	if g.c.pinned() {
		g.choose(l)
	}
	e, limit, err := g.candidate()
	if err != nil {
		return err
	}
	if !g.bent {
		err = g.state(l, e, limit, now)
	} else if l.st.Standing == nil {
		l.now, l.withheld = e, &contract.Reason{Code: fault.LowSample, Item: "curved"}
	}
	if err == nil && l.fresh && g.c.ranked() {
		l.st.Rank, err = g.rankOf()
	}
	g.ordered()
	// What was gathered is of other windows than those of the claim that stands: it goes on standing as it was told of last.
	l.silent = g.c.pinned() && l.st.Standing != nil && l.st.At != g.at
	return err
}

// state makes the value a statement, or says why not.
func (g *gather) state(l *look, e validity.Estimate, limit *int64, now time.Time) error {
	before := l.st.Standing
	l.now = e
	next, err := validity.Publish(e, g.c.tolerance)
	var no *fault.Error
	switch {
	case errors.As(err, &no):
		if before == nil {
			l.withheld = withheld(e, no, g.c.tolerance)
			if g.stopped && l.withheld.Item == notPrecise {
				l.withheld.Item = readMost
			}
		}
		return nil
	case err != nil:
		return err
	}
	if before != nil {
		if next, err = before.Republish(e, g.c.tolerance); err != nil {
			return err
		}
		if l.anew = failed(before.Verdicts); l.anew == "" {
			l.anew = expired
		}
		l.st.Anew = append(l.st.Anew, Anew{g.at.Until, l.anew})
	}
	next.Republished += l.st.Before
	at := now.UTC().Truncate(time.Millisecond)
	l.st.Before = 0
	l.st.Base = g.c.base
	l.st.Standing, l.st.At, l.st.Cap, l.st.PublishedAt, l.st.Fell = &next, g.at, limit, &at, 0
	l.st.Later, l.st.Spread, l.st.Windows, l.st.Ratio, l.st.Lost = nil, nil, nil, nil, false
	l.fresh, l.read = true, g.read
	return nil
}

// failed names the first of the questions that failed.
func failed(v contract.Verdicts) string {
	for _, q := range questions(v) {
		if q.verdict == contract.Fails {
			return string(q.question)
		}
	}
	return ""
}

type answered struct {
	question contract.Question
	verdict  contract.Verdict
}

func questions(v contract.Verdicts) []answered {
	return []answered{{contract.Volume, v.Volume}, {contract.VelocityOf, v.Velocity}, {contract.Variety, v.Variety},
		{contract.Variability, v.Variability}, {contract.Veracity, v.Veracity}}
}

// Why a value is not precise enough: customers are still to come, or one look may read no more of those there are.
const (
	notPrecise = "not_precise"
	readMost   = "read_most"
)

// withheld says why a value is not published: by the guard, or since its interval, which is told, is wider than half its
// tolerance.
func withheld(e validity.Estimate, refused *fault.Error, t validity.Tolerance) *contract.Reason {
	r := &contract.Reason{Code: refused.Code, Item: notPrecise}
	if w := e.Withheld(); w != validity.Released {
		r.Item = string(w)
	}
	have, need := float64(e.N), float64(leastCustomers(e.Bounded))
	switch {
	case r.Item == string(validity.Undefined):
		r.Code = fault.ZeroDenominator
		return r
	case r.Item == notPrecise:
		have, need = finite(e.Newcomers(validity.Holding())), t.Band(e.Value)/2
	case r.Item != string(validity.TooFew):
		return r
	}
	r.Have, r.Need = &have, &need
	return r
}

func leastCustomers(bounded bool) int {
	if bounded {
		return 100
	}
	return 400
}

// candidate is the value that could be published: the raw one, or with a cap where one customer dominates it.
func (g *gather) candidate() (validity.Estimate, *int64, error) {
	if g.c.ranked() {
		if err := g.place(); err != nil {
			return validity.Estimate{Value: math.NaN(), N: g.raw.N(), Of: g.of()}, nil, nil
		}
	}
	m, err := g.sumOf(nil)
	if err != nil {
		return validity.Estimate{}, nil, err
	}
	g.bent = g.curved(m)
	g.level(m)
	raw := g.value(m, nil)
	if raw.Withheld() != validity.Dominated || g.limit == nil || *g.limit <= 0 {
		return raw, nil, nil
	}
	if m, err = g.sumOf(g.limit); err != nil {
		return raw, nil, err
	}
	if capped := g.value(m, g.limit); validity.Publishable(capped, g.c.tolerance) == nil {
		return capped, g.limit, nil
	}
	return raw, nil, nil
}

// sumOf sums what customers add, up to a cap.
func (g *gather) sumOf(limit *int64) (*validity.Moments, error) {
	m, err := validity.NewMoments(g.c.form.width())
	if err != nil {
		return nil, err
	}
	var z []int64
	for i := range g.rows {
		if r := &g.rows[i]; r.counts {
			z = g.c.form.numbers(z[:0], g.terms(r.whole, limit))
			if err := m.Add(z); err != nil {
				return nil, err
			}
		}
	}
	return m, nil
}

// level takes a tolerance that was ordered as a share of what a difference is from.
func (g *gather) level(m *validity.Moments) {
	if g.c.double() && (g.st.Standing == nil || g.republishes()) {
		g.c.levelled(g.form().base(means(m)))
	}
}

// ordered takes the tolerance of the statement that stands.
func (g *gather) ordered() {
	if g.c.order.OfLevel && g.st.Standing != nil {
		g.c.tolerance = g.st.Standing.Tolerance
	}
}

// curved reports whether the value bends too much for its linearisation to be trusted.
func (g *gather) curved(m *validity.Moments) bool {
	x, is := g.form().figure.(smooth)
	if !is || m.N() == 0 {
		return false
	}
	bent := x.f.Curved(m, 0, x.components, x.customers)
	return bent || g.c.double() && x.f.Curved(m, x.width(), x.components, x.customers)
}

func (g *gather) value(m *validity.Moments, limit *int64) validity.Estimate {
	if m.N() == 0 {
		return validity.Estimate{Value: math.NaN(), Of: g.of()}
	}
	return g.chosen(g.form().estimate(m, g.of(), g.bounded(), g.peak(means(m), limit)))
}

// chosen widens what is known of a mover, which is the group that moved most by the very data that it is then claimed on.
func (g *gather) chosen(e validity.Estimate) validity.Estimate {
	if g.c.order.Kind == contract.MoverInsight {
		e.SD *= validity.Chosen(g.st.Among, e.N)
	}
	return e
}

// choose picks the group of a mover that moved the value most, of those large enough in both windows.
func (g *gather) choose(l *look) {
	if g.c.order.Kind != contract.MoverInsight {
		return
	}
	type sums struct {
		num [2]float64
		n   [2]int64
	}
	groups := map[string]*sums{}
	var den [2]float64
	for i := range g.rows {
		for q, t := range g.rows[i].whole.terms {
			den[q] += float64(t.Den)
			if t.Den == 0 {
				continue
			}
			key := g.rows[i].whole.keys[q]
			if groups[key] == nil {
				groups[key] = &sums{}
			}
			groups[key].num[q] += float64(t.Num)
			groups[key].n[q]++
		}
	}
	best := -1.
	l.st.Among = 0
	for _, key := range sortedKeys(groups) {
		s := groups[key]
		if key == "" || s.n[0] < smallestGroup || s.n[1] < smallestGroup {
			continue
		}
		l.st.Among++
		if moved := math.Abs(s.num[0]/den[0] - s.num[1]/den[1]); moved > best {
			best, l.st.Group = moved, key
		}
	}
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// windows counts rolling windows since publication that do not overlap, from 1; 0 for a value that is not over windows.
func (g *gather) windows(at contract.Day) int {
	if !g.c.windowed() || g.c.pinned() {
		return 0
	}
	length := max(g.at.Days(), g.c.programs[0].Over(g.at).Days())
	return 1 + at.Sub(g.st.At.Until)/length
}
