package insight

import (
	"math"
	"slices"

	"github.com/strata-crm/strata/operational/internal/validity"
)

// crowd counts the customers of the smallest group that can be read from a number: those who add anything to it and, of a share,
// those who are in it and those who are not. Exactly none and exactly all are no group.
type crowd struct {
	c           *claim
	n, num, den int64
	mixed       bool // it is no share of customers
}

func (w *crowd) add(t term) {
	idle := t.nothing()
	if w.c.total() { // everybody is asked, and adds nothing unless they did something
		idle = t.Num == 0
	}
	if !idle {
		w.n++
	}
	w.num, w.den = w.num+t.Num, w.den+t.Den
	w.mixed = w.mixed || w.c.curved() || t.Den < 0 || t.Den > 1 || t.Num < 0 || t.Num > t.Den
}

// smallest is how many customers are in the smallest group; math.MaxInt64 where there is none.
func (w *crowd) smallest() int64 {
	least := int64(math.MaxInt64)
	if w.n > 0 {
		least = w.n
	}
	if !w.mixed && w.num != 0 && w.num != w.den {
		least = min(least, w.num, w.den-w.num)
	}
	return least
}

// smallest is how many customers are in the smallest group that can be read from the value.
func (g *gather) smallest() int64 {
	least := g.raw.N()
	for q := range g.spans {
		w := crowd{c: g.c}
		for i := range g.rows {
			if r := &g.rows[i]; r.counts {
				w.add(g.terms(r.whole, nil)[q])
			}
		}
		least = min(least, w.smallest())
	}
	return least
}

// tellable is the smallest group that the directive lets anything be told of.
func (c *claim) tellable() int64 {
	return max(smallestGroup, int64(c.directive.Constraints.MinimumGroup))
}

// told reports whether a closed window of a series may be told of.
func (g *gather) told(s series, k int) bool {
	for q := range g.quotients() {
		w := crowd{c: g.c}
		for i := range s.rows {
			w.add(s.at[k][i][q])
		}
		if w.smallest() < g.c.tellable() {
			return false
		}
	}
	return true
}

// capOf is what one customer may add at most: the cap of [validity.CapFrom], lowered until as many add more as may be told of, and
// rounded down to two digits, since it is told and would be what one of them spent.
func capOf(pool []int64, least int64) (int64, error) {
	limit, err := validity.CapFrom(pool)
	if err != nil {
		return 0, err
	}
	most := slices.Clone(pool[:min(len(pool), capFrom)])
	slices.Sort(most)
	for limit > 0 {
		at, _ := slices.BinarySearch(most, limit+1)
		if int64(len(most)-at) >= least {
			return rounded(limit), nil
		}
		if at, _ = slices.BinarySearch(most, limit); at == 0 {
			return 0, nil // nobody adds less: there is nothing to cut off
		}
		limit = most[at-1]
	}
	return limit, nil
}

// rounded is a positive number down to its first two digits.
func rounded(x int64) int64 {
	unit := int64(1)
	for x/unit >= 100 {
		unit *= 10
	}
	return x / unit * unit
}
