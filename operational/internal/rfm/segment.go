package rfm

import (
	"github.com/strata-crm/strata/shared/fault"
)

// Segment is the name of a group of customers with similar scores.
type Segment string

// The segments of [DefaultRules].
const (
	Champions          Segment = "champions"
	Loyal              Segment = "loyal"
	PotentialLoyalists Segment = "potential_loyalists"
	NewCustomers       Segment = "new_customers"
	Promising          Segment = "promising"
	NeedAttention      Segment = "need_attention"
	AboutToSleep       Segment = "about_to_sleep"
	CannotLose         Segment = "cannot_lose"
	AtRisk             Segment = "at_risk"
	Hibernating        Segment = "hibernating"
	Lost               Segment = "lost"
)

// Range is a range of scores, both ends included.
type Range struct{ Low, High int }

func (r Range) contains(score int) bool { return r.Low <= score && score <= r.High }

// Rule puts the scores in its three ranges into a segment; a segment may have several rules.
type Rule struct {
	Segment Segment
	R, F, M Range
}

func (r Rule) contains(s Scores) bool {
	return r.R.contains(s.R) && r.F.contains(s.F) && r.M.contains(s.M)
}

// Rules give every combination of scores exactly one segment.
type Rules []Rule

// DefaultRules are the product's: the usual grid over recency and frequency, with revenue telling champions from other
// loyal customers and, among those who stay away, the ones to win back first. They are a starting point, to be edited.
func DefaultRules() Rules {
	all := Range{1, Levels}
	return Rules{
		{Champions, Range{5, 5}, Range{4, 5}, Range{4, 5}},
		{Loyal, Range{5, 5}, Range{4, 5}, Range{1, 3}},
		{Loyal, Range{3, 4}, Range{4, 5}, all},
		{PotentialLoyalists, Range{4, 5}, Range{2, 3}, all},
		{NewCustomers, Range{5, 5}, Range{1, 1}, all},
		{Promising, Range{4, 4}, Range{1, 1}, all},
		{NeedAttention, Range{3, 3}, Range{3, 3}, all},
		{AboutToSleep, Range{3, 3}, Range{1, 2}, all},
		{CannotLose, Range{1, 2}, Range{4, 5}, Range{4, 5}},
		{AtRisk, Range{1, 2}, Range{4, 5}, Range{1, 3}},
		{AtRisk, Range{1, 2}, Range{3, 3}, all},
		{Hibernating, Range{2, 2}, Range{1, 2}, all},
		{Lost, Range{1, 1}, Range{1, 2}, all},
	}
}

// Check fails (Invalid, bad_definition) on the first combination of scores, recency first, that no rule covers or that
// two cover.
func (rs Rules) Check() error {
	_, err := rs.table()
	return err
}

// table is the segment of every combination, by score less one.
func (rs Rules) table() (table [Levels][Levels][Levels]Segment, err error) {
	for r := range Levels {
		for f := range Levels {
			for m := range Levels {
				if table[r][f][m], err = rs.segment(Scores{r + 1, f + 1, m + 1}); err != nil {
					return table, err
				}
			}
		}
	}
	return table, nil
}

func (rs Rules) segment(s Scores) (Segment, error) {
	var found []Segment
	for _, r := range rs {
		if r.contains(s) {
			found = append(found, r.Segment)
		}
	}
	if len(found) != 1 || found[0] == "" {
		return "", fault.New(fault.Invalid, fault.BadDefinition, "recency %d, frequency %d, monetary %d belongs to segments %q: each "+
			"combination of scores needs exactly one", s.R, s.F, s.M, found)
	}
	return found[0], nil
}

// Total is what a segment holds.
type Total struct {
	Segment      Segment
	Customers    int
	Share        float64  // of all customers, in [0, 1]
	Revenue      int64    // minor units
	RevenueShare *float64 // of all revenue; nil where that is not positive and a share means nothing
}

// Totals sums the segments in the order in which the rules first name them; segments without customers are there with
// zeros, and a segment that the rules do not know comes last. All customers are counted once, so customers and revenue add up to the whole.
func Totals(scored []Scored, rules Rules) []Total {
	var out []Total
	index := map[Segment]int{}
	of := func(s Segment) *Total {
		at, known := index[s]
		if !known {
			at = len(out)
			index[s] = at
			out = append(out, Total{Segment: s})
		}
		return &out[at]
	}
	for _, r := range rules {
		of(r.Segment)
	}
	var revenue int64
	for _, s := range scored {
		t := of(s.Segment)
		t.Customers++
		t.Revenue += s.Monetary
		revenue += s.Monetary
	}
	for i := range out {
		out[i].Share = float64(out[i].Customers) / float64(max(1, len(scored)))
		if revenue > 0 {
			share := float64(out[i].Revenue) / float64(revenue)
			out[i].RevenueShare = &share
		}
	}
	return out
}
