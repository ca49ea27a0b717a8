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
	AsOf   time.Time           `json:"asOf"` // the end of the data by which it was decided
	At     time.Time           `json:"at"`   // the wall clock
	By     string              `json:"by"`   // an actor, or a subject where the actor is a person
	Reason string              `json:"reason,omitempty"`
}

// Trial is one time that a fit was made of its data and held against what came later.
type Trial struct {
	AsOf       time.Time          `json:"asOf"`   // the end of what it was held against
	Fitted     time.Time          `json:"fitted"` // the end of the data that it was fitted on
	Parameters map[string]float64 `json:"parameters"`
	HoldOut    *contract.HoldOut  `json:"holdOut,omitempty"` // none while it waits in shadow
}

// Fit is one fit of a model. While it lives its parameters follow the data; each trial says how well they did so.
type Fit struct {
	Number  int                 `json:"number"` // 1, 2, … in the order of the fits of a line
	State   contract.ModelState `json:"state"`
	Trials  []Trial             `json:"trials"` // one at least, the first that of its birth
	History []Change            `json:"history,omitempty"`
}

// Born is the trial that the fit began with: fits are compared by it.
func (f *Fit) Born() Trial { return f.Trials[0] }

// Latest is the last trial: what is known best of how the model does.
func (f *Fit) Latest() Trial { return f.Trials[len(f.Trials)-1] }

// Stood is the state of the fit, and where it was replaced the one before: what its own claims have made of it.
func (f *Fit) Stood() contract.ModelState {
	if n := len(f.History); n > 0 && f.History[n-1].Event == Replace {
		return f.History[n-1].From
	}
	return f.State
}

// Line is all fits of one model for one group of customers, from the first to the last. At most one is in shadow, and at
// most one is current. It is a value: what changes it returns another.
type Line []Fit

