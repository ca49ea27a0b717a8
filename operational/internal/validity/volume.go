package validity

import (
	"math"

	"github.com/strata-crm/strata/shared/contract"
)

// Volume (V1) asks whether the value stays when more data arrives: now is the value on all data read so far, published
// the value of the statement and band its tolerance in the same unit (see [Tolerance.Band]). windows is 0 for a
// cumulative value; for one over rolling windows it is the number of non-overlapping windows since publication, counted
// from 1, over which the error probability of "fails" is spent, here as in the other questions. "holds" is about the current look and is not spent.
//
// It holds when the current interval for customers to come lies inside the band: never the running intersection of
// intervals, which goes on saying "holds" in 16 % of the looks at which the true value has left. It fails when the 1 %
// interval no longer touches the band, even while one customer dominates: they widen the interval, so that what is proven in
// spite of them stands. The guard keeps claims from being made on tails that nobody has seen; it does not keep false ones.
func Volume(now Estimate, published, band float64, windows int) Finding {
	f := Finding{Effect: now.Value - published, Margin: now.Newcomers(Holding()), Band: band}
	f.LogE = now.spent(published, band, Failing(), windows)
	proof := f.LogE
	f = judge(f, now, Failing())
	if f.Reason == Reason(Dominated) && proof >= Failing().threshold() {
		f.Verdict, f.Reason, f.LogE = contract.Fails, Beyond, proof
	}
	if f.Verdict == contract.Weakening && now.Exact() && math.Abs(f.Effect) <= band && f.Margin > band {
		f.Reason = Newcomers
	}
	return f
}
