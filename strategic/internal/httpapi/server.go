// Package httpapi serves the strategic layer over HTTP: server.go has what all routes share, and there is one file per
// resource. The routes, parameters and models are generated from api/openapi.yaml. It decides only who may call what, by
// policy.
package httpapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/policy"
	"github.com/strata-crm/strata/shared/signin"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/goal"
	"github.com/strata-crm/strata/strategic/internal/governance"
	"github.com/strata-crm/strata/strategic/internal/knowledge"
	"github.com/strata-crm/strata/strategic/internal/live"
	"github.com/strata-crm/strata/strategic/internal/variable"
)

// Goals changes goals and their directives.
type Goals interface {
	SetGoal(ctx context.Context, p goal.Proposal, who directive.Person) (directive.Record, error)
	EditGoal(ctx context.Context, id contract.GoalID, revision int64, p goal.Proposal, who directive.Person) (directive.Record, error)
	ActivateGoal(ctx context.Context, id contract.GoalID, who directive.Person) (directive.Record, error)
	CloseGoal(ctx context.Context, id contract.GoalID, reason string, who directive.Person) (directive.Record, error)
	Draft(ctx context.Context, w directive.Wish, who directive.Person) (directive.Directive, error)
	Propose(ctx context.Context, id contract.DirectiveID, who directive.Person) (directive.Directive, error)
	Approve(ctx context.Context, id contract.DirectiveID, who directive.Person) (directive.Directive, error)
	Issue(ctx context.Context, id contract.DirectiveID, who directive.Person) (directive.Directive, error)
	Withdraw(ctx context.Context, id contract.DirectiveID, reason string, who directive.Person) (directive.Directive, error)
}

// Governing changes the governance directive.
type Governing interface {
	Propose(ctx context.Context, rules governance.Rules, who string) (governance.Record, error)
	Approve(ctx context.Context, number int, who string, roles []string) (governance.Record, error)
	Withdraw(ctx context.Context, number int, reason, who string) (governance.Record, error)
}

// Reader reads what the layer stores. NotFound means that it is not there.
type Reader interface {
	Record(ctx context.Context, id contract.GoalID) (directive.Record, error)
	Owner(ctx context.Context, id contract.DirectiveID) (contract.GoalID, error)
	List(ctx context.Context, after string, limit int) ([]directive.Record, error)
	Governance(ctx context.Context) (governance.Record, error)
	Insight(ctx context.Context, id contract.InsightID) (knowledge.Record, error)
	Insights(ctx context.Context, q knowledge.Query) ([]knowledge.Record, error)
}

// Variables is the variables in use.
type Variables interface {
	List(ctx context.Context) ([]variable.Variable, error)
	Add(ctx context.Context, v variable.Variable) error
}

// Decisions is the recorded policy decisions.
type Decisions interface {
	Get(ctx context.Context, id string) (policy.Record, error)
}

// Gate decides who may do what; a denial is a Denied fault.
type Gate interface {
	Read(ctx context.Context, who signin.Identity) error
	Act(ctx context.Context, who signin.Identity, action string) error
}

// Watcher tells of changes until ctx ends.
type Watcher interface {
	Watch(ctx context.Context) <-chan live.Change
}

// Print writes the scorecard as somebody sees it as a PDF, as of an instant, which text says as it was asked for; zero and
// empty mean now.
type Print func(ctx context.Context, who signin.Identity, asOf time.Time, text string) ([]byte, error)

// Deps are what the routes need. All are required.
type Deps struct {
	Goals     Goals
	Governing Governing
	Reader    Reader
	Variables Variables
	Decisions Decisions
	Gate      Gate
	Watcher   Watcher
	Print     Print
	Zone      *time.Location
}

// Server implements the generated StrictServerInterface.
type Server struct{ d Deps }

// Mount adds the layer's routes to e.
func Mount(e *echo.Echo, d Deps) error {
	if d.Goals == nil || d.Governing == nil || d.Reader == nil || d.Variables == nil || d.Decisions == nil || d.Gate == nil || d.Watcher == nil || d.Print == nil || d.Zone == nil {
		return errors.New("strategic routes: goals, governing, reader, variables, decisions, gate, watcher, print and zone are required")
	}
	spec, err := GetSpec()
	if err != nil {
		return fmt.Errorf("strategic OpenAPI: %w", err)
	}
	RegisterHandlers(e.Group("", httpx.Validate(spec)), NewStrictHandler(&Server{d}, nil))
	return nil
}

// What somebody may do, as policy and the governance directive name it.
const (
	addVariable        = "add_variable"
	setGoal            = "set_goal"
	closeGoal          = "close_goal"
	draftDirective     = "draft_directive"
	approveDirective   = "approve_directive"
	issueDirective     = "issue_directive"
	withdrawDirective  = "withdraw_directive"
	proposeGovernance  = "propose_governance"
	approveGovernance  = "approve_governance"
	withdrawGovernance = "withdraw_governance"
)

func caller(ctx context.Context) (signin.Identity, error) {
	who, ok := signin.From(ctx)
	if !ok {
		return who, fault.New(fault.Denied, fault.NotSignedIn, "sign in first: send a bearer token")
	}
	return who, nil
}

// read fails unless the caller may see what the layer holds.
func (s *Server) read(ctx context.Context) error {
	who, err := caller(ctx)
	if err != nil {
		return err
	}
	return s.d.Gate.Read(ctx, who)
}

// act returns who calls if policy lets them do the action.
func (s *Server) act(ctx context.Context, action string) (directive.Person, error) {
	who, err := caller(ctx)
	if err != nil {
		return directive.Person{}, err
	}
	p := directive.Person{Subject: who.Subject, Roles: make([]string, len(who.Roles))}
	for i, r := range who.Roles {
		p.Roles[i] = string(r)
	}
	return p, s.d.Gate.Act(ctx, who, action)
}

// because returns the reason in an optional body.
func because(b *Because) string {
	if b == nil || b.Reason == nil {
		return ""
	}
	return *b.Reason
}

// ParseAsOf reads a day, which means its end in zone, or an instant; empty means the zero time.
func ParseAsOf(text string, zone *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := contract.ParseDay(text); err == nil {
		return d.End(zone), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, &fault.Error{Kind: fault.Invalid, Code: fault.BadRequest, At: "asOf", Text: "asOf is a day, such as 1998-03-31, or an instant, such as 1998-04-01T00:00:00Z"}
	}
	return t, nil
}

func asOf(param *AsOf, zone *time.Location) (time.Time, error) {
	if param == nil {
		return time.Time{}, nil
	}
	return ParseAsOf(*param, zone)
}

// position is where a page of goals ended.
type position struct {
	After string `json:"after"`
}

// page reads one page of records and returns the cursor of the next.
func (s *Server) page(ctx context.Context, cursor *Cursor, limit *Limit) ([]directive.Record, string, error) {
	most, err := httpx.Limit(limit)
	if err != nil {
		return nil, "", err
	}
	var at position
	if cursor != nil {
		if err := httpx.DecodeCursor(*cursor, &at); err != nil {
			return nil, "", err
		}
	}
	rs, err := s.d.Reader.List(ctx, at.After, most+1)
	if err != nil {
		return nil, "", err
	}
	p, err := httpx.NewPage(rs, most, func(r directive.Record) position { return position{string(r.Goal.ID)} })
	return p.Items, p.Next, err
}

func etag(revision int64) *string {
	t := httpx.ETag(revision)
	return &t
}
