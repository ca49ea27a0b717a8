package churn

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/predict"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/fault"
)

// Name and version of the rule over purchase days.
const (
	TransactionalName    = "churn_transactional"
	TransactionalVersion = "1.0.0"
)

// Fallback is what judges customers with too few gaps of their own.
type Fallback string

// The fallbacks.
const (
	RepeatersGap Fallback = "repeaters_gap" // the median over all who came back of their median gap
	AliveModel   Fallback = "alive_model"   // P(alive) of MBG/NBD
)

// Rule says when a customer has left.
type Rule struct {
	Factor       float64 // so many median gaps without an order mean that the customer left
	OwnGaps      int     // with fewer gaps than this the customer's own median says little
	Fallback     Fallback
	AliveBelow   float64 // P(alive) under which AliveModel says that the customer left, in (0, 1)
	HoldOutWeeks float64 // of later time that judges the rule
	MinRepeaters int     // a gate for RepeatersGap
	Gates        btyd.Gates
}

// DefaultRule is the product's: three own gaps of three at least, else as likely gone as not by MBG/NBD.
func DefaultRule() Rule {
	return Rule{Factor: 3, OwnGaps: 3, Fallback: AliveModel, AliveBelow: .5, HoldOutWeeks: 26, MinRepeaters: 30, Gates: btyd.DefaultGates()}
}

func (r Rule) check() error {
	if !(r.Factor > 0) || r.OwnGaps < 1 || !(r.HoldOutWeeks > 0) || r.Fallback != RepeatersGap && r.Fallback != AliveModel ||
		r.Fallback == AliveModel && !(r.AliveBelow > 0 && r.AliveBelow < 1) {
		return fault.New(fault.Invalid, fault.BadDefinition, "churn rule %+v: need a positive factor and hold-out, one own gap or more, a known "+
			"fallback, and a threshold between 0 and 1", r)
	}
	return nil
}

// State is whether a customer is one still.
type State string

// The states.
const (
	Active  State = "active"
	Churned State = "churned"
)

// Basis is which part of the rule decided.
type Basis string

// The bases.
const (
	ByOwnGaps      Basis = "own_gaps"
	ByRepeatersGap Basis = "repeaters_gap"
	ByAliveModel   Basis = "alive_model"
)

// Because is why a customer has a state: the basis and its numbers, days throughout.
type Because struct {
	Basis     Basis
	Gaps      int     // of the customer's own
	MedianGap float64 // the own one or the repeaters'; 0 by the model
	Allowed   float64 // days without an order at which the customer counts as gone; 0 by the model
	Silent    float64 // days since the last order
	Alive     float64 // P(alive), by the model
	Threshold float64 // of P(alive), by the model
}

// String says why in a sentence.
func (b Because) String() string {
	switch b.Basis {
	case ByOwnGaps:
		return fmt.Sprintf("no order for %g days; the customer's own %d gaps have a median of %g, which allows %g", b.Silent, b.Gaps, b.MedianGap, b.Allowed)
	case ByRepeatersGap:
		return fmt.Sprintf("no order for %g days; customers who come back have a median gap of %g days, which allows %g", b.Silent, b.MedianGap, b.Allowed)
	default:
		return fmt.Sprintf("no order for %g days; the model gives a chance of %.0f %% that this is still a customer, and %.0f %% are needed", b.Silent,
			100*b.Alive, 100*b.Threshold)
	}
}

// Assessment is what the rule says of one customer.
type Assessment struct {
	Customer    string
	State       State
	Probability *float64          // of having left, 1 - P(alive); nil without [AliveModel]
	Interval    *predict.Interval // 95 %, of the probability: how well the model's parameters are known
	Because     Because
	Model       predict.Model
}

// Transactional judges every customer who had bought by the as-of day, in the order of their ids. A customer has left
// when no order came within Factor of their own median gaps: the last order is that many days ago or more, the as-of day
// being over. Customers with fewer than OwnGaps gaps are judged by the fallback. With [AliveModel] all customers are given
// a probability, also those whom their own gaps judge.
//
// The hold-out judges the same rule HoldOutWeeks before the as-of day by the orders since. Its measures are churned, the share
// of customers called so; stayed_away, the share of those without an order since; came_back, the share of those called active
// with one; base_rate, the share of all without one; and auc, of the probability. It has 0 customers where the history is too
// short to hold any of it back.
//
// It fails (Invalid) on a rule or history that cannot be, and refuses with model_not_identified as [btyd.FitMBGNBD] does, or
// when fewer than MinRepeaters came back.
func Transactional(histories []purchase.History, asOf purchase.Day, r Rule) ([]Assessment, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	customers, err := purchase.AsOf(histories, asOf)
	if err != nil {
		return nil, err
	}
	out, err := r.judge(customers, asOf)
	if err != nil {
		return nil, err
	}
	model := predict.Model{Name: TransactionalName, Version: TransactionalVersion, N: len(out), HoldOut: r.holdOut(customers, asOf)}
	for i := range out {
		out[i].Model = model
	}
	return out, nil
}

func (r Rule) judge(customers []purchase.History, asOf purchase.Day) ([]Assessment, error) {
	j, err := r.prepare(customers, asOf)
	if err != nil {
		return nil, err
	}
	out := make([]Assessment, len(customers))
	for i, h := range customers {
		out[i] = j.assess(h)
	}
	return out, nil
}