// Turn is the circumstances of a change.
type Turn struct {
	AsOf   time.Time // the end of the data by which it is decided
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

// AsOf is the line as it stood by the data until an instant: what was decided by later data is left out, so that a number
// of an earlier window says what was known of its model then, whenever it is computed.
func (l Line) AsOf(t time.Time) Line {
	var out Line
	for _, f := range l {
		if f.Born().AsOf.After(t) {
			continue
		}
		f.Trials = slices.DeleteFunc(slices.Clone(f.Trials), func(r Trial) bool { return r.AsOf.After(t) })
		f.History = slices.DeleteFunc(slices.Clone(f.History), func(c Change) bool { return c.AsOf.After(t) })
		f.State = contract.ModelShadow
		if n := len(f.History); n > 0 {
			f.State = f.History[n-1].To
		}
		out = append(out, f)
	}
	return out
}

// Stamp names what a number says of the line: it differs wherever the current fit, its state or its last trial does. It is
// empty while there is no fit that counts.
func (l Line) Stamp() string {
	f, ok := l.Current()
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d %s %s", f.Number, f.State, f.Latest().AsOf.UTC().Format(time.RFC3339))
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
	f.History = append(slices.Clip(f.History), Change{From: f.State, To: to, Event: e, AsOf: t.AsOf, At: t.Now, By: who, Reason: t.Reason})
	f.State = to
	return out, nil
}

// tried returns the line with another trial of the fit at i, in the order of what they were held against.
func (l Line) tried(i int, r Trial) Line {
	out := slices.Clone(l)
	later := slices.IndexFunc(out[i].Trials, func(old Trial) bool { return old.AsOf.After(r.AsOf) })
	if later < 0 {
		later = len(out[i].Trials)
	}
	out[i].Trials = slices.Insert(slices.Clone(out[i].Trials), later, r)
	return out
}

// Add adds a fit of some parameters, in shadow. One that still waits there is retired: the newer has seen more. fitted is the
// end of the data that it was fitted on. It fails (Invalid) when the data are not newer than those of the line's last fit.
func (l Line) Add(fitted time.Time, parameters map[string]float64, t Turn) (Line, error) {
	if n := len(l); n > 0 && !fitted.After(l[n-1].Born().Fitted) {
		return l, fault.New(fault.Invalid, fault.InvalidItem, "a fit on data until %s after one on data until %s: fit on newer data",
			fitted.Format(time.DateOnly), l[n-1].Born().Fitted.Format(time.DateOnly))
	}
	out := slices.Clone(l)
	if i := l.index(inShadow); i >= 0 {
		var err error
		if out, err = l.moved(i, Replace, BySuccessor, t); err != nil {
			return l, err
		}
	}
	first := Trial{AsOf: t.AsOf, Fitted: fitted, Parameters: parameters}
	return append(out, Fit{Number: len(l) + 1, State: contract.ModelShadow, Trials: []Trial{first}}), nil
}

// Renew adds a trial of the fit in use by the data until t.AsOf: its parameters by the data until another day, and how those
// did on what came after. Its state stays: that is for claims to change. What was decided by later data does not matter, so
// that the line is the same whether windows are gone through before or after that was known. It fails (Conflict) where no fit
// was in use, and (Invalid) on a hold-out of nobody, or one that does not end later than the last before.
func (l Line) Renew(fitted time.Time, parameters map[string]float64, held contract.HoldOut, t Turn) (Line, error) {
	f, used := l.AsOf(t.AsOf).InUse()
	if !used {
		return l, fault.New(fault.Conflict, fault.IllegalTransition, "no fit is in use: add one first")
	}
	if last := f.Latest().AsOf; !t.AsOf.After(last) {
		return l, fault.New(fault.Invalid, fault.InvalidItem, "held out until %s after %s: wait for newer data", t.AsOf.Format(time.DateOnly),
			last.Format(time.DateOnly))
	}
	if err := alike(held, nil, false); err != nil {
		return l, err
	}
	return l.tried(f.Number-1, Trial{AsOf: t.AsOf, Fitted: fitted, Parameters: parameters, HoldOut: &held}), nil
}

// Judge applies the verdicts on what the fit in use says, and reports whether the line now asks for another fit. Without a
// fit in use nothing changes, nor where more was decided by later data. A fit that falls was not in use since: what it was
// held against later is forgotten.
func (l Line) Judge(v contract.Verdicts, t Turn) (next Line, refit bool, err error) {
	next = l
	if i := l.index(current); i >= 0 && !l[i].decidedAfter(t.AsOf) {
		e := Asks(l[i].State, v)
		if e == "" {
			return l, l.NeedsFit(), nil
		}
		if next, err = l.moved(i, e, ByValidity, t); err != nil {
			return l, false, err
		}
		if f := &next[i]; e == Fall {
			f.Trials = slices.DeleteFunc(slices.Clone(f.Trials), func(r Trial) bool { return r.AsOf.After(t.AsOf) })
		}
	}
	return next, next.NeedsFit(), nil
}

func (f *Fit) decidedAfter(t time.Time) bool {
	return slices.ContainsFunc(f.History, func(c Change) bool { return c.AsOf.After(t) })
}

// Slack is the part by which the error of a fit in shadow may exceed that of the current one without counting as worse: two
// fits of one model differ by so much by chance.
const Slack = .02

// Try decides on the fit in shadow by a hold-out later than the data of both: it becomes active, and the current one is
// retired, when its mean absolute error is at most [Slack] above the current one's; else it is retired. held is that of the
// shadow, against that of the current fit, as it was born, on the same customers and weeks, nil where there is none. It fails (Conflict)
// without a shadow, and (Invalid) on hold-outs of nobody or of different customers or weeks, or one that is missing.
func (l Line) Try(held contract.HoldOut, against *contract.HoldOut, t Turn) (Line, error) {
	shadow, now := l.index(inShadow), l.index(current)
	if shadow < 0 {
		return l, fault.New(fault.Conflict, fault.IllegalTransition, "no fit is in shadow: add one first")
	}
	if err := alike(held, against, now >= 0); err != nil {
		return l, err
	}
	out := l.settled(shadow, held)
	if now >= 0 {
		again := out[now].Born()
		again.AsOf, again.HoldOut = t.AsOf, against
		out = out.tried(now, again)
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

// settled returns the line with the hold-out of the fit that waited for it.
func (l Line) settled(shadow int, held contract.HoldOut) Line {
	out := slices.Clone(l)
	f := &out[shadow]
	f.Trials = slices.Clone(f.Trials)
	f.Trials[len(f.Trials)-1].HoldOut = &held
	return out
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
