package httpapi

import (
	"context"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/httpx"
)

// ListInsights implements StrictServerInterface.
func (s *Server) ListInsights(ctx context.Context, r ListInsightsRequestObject) (ListInsightsResponseObject, error) {
	if _, err := s.allow(ctx, read); err != nil {
		return nil, err
	}
	limit, err := httpx.Limit(r.Params.Limit)
	if err != nil {
		return nil, err
	}
	var at position
	if r.Params.Cursor != nil {
		if err := httpx.DecodeCursor(*r.Params.Cursor, &at); err != nil {
			return nil, err
		}
	}
	var goal contract.GoalID
	if r.Params.Goal != nil {
		goal = contract.GoalID(*r.Params.Goal)
	}
	all, err := s.d.Reader.Insights(ctx, goal, at.After, limit+1)
	if err != nil {
		return nil, err
	}
	page, err := httpx.NewPage(all, limit, func(i contract.Insight) position { return position{string(i.ID)} })
	return ListInsights200JSONResponse{Items: page.Items, Next: page.Next}, err
}
