package nextpurchase

import (
	"math"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/predict"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/fault"
)

// Name and version of the model.
const (
	Name    = "next_purchase"
	Version = "1.0.0"
)

// Settings say how next purchases are predicted.
type Settings struct {
	HorizonWeeks float64 // the time within which a purchase counts as a return; also the length of the hold-out
	OwnGaps      int     // gaps from which on a customer's own speak; 1 or more
	MinRegulars  int     // a gate: customers with OwnGaps gaps without whom all are predicted by MBG/NBD
	MaxFitted    int     // customers that the gaps' law is fitted on at most, taken by a hash of their ids; 1 or more
	Gates        btyd.Gates
}

// DefaultSettings are those of the product.
func DefaultSettings() Settings {
	return Settings{HorizonWeeks: 26, OwnGaps: 3, MinRegulars: 100, MaxFitted: 10_000, Gates: btyd.DefaultGates()}
}

func (s Settings) check() error {
	if !(s.HorizonWeeks > 0) || math.IsInf(s.HorizonWeeks, 1) || s.OwnGaps < 1 || s.MaxFitted < 1 {
		return fault.New(fault.Invalid, fault.BadDefinition, "settings of next purchases: need a positive horizon (%g weeks), one own gap or more "+
			"(%d) and a customer or more to fit on (%d)", s.HorizonWeeks, s.OwnGaps, s.MaxFitted)
	}
	return nil
}

// Basis is what a prediction is made from.
type Basis string

// The bases.
const (
	OwnGaps        Basis = "own_gaps"        // the customer's own, shrunk to the population's
	PopulationGaps Basis = "population_gaps" // the same law; with so few of their own it is mostly the population that speaks
	AliveModel     Basis = "alive_model"     // MBG/NBD, where the law of the gaps is refused
)

// level of the interval told; its ends are the 10 % and the 90 % quantile.
const level = .8

// Prediction is when a customer is likely to buy again. Days count from the as-of day.
type Prediction struct {
	Customer  string
	Basis     Basis
	Gaps      int              // of the customer's own
	MedianGap float64          // of those, days; 0 where there are none
	Silent    float64          // days since the last purchase
	Returns   float64          // probability of a purchase within the horizon, in [0, 1]
	Median    float64          // days by which half of those who return within the horizon have
	Interval  predict.Interval // 80 %, of the days, given that the customer returns within the horizon
	Model     predict.Model
}

// Forecaster predicts customers as of a day. It is immutable and safe for concurrent use.
type Forecaster struct {
	Model    predict.Model
	asOf     purchase.Day
	settings Settings
	alive    btyd.MBGNBD
	gaps     *renewal // nil where it was refused
	refused  error
}

// Fit learns from the histories until the as-of day. It fails (Invalid) on settings or histories that cannot be, and
// refuses with model_not_identified as [btyd.FitMBGNBD] does. Where only the law of the gaps is not identified, or fewer than
// MinRegulars customers have gaps enough, everybody is predicted by MBG/NBD; [Forecaster.GapsRefused] says why.
//
// The hold-out is the same model fitted a horizon before the as-of day and held against the purchases since. Its
// measures are coverage, the share of returns inside their 80 % interval, in all and as coverage_own_gaps,
// coverage_population_gaps and coverage_alive_model; below_median, the share of returns before their median; returned, the share of customers who came
// back; and returns_expected, the mean of the probabilities told. It has 0 customers where the history is too short to hold
// any of it back.
func Fit(histories []purchase.History, asOf purchase.Day, s Settings) (*Forecaster, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	customers, err := purchase.AsOf(histories, asOf)
	if err != nil {
		return nil, err
	}
	f, err := fit(customers, asOf, s)
	if err != nil {
		return nil, err
	}
	f.Model = predict.Model{Name: Name, Version: Version, N: len(customers), HoldOut: holdOut(customers, asOf, s)}
	return f, nil
}

func fit(customers []purchase.History, asOf purchase.Day, s Settings) (*Forecaster, error) {
	summaries, regulars := make([]btyd.Summary, len(customers)), 0
	for i, h := range customers {
		summaries[i] = h.Summary(asOf)
		if len(h.Visits) > s.OwnGaps {
			regulars++
		}
	}
	p, err := btyd.NewPopulation(summaries)
	if err != nil {
		return nil, err
	}
	alive, err := btyd.FitMBGNBD(p, s.Gates)
	if err != nil {
		return nil, err
	}
	f := &Forecaster{asOf: asOf, settings: s, alive: alive.Model}
	if regulars < s.MinRegulars {
		f.refused = fault.New(fault.Conflict, fault.ModelNotIdentified, "%d customers have %d gaps or more and the law of the gaps needs %d such: "+
			"wait for more data", regulars, s.OwnGaps, s.MinRegulars)
		return f, nil
	}
	gaps, err := maximise(fitted(customers, asOf, s.MaxFitted), renewal{1, alive.Model.R, alive.Model.Alpha, alive.Model.A, alive.Model.B})
	if f.refused = err; err == nil {
		f.gaps = &gaps
	}
	return f, nil
}

