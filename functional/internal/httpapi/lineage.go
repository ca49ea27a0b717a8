package httpapi

import (
	"context"

	"github.com/strata-crm/strata/functional/internal/lineage"
	"github.com/strata-crm/strata/shared/fault"
)

// GetMetricLineage implements StrictServerInterface.
func (s *Server) GetMetricLineage(ctx context.Context, r GetMetricLineageRequestObject) (GetMetricLineageResponseObject, error) {
	g, err := s.around(ctx, lineage.Metric, r.Metric)
	return GetMetricLineage200JSONResponse(g), err
}

// GetParameterLineage implements StrictServerInterface.
func (s *Server) GetParameterLineage(ctx context.Context, r GetParameterLineageRequestObject) (GetParameterLineageResponseObject, error) {
	g, err := s.around(ctx, lineage.Parameter, r.Parameter)
	return GetParameterLineage200JSONResponse(g), err
}

// GetGoalLineage implements StrictServerInterface.
func (s *Server) GetGoalLineage(ctx context.Context, r GetGoalLineageRequestObject) (GetGoalLineageResponseObject, error) {
	g, err := s.around(ctx, lineage.Goal, r.Goal)
	return GetGoalLineage200JSONResponse(g), err
}

func (s *Server) around(ctx context.Context, k lineage.Kind, name string) (lineage.Graph, error) {
	if _, err := s.allow(ctx, read); err != nil {
		return lineage.Graph{}, err
	}
	all, err := s.records(ctx)
	if err != nil {
		return lineage.Graph{}, err
	}
	g, ok := lineage.Build(all, s.d.Library).Around(lineage.ID(k, name))
	if !ok {
		return g, fault.New(fault.NotFound, "", "there is no %s %s in use or in the library", k, name)
	}
	return g, nil
}
