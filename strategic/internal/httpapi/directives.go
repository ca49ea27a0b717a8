package httpapi

import (
	"context"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/strategic/internal/directive"
)

func directiveAnswer(d directive.Directive) TheDirectiveJSONResponse {
	return TheDirectiveJSONResponse{Body: d, Headers: TheDirectiveResponseHeaders{ETag: etag(d.Revision)}}
}

// ListDirectives implements StrictServerInterface.
func (s *Server) ListDirectives(ctx context.Context, r ListDirectivesRequestObject) (ListDirectivesResponseObject, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	rs, next, err := s.page(ctx, r.Params.Cursor, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	page := ListDirectives200JSONResponse{Items: []directive.Directive{}, Next: next}
	for i := range rs {
		page.Items = append(page.Items, rs[i].Directives...)
	}
	return page, nil
}

// DraftDirective implements StrictServerInterface.
func (s *Server) DraftDirective(ctx context.Context, r DraftDirectiveRequestObject) (DraftDirectiveResponseObject, error) {
	who, err := s.act(ctx, draftDirective)
	if err != nil {
		return nil, err
	}
	d, err := s.d.Goals.Draft(ctx, *r.Body, who)
	if err != nil {
		return nil, err
	}
	return DraftDirective201JSONResponse{directiveAnswer(d)}, nil
}

// GetDirective implements StrictServerInterface.
func (s *Server) GetDirective(ctx context.Context, r GetDirectiveRequestObject) (GetDirectiveResponseObject, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	rec, id, err := s.record(ctx, r.Directive)
	if err != nil {
		return nil, err
	}
	d, err := rec.Directive(id)
	if err != nil {
		return nil, err
	}
	return GetDirective200JSONResponse{directiveAnswer(*d)}, nil
}

// GetTrail implements StrictServerInterface.
func (s *Server) GetTrail(ctx context.Context, r GetTrailRequestObject) (GetTrailResponseObject, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	rec, id, err := s.record(ctx, r.Directive)
	if err != nil {
		return nil, err
	}
	t, err := rec.TrailOf(id, s.d.Zone)
	if err != nil {
		return nil, err
	}
	return GetTrail200JSONResponse(t), nil
}

// ProposeDirective implements StrictServerInterface.
func (s *Server) ProposeDirective(ctx context.Context, r ProposeDirectiveRequestObject) (ProposeDirectiveResponseObject, error) {
	who, err := s.act(ctx, draftDirective)
	if err != nil {
		return nil, err
	}
	d, err := s.d.Goals.Propose(ctx, contract.DirectiveID(r.Directive), who)
	if err != nil {
		return nil, err
	}
	return ProposeDirective200JSONResponse{directiveAnswer(d)}, nil
}

// ApproveDirective implements StrictServerInterface.
func (s *Server) ApproveDirective(ctx context.Context, r ApproveDirectiveRequestObject) (ApproveDirectiveResponseObject, error) {
	who, err := s.act(ctx, approveDirective)
	if err != nil {
		return nil, err
	}
	d, err := s.d.Goals.Approve(ctx, contract.DirectiveID(r.Directive), who)
	if err != nil {
		return nil, err
	}
	return ApproveDirective200JSONResponse{directiveAnswer(d)}, nil
}

// IssueDirective implements StrictServerInterface.
func (s *Server) IssueDirective(ctx context.Context, r IssueDirectiveRequestObject) (IssueDirectiveResponseObject, error) {
	who, err := s.act(ctx, issueDirective)
	if err != nil {
		return nil, err
	}
	d, err := s.d.Goals.Issue(ctx, contract.DirectiveID(r.Directive), who)
	if err != nil {
		return nil, err
	}
	return IssueDirective200JSONResponse{directiveAnswer(d)}, nil
}

// WithdrawDirective implements StrictServerInterface.
func (s *Server) WithdrawDirective(ctx context.Context, r WithdrawDirectiveRequestObject) (WithdrawDirectiveResponseObject, error) {
	who, err := s.act(ctx, withdrawDirective)
	if err != nil {
		return nil, err
	}
	d, err := s.d.Goals.Withdraw(ctx, contract.DirectiveID(r.Directive), because(r.Body), who)
	if err != nil {
		return nil, err
	}
	return WithdrawDirective200JSONResponse{directiveAnswer(d)}, nil
}
