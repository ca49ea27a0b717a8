package validity

import (
	"math"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Velocity (V2) asks whether the value is still the same a bit later: each closed window against the baseline. It is the
// state since one publication, for a store to keep; a re-publication starts a new one. The same machine, with the band of
// [NewSpread], watches the spread of V4.
type Velocity struct {
	Tolerance     float64   `json:"tolerance"`     // half-width of the band, in the unit of the effects
	BaselineError float64   `json:"baselineError"` // s0: standard error of what windows are compared with
	Proof         float64   `json:"proof"`         // log e-value at which it fails
	Detector      Detector  `json:"detector"`
	Path          *Path     `json:"path,omitempty"` // in place of the detector, of a value over all history
	Last          Shift     `json:"last"`
	Recent        []float64 `json:"recent"`            // absolute effects of the last windows, oldest first, at most six
	Carried       float64   `json:"carried,omitempty"` // log e-value of a watch that this one goes on from; see Carry
	Bounded       bool      `json:"bounded,omitempty"` // one customer's contribution has fixed bounds: windows of 100 customers do
}

// NewVelocity starts watching a value: tolerance is relative (10 % by default elsewhere), baselineError the s0 of
// [Baseline.StdErr], or of a forecast the relative standard error that its parameters leave. It fails (Invalid) on a
// tolerance that is not positive or an error that is negative.
func NewVelocity(tolerance, baselineError float64) (*Velocity, error) {
	return newVelocity(tolerance, baselineError, Failing().threshold())
}

func newVelocity(tolerance, baselineError, proof float64) (*Velocity, error) {
	if !(tolerance > 0) || !(baselineError >= 0) || math.IsInf(tolerance+baselineError, 0) {
		return nil, fault.New(fault.Invalid, fault.InvalidItem, "a tolerance of %g with a baseline error of %g: need a positive tolerance "+
			"and an error of at least 0", tolerance, baselineError)
	}
	return &Velocity{Tolerance: tolerance, BaselineError: baselineError, Proof: proof}, nil
}

// Complete reports whether a window may be judged: at least 99 % of its facts have arrived, by the lateness curve of its
// sources. At 92 %, every stable insight in the simulations was called false.
func Complete(share float64) bool { return share >= leastWhole }

// Close takes in the next closed and complete window, with the baseline error of v. Facts that come later restate
// the window elsewhere but are not fed again. It fails (Invalid), and changes nothing, on a window below 400 customers,
// (100 where v is bounded), which gives no verdict, and as [Detector.Observe] does.
func (v *Velocity) Close(w Shift) error { return v.CloseAgainst(w, v.BaselineError) }

// CloseAgainst is Close for a forecast whose own error grows with the horizon: baselineError is that of this window.
func (v *Velocity) CloseAgainst(w Shift, baselineError float64) error {
	if least := leastSubjects(v.Bounded); w.N < least {
		return fault.New(fault.Invalid, fault.LowSample, "a window of %d customers: need %d", w.N, least)
	}
	if !(baselineError >= 0) {
		return fault.New(fault.Invalid, fault.InvalidItem, "a baseline error of %g: need at least 0", baselineError)
	}
	if err := v.Detector.Observe(w.Effect, w.StdErr, v.Tolerance+twoSided99*baselineError); err != nil {
		return err
	}
	v.keep(w)
	return nil
}

// Follow is Close for a value over all history, for which v has a [Path]: w is how far it lies from what was published, customer by
// customer, and move the standard error of its move since the last look. It fails as Close does.
func (v *Velocity) Follow(w Shift, move float64) error {
	if least := leastSubjects(v.Bounded); w.N < least {
		return fault.New(fault.Invalid, fault.LowSample, "a window of %d customers: need %d", w.N, least)
	}
	if err := v.Path.Observe(w.Effect, move, v.Tolerance+twoSided99*v.BaselineError); err != nil {
		return err
	}
	v.keep(w)
	return nil
}

func (v *Velocity) keep(w Shift) {
	v.Last = w
	v.Recent = append(v.Recent, math.Abs(w.Effect))
	v.Recent = v.Recent[max(0, len(v.Recent)-slopeOver):]
}

// evidence is the log e-value after so many windows.
func (v *Velocity) evidence() (logE float64, windows int) {
	if v.Path != nil {
		return v.Carried + v.Path.Evidence, v.Path.Windows
	}
	return v.Carried + v.Detector.LogE(), v.Detector.Windows
}

// Carry goes on from a watch of the same statement that had to end, as where its baseline is gone: the evidence of the two is multiplied,
// so that both have one budget of false alarms.
func (v *Velocity) Carry(before *Velocity) { v.Carried, _ = before.evidence() }

// Finding judges: it fails when the evidence reaches 100, weakens from 10, and holds when the last closed window lies
// inside the band with 95 %. No closed window yet is not enough data.
func (v *Velocity) Finding() Finding {
	logE, windows := v.evidence()
	f := Finding{Effect: v.Last.Effect, Margin: oneSided95 * v.Last.StdErr, Band: v.Tolerance, LogE: logE}
	switch {
	case windows == 0:
		f = notEnough(f, NoWindow)
		f.LogE = v.Carried
	case f.LogE >= v.Proof:
		f.Verdict, f.Reason = contract.Fails, Beyond
	case f.LogE >= logWeaken:
		f.Verdict, f.Reason = contract.Weakening, Suspicion
	case math.Abs(f.Effect)+f.Margin <= f.Band:
		f.Verdict = contract.Holds
	default:
		f.Verdict, f.Reason = contract.Weakening, Astride
	}
	return f
}

// ShelfLife is the number of windows until the effect leaves the band, were it to go on growing as over the last six
// windows (least squares through their absolute effects). It is 0 when the effect has left, and ok is false when fewer
// than six windows are closed or the effect does not grow.
func (v *Velocity) ShelfLife() (windows float64, ok bool) {
	left := v.Tolerance - math.Abs(v.Last.Effect)
	if len(v.Recent) > 0 && left <= 0 {
		return 0, true
	}
	if len(v.Recent) < slopeOver {
		return 0, false
	}
	var slope, squares float64
	for i, d := range v.Recent {
		at := float64(i) - float64(slopeOver-1)/2
		slope += at * d
		squares += at * at
	}
	if slope <= 0 {
		return 0, false
	}
	return left / (slope / squares), true
}
