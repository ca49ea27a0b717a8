package btyd

import (
	"cmp"
	"math"
	"slices"

	"github.com/strata-crm/strata/shared/fault"
)

// Summary is what the models need to know of one customer, or of Count customers who are alike.
type Summary struct {
	X     float64 // repeat purchase days: distinct days with a purchase, less the first; a whole number
	Tx    float64 // weeks from the first to the last purchase day; 0 when X is 0
	T     float64 // weeks from the first purchase day to the as-of day; at least Tx
	Spend float64 // mean revenue of the X repeat days, in currency units; 0 when X is 0
	Count int     // customers with exactly these figures; 1 for a single customer
}

func (s Summary) valid() bool {
	finite := !math.IsInf(s.X+s.Tx+s.T+s.Spend, 0) // a NaN fails the comparisons below
	return finite && s.Count >= 1 && s.X >= 0 && s.X == math.Floor(s.X) && s.Tx >= 0 && s.Tx <= s.T &&
		s.Spend >= 0 && (s.X > 0 || (s.Tx == 0 && s.Spend == 0))
}

func invalid(s Summary) error {
	return fault.New(fault.Invalid, fault.InvalidItem, "customer summary %+v: need a count of at least 1, whole X >= 0, "+
		"0 <= Tx <= T, Spend >= 0, and Tx and Spend 0 where X is 0", s)
}

// compareHistory orders by purchase history alone, compareSummary by history and then spend.
func compareHistory(a, b Summary) int {
	switch { // most pairs differ early, and sorting a million customers is mostly this
	case a.X != b.X:
		return cmp.Compare(a.X, b.X)
	case a.Tx != b.Tx:
		return cmp.Compare(a.Tx, b.Tx)
	}
	return cmp.Compare(a.T, b.T)
}

func compareSummary(a, b Summary) int {
	if c := compareHistory(a, b); c != 0 {
		return c
	}
	return cmp.Compare(a.Spend, b.Spend)
}

// Merge returns the summaries sorted by X, Tx, T and Spend, equal ones merged into one with their counts added. The
// result is the same whatever the order of the input, which it leaves alone. It fails (Invalid) on the first summary
// that cannot be a customer.
func Merge(in []Summary) ([]Summary, error) {
	for _, s := range in {
		if !s.valid() {
			return nil, invalid(s)
		}
	}
	sorted := slices.Clone(in)
	slices.SortFunc(sorted, compareSummary)
	return mergeSorted(sorted, compareSummary), nil
}

// mergeSorted merges neighbours that compare equal, in place.
func mergeSorted(sorted []Summary, compare func(a, b Summary) int) []Summary {
	out := sorted[:0]
	for _, s := range sorted {
		if n := len(out); n > 0 && compare(out[n-1], s) == 0 {
			out[n-1].Count += s.Count
			continue
		}
		out = append(out, s)
	}
	return out
}

// Population is a set of customers prepared for fitting. It is immutable and safe for concurrent use.
type Population struct {
	customers  int
	repeaters  int
	weeks      float64
	cells      []Summary // sorted, merged by history and spend
	cellOf     []int     // cells[i] has the history histories[cellOf[i]]
	histories  []Summary // sorted, merged by history; Spend is meaningless
	levels     []float64 // the distinct X of histories, ascending
	levelOf    []int     // histories[i].X == levels[levelOf[i]]
	times      []float64 // the distinct Tx and T of histories: whole days, so few of them
	timesOf    []span    // of histories[i]
	spends     []Summary // repeaters with positive spend, merged by X and Spend; Tx and T are 0
	spendLevel []int     // spends[i].X == levels[spendLevel[i]]
	spendOf    []int     // cells[i] counts in spends[spendOf[i]]; -1 when it has no spend
}

// span holds where a history's Tx and T are among the times.
type span struct{ tx, t int32 }

// NewPopulation merges and indexes the customers. It fails as [Merge] does, and with no_data_yet (Invalid) when there
// are none.
func NewPopulation(customers []Summary) (*Population, error) {
	if len(customers) == 0 {
		return nil, fault.New(fault.Invalid, fault.NoData, "no customers: a model needs at least one purchase history")
	}
	cells, err := Merge(customers)
	if err != nil {
		return nil, err
	}
	p := &Population{cells: cells}
	for _, c := range cells {
		p.customers += c.Count
		if c.X > 0 {
			p.repeaters += c.Count
		}
		p.weeks = math.Max(p.weeks, c.T)
	}
	p.indexHistories()
	p.indexSpends()
	return p, nil
}

func (p *Population) indexHistories() {
	p.histories = mergeSorted(slices.Clone(p.cells), compareHistory)
	p.cellOf = make([]int, len(p.cells))
	h := 0
	for i, c := range p.cells {
		if compareHistory(p.histories[h], c) != 0 {
			h++
		}
		p.cellOf[i] = h
	}
	p.indexLevels()
	p.indexTimes()
}

func (p *Population) indexLevels() {
	p.levelOf = make([]int, len(p.histories))
	for i, s := range p.histories {
		if n := len(p.levels); n == 0 || p.levels[n-1] != s.X {
			p.levels = append(p.levels, s.X)
		}
		p.levelOf[i] = len(p.levels) - 1
	}
}

func (p *Population) indexTimes() {
	known := map[float64]int32{}
	index := func(t float64) int32 {
		i, seen := known[t]
		if !seen {
			i = int32(len(p.times))
			known[t], p.times = i, append(p.times, t)
		}
		return i
	}
	p.timesOf = make([]span, len(p.histories))
	for i, h := range p.histories {
		p.timesOf[i] = span{index(h.Tx), index(h.T)}
	}
}

// indexSpends leaves out repeaters whose mean spend is 0: the Gamma-Gamma density has no mass there (ln 0).
func (p *Population) indexSpends() {
	spent := func(c Summary) Summary { return Summary{X: c.X, Spend: c.Spend, Count: c.Count} }
	for _, c := range p.cells {
		if c.X > 0 && c.Spend > 0 {
			p.spends = append(p.spends, spent(c))
		}
	}
	slices.SortFunc(p.spends, compareSummary)
	p.spends = mergeSorted(p.spends, compareSummary)
	p.spendLevel = make([]int, len(p.spends))
	for i, s := range p.spends {
		p.spendLevel[i], _ = slices.BinarySearch(p.levels, s.X)
	}
	p.spendOf = make([]int, len(p.cells))
	for i, c := range p.cells {
		at, found := slices.BinarySearchFunc(p.spends, spent(c), compareSummary)
		if !found {
			at = -1
		}
		p.spendOf[i] = at
	}
}

// Customers is the number of customers.
func (p *Population) Customers() int { return p.customers }

// Repeaters is the number of customers with at least one repeat purchase day.
func (p *Population) Repeaters() int { return p.repeaters }

// Weeks is the length of the history: the longest T of any customer.
func (p *Population) Weeks() float64 { return p.weeks }
