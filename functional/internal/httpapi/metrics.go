package httpapi

import (
	"context"
	"errors"

	"github.com/strata-crm/strata/functional/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// ListPlaybooks implements StrictServerInterface.
func (s *Server) ListPlaybooks(ctx context.Context, _ ListPlaybooksRequestObject) (ListPlaybooksResponseObject, error) {
	if _, err := s.allow(ctx, read); err != nil {
		return nil, err
	}
	return ListPlaybooks200JSONResponse{Items: s.d.Library.Playbooks()}, nil
}

// ListParameters implements StrictServerInterface.
func (s *Server) ListParameters(ctx context.Context, _ ListParametersRequestObject) (ListParametersResponseObject, error) {
	if _, err := s.allow(ctx, read); err != nil {
		return nil, err
	}
	return ListParameters200JSONResponse{Items: s.d.Library.Parameters()}, nil
}

// ListMetrics implements StrictServerInterface.
func (s *Server) ListMetrics(ctx context.Context, _ ListMetricsRequestObject) (ListMetricsResponseObject, error) {
	if _, err := s.allow(ctx, read); err != nil {
		return nil, err
	}
	return ListMetrics200JSONResponse{Items: s.d.Library.Metrics()}, nil
}

// GetMetric implements StrictServerInterface.
func (s *Server) GetMetric(ctx context.Context, r GetMetricRequestObject) (GetMetricResponseObject, error) {
	if _, err := s.allow(ctx, read); err != nil {
		return nil, err
	}
	d, ok := s.d.Library.Metric(contract.MetricID(r.Metric))
	if !ok {
		return nil, fault.New(fault.NotFound, fault.UnknownMetric, "there is no metric %s", r.Metric)
	}
	return GetMetric200JSONResponse(d), nil
}

// DefineMetric implements StrictServerInterface.
func (s *Server) DefineMetric(ctx context.Context, r DefineMetricRequestObject) (DefineMetricResponseObject, error) {
	who, err := s.allow(ctx, define)
	if err != nil {
		return nil, err
	}
	if _, err := s.d.Definitions.Draft(ctx, *r.Body, who.Subject); err != nil {
		return nil, places(err)
	}
	return DefineMetric201JSONResponse(*r.Body), nil
}

// places turns the problems of a definition into one fault for each wrong place.
func places(err error) error {
	var ps metric.Problems
	if !errors.As(err, &ps) {
		return err
	}
	var all []error
	for _, p := range ps {
		all = append(all, &fault.Error{Kind: fault.Invalid, Code: fault.BadDefinition, At: p.At, Text: p.Text})
	}
	return errors.Join(all...)
}
