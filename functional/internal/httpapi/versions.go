package httpapi

import (
	"context"

	"github.com/strata-crm/strata/functional/internal/definition"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
)

// Definitions leads versions of metric definitions through their lives.
type Definitions interface {
	// Draft adds a version; Invalid with every wrong place or the number that is expected, Conflict if it is taken.
	Draft(ctx context.Context, d contract.Definition, by string) (definition.Version, error)
	Edit(ctx context.Context, d contract.Definition, revision int64, by string) (definition.Version, error)
	Move(ctx context.Context, m contract.MetricID, version string, revision int64, e definition.Event, by, why string) (definition.Version, error)
	Versions(ctx context.Context, m contract.MetricID) ([]definition.Version, error)
	Version(ctx context.Context, m contract.MetricID, version string) (definition.Version, error)
}

// ListMetricVersions implements StrictServerInterface.
func (s *Server) ListMetricVersions(ctx context.Context, r ListMetricVersionsRequestObject) (ListMetricVersionsResponseObject, error) {
	if _, err := s.allow(ctx, read); err != nil {
		return nil, err
	}
	vs, err := s.d.Definitions.Versions(ctx, contract.MetricID(r.Metric))
	if err != nil {
		return nil, err
	}
	return ListMetricVersions200JSONResponse{Items: vs}, nil
}

// GetMetricVersion implements StrictServerInterface.
func (s *Server) GetMetricVersion(ctx context.Context, r GetMetricVersionRequestObject) (GetMetricVersionResponseObject, error) {
	if _, err := s.allow(ctx, read); err != nil {
		return nil, err
	}
	v, err := s.d.Definitions.Version(ctx, contract.MetricID(r.Metric), r.Version)
	if err != nil {
		return nil, err
	}
	return GetMetricVersion200JSONResponse{Body: v, Headers: GetMetricVersion200ResponseHeaders{ETag: httpx.ETag(v.Revision)}}, nil
}

// EditMetricVersion implements StrictServerInterface.
func (s *Server) EditMetricVersion(ctx context.Context, r EditMetricVersionRequestObject) (EditMetricVersionResponseObject, error) {
	who, err := s.allow(ctx, define)
	if err != nil {
		return nil, err
	}
	revision, err := httpx.ParseIfMatch(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	if string(r.Body.ID) != r.Metric || r.Body.Version != r.Version {
		return nil, &fault.Error{Kind: fault.Invalid, Code: fault.BadDefinition, At: "/version", Text: "an edit keeps id and version; another version is another draft"}
	}
	v, err := s.d.Definitions.Edit(ctx, *r.Body, revision, who.Subject)
	if err != nil {
		return nil, places(err)
	}
	return EditMetricVersion200JSONResponse{Body: v, Headers: EditMetricVersion200ResponseHeaders{ETag: httpx.ETag(v.Revision)}}, nil
}

// moves are the events that people cause, and what policy is asked about each.
var moves = map[MoveMetricVersionParamsEvent]struct {
	event  definition.Event
	action string
}{
	"review": {definition.Review, review}, "certification": {definition.Certify, certify},
	"retirement": {definition.Retire, retire}, "discard": {definition.Discard, define},
}

// MoveMetricVersion implements StrictServerInterface.
func (s *Server) MoveMetricVersion(ctx context.Context, r MoveMetricVersionRequestObject) (MoveMetricVersionResponseObject, error) {
	move, ok := moves[r.Event]
	if !ok {
		return nil, fault.New(fault.Invalid, fault.BadRequest, "%q is not something that a version can go through", r.Event)
	}
	who, err := s.allow(ctx, move.action)
	if err != nil {
		return nil, err
	}
	revision, err := httpx.ParseIfMatch(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	why := ""
	if r.Body != nil && r.Body.Reason != nil {
		why = *r.Body.Reason
	}
	v, err := s.d.Definitions.Move(ctx, contract.MetricID(r.Metric), r.Version, revision, move.event, who.Subject, why)
	if err != nil {
		return nil, err
	}
	return MoveMetricVersion200JSONResponse{Body: v, Headers: MoveMetricVersion200ResponseHeaders{ETag: httpx.ETag(v.Revision)}}, nil
}
