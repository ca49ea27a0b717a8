package effort

import (
	"cmp"
	"slices"
	"time"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/plan"
	"github.com/strata-crm/strata/shared/contract"
)

// UnusedAfter is how long no decision may have used a parameter before it is proposed for withdrawal.
const UnusedAfter = 90 * 24 * time.Hour

// Use is what used a parameter.
type Use string

// A decision is one of these. Collecting a parameter, or measuring with it what nobody decides by, is none.
const (
	ByPlan    Use = "plan"    // somebody approved or edited the plan that has a metric which needs it
	ByStatus  Use = "status"  // the status changed of a goal whose own metric needs it: see [Settled]
	ByInsight Use = "insight" // an insight was published of a metric that needs it: see [Published]
)

// Unused is a parameter that is collected and that no decision has used for long.
type Unused struct {
	Parameter  contract.ParameterName `json:"parameter"`
	DataType   contract.DataType      `json:"dataType"`
	Owner      string                 `json:"owner"`
	Steward    string                 `json:"steward"`
	Since      time.Time              `json:"since"` // when it was first asked for, or last used
	Last       Use                    `json:"last,omitempty"`
	Days       int                    `json:"days"`                // since then
	Directives []contract.DirectiveID `json:"directives"`          // in force that ask for it
	Needed     []contract.MetricID    `json:"metrics"`             // of theirs that need it; none: it is collected on a wish
	Required   bool                   `json:"required"`            // a goal's own metric needs it: withdrawing it withdraws the goal
	Remedy     string                 `json:"remedy"`              // what to do, by code
	LastBy     contract.DirectiveID   `json:"lastUnder,omitempty"` // where it was last used
}

// Withdrawable returns the parameters that directives in force collect and no decision has used for [UnusedAfter] before
// the wall-clock instant now, longest unused first.
func Withdrawable(records []directive.Record, decided []Decided, now time.Time) []Unused {
	found := map[contract.ParameterName]*Unused{}
	for i := range records {
		if r := &records[i]; r.Strategic != nil && !r.Strategic.Standing.Ended() && r.Plan != nil && r.Plan.State == plan.Active {
			collect(found, r, decided)
		}
	}
	list := []Unused{}
	for _, u := range found {
		if idle := now.Sub(u.Since); idle >= UnusedAfter {
			u.Days = int(idle / (24 * time.Hour))
			slices.Sort(u.Needed)
			u.Needed = slices.Compact(u.Needed)
			u.Remedy = "leave_out"
			if u.Required {
				u.Remedy = "ask_whether_the_goal_is_pursued"
			}
			list = append(list, *u)
		}
	}
	slices.SortFunc(list, func(a, b Unused) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Parameter, b.Parameter)) })
	return list
}

// collect notes what a record's plan collects, and when that was last used.
func collect(found map[contract.ParameterName]*Unused, r *directive.Record, decided []Decided) {
	for _, part := range r.Plan.Parts {
		for _, c := range part.Collect {
			u := found[c.Parameter.Name]
			if u == nil {
				u = &Unused{
					Parameter: c.Parameter.Name, DataType: c.Parameter.DataType, Owner: c.Parameter.Owner, Steward: c.Parameter.Steward,
					Needed: []contract.MetricID{},
				}
				found[c.Parameter.Name] = u
			}
			u.under(r, c)
			for _, d := range decided {
				if d.Directive == r.ID() && needs(r.Plan, d.Metric, c.Parameter.Name) {
					u.used(d.By, d.At, r.ID())
				}
			}
		}
	}
}

func needs(p *plan.Plan, m contract.MetricID, name contract.ParameterName) bool {
	return slices.ContainsFunc(p.Parts, func(part plan.Part) bool {
		return slices.ContainsFunc(part.Metrics, func(x plan.Metric) bool {
			return x.Definition.ID == m && slices.Contains(x.Definition.Parameters, name)
		})
	})
}

// under notes a directive that asks for the parameter: asking is where its time begins, and approving a plan with a metric
// that needs it is a decision.
func (u *Unused) under(r *directive.Record, c contract.Collection) {
	if !slices.Contains(u.Directives, r.ID()) {
		u.Directives = append(u.Directives, r.ID())
	}
	u.Required = u.Required || c.Required
	for _, part := range r.Plan.Parts {
		for _, m := range part.Metrics {
			if slices.Contains(m.Definition.Parameters, c.Parameter.Name) {
				u.Needed = append(u.Needed, m.Definition.ID)
			}
		}
	}
	u.used("", r.Strategic.ValidFrom, "")
	if len(u.Needed) == 0 {
		return
	}
	for _, h := range r.Plan.History {
		if h.Event == plan.Approve || h.Event == plan.Edit {
			u.used(ByPlan, h.At, r.ID())
		}
	}
}

func (u *Unused) used(by Use, at time.Time, under contract.DirectiveID) {
	if at.After(u.Since) {
		u.Since, u.Last, u.LastBy = at, by, under
	}
}
