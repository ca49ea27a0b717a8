package validity

import (
	"math"

	"github.com/strata-crm/strata/shared/fault"
)

// bets are the tilts of the exponential e-values, in standard errors: small ones find slow drifts, large ones jumps.
var bets = [4]float64{.5, 1, 2, 4}

// Detector is the e-detector for the effects of closed windows (Shin, Ramdas & Rinaldo 2022, arXiv 2203.03532, in its
// Gaussian form): against "no window ever lies beyond ±t" it bets that from some window j on all do. For each start j
// with weight 1/(j(j+1)), each of four tilts l and both signs it multiplies exp(l z - l²/2), z = (±d - t)/s; the mean,
// with the weight of starts not yet made, is an e-value at every look: it ever exceeds 1/a with probability at most a.
//
// The zero value is ready. Its fields are its state, for a store to keep; only Observe changes them.
type Detector struct {
	Windows int        `json:"windows"` // observed so far
	Up      [4]float64 `json:"up"`      // log of the weighted sum over starts, per tilt, for effects above
	Down    [4]float64 `json:"down"`    // the same for effects below
}

// Observe adds the next closed window: its effect d, the standard error s > 0 of d, and the edge t >= 0 of the band. It
// fails (Invalid), and changes nothing, on other values.
func (e *Detector) Observe(d, s, t float64) error {
	if !(s > 0) || !(t >= 0) || math.IsNaN(d) || math.IsInf(d+s+t, 0) {
		return fault.New(fault.Invalid, fault.InvalidItem, "a window with effect %g, standard error %g and band %g: "+
			"need finite numbers, a positive error and a band of at least 0", d, s, t)
	}
	e.Windows++
	weight := -math.Log(float64(e.Windows) * float64(e.Windows+1))
	for i, l := range bets {
		e.Up[i] = e.extend(e.Up[i], weight) + l*(d-t)/s - l*l/2
		e.Down[i] = e.extend(e.Down[i], weight) + l*(-d-t)/s - l*l/2
	}
	return nil
}

// extend adds the start at this window to the sum over earlier ones.
func (e *Detector) extend(log, weight float64) float64 {
	if e.Windows == 1 {
		return weight
	}
	return logAdd(log, weight)
}

// LogE is the natural logarithm of the e-value after the windows observed so far: 0 before the first.
func (e *Detector) LogE() float64 {
	log := -math.Log(float64(e.Windows + 1)) // the weights 1/(j(j+1)) of all later starts
	if e.Windows == 0 {
		return log
	}
	each := -math.Log(2 * float64(len(bets)))
	for i := range bets {
		log = logAdd(log, each+e.Up[i])
		log = logAdd(log, each+e.Down[i])
	}
	return log
}

// logAdd is ln(e^a + e^b).
func logAdd(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	return a + math.Log1p(math.Exp(b-a))
}
