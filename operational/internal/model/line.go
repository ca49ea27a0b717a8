package model

import (
	"fmt"
	"slices"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Change is one entry of a fit's history.
type Change struct {
	From   contract.ModelState `json:"from"`
	To     contract.ModelState `json:"to"`
	Event  Event               `json:"event"`
	At     time.Time           `json:"at"` // the wall clock
	By     string              `json:"by"` // an actor, or a subject where the actor is a person
	Reason string              `json:"reason,omitempty"`
}

// Fit is one fit of a model.
type Fit struct {
	Number  int                 `json:"number"` // 1, 2, … in the order of the fits of a line
	Fitted  time.Time           `json:"fitted"` // the end of the data that it was fitted on
	State   contract.ModelState `json:"state"`
	HoldOut *contract.HoldOut   `json:"holdOut,omitempty"` // the last one that it was tried on
	History []Change            `json:"history,omitempty"`
}

// Line is all fits of one model for one definition, from the first to the last. At most one is in shadow, and at most one
// is current. It is a value: what changes it returns another.
type Line []Fit

// Turn is the circumstances of a change.
type Turn struct {
	Now    time.Time // the wall clock
	By     string    // the subject, where a person causes it
	Reason string
}

// current is in use or was so last: active, weakening or expired.
func current(s contract.ModelState) bool {
	return s == contract.ModelActive || s == contract.ModelWeakening || s == contract.ModelExpired
}

func (l Line) index(is func(contract.ModelState) bool) int {
	return slices.IndexFunc(l, func(f Fit) bool { return is(f.State) })
}

func (l Line) find(is func(contract.ModelState) bool) (Fit, bool) {
	if i := l.index(is); i >= 0 {
		return l[i], true
	}
	return Fit{}, false
}

// Current is the fit that is active, weakening or expired. What is expired is not to be used; see [Line.InUse].
func (l Line) Current() (Fit, bool) { return l.find(current) }

// InUse is the current fit unless it is expired.
func (l Line) InUse() (Fit, bool) {
	f, ok := l.Current()
	return f, ok && f.State != contract.ModelExpired
}

// Shadow is the fit that waits for its hold-out.
func (l Line) Shadow() (Fit, bool) { return l.find(inShadow) }

func inShadow(s contract.ModelState) bool { return s == contract.ModelShadow }

// NeedsFit reports whether a fit is asked for: none is in use, and none waits in shadow.
func (l Line) NeedsFit() bool {
	_, used := l.InUse()
	_, waits := l.Shadow()
	return !used && !waits
}

// moved returns the line with one change to the fit at i.
func (l Line) moved(i int, e Event, by Actor, t Turn) (Line, error) {
	to, err := Next(l[i].State, e, by)
	if err != nil {
		return l, err
	}
	who := string(by)
	if by == ByPerson {
		who = t.By
	}
	out := slices.Clone(l)
	f := &out[i]
	f.History = append(slices.Clip(f.History), Change{From: f.State, To: to, Event: e, At: t.Now, By: who, Reason: t.Reason})
	f.State = to
	return out, nil
}

// Add adds a fit, in shadow. One that still waits there is retired: the newer has seen more. fitted is the end of the data
// that it was fitted on. It fails (Invalid) when the data are not newer than those of the line's last fit.
func (l Line) Add(fitted time.Time, t Turn) (Line, error) {
	if n := len(l); n > 0 && !fitted.After(l[n-1].Fitted) {
		return l, fault.New(fault.Invalid, fault.InvalidItem, "a fit on data until %s after one on data until %s: fit on newer data",
			fitted.Format(time.DateOnly), l[n-1].Fitted.Format(time.DateOnly))
	}
	out := slices.Clone(l)
	if i := l.index(inShadow); i >= 0 {
		var err error
		if out, err = l.moved(i, Replace, BySuccessor, t); err != nil {
			return l, err
		}
	}
	return append(out, Fit{Number: len(l) + 1, Fitted: fitted, State: contract.ModelShadow}), nil
}

// Judge applies the verdicts on what the fit in use says, and reports whether the line now asks for another fit. Without a
// fit in use nothing changes.
func (l Line) Judge(v contract.Verdicts, t Turn) (next Line, refit bool, err error) {
	next = l
	if i := l.index(current); i >= 0 {
		if e := Asks(l[i].State, v); e != "" {
			if next, err = l.moved(i, e, ByValidity, t); err != nil {
				return l, false, err
			}
		}
	}
	return next, next.NeedsFit(), nil
}

// Slack is the part by which the error of a fit in shadow may exceed that of the current one without counting as worse: two
// fits of one model differ by so much by chance.
const Slack = .02

// Try decides on the fit in shadow by a hold-out later than the data of both: it becomes active, and the current one is
// retired, when its mean absolute error is at most [Slack] above the current one's; else it is retired. held is that of the
// shadow, against that of the current fit on the same customers and weeks, nil where there is none. It fails (Conflict)
// without a shadow, and (Invalid) on hold-outs of nobody or of different customers or weeks, or one that is missing.
func (l Line) Try(held contract.HoldOut, against *contract.HoldOut, t Turn) (Line, error) {
	shadow, now := l.index(inShadow), l.index(current)
	if shadow < 0 {
		return l, fault.New(fault.Conflict, fault.IllegalTransition, "no fit is in shadow: add one first")
	}
	if err := alike(held, against, now >= 0); err != nil {
		return l, err
	}
	out := slices.Clone(l)
	out[shadow].HoldOut = &held
	if now >= 0 {
		out[now].HoldOut = against
		t.Reason = fmt.Sprintf("mean absolute error %.4g, of the current one %.4g", held.MAE, against.MAE)
	}
	if now >= 0 && held.MAE > against.MAE*(1+Slack) {
		return out.moved(shadow, Reject, ByHoldOut, t)
	}
	if now >= 0 {
		var err error
		if out, err = out.moved(now, Replace, BySuccessor, t); err != nil {
			return l, err
		}
	}
	return out.moved(shadow, Promote, ByHoldOut, t)
}

// alike holds two hold-outs to the same customers and weeks; what came of them must then be the same.
func alike(held contract.HoldOut, against *contract.HoldOut, needed bool) error {
	switch {
	case held.Customers < 1 || !(held.Weeks > 0) || !(held.MAE >= 0):
		return fault.New(fault.Invalid, fault.InvalidItem, "a hold-out of %d customers over %g weeks with an error of %g tells nothing", held.Customers,
			held.Weeks, held.MAE)
	case needed && against == nil:
		return fault.New(fault.Invalid, fault.MissingField, "the current fit has no hold-out to compare with: try it on the same customers")
	case needed && (against.Customers != held.Customers || against.Weeks != held.Weeks || against.Actual != held.Actual || !(against.MAE >= 0)):
		return fault.New(fault.Invalid, fault.InvalidItem, "hold-outs %+v and %+v are of different customers or weeks: try both on the same", held, *against)
	}
	return nil
}

// Withdraw retires the fit with a number by a person's decision. It fails (NotFound) on a number that the line lacks, and
// (Conflict) on a fit that is retired.
func (l Line) Withdraw(number int, t Turn) (Line, error) {
	if number < 1 || number > len(l) {
		return l, fault.New(fault.NotFound, fault.InvalidItem, "no fit %d among %d", number, len(l))
	}
	return l.moved(number-1, Withdraw, ByPerson, t)
}
