package httpapi

import (
	"context"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/httpx"
)

// GetPlan implements StrictServerInterface.
func (s *Server) GetPlan(ctx context.Context, r GetPlanRequestObject) (GetPlanResponseObject, error) {
	if _, err := s.allow(ctx, read); err != nil {
		return nil, err
	}
	p, _, err := s.d.Reader.Plan(ctx, contract.PlanID(r.Plan))
	if err != nil {
		return nil, err
	}
	return GetPlan200JSONResponse{Body: p, Headers: GetPlan200ResponseHeaders{ETag: httpx.ETag(p.Revision)}}, nil
}

// EditPlan implements StrictServerInterface.
func (s *Server) EditPlan(ctx context.Context, r EditPlanRequestObject) (EditPlanResponseObject, error) {
	who, err := s.allow(ctx, editPlan)
	if err != nil {
		return nil, err
	}
	id, revision, err := s.seen(ctx, r.Plan, r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	rec, err := s.d.Plans.Edit(ctx, id, revision, r.Body.Parts, r.Body.Constraints, directive.Approver{Subject: who.Subject, Roles: roles(who)})
	if err != nil {
		return nil, err
	}
	return EditPlan200JSONResponse{Body: *rec.Plan, Headers: EditPlan200ResponseHeaders{ETag: httpx.ETag(rec.Plan.Revision)}}, nil
}

// ApprovePlan implements StrictServerInterface.
func (s *Server) ApprovePlan(ctx context.Context, r ApprovePlanRequestObject) (ApprovePlanResponseObject, error) {
	who, err := s.allow(ctx, approvePlan)
	if err != nil {
		return nil, err
	}
	id, revision, err := s.seen(ctx, r.Plan, r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	rec, err := s.d.Plans.Approve(ctx, id, revision, directive.Approver{Subject: who.Subject, Roles: roles(who)})
	if err != nil {
		return nil, err
	}
	return ApprovePlan200JSONResponse{Body: *rec.Plan, Headers: ApprovePlan200ResponseHeaders{ETag: httpx.ETag(rec.Plan.Revision)}}, nil
}

// RevisePlan implements StrictServerInterface.
func (s *Server) RevisePlan(ctx context.Context, r RevisePlanRequestObject) (RevisePlanResponseObject, error) {
	who, err := s.allow(ctx, editPlan)
	if err != nil {
		return nil, err
	}
	id, revision, err := s.seen(ctx, r.Plan, r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	rec, err := s.d.Plans.Revise(ctx, id, revision, directive.Approver{Subject: who.Subject, Roles: roles(who)})
	if err != nil {
		return nil, err
	}
	return RevisePlan200JSONResponse{Body: *rec.Plan, Headers: RevisePlan200ResponseHeaders{ETag: httpx.ETag(rec.Plan.Revision)}}, nil
}

// seen returns the directive of a plan and the revision of the plan that the caller has seen.
func (s *Server) seen(ctx context.Context, id, ifMatch string) (contract.DirectiveID, int64, error) {
	revision, err := httpx.ParseIfMatch(ifMatch)
	if err != nil {
		return "", 0, err
	}
	_, directive, err := s.d.Reader.Plan(ctx, contract.PlanID(id))
	return directive, revision, err
}

// ListDirectives implements StrictServerInterface.
func (s *Server) ListDirectives(ctx context.Context, r ListDirectivesRequestObject) (ListDirectivesResponseObject, error) {
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
	rs, err := s.d.Reader.List(ctx, at.After, limit+1)
	if err != nil {
		return nil, err
	}
	page := ListDirectives200JSONResponse{Items: rs}
	if len(rs) > limit {
		page.Items = rs[:limit]
		page.Next, err = httpx.EncodeCursor(position{string(rs[limit-1].ID())})
	}
	if page.Items == nil {
		page.Items = []directive.Record{}
	}
	return page, err
}

// position is where a page of directives ended.
type position struct {
	After string `json:"after"`
}

// GetDirective implements StrictServerInterface.
func (s *Server) GetDirective(ctx context.Context, r GetDirectiveRequestObject) (GetDirectiveResponseObject, error) {
	if _, err := s.allow(ctx, read); err != nil {
		return nil, err
	}
	rec, err := s.d.Reader.Get(ctx, contract.DirectiveID(r.Directive))
	if err != nil {
		return nil, err
	}
	return GetDirective200JSONResponse(rec), nil
}

// ListMeasurements implements StrictServerInterface.
func (s *Server) ListMeasurements(ctx context.Context, r ListMeasurementsRequestObject) (ListMeasurementsResponseObject, error) {
	if _, err := s.allow(ctx, read); err != nil {
		return nil, err
	}
	var m contract.MetricID
	if r.Params.Metric != nil {
		m = contract.MetricID(*r.Params.Metric)
	}
	ms, err := s.d.Reader.Series(ctx, contract.DirectiveID(r.Params.Directive), m)
	if err != nil {
		return nil, err
	}
	return ListMeasurements200JSONResponse{Items: ms}, nil
}

// GetInformation implements StrictServerInterface.
func (s *Server) GetInformation(ctx context.Context, r GetInformationRequestObject) (GetInformationResponseObject, error) {
	if _, err := s.allow(ctx, read); err != nil {
		return nil, err
	}
	info, err := s.d.Reader.Information(ctx, contract.GoalID(r.Goal))
	if err != nil {
		return nil, err
	}
	return GetInformation200JSONResponse(info), nil
}
