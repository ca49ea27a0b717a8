// Package httpapi serves the functional layer over HTTP: server.go has what all routes share, and there is one file per
// resource. The routes, parameters and models are generated from api/openapi.yaml. It decides only who may call what,
// by policy.
package httpapi

import (
	"context"
	"fmt"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/forecast"
	"github.com/strata-crm/strata/functional/internal/govern"
	"github.com/strata-crm/strata/functional/internal/plan"
	"github.com/strata-crm/strata/functional/internal/playbook"
	"github.com/strata-crm/strata/functional/internal/query"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/signin"
)

// Plans changes plans.
type Plans interface {
	Approve(ctx context.Context, id contract.DirectiveID, revision int64, by directive.Approver) (directive.Record, error)
	Edit(ctx context.Context, id contract.DirectiveID, revision int64, parts []plan.Part, c contract.Constraints, by directive.Approver) (directive.Record, error)
	// Revise brings an active plan to the versions of metrics in use; Conflict where it has them already.
	Revise(ctx context.Context, id contract.DirectiveID, revision int64, by directive.Approver) (directive.Record, error)
	// Try orders a trial of one state of a metric's version; Conflict where there is nothing to try it on.
	Try(ctx context.Context, d contract.Definition, revision int64, under contract.DirectiveID, by directive.Approver, series directive.Series) (directive.Record, error)
}

// Reader reads what the layer stores. Every method returns NotFound for what is not there.
type Reader interface {
	Get(ctx context.Context, id contract.DirectiveID) (directive.Record, error)
	List(ctx context.Context, after string, limit int) ([]directive.Record, error)
	Plan(ctx context.Context, id contract.PlanID) (plan.Plan, contract.DirectiveID, error)
	Series(ctx context.Context, id contract.DirectiveID, m contract.MetricID) ([]contract.Measurement, error)
	Information(ctx context.Context, goal contract.GoalID) (contract.Information, error)
	Insights(ctx context.Context, goal contract.GoalID, after string, limit int) ([]contract.Insight, error)
}

// Library is the definitions in use.
type Library interface {
	Playbooks() []playbook.Playbook
	Parameters() []contract.Parameter
	Metrics() []contract.Definition
	Metric(contract.MetricID) (contract.Definition, bool)
}

// Gate decides who may do what; a denial is a Denied fault.
type Gate func(ctx context.Context, who signin.Identity, action string) error

// Deps are what the routes need.
type Deps struct {
	Plans       Plans
	Reader      Reader
	Tiles       query.Reader
	Library     Library
	Definitions Definitions
	Gate        Gate
	Now         func() time.Time
}

// Server implements the generated StrictServerInterface.
type Server struct {
	d         Deps
	forecasts *forecast.Memo
}

// Mount adds the layer's routes to e.
func Mount(e *echo.Echo, d Deps) error {
	if d.Plans == nil || d.Reader == nil || d.Tiles == nil || d.Library == nil || d.Definitions == nil || d.Gate == nil || d.Now == nil {
		return fmt.Errorf("functional routes: plans, reader, tiles, library, definitions, gate and now are required")
	}
	spec, err := GetSpec()
	if err != nil {
		return fmt.Errorf("functional OpenAPI: %w", err)
	}
	e.Use(httpx.Validate(spec))
	RegisterHandlers(e, NewStrictHandler(&Server{d, forecast.NewMemo()}, nil))
	return nil
}

// allow returns who calls if policy lets them do the action.
func (s *Server) allow(ctx context.Context, action string) (signin.Identity, error) {
	who, ok := signin.From(ctx)
	if !ok {
		return who, fault.New(fault.Denied, fault.NotSignedIn, "sign in first: send a bearer token")
	}
	return who, s.d.Gate(ctx, who, action)
}

const (
	read        = govern.Reading
	editPlan    = "edit_plan"
	approvePlan = "approve_plan"
	define      = "define_metric"
	review      = "review_metric"
	certify     = "certify_metric"
	retire      = "retire_metric"
	try         = "try_metric"
)

func roles(who signin.Identity) []string {
	rs := make([]string, len(who.Roles))
	for i, r := range who.Roles {
		rs[i] = string(r)
	}
	return rs
}
