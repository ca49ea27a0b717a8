package validity

import (
	"math"

	"github.com/strata-crm/strata/shared/contract"
)

// VeracityFinding is the answer to V5.
type VeracityFinding struct {
	Finding
	Unknown float64 `json:"unknown"` // share of the value's numerator from unverified sources
	Tipping float64 `json:"tipping"` // by how much they would have to be wrong to move the value by the tolerance; +Inf where there are none
}

// Veracity (V5) asks whether the value stands when facts from unverified sources are left out. effect is the relative
// effect of leaving them out (from [Without], with the whole's Peak; its sign does not matter), unknown their share of the numerator (of money, not of facts),
// 0 to 1; plausible the error, relative, that policy thinks they could have (1 is 100 %). windows counts rolling windows
// as in [Volume].
//
// It fails when leaving them out is proven at 1 % to move the value by more than the tolerance. It holds when it does not move it and unknown
// × plausible <= tolerance. When only the latter is wrong it is weakening, with the tipping point tolerance/unknown:
// the data alone cannot say more about sources that nobody verified.
func Veracity(effect Estimate, unknown, tolerance, plausible float64, windows int) VeracityFinding {
	v := VeracityFinding{
		Finding: Finding{Effect: effect.Value, Margin: effect.Newcomers(Holding()), Band: tolerance},
		Unknown: unknown, Tipping: math.Inf(1),
	}
	if unknown > 0 {
		v.Tipping = tolerance / unknown
	}
	withheld := effect.Withheld()
	switch {
	case withheld == TooFew || withheld == Undefined || math.IsNaN(unknown):
		v.Finding = notEnough(v.Finding, Reason(withheld))
		return v
	case unknown == 0 && effect.Value == 0 && effect.SD == 0:
		v.Verdict = contract.Holds
		return v
	}
	v.LogE = effect.spent(0, tolerance, Failing(), windows)
	v.Finding = judge(v.Finding, effect, Failing())
	if v.Verdict != contract.Fails && unknown*plausible > tolerance {
		v.Verdict, v.Reason = contract.Weakening, Unverified
	}
	return v
}
