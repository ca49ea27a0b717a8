package fitting

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/model"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Orders tells which directives are carried out now.
type Orders interface {
	Orders() []contract.OperationalDirective
}

// Options are what a Keeper needs; all are required.
type Options struct {
	Zone      *time.Location
	Calendar  metric.Calendar
	Orders    Orders
	Complete  metric.Completeness
	Positions metric.Positions
	Histories Histories
	Store     Store
	Gates     btyd.Gates
	Now       func() time.Time
	Logger    *slog.Logger
}

// Keeper keeps the lines of all models that directives in force ask for. Several may work on one store.
type Keeper struct {
	o     Options
	round sync.Mutex // one process tries a fit once
	fell  func()
}

// New returns a keeper, or an error naming what is missing.
func New(o Options) (*Keeper, error) {
	if o.Zone == nil || o.Orders == nil || o.Complete == nil || o.Positions == nil || o.Histories == nil || o.Store == nil || o.Now == nil || o.Logger == nil {
		return nil, errors.New("fitting keeper: zone, orders, complete, positions, histories, store, now and logger are required")
	}
	return &Keeper{o: o, fell: func() {}}, nil
}

// OnFall names what is called when a claim changes the state of a fit. It is called before anything runs.
func (k *Keeper) OnFall(wake func()) { k.fell = wake }

// Line returns the line of a subject; empty where it has none.
func (k *Keeper) Line(ctx context.Context, s model.Subject) (model.Line, error) {
	r, err := k.o.Store.Line(ctx, s.ID())
	return r.Line, err
}

// mostTurns is how often a change is made again that another process came before.
const mostTurns = 5

// change applies a change to a record, again where another was first. Nothing is stored where it reports false.
func (k *Keeper) change(ctx context.Context, s model.Subject, apply func(*Record) (bool, error)) (Record, error) {
	var r Record
	for range mostTurns {
		var err error
		if r, err = k.o.Store.Line(ctx, s.ID()); err != nil {
			return r, err
		}
		r.Subject = s
		changed, err := apply(&r)
		if err != nil || !changed {
			return r, err
		}
		if err = k.o.Store.PutLine(ctx, r); !fault.Is(err, fault.Conflict) {
			return r, err
		}
	}
	return r, fault.New(fault.Transient, fault.RevisionConflict, "the line of %s changes all the time: try again", s.ID())
}

// Judge takes what a claim has come to to the fit that it rests on, and returns the line. What a claim says of a fit that
// is not current any more changes nothing.
func (k *Keeper) Judge(ctx context.Context, s model.Subject, said model.Said) (model.Line, error) {
	return k.judge(ctx, s, said.AsOf, func(r *Record) bool {
		then, ok := r.Line.AsOf(said.AsOf).Current()
		now, still := r.Line.Current()
		return ok && still && then.Number == said.Fit && now.Number == said.Fit && r.heard(said)
	})
}

// Forget says that a claim is over: what it came to weighs no more.
func (k *Keeper) Forget(ctx context.Context, s model.Subject, claim contract.InsightID) error {
	_, err := k.change(ctx, s, func(r *Record) (bool, error) { return r.forget(claim), nil })
	return err
}

// judge has the claims on the current fit decide on it once more, if what they say has changed.
func (k *Keeper) judge(ctx context.Context, s model.Subject, asOf time.Time, hear func(*Record) bool) (model.Line, error) {
	var was, is model.Fit
	r, err := k.change(ctx, s, func(r *Record) (bool, error) {
		was, _ = r.Line.Current()
		if is = was; !hear(r) {
			return false, nil
		}
		var err error
		r.Line, _, err = r.Line.Judge(model.Gravest(r.Claims), model.Turn{AsOf: asOf, Now: k.now()})
		is, _ = r.Line.Current()
		if is.State == contract.ModelExpired && was.State != is.State { // what came of it since does not count
			r.Renewed = min(r.Renewed, contract.DayOf(asOf, k.o.Zone))
		}
		return true, err
	})
	if err == nil && is.State != was.State {
		k.o.Logger.InfoContext(ctx, "claims changed the state of the fit that they rest on", "model", s.Model, "fit", is.Number,
			"from", was.State, "to", is.State, "as_of", asOf)
		k.fell()
	}
	return r.Line, err
}

// heard takes note of a claim, and reports whether it says something new. Of claims on other fits nothing is kept.
func (r *Record) heard(said model.Said) bool {
	before := slices.Clone(r.Claims)
	r.Claims = slices.DeleteFunc(slices.Clone(r.Claims), func(s model.Said) bool { return s.Claim == said.Claim || s.Fit != said.Fit })
	r.Claims = append(r.Claims, said)
	slices.SortFunc(r.Claims, func(a, b model.Said) int { return cmp.Compare(a.Claim, b.Claim) })
	return !slices.EqualFunc(before, r.Claims, func(a, b model.Said) bool {
		return a.Claim == b.Claim && a.Fit == b.Fit && a.Verdicts == b.Verdicts && a.AsOf.Equal(b.AsOf)
	})
}

func (r *Record) forget(claim contract.InsightID) bool {
	before := len(r.Claims)
	r.Claims = slices.DeleteFunc(slices.Clone(r.Claims), func(s model.Said) bool { return s.Claim == claim })
	return len(r.Claims) < before
}

func (k *Keeper) now() time.Time { return k.o.Now().UTC().Truncate(time.Millisecond) }
