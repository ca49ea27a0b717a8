package httpapi

import (
	"context"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/goal"
)

// ListVariables implements StrictServerInterface.
func (s *Server) ListVariables(ctx context.Context, _ ListVariablesRequestObject) (ListVariablesResponseObject, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	vs, err := s.d.Variables.List(ctx)
	if err != nil {
		return nil, err
	}
	return ListVariables200JSONResponse{Items: vs}, nil
}

// AddVariable implements StrictServerInterface.
func (s *Server) AddVariable(ctx context.Context, r AddVariableRequestObject) (AddVariableResponseObject, error) {
	if _, err := s.act(ctx, addVariable); err != nil {
		return nil, err
	}
	v := *r.Body
	v.Shipped = false
	if err := s.d.Variables.Add(ctx, v); err != nil {
		return nil, err
	}
	return AddVariable201JSONResponse(v), nil
}

func goalAnswer(g goal.Goal) TheGoalJSONResponse {
	return TheGoalJSONResponse{Body: g, Headers: TheGoalResponseHeaders{ETag: etag(g.Revision)}}
}

// ListGoals implements StrictServerInterface.
func (s *Server) ListGoals(ctx context.Context, r ListGoalsRequestObject) (ListGoalsResponseObject, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	rs, next, err := s.page(ctx, r.Params.Cursor, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	page := ListGoals200JSONResponse{Items: []goal.Goal{}, Next: next}
	for i := range rs {
		page.Items = append(page.Items, rs[i].Goal)
	}
	return page, nil
}

// SetGoal implements StrictServerInterface.
func (s *Server) SetGoal(ctx context.Context, r SetGoalRequestObject) (SetGoalResponseObject, error) {
	who, err := s.act(ctx, setGoal)
	if err != nil {
		return nil, err
	}
	rec, err := s.d.Goals.SetGoal(ctx, *r.Body, who)
	if err != nil {
		return nil, err
	}
	return SetGoal201JSONResponse{goalAnswer(rec.Goal)}, nil
}

// GetGoal implements StrictServerInterface.
func (s *Server) GetGoal(ctx context.Context, r GetGoalRequestObject) (GetGoalResponseObject, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	rec, err := s.d.Reader.Record(ctx, contract.GoalID(r.Goal))
	if err != nil {
		return nil, err
	}
	return GetGoal200JSONResponse{goalAnswer(rec.Goal)}, nil
}

// EditGoal implements StrictServerInterface.
func (s *Server) EditGoal(ctx context.Context, r EditGoalRequestObject) (EditGoalResponseObject, error) {
	who, err := s.act(ctx, setGoal)
	if err != nil {
		return nil, err
	}
	revision, err := httpx.ParseIfMatch(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	rec, err := s.d.Goals.EditGoal(ctx, contract.GoalID(r.Goal), revision, *r.Body, who)
	if err != nil {
		return nil, err
	}
	return EditGoal200JSONResponse{goalAnswer(rec.Goal)}, nil
}

// ActivateGoal implements StrictServerInterface.
func (s *Server) ActivateGoal(ctx context.Context, r ActivateGoalRequestObject) (ActivateGoalResponseObject, error) {
	who, err := s.act(ctx, setGoal)
	if err != nil {
		return nil, err
	}
	rec, err := s.d.Goals.ActivateGoal(ctx, contract.GoalID(r.Goal), who)
	if err != nil {
		return nil, err
	}
	return ActivateGoal200JSONResponse{goalAnswer(rec.Goal)}, nil
}

// CloseGoal implements StrictServerInterface.
func (s *Server) CloseGoal(ctx context.Context, r CloseGoalRequestObject) (CloseGoalResponseObject, error) {
	who, err := s.act(ctx, closeGoal)
	if err != nil {
		return nil, err
	}
	rec, err := s.d.Goals.CloseGoal(ctx, contract.GoalID(r.Goal), because(r.Body), who)
	if err != nil {
		return nil, err
	}
	return CloseGoal200JSONResponse{goalAnswer(rec.Goal)}, nil
}

// record returns the record that holds a directive.
func (s *Server) record(ctx context.Context, id string) (directive.Record, contract.DirectiveID, error) {
	d := contract.DirectiveID(id)
	owner, err := s.d.Reader.Owner(ctx, d)
	if err != nil {
		return directive.Record{}, d, err
	}
	r, err := s.d.Reader.Record(ctx, owner)
	return r, d, err
}
