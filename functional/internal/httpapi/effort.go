package httpapi

import (
	"context"
	"time"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/effort"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
)

// GetPlanOutlook implements StrictServerInterface.
func (s *Server) GetPlanOutlook(ctx context.Context, r GetPlanOutlookRequestObject) (GetPlanOutlookResponseObject, error) {
	if _, err := s.allow(ctx, read); err != nil {
		return nil, err
	}
	p, id, err := s.d.Reader.Plan(ctx, contract.PlanID(r.Plan))
	if err != nil {
		return nil, err
	}
	rec, err := s.d.Reader.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if rec.Strategic == nil {
		return nil, fault.New(fault.Transient, fault.Unavailable, "this layer has lost its database and waits for the directive to be published again: try again soon")
	}
	own, err := s.d.Reader.Series(ctx, id, rec.Strategic.Goal.Metric)
	if err != nil {
		return nil, err
	}
	return GetPlanOutlook200JSONResponse(effort.Look(&p, rec.Strategic, own)), nil
}

// GetGoalCost implements StrictServerInterface.
func (s *Server) GetGoalCost(ctx context.Context, r GetGoalCostRequestObject) (GetGoalCostResponseObject, error) {
	if _, err := s.allow(ctx, read); err != nil {
		return nil, err
	}
	rec, err := s.d.Tiles.Pursuing(ctx, contract.GoalID(r.Goal))
	if err != nil {
		return nil, err
	}
	all, err := s.records(ctx)
	if err != nil {
		return nil, err
	}
	return GetGoalCost200JSONResponse(effort.Of(&rec, all)), nil
}

// ListWithdrawals implements StrictServerInterface.
func (s *Server) ListWithdrawals(ctx context.Context, _ ListWithdrawalsRequestObject) (ListWithdrawalsResponseObject, error) {
	if _, err := s.allow(ctx, read); err != nil {
		return nil, err
	}
	all, err := s.records(ctx)
	if err != nil {
		return nil, err
	}
	decided, err := s.decided(ctx, all)
	if err != nil {
		return nil, err
	}
	return ListWithdrawals200JSONResponse{Items: effort.Withdrawable(all, decided, s.d.Now())}, nil
}

// decided returns what was decided on the goals of directives, by their information and insights.
func (s *Server) decided(ctx context.Context, records []directive.Record) ([]effort.Decided, error) {
	var all []effort.Decided
	for i := range records {
		if records[i].Strategic == nil {
			continue
		}
		goal := records[i].Strategic.Goal.ID
		info, err := s.d.Reader.Information(ctx, goal)
		switch {
		case err == nil:
			zone, err := time.LoadLocation(records[i].Strategic.TimeZone)
			if err != nil {
				zone = time.UTC
			}
			if d, ok := effort.Settled(&records[i].Strategic.Goal, zone, &info); ok {
				all = append(all, d)
			}
		case !fault.Is(err, fault.NotFound):
			return nil, err
		}
		claims, err := s.claims(ctx, goal)
		if err != nil {
			return nil, err
		}
		all = append(all, claims...)
	}
	return all, nil
}

func (s *Server) claims(ctx context.Context, goal contract.GoalID) ([]effort.Decided, error) {
	var all []effort.Decided
	after := ""
	for {
		page, err := s.d.Reader.Insights(ctx, goal, after, httpx.MaxLimit)
		if err != nil {
			return nil, err
		}
		for i := range page {
			if d, ok := effort.Published(&page[i]); ok {
				all = append(all, d)
			}
		}
		if len(page) < httpx.MaxLimit {
			return all, nil
		}
		after = string(page[len(page)-1].ID)
	}
}