// judge is a rule with what it takes from all customers.
type judge struct {
	Rule
	asOf purchase.Day
	gap  float64                // the repeaters', days
	fit  *btyd.Fit[btyd.MBGNBD] // nil without AliveModel
	cov  *mat.SymDense
}

func (r Rule) prepare(customers []purchase.History, asOf purchase.Day) (judge, error) {
	j := judge{Rule: r, asOf: asOf}
	if r.Fallback == RepeatersGap {
		var gaps []float64
		for _, h := range customers {
			if own := h.Gaps(); len(own) > 0 {
				gaps = append(gaps, purchase.Median(own))
			}
		}
		if len(gaps) < max(1, r.MinRepeaters) {
			return j, notIdentified("%d customers came back and the rule needs %d: wait for more data or widen the selection", len(gaps),
				max(1, r.MinRepeaters))
		}
		j.gap = purchase.Median(gaps)
		return j, nil
	}
	summaries := make([]btyd.Summary, len(customers))
	for i, h := range customers {
		summaries[i] = h.Summary(asOf)
	}
	p, err := btyd.NewPopulation(summaries)
	if err != nil {
		return j, err
	}
	if j.fit, err = btyd.FitMBGNBD(p, r.Gates); err != nil {
		return j, err
	}
	j.cov = j.fit.LogCovariance()
	return j, nil
}

func (j judge) assess(h purchase.History) Assessment {
	gaps := h.Gaps()
	a := Assessment{Customer: h.Customer, State: Active, Because: Because{Gaps: len(gaps), Silent: float64(j.asOf - h.Last())}}
	b := &a.Because
	if j.fit != nil {
		gone, interval := j.gone(h.Summary(j.asOf))
		a.Probability, a.Interval = &gone, &interval
		b.Alive, b.Threshold = 1-gone, j.AliveBelow
	}
	switch {
	case len(gaps) >= j.OwnGaps:
		b.Basis, b.MedianGap = ByOwnGaps, purchase.Median(gaps)
	case j.fit == nil:
		b.Basis, b.MedianGap = ByRepeatersGap, j.gap
	default:
		b.Basis = ByAliveModel
		if b.Alive < b.Threshold {
			a.State = Churned
		}
		return a
	}
	b.Allowed = j.Factor * b.MedianGap
	if b.Silent >= b.Allowed {
		a.State = Churned
	}
	return a
}

// gone is 1 - P(alive), whose logit under MBG/NBD is
//
//	ln a - ln(b+x) + (r+x) [ln(alpha+T) - ln(alpha+tx)],
//
// with the 95 % interval that the error of the parameters leaves (delta method on the logit).
func (j judge) gone(s btyd.Summary) (float64, predict.Interval) {
	m := j.fit.Model
	waited := math.Log(m.Alpha+s.T) - math.Log(m.Alpha+s.Tx)
	f := math.Log(m.A) - math.Log(m.B+s.X) + (m.R+s.X)*waited
	grad := mat.NewVecDense(4, []float64{ // by the logarithms of r, alpha, a, b
		m.R * waited, (m.R + s.X) * m.Alpha * (1/(m.Alpha+s.T) - 1/(m.Alpha+s.Tx)), 1, -m.B / (m.B + s.X),
	})
	half := z95 * math.Sqrt(mat.Inner(grad, j.cov, grad))
	return sigmoid(f), predict.Interval{Low: sigmoid(f - half), High: sigmoid(f + half), Level: .95}
}

// holdOut judges the rule by what came after an earlier day.
func (r Rule) holdOut(customers []purchase.History, asOf purchase.Day) predict.HoldOut {
	out := predict.HoldOut{Design: predict.LaterTime, Weeks: r.HoldOutWeeks}
	earlier := asOf - purchase.Day(math.Round(7*r.HoldOutWeeks))
	then, err := purchase.AsOf(customers, earlier)
	if err != nil || len(then) == 0 {
		return out
	}
	judged, err := r.judge(then, earlier)
	if err != nil {
		return out
	}
	away := make(map[string]bool, len(then))
	for _, h := range customers {
		_, came := h.NextAfter(earlier)
		away[h.Customer] = !came
	}
	out.Customers, out.Measures = len(judged), measure(judged, away)
	return out
}

func measure(judged []Assessment, away map[string]bool) map[string]float64 {
	var churned, stayedAway, cameBack, allAway float64
	var probability []float64
	outcomes := make([]bool, len(judged))
	for i, a := range judged {
		outcomes[i] = away[a.Customer]
		allAway += outcome(outcomes[i])
		if a.State == Churned {
			churned++
			stayedAway += outcome(outcomes[i])
		} else {
			cameBack += 1 - outcome(outcomes[i])
		}
		if a.Probability != nil {
			probability = append(probability, *a.Probability)
		}
	}
	n := float64(len(judged))
	out := map[string]float64{"churned": churned / n, "base_rate": allAway / n}
	if churned > 0 {
		out["stayed_away"] = stayedAway / churned
	}
	if churned < n {
		out["came_back"] = cameBack / (n - churned)
	}
	if auc, ok := AUC(probability, outcomes); len(probability) == len(outcomes) && ok {
		out["auc"] = auc
	}
	return out
}
