// Package knowledge owns what the strategic layer makes of insights: policy decides that one is knowledge, when all five
// verdicts on it hold, and takes it back when one falls or its time is over. One record per insight holds the insight as it
// came, the evidence on which it was accepted, when that expires, and the history.
//
// The functions on [Record] decide and are pure; [Service] asks policy and runs them in transactions, each together with the
// record of the goal that rests on the insight. How a goal stands is package scorecard's; examining claims is the operational
// layer's.
package knowledge

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/lifecycle"
	"github.com/strata-crm/strata/strategic/internal/scorecard"
)

// Record is everything about one insight.
type Record struct {
	Version   int64             `json:"version"` // rises with every change
	At        time.Time         `json:"at"`      // wall clock of the last change
	Insight   contract.Insight  `json:"insight"`
	Heard     time.Time         `json:"heard"` // wall clock at which the insight came as it is
	State     State             `json:"state"`
	Accepted  *Evidence         `json:"accepted,omitempty"`  // on which it became knowledge last
	Confirmed *Evidence         `json:"confirmed,omitempty"` // on which it has stayed so since
	Expires   *time.Time        `json:"expires,omitempty"`   // wall clock; only of knowledge
	FellAsOf  *time.Time        `json:"fellAsOf,omitempty"`  // data as of which a verdict fell on what is claimed now
	Asked     string            `json:"asked,omitempty"`     // the policy bundle that decided last
	History   []lifecycle.Entry `json:"history,omitempty"`
}

// Evidence is what a decision was made on.
type Evidence struct {
	At          time.Time         `json:"at"`       // wall clock of the decision
	Revision    int64             `json:"revision"` // of the insight
	Published   float64           `json:"published"`
	Value       float64           `json:"value"`
	HalfWidth   float64           `json:"halfWidth"`
	Tolerance   float64           `json:"tolerance"`
	Absolute    bool              `json:"absolute,omitempty"`
	N           int64             `json:"n"`
	Of          int64             `json:"of"`
	AsOf        time.Time         `json:"asOf"`
	Verdicts    contract.Verdicts `json:"verdicts"`
	Republished int               `json:"republished"`
	Decision    contract.Decision `json:"decision"`
	Rules       int               `json:"rules"` // version of the governance directive in force
}

// Since returns when the record came into its state; when it was last changed where it never moved.
func (r *Record) Since() time.Time {
	if n := len(r.History); n > 0 {
		return r.History[n-1].At
	}
	return r.At
}

// Standing returns what became of the insight, for words.
func (r *Record) Standing() wording.Standing {
	s := wording.Standing{State: wording.KnowledgeState(r.State), Since: r.Since()}
	if r.Accepted != nil {
		s.Rules = r.Accepted.Rules
	}
	if n := len(r.History); n > 0 {
		s.Why = r.History[n-1].Reason
	}
	return s
}

// Newer reports whether an insight is newer than what is there.
func (r *Record) Newer(i *contract.Insight) bool {
	return r.Insight.ID == "" || i.Revision > r.Insight.Revision
}

// Hear applies an insight from below, as of the wall clock.
func (r *Record) Hear(i contract.Insight, now time.Time) {
	if r.State == "" {
		r.State = Candidate
	}
	switch fell := i.Verdicts.Any(contract.Fails) && published(&i); {
	case !fell:
		r.FellAsOf = nil
	case r.FellAsOf == nil:
		r.FellAsOf = &i.AsOf
	}
	r.Insight, r.Heard = i, now
}

// published reports whether there is a statement that verdicts can be about; one that has expired keeps its last ones.
func published(i *contract.Insight) bool {
	return i.State != contract.InsightCandidate && i.Verdicts != (contract.Verdicts{})
}

// Question is what policy is asked about an insight.
type Question struct {
	Keep      bool // it is knowledge already: may it stay so
	Insight   contract.Insight
	Tolerance float64 // of the insight, as a share
	Limit     float64 // the directive's tolerance, as a share
	Left      time.Duration
}

// Ask returns the question about the record at an instant, given the directive that the insight was ordered for; false
// where there is nothing to decide, since nothing is claimed.
func (r *Record) Ask(d *directive.Directive, now time.Time) (Question, bool) {
	i := &r.Insight
	if !slices.Contains([]contract.InsightState{contract.InsightPublished, contract.InsightRepublished}, i.State) {
		return Question{}, false
	}
	return Question{
		Keep: r.State == Known, Insight: *i, Tolerance: share(i), Limit: d.Constraints.Tolerance, Left: r.expiry(d).Sub(now),
	}, true
}

// share returns an insight's tolerance as a share: of the value, or of the unit's scale where it has one. It is rounded to
// a billionth, so that ten points are a tenth.
func share(i *contract.Insight) float64 {
	t := i.Tolerance
	switch {
	case !i.Absolute || i.Unit == contract.Ratio && i.Base == nil:
	case i.Rank != nil: // of all numbers
	case i.Base != nil && *i.Base != 0:
		t /= math.Abs(*i.Base)
	case i.Unit == contract.Points:
		t /= 100
	case i.Published != 0:
		t /= math.Abs(i.Published)
	default:
		return 1
	}
	return math.Round(t*1e9) / 1e9
}

