package fitting

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/model"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Spans are the weeks that the latest part of the data is held out for, the longest first: the first counts that leaves
// enough data to fit on before it. Half a year sees whether customers stay; four weeks are a claim's own window.
var Spans = []int{26, 13, 4}

// trial is a fit and how it did on the weeks after its data.
type trial struct {
	fitted     contract.Day // the day after the last one that it was fitted on
	parameters map[string]float64
	held       contract.HoldOut
	tested     []btyd.Tested
}

// try fits the subject's model to the data until some weeks before the end of a window, later than newer, and holds it
// against those weeks. It fails with model_not_identified where no span leaves enough.
func (k *Keeper) try(ctx context.Context, s model.Subject, first, end contract.Day, newer time.Time) (trial, error) {
	err := error(fault.New(fault.Conflict, fault.ModelNotIdentified, "too little data before the hold-out: wait for more"))
	for _, weeks := range Spans {
		cut := end.Add(-7 * weeks)
		if !cut.Start(k.o.Zone).After(newer) || float64(cut.Add(-1).Sub(first))/7 < k.o.Gates.MinWeeks {
			continue
		}
		var tested []btyd.Tested
		if tested, err = k.o.Histories.Divided(ctx, cut, end, s.Scope); err != nil {
			return trial{}, fmt.Errorf("histories until %s: %w", cut, err)
		}
		t := trial{fitted: cut, tested: tested}
		if t.parameters, t.held, err = fitted(s.Model, tested, float64(weeks), k.o.Gates); err == nil {
			k.date(&t.held, cut, end)
			return t, nil
		}
		if !refused(err) {
			return trial{}, err
		}
	}
	return trial{}, err
}

// refused reports whether the data do not allow a fit, so that there is none and no fault.
func refused(err error) bool {
	code := fault.CodeOf(err)
	return code == fault.ModelNotIdentified || code == fault.NoData
}

func (k *Keeper) date(h *contract.HoldOut, cut, end contract.Day) {
	h.Window = &contract.Window{Start: cut.Start(k.o.Zone).UTC(), End: end.Start(k.o.Zone).UTC()}
}

// fitted fits a model to the first part of the histories and holds it against the second.
func fitted(name string, tested []btyd.Tested, weeks float64, g btyd.Gates) (map[string]float64, contract.HoldOut, error) {
	if name == aliveModel {
		fit, h, err := btyd.FitHoldOut(tested, weeks, btyd.FitMBGNBD, g)
		if err != nil {
			return nil, contract.HoldOut{}, err
		}
		m := fit.Model
		return parameters(m.R, m.Alpha, m.A, m.B), heldOut(h), foretold(h)
	}
	fit, h, err := btyd.FitHoldOut(tested, weeks, btyd.FitBGNBD, g)
	if err != nil {
		return nil, contract.HoldOut{}, err
	}
	m := fit.Model
	return parameters(m.R, m.Alpha, m.A, m.B), heldOut(h), foretold(h)
}

// foretold refuses a hold-out of which a fit could not foretell every customer.
func foretold(h btyd.HoldOut) error {
	if math.IsNaN(h.MAE) || math.IsInf(h.MAE, 0) {
		return fault.New(fault.Conflict, fault.ModelNotIdentified, "the fit foretells no number for some customers: wait for more data")
	}
	return nil
}

// again holds an earlier fit against the customers and weeks of a trial.
func (k *Keeper) again(name string, p map[string]float64, t trial) (*contract.HoldOut, error) {
	var m btyd.Frequency = btyd.BGNBD{R: p["r"], Alpha: p["alpha"], A: p["a"], B: p["b"]}
	if name == aliveModel {
		m = btyd.MBGNBD{R: p["r"], Alpha: p["alpha"], A: p["a"], B: p["b"]}
	}
	h, err := btyd.Evaluate(m, t.tested, t.held.Weeks)
	if err != nil {
		return nil, err
	}
	out := heldOut(h)
	out.Window = t.held.Window
	return &out, nil
}

// aliveModel lets customers leave after their first purchase; all others rest on BG/NBD.
const aliveModel = "mbg_nbd"

func parameters(r, alpha, a, b float64) map[string]float64 {
	return map[string]float64{"r": r, "alpha": alpha, "a": a, "b": b}
}

func heldOut(h btyd.HoldOut) contract.HoldOut {
	out := contract.HoldOut{Weeks: h.Weeks, Customers: int64(h.Customers), Predicted: h.Predicted, Actual: h.Actual, MAE: h.MAE}
	if h.Actual > 0 {
		bias := h.Predicted/h.Actual - 1
		out.Bias = &bias
	}
	if !math.IsNaN(h.Coverage) {
		out.Coverage = &h.Coverage
	}
	return out
}
