package validity

import (
	"math"

	"github.com/strata-crm/strata/shared/fault"
)

// pathVariance is that of the Gaussian mixture over tilts of a [Path], in units of the first move: narrowest after about a dozen windows,
// as [Rho2] is after 5,000 customers.
const pathVariance = 1.

// certain is the log of the evidence where nothing is random in what moved a value beyond its band.
const certain = 1e6

// Path is the evidence against a value over all history, which is not another one in every window: each look sees what the last one
// saw, and a bit more. The [Detector] multiplies what windows say that share nothing, and may not be used on it. What is new are the
// moves from look to look; with S the sum of what they are beyond their own drift, exp(l S - l² V/2) is a martingale for every tilt l, V the sum of their
// variances. While the value stays within the edge of its band, (|d| - t) is at most S, so that the mixture over Gaussian tilts ever exceeds 1/a
// with probability at most a (Robbins 1970, Ann. Math. Stat. 41; the same mixture as of [Level.LogE]). It knows one start: the publication.
//
// The zero value is ready. Its fields are its state, for a store to keep; only Observe changes them.
type Path struct {
	Windows  int     `json:"windows"`
	Unit     float64 `json:"unit"`     // variance of the first move
	Moved    float64 `json:"moved"`    // V, the variances of all moves
	Evidence float64 `json:"evidence"` // natural log of the e-value after the last window
}

// Observe adds the next look: the value lies d from where it was published, after a move whose standard error is s >= 0, and t >= 0
// is the edge of the band. It fails (Invalid), and changes nothing, on other values.
func (p *Path) Observe(d, s, t float64) error {
	if !(s >= 0) || !(t >= 0) || math.IsNaN(d) || math.IsInf(d+s+t, 0) {
		return fault.New(fault.Invalid, fault.InvalidItem, "a look at %g after a move with the standard error %g, band %g: need finite numbers, "+
			"the latter two at least 0", d, s, t)
	}
	p.Windows++
	if p.Unit == 0 {
		p.Unit = s * s
	}
	p.Moved += s * s
	beyond := math.Max(0, math.Abs(d)-t)
	switch {
	case p.Moved > 0:
		a := 1 + pathVariance*p.Moved/p.Unit
		p.Evidence = -.5*math.Log(a) + pathVariance*beyond*beyond/p.Unit/(2*a)
	case beyond > 0: // nothing is random in what moved it
		p.Evidence = certain
	}
	return nil
}