// windowsUnexamined is for how many of its windows knowledge stays so without being examined on newer data.
const windowsUnexamined = 2

// expiry is when the insight as it came last ends to be good for knowledge: with its directive, at the end of its shelf
// life, or when it has not been examined again for two of its windows and the time in which late data come; whichever is
// first. It is counted from when it came, so that deciding anew does not prolong it.
func (r *Record) expiry(d *directive.Directive) time.Time {
	i := &r.Insight
	grain := i.Grain
	if grain == "" {
		grain = contract.GrainMonth
	}
	end := r.Heard
	for range windowsUnexamined {
		end = scorecard.Next(end, grain, time.UTC)
	}
	ends := []time.Time{end.Add(directive.Lateness)}
	if d.Order != nil {
		ends = append(ends, d.Order.Expires)
	}
	if until, ok := wording.ShelfLife(i); ok {
		ends = append(ends, r.Heard.Add(until.Sub(i.Windows[len(i.Windows)-1].Window.End)))
	}
	return slices.MinFunc(ends, time.Time.Compare).UTC().Truncate(time.Millisecond)
}

// Verdict is what policy said of an insight.
type Verdict struct {
	Asked    bool // whether there was anything to decide
	Allowed  bool
	Decision contract.Decision
	Reasons  []string
	Rules    int    // version of the governance directive in force; 0 before there is one
	Bundle   string // that decided, or would have
	Bars     bool   // of a fallen insight: the status of a goal may not rest on it
	Rest     *contract.Decision
}

// Judged applies what policy said, at the instant of the turn.
func (r *Record) Judged(v Verdict, d *directive.Directive, t lifecycle.Turn) error {
	r.Asked = v.Bundle
	switch {
	case r.Insight.State == contract.InsightExpired:
		return r.over(t)
	case v.Asked && v.Allowed:
		return r.accept(v, d, t)
	case r.State != Known:
		return nil
	}
	if v.Asked {
		t.Decision = &v.Decision
	}
	t.By, t.Reason = string(lifecycle.Policy), r.why(v)
	r.Expires = nil
	return r.move(TakeBack, lifecycle.Policy, t)
}

func (r *Record) over(t lifecycle.Turn) error {
	if r.State == Expired {
		return nil
	}
	t.By, t.Reason = string(contract.Functional), "the layers below examine it no more"
	r.Expires = nil
	return r.move(Expire, lifecycle.Functional, t)
}

func (r *Record) accept(v Verdict, d *directive.Directive, t lifecycle.Turn) error {
	i := &r.Insight
	e := &Evidence{
		At: t.Now, Revision: i.Revision, Published: i.Published, Value: i.Value, HalfWidth: i.HalfWidth, Tolerance: i.Tolerance, Absolute: i.Absolute,
		N: i.N, Of: i.Of, AsOf: i.AsOf, Verdicts: i.Verdicts, Republished: i.Republished, Decision: v.Decision, Rules: v.Rules,
	}
	expires := r.expiry(d)
	r.Expires = &expires
	if r.State == Known {
		r.Confirmed = e
		return nil
	}
	r.Accepted, r.Confirmed = e, nil
	t.By, t.Reason, t.Decision = string(lifecycle.Policy), "all five questions hold", &v.Decision
	return r.move(Accept, lifecycle.Policy, t)
}

// why says why it is taken back.
func (r *Record) why(v Verdict) string {
	if fell := wording.With(r.Insight.Verdicts, contract.Fails); len(fell) > 0 {
		return wording.Listed(fell) + " failed"
	}
	if len(v.Reasons) > 0 {
		return strings.Join(v.Reasons, "; ")
	}
	return "nothing is claimed any more"
}

// Lapsed takes knowledge back whose expiry has passed at the instant of the turn.
func (r *Record) Lapsed(t lifecycle.Turn) error {
	if r.State != Known || r.Expires == nil || t.Now.Before(*r.Expires) {
		return nil
	}
	t.By, t.Reason = string(lifecycle.Clock), "it was not examined again in time"
	r.Expires = nil
	return r.move(Lapse, lifecycle.Clock, t)
}

func (r *Record) move(e Event, by lifecycle.Actor, t lifecycle.Turn) error {
	to, history, err := LifeCycle.Move(r.History, string(r.Insight.ID), r.State, e, by, t)
	if err == nil {
		r.State, r.History = to, history
	}
	return err
}

// Own reports whether a goal's proof rests on the insight: it tells how much the goal's metric is, in the goal's scope.
func Own(g *directive.Record, i *contract.Insight) bool {
	level := i.Kind == "" || i.Kind == contract.LevelInsight || i.Kind == contract.ForecastInsight
	return level && i.Metric == g.Goal.Metric && contract.Same(i.Scope, g.Goal.Scope)
}

// Ground returns what the goal that rests on the insight must know of it.
func (r *Record) Ground(v Verdict) scorecard.Ground {
	return scorecard.Ground{
		Insight: r.Insight.ID, Standing: r.Standing(), FellAsOf: r.FellAsOf, Bars: v.Bars && r.FellAsOf != nil, Decision: v.Rest,
	}
}
