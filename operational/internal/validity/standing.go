package validity

import (
	"math"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Standing is a published statement, "the value is Published ± Band", and what has become of it. It is plain data for a
// store to keep. Every publication has a budget of false alarms for ever: 1 % for each of the five questions.
type Standing struct {
	Published   float64           `json:"published"`
	Band        float64           `json:"band"` // in Published's unit
	Tolerance   Tolerance         `json:"tolerance"`
	N           int64             `json:"n"` // customers read at publication
	Republished int               `json:"republished"`
	Verdicts    contract.Verdicts `json:"verdicts"`
}

// Publish makes a candidate a statement. It is refused (Conflict): with low_sample while the guard withholds the value,
// and with validity while the 5 % interval for customers to come is wider than half the tolerance, since V1 would flicker
// at once. All verdicts begin as not enough data. A tolerance that is not positive is Invalid.
func Publish(e Estimate, t Tolerance) (Standing, error) {
	if err := Publishable(e, t); err != nil {
		return Standing{}, err
	}
	const none = contract.NotEnoughData
	return Standing{Published: e.Value, Band: t.Band(e.Value), Tolerance: t, N: e.N,
		Verdicts: contract.Verdicts{Volume: none, Velocity: none, Variety: none, Variability: none, Veracity: none}}, nil
}

// Publishable is nil when [Publish] would succeed, else its error.
func Publishable(e Estimate, t Tolerance) error {
	if !(t.Size > 0) || math.IsInf(t.Size, 0) {
		return fault.New(fault.Invalid, fault.BadDefinition, "a tolerance of %g: need a positive number", t.Size)
	}
	if w := e.Withheld(); w != Released {
		return fault.New(fault.Conflict, fault.LowSample, "the value cannot be published yet (%s): read more customers", w)
	}
	if h := e.Newcomers(Holding()); !(h <= t.Band(e.Value)/2) {
		return fault.New(fault.Conflict, fault.Validity, "the value %.6g is known to ±%.3g, half its tolerance is %.3g: read more customers",
			e.Value, h, t.Band(e.Value)/2)
	}
	return nil
}

// Judge returns the standing with new verdicts. A verdict that has failed stays failed until the statement is published
// anew, whatever is found later. A finding that is empty is not enough data.
func (s Standing) Judge(found contract.Verdicts) Standing {
	s.Verdicts = contract.Verdicts{
		Volume:      latch(s.Verdicts.Volume, found.Volume),
		Velocity:    latch(s.Verdicts.Velocity, found.Velocity),
		Variety:     latch(s.Verdicts.Variety, found.Variety),
		Variability: latch(s.Verdicts.Variability, found.Variability),
		Veracity:    latch(s.Verdicts.Veracity, found.Veracity),
	}
	return s
}

func latch(before, found contract.Verdict) contract.Verdict {
	switch {
	case before == contract.Fails:
		return contract.Fails
	case found == "":
		return contract.NotEnoughData
	}
	return found
}

// Republish makes a new statement in place of this one, with a new budget, and counts it: a failure is never undone in
// silence. It is refused as [Publish] is, and then s stays as it is. The caller starts [Velocity] and the spread anew.
func (s Standing) Republish(e Estimate, t Tolerance) (Standing, error) {
	next, err := Publish(e, t)
	if err != nil {
		return s, err
	}
	next.Republished = s.Republished + 1
	return next, nil
}

// AllHold reports whether policy may make knowledge of the statement: all five verdicts hold. Asking for all needs no
// correction: false knowledge is at most as likely as the largest of the five error probabilities.
func (s Standing) AllHold() bool {
	const h = contract.Holds
	return s.Verdicts == contract.Verdicts{Volume: h, Velocity: h, Variety: h, Variability: h, Veracity: h}
}

// Volume is [Volume] for the statement.
func (s Standing) Volume(now Estimate, windows int) Finding {
	return Volume(now, s.Published, s.Band, windows)
}
