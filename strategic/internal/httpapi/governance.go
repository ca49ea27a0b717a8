package httpapi

import (
	"context"

	"github.com/strata-crm/strata/strategic/internal/governance"
)

func governanceAnswer(r governance.Record) TheGovernanceJSONResponse {
	if r.Versions == nil {
		r.Versions = []governance.Version{}
	}
	return TheGovernanceJSONResponse(r)
}

// GetGovernance implements StrictServerInterface.
func (s *Server) GetGovernance(ctx context.Context, _ GetGovernanceRequestObject) (GetGovernanceResponseObject, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	r, err := s.d.Reader.Governance(ctx)
	if err != nil {
		return nil, err
	}
	return GetGovernance200JSONResponse{governanceAnswer(r)}, nil
}

// ProposeGovernance implements StrictServerInterface.
func (s *Server) ProposeGovernance(ctx context.Context, q ProposeGovernanceRequestObject) (ProposeGovernanceResponseObject, error) {
	who, err := s.act(ctx, proposeGovernance)
	if err != nil {
		return nil, err
	}
	r, err := s.d.Governing.Propose(ctx, *q.Body, who.Subject)
	if err != nil {
		return nil, err
	}
	return ProposeGovernance201JSONResponse{governanceAnswer(r)}, nil
}

// ApproveGovernance implements StrictServerInterface.
func (s *Server) ApproveGovernance(ctx context.Context, q ApproveGovernanceRequestObject) (ApproveGovernanceResponseObject, error) {
	who, err := s.act(ctx, approveGovernance)
	if err != nil {
		return nil, err
	}
	r, err := s.d.Governing.Approve(ctx, q.Version, who.Subject, who.Roles)
	if err != nil {
		return nil, err
	}
	return ApproveGovernance200JSONResponse{governanceAnswer(r)}, nil
}

// WithdrawGovernance implements StrictServerInterface.
func (s *Server) WithdrawGovernance(ctx context.Context, q WithdrawGovernanceRequestObject) (WithdrawGovernanceResponseObject, error) {
	who, err := s.act(ctx, withdrawGovernance)
	if err != nil {
		return nil, err
	}
	r, err := s.d.Governing.Withdraw(ctx, q.Version, because(q.Body), who.Subject)
	if err != nil {
		return nil, err
	}
	return WithdrawGovernance200JSONResponse{governanceAnswer(r)}, nil
}

// GetDecision implements StrictServerInterface.
func (s *Server) GetDecision(ctx context.Context, q GetDecisionRequestObject) (GetDecisionResponseObject, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	d, err := s.d.Decisions.Get(ctx, q.Decision)
	if err != nil {
		return nil, err
	}
	return GetDecision200JSONResponse(d), nil
}
