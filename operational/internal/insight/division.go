package insight

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
)

// division is how variety divides what a value rests on, and the groups that it leaves out one by one.
type division struct {
	by     contract.Division
	groups []validity.FormatGroup
	names  []string
	row    func(r *row) uint64 // the parts that a customer has anything of; bit i is names[i]
}

// keep says what is left of a customer when something is left out.
type keep struct {
	fact     func(origin) bool
	customer func(*row) bool // of divisions of customers: all of theirs or nothing
}

func facts(kept func(origin) bool) keep { return keep{fact: kept} }

// divide divides by formats; where all came in one, by sources; and where all came from one, by when customers came first. That a
// claim stands in spite of its formats cannot be asked where there is one: that it stands whatever part is left out can.
func (g *gather) divide(rows []*row) (division, error) {
	for _, d := range []division{
		{by: contract.ByFormat, names: g.formats, row: func(r *row) uint64 { return r.uses }},
		{by: contract.BySource, names: g.sources, row: func(r *row) uint64 { return r.sources }},
		cohorts(rows),
	} {
		uses := make([]uint64, len(rows))
		for i, r := range rows {
			uses[i] = d.row(r)
		}
		var err error
		if d.groups, err = validity.GroupFormats(d.names, uses); err != nil || len(d.groups) > 1 {
			return d, err
		}
	}
	return division{by: contract.ByFormat}, nil
}

// mostCohorts is how many are left out one by one.
const mostCohorts = 6

// cohorts divides customers by the month, the quarter or the year in which they came first, whichever makes no more than six; of
// more years the oldest are one.
func cohorts(rows []*row) division {
	var names []string
	var of func(contract.Day) string
	for _, of = range []func(contract.Day) string{
		func(d contract.Day) string { return string(d[:7]) },
		func(d contract.Day) string { return fmt.Sprintf("%s-q%d", d[:4], (int(d[5]-'0')*10+int(d[6]-'0')+2)/3) },
		func(d contract.Day) string { return string(d[:4]) },
	} {
		seen := map[string]bool{}
		for _, r := range rows {
			seen[of(r.first)] = true
		}
		if names = sortedKeys(seen); len(names) <= mostCohorts {
			break
		}
	}
	oldest := max(0, len(names)-mostCohorts)
	shown := slices.Clone(names[oldest:])
	if oldest > 0 {
		shown[0] = "until-" + shown[0]
	}
	return division{by: contract.ByCohort, names: shown, row: func(r *row) uint64 {
		return 1 << max(0, slices.Index(names, of(r.first))-oldest)
	}}
}

// parts is what a group of a division is, and what is left without it.
func (g *gather) parts(d division, group validity.FormatGroup) (own, without keep) {
	part := func(in bool) keep {
		switch d.by {
		case contract.ByCohort:
			return keep{customer: func(r *row) bool { return (d.row(r)&group.Formats != 0) == in }}
		case contract.BySource:
			return facts(func(o origin) bool { return (group.Formats&(1<<index(&g.sources, o.source)) != 0) == in })
		}
		return facts(func(o origin) bool { return (group.Formats&(1<<index(&g.formats, o.format)) != 0) == in })
	}
	return part(true), part(false)
}

const (
	// mostWays is how many formats, and how many sources, are told apart.
	mostWays = 64
	// otherWays are those beyond them, together.
	otherWays = "other"
)

// index returns the number of a name in a list, to which it is added if it is new. Those beyond what can be told apart are the
// last one together.
func index(names *[]string, name string) int {
	at := slices.Index(*names, name)
	switch {
	case at >= 0:
		return at
	case len(*names) == mostWays-1:
		name = otherWays
	case len(*names) == mostWays:
		return mostWays - 1
	}
	*names = append(*names, name)
	return len(*names) - 1
}

// strata counts the customers of each way in which anything came, by format and source.
type strata map[[2]int]int64

func (s strata) add(r *row) {
	for f := r.uses; f != 0; f &= f - 1 {
		for o := r.sources; o != 0; o &= o - 1 {
			s[[2]int{bits.TrailingZeros64(f), bits.TrailingZeros64(o)}]++
		}
	}
}

const (
	leastStratum = 400    // customers of each way, before variety and veracity are asked of a sample
	strataRead   = 20_000 // read for them at most: a way in which two of a hundred came has its 400 by then
)

// enough reports whether each way has enough customers, after so many were read.
func (s strata) enough(read int64) bool {
	if len(s) < 2 || read >= strataRead {
		return true
	}
	for _, n := range s {
		if n < leastStratum {
			return false
		}
	}
	return true
}
