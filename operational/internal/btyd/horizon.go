package btyd

import (
	"math"

	"gonum.org/v1/gonum/integrate/quad"

	"github.com/strata-crm/strata/shared/fault"
)

// Horizon is how far a forecast of value looks, and what a purchase to come is worth today.
type Horizon struct {
	Weeks    float64 // from the as-of day; positive and finite
	Discount Discount
}

// Discount is a rate of interest. The zero value discounts nothing.
type Discount struct {
	// Rate is the interest, 0 or more: of a period, .01 being 1 %; or, where Period is 0, per week and continuous.
	Rate float64
	// Period is the length of a period in weeks. A purchase in the kth period counts (1+Rate)^-k, as if it were paid at the
	// period's end; a last period cut short by the horizon counts its part, (1+Rate)^-(weeks/Period). Where Period is 0, a
	// purchase t weeks ahead counts e^(-Rate t).
	Period float64
}

// WeeksPerYear is the mean length of a year of the Gregorian calendar.
const WeeksPerYear = 365.2425 / 7

// Yearly is the continuous discount that is worth rate a year: a purchase in one year counts 1/(1+rate).
func Yearly(rate float64) Discount { return Discount{Rate: math.Log1p(rate) / WeeksPerYear} }

// schedule is a discounted count as a weighted sum of the expected purchases by certain weeks.
type schedule []struct{ week, weight float64 }

// mostPeriods bounds the cost of a forecast.
const mostPeriods = 1000

// schedule fails (Invalid) on a rate or a period that cannot be, or more than a thousand periods.
func (h Horizon) schedule() (schedule, error) {
	r, period := h.Discount.Rate, h.Discount.Period
	switch {
	case !(r >= 0) || math.IsInf(r, 1) || !(period >= 0) || math.IsInf(period, 1):
		return nil, fault.New(fault.Invalid, fault.InvalidItem, "a discount of %g over %g weeks: both must be 0 or more", r, period)
	case r == 0:
		return schedule{{h.Weeks, 1}}, nil
	case period == 0:
		return continuous(h.Weeks, r), nil
	case h.Weeks/period > mostPeriods:
		return nil, fault.New(fault.Invalid, fault.InvalidItem, "%g weeks have more than %d periods of %g weeks: name a longer period", h.Weeks,
			mostPeriods, period)
	}
	return periodic(h.Weeks, r, period), nil
}

// periodic is sum_k v_k (E(t_k) - E(t_k-1)), sorted by the E(t_k).
func periodic(weeks, rate, period float64) schedule {
	var s schedule
	for k := 1; ; k++ {
		end := math.Min(weeks, float64(k)*period)
		worth := math.Exp(-math.Log1p(rate) * end / period)
		if n := len(s); n > 0 {
			s[n-1].weight -= worth
		}
		s = append(s, struct{ week, weight float64 }{end, worth})
		if end == weeks {
			return s
		}
	}
}

const (
	discountNodes   = 8 // in a panel, over which discounting falls by at most a factor of e
	discountPanels  = 40
	longestDiscount = discountPanels // in e-folds; purchases beyond count nothing
)

// continuous is the integral of e^(-rate t) dE(t), which by parts is e^(-rate T) E(T) + rate times the integral of
// e^(-rate t) E(t) dt: Gauss-Legendre in panels, to about 1e-9 since E is smooth.
func continuous(weeks, rate float64) schedule {
	s := schedule{{weeks, math.Exp(-rate * weeks)}}
	until := math.Min(weeks, longestDiscount/rate)
	panels := math.Ceil(until * rate)
	x, w := make([]float64, discountNodes), make([]float64, discountNodes)
	for p := range int(panels) {
		quad.Legendre{}.FixedLocations(x, w, until*float64(p)/panels, until*float64(p+1)/panels)
		for i := range x {
			s = append(s, struct{ week, weight float64 }{x[i], w[i] * rate * math.Exp(-rate*x[i])})
		}
	}
	return s
}

// worth is the discounted number of purchases expected of a customer.
func (s schedule) worth(m Frequency, c Summary) float64 {
	sum := 0.0
	for _, at := range s {
		sum += at.weight * m.ExpectedGiven(c.X, c.Tx, c.T, at.week)
	}
	return sum
}

// DiscountedGiven is the expected number of purchases within the horizon of a customer with x repeats, the last tx weeks
// after the first purchase, t weeks after it, each discounted to today (the discounted expected residual transactions
// of Fader, Hardie & Lee 2005, over a finite horizon). Times the expected spend it is the customer's lifetime value to
// come. It fails (Invalid) on a horizon that cannot be.
func DiscountedGiven(m Frequency, x, tx, t float64, h Horizon) (float64, error) {
	if !(h.Weeks > 0) || math.IsInf(h.Weeks, 1) {
		return 0, fault.New(fault.Invalid, fault.InvalidItem, "a forecast over %g weeks: name a positive number of weeks", h.Weeks)
	}
	s, err := h.schedule()
	if err != nil {
		return 0, err
	}
	return s.worth(m, Summary{X: x, Tx: tx, T: t}), nil
}
