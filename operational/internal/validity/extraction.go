package validity

import (
	"math"

	"github.com/strata-crm/strata/shared/fault"
)

// Extraction reads customers in priority order, each with all of their facts, until the interval for today's base is as
// narrow as the tolerance: the answer to a one-off question. Not safe for concurrent use.
//
// Whoever walks adds a batch, asks Done, and stops; no more than one batch is read in vain. The number of looks is free.
type Extraction struct {
	kind      Kind
	tolerance Tolerance
	of        int64
	moments   *Moments
	terms     []Term
	last      Priority
	least     int64 // smallest and largest numerator while every denominator is 1: they hold the peak then
	most      int64
	plain     bool
}

// Extract is what an extraction found.
type Extract struct {
	Estimate
	HalfWidth float64  // 95 %, for today's base, over all looks; 0 when all were read
	Withheld  Withheld // why Value must not be shown; empty when it may
	Met       bool     // the interval meets the tolerance, or all were read
}

// NewExtraction starts one over a base of "of" customers. It fails (Invalid) on an unknown kind or model_total, whose
// influences come from a fit, a tolerance that is not positive, and an empty base.
func NewExtraction(k Kind, t Tolerance, of int64) (*Extraction, error) {
	if err := k.Check(); err != nil {
		return nil, err
	}
	if k == ModelTotal {
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "a model total is not extracted customer by customer: fit on samples that grow")
	}
	if !(t.Size > 0) || of < 1 || of > maxCustomers {
		return nil, fault.New(fault.Invalid, fault.InvalidItem, "a tolerance of %g on %d customers: need a positive tolerance and 1 to %d customers",
			t.Size, of, int64(maxCustomers))
	}
	m, err := NewMoments(2)
	return &Extraction{kind: k, tolerance: t, of: of, moments: m, least: math.MaxInt64, most: math.MinInt64, plain: true}, err
}

// Add takes in the next customer. It fails (Invalid), and changes nothing, when u is below the one before, since then
// this is no walk in priority order, when more come than there are, and beyond the range of [Moments].
func (x *Extraction) Add(u Priority, t Term) error {
	if u < x.last {
		return fault.New(fault.Invalid, fault.InvalidItem, "a customer with a lower priority than the one before: read them in the order of priority")
	}
	if x.moments.n >= x.of {
		return fault.New(fault.Invalid, fault.InvalidItem, "more customers than the %d there are: count the base again", x.of)
	}
	if err := x.moments.Add([]int64{t.Num, t.Den}); err != nil {
		return err
	}
	x.last, x.terms = u, append(x.terms, t)
	x.plain = x.plain && t.Den == 1
	x.least, x.most = min(x.least, t.Num), max(x.most, t.Num)
	return nil
}

// Answer is the state after the customers read so far. It costs O(1) for means and O(customers read) for others, whose
// largest influence changes with the value.
func (x *Extraction) Answer() Extract {
	a, l := x.interval()
	a.Peak = x.peak(l, a.SD)
	a.Withheld = a.ShownToday()
	a.Met = a.Withheld == Released && (a.Exact() || x.narrow(a))
	return a
}

// Done reports whether to stop reading: the tolerance is met, or nobody is left. It is cheap while the interval is wide.
func (x *Extraction) Done() bool {
	if x.moments.n >= x.of {
		return true
	}
	a, _ := x.interval()
	return x.narrow(a) && x.Answer().Met
}

func (x *Extraction) interval() (Extract, Linear) {
	trait, _ := x.kind.trait()
	e, l, _ := Quotient{Num: []int64{1, 0}, Den: []int64{0, 1}, Scale: trait.scale}.Of(x.moments, x.of, trait.bounded)
	return Extract{Estimate: e, HalfWidth: e.Today(Holding())}, l
}

func (x *Extraction) narrow(a Extract) bool { return a.HalfWidth <= x.tolerance.Band(a.Value) }

func (x *Extraction) peak(l Linear, sd float64) float64 {
	if sd == 0 {
		return 1
	}
	terms := x.terms
	if x.plain {
		terms = []Term{{x.least, 1}, {x.most, 1}}
	}
	largest := 0.0
	for _, t := range terms {
		psi := l.Coef[0]*float64(t.Num) + l.Coef[1]*float64(t.Den)
		largest = math.Max(largest, psi*psi)
	}
	return largest / (sd * sd * float64(x.moments.n))
}