// GapsRefused is why nobody is predicted from their own gaps, or nil.
func (f *Forecaster) GapsRefused() error { return f.refused }

// Regularity is the shape of the gaps: 1 for purchases at random, above for clockwork, below for bursts. It is false
// where nobody is predicted from their own gaps.
func (f *Forecaster) Regularity() (float64, bool) {
	if f.gaps == nil {
		return 0, false
	}
	return f.gaps.K, true
}

// fitted are at most so many customers, the first in the order of [predict.Shuffled].
func fitted(customers []purchase.History, asOf purchase.Day, most int) []sufficient {
	ids := make([]string, len(customers))
	for i, h := range customers {
		ids[i] = h.Customer
	}
	out := make([]sufficient, 0, min(most, len(ids)))
	for _, at := range predict.Shuffled(ids)[:cap(out)] {
		out = append(out, suffices(customers[at], asOf))
	}
	return out
}

func suffices(h purchase.History, asOf purchase.Day) sufficient {
	c := sufficient{n: float64(len(h.Visits) - 1), sum: float64(h.Last()-h.First()) / 7, open: float64(asOf-h.Last()) / 7}
	for _, g := range h.Gaps() {
		c.logs += math.Log(g / 7)
	}
	return c
}

// Predict tells when a customer will buy again; purchases after the as-of day are not looked at. It fails (Invalid) on a
// history that is not one, or that has not begun by then.
func (f *Forecaster) Predict(h purchase.History) (Prediction, error) {
	if err := h.Check(); err != nil {
		return Prediction{}, err
	}
	if h = h.Until(f.asOf); len(h.Visits) == 0 {
		return Prediction{}, fault.New(fault.Invalid, fault.InvalidItem, "customer %q had not bought by the as-of day: there is nothing to predict from", h.Customer)
	}
	return f.predict(h), nil
}

func (f *Forecaster) predict(h purchase.History) Prediction {
	gaps := h.Gaps()
	p := Prediction{Customer: h.Customer, Basis: AliveModel, Gaps: len(gaps), MedianGap: purchase.Median(gaps), Silent: float64(f.asOf - h.Last()), Model: f.Model}
	next := f.byAlive(h.Summary(f.asOf))
	if f.gaps != nil {
		next = f.byGaps(suffices(h, f.asOf))
		if p.Basis = PopulationGaps; len(gaps) >= f.settings.OwnGaps {
			p.Basis = OwnGaps
		}
	}
	p.Returns = next.alive * next.within(f.settings.HorizonWeeks)
	quantile := func(q float64) float64 { return 7 * next.quantile(q, f.settings.HorizonWeeks) }
	p.Median = quantile(.5)
	p.Interval = predict.Interval{Low: quantile((1 - level) / 2), High: quantile((1 + level) / 2), Level: level}
	return p
}

// wait is the law of the time to the next purchase: with probability alive there is one, within t weeks with probability
// within(t) then, which rises from 0.
type wait struct {
	alive  float64
	within func(t float64) float64
}

// byAlive: a customer who is alive buys at a gamma(r+x, alpha+T) distributed rate.
func (f *Forecaster) byAlive(s btyd.Summary) wait {
	m := f.alive
	return wait{m.PAlive(s.X, s.Tx, s.T), func(t float64) float64 { return -math.Expm1(-(m.R + s.X) * math.Log1p(t/(m.Alpha+s.T))) }}
}

// byGaps: the open gap goes on, given that it has lasted until now.
func (f *Forecaster) byGaps(c sufficient) wait {
	silent := f.gaps.silence(c, c.open)
	return wait{f.gaps.alive(c), func(t float64) float64 {
		if silent == 0 {
			return 1 - math.Exp(-t) // the chance to be silent so long is beyond the least number; alive is 0 then
		}
		return 1 - f.gaps.silence(c, c.open+t)/silent
	}}
}

// quantile is the time in weeks by which the share q of purchases within the horizon have come, to 1e-9 of the horizon: by
// the Illinois method (Dowell & Jarratt 1971), which keeps the root between two sides and needs some ten evaluations.
func (w wait) quantile(q, horizon float64) float64 {
	all := w.within(horizon)
	low, high := 0.0, horizon
	below, above := -q*all, (1-q)*all // within less what is wanted, at low and at high
	last := 0
	for range 100 {
		if high-low <= 1e-9*horizon || !(above > below) {
			break
		}
		at := (low*above - high*below) / (above - below)
		switch v := w.within(at) - q*all; {
		case v == 0:
			return at
		case v < 0:
			if low, below = at, v; last < 0 {
				above /= 2
			}
			last = -1
		default:
			if high, above = at, v; last > 0 {
				below /= 2
			}
			last = 1
		}
	}
	return (low + high) / 2
}
