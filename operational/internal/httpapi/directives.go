package httpapi

import (
	"context"

	"github.com/strata-crm/strata/operational/internal/directive"
	"github.com/strata-crm/strata/operational/internal/egress"
	"github.com/strata-crm/strata/operational/internal/fitting"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
)

// Records reads the records of directives.
type Records interface {
	// Get returns a record, or fault.NotFound.
	Get(ctx context.Context, id contract.DirectiveID) (directive.Record, error)
	// List returns at most limit records after an id, by id.
	List(ctx context.Context, after contract.DirectiveID, limit int) ([]directive.Record, error)
}

// Published reads measurements as they last went up.
type Published interface {
	// List returns at most limit measurements after a place, by metric and window; of all metrics if none is named.
	List(ctx context.Context, m contract.MetricID, after egress.Place, limit int) ([]contract.Measurement, error)
}

// Claimed reads insights as they last went up.
type Claimed interface {
	// Get returns an insight, or fault.NotFound.
	Get(ctx context.Context, id contract.InsightID) (contract.Insight, error)
	// List returns at most limit insights after an id, by id; of all metrics if none is named.
	List(ctx context.Context, m contract.MetricID, after contract.InsightID, limit int) ([]contract.Insight, error)
}

// Fitted reads the fits of models.
type Fitted interface {
	// Lines returns all of them, by id.
	Lines(ctx context.Context) ([]fitting.Record, error)
}

// Directing serves what was asked of this layer and what it sent up. Nothing in it tells of a customer. All fields are
// required.
type Directing struct {
	Tenant       contract.TenantID
	Gate         Gate
	Records      Records
	Measurements Published
	Insights     Claimed
	Models       Fitted
	InForce      InForce
	Explainer    Explainer
}

// Check returns fault.Invalid when a field is missing.
func (d *Directing) Check() error {
	if !d.Tenant.Valid() || d.Gate == nil || d.Records == nil || d.Measurements == nil || d.Insights == nil || d.Models == nil || d.InForce == nil || d.Explainer == nil {
		return fault.New(fault.Invalid, fault.BadDefinition, "httpapi.Directing needs all its fields")
	}
	return nil
}

// begin checks the caller, and reads which page is wanted.
func (d *Directing) begin(ctx context.Context, limit *int, cursor *string, at any) (int, error) {
	if err := may(ctx, d.Tenant, d.Gate, actionRead); err != nil {
		return 0, err
	}
	n, err := httpx.Limit(limit)
	if err == nil && cursor != nil {
		err = httpx.DecodeCursor(*cursor, at)
	}
	return n, err
}

type directiveCursor struct {
	After contract.DirectiveID `json:"after"`
}

// ListDirectives implements StrictServerInterface.
func (d *Directing) ListDirectives(ctx context.Context, r ListDirectivesRequestObject) (ListDirectivesResponseObject, error) {
	var at directiveCursor
	limit, err := d.begin(ctx, r.Params.Limit, r.Params.Cursor, &at)
	if err != nil {
		return nil, err
	}
	found, err := d.Records.List(ctx, at.After, limit+1)
	if err != nil {
		return nil, err
	}
	items, next, err := page(found, limit, func(r *directive.Record) any { return directiveCursor{r.ID()} })
	return ListDirectives200JSONResponse{Items: items, Next: next}, err
}

// GetDirective implements StrictServerInterface.
func (d *Directing) GetDirective(ctx context.Context, r GetDirectiveRequestObject) (GetDirectiveResponseObject, error) {
	if err := may(ctx, d.Tenant, d.Gate, actionRead); err != nil {
		return nil, err
	}
	rec, err := d.Records.Get(ctx, contract.DirectiveID(r.Directive))
	return GetDirective200JSONResponse(rec), err
}

// ListMeasurements implements StrictServerInterface.
func (d *Directing) ListMeasurements(ctx context.Context, r ListMeasurementsRequestObject) (ListMeasurementsResponseObject, error) {
	var at egress.Place
	limit, err := d.begin(ctx, r.Params.Limit, r.Params.Cursor, &at)
	if err != nil {
		return nil, err
	}
	var metric contract.MetricID
	if r.Params.Metric != nil {
		metric = contract.MetricID(*r.Params.Metric)
	}
	found, err := d.Measurements.List(ctx, metric, at, limit+1)
	if err != nil {
		return nil, err
	}
	items, next, err := page(found, limit, func(m *contract.Measurement) any { return egress.PlaceOf(m) })
	return ListMeasurements200JSONResponse{Items: items, Next: next}, err
}

type insightCursor struct {
	After contract.InsightID `json:"after"`
}

// ListInsights implements StrictServerInterface.
func (d *Directing) ListInsights(ctx context.Context, r ListInsightsRequestObject) (ListInsightsResponseObject, error) {
	var at insightCursor
	limit, err := d.begin(ctx, r.Params.Limit, r.Params.Cursor, &at)
	if err != nil {
		return nil, err
	}
	var metric contract.MetricID
	if r.Params.Metric != nil {
		metric = contract.MetricID(*r.Params.Metric)
	}
	found, err := d.Insights.List(ctx, metric, at.After, limit+1)
	if err != nil {
		return nil, err
	}
	items, next, err := page(found, limit, func(i *contract.Insight) any { return insightCursor{i.ID} })
	return ListInsights200JSONResponse{Items: items, Next: next}, err
}

// GetInsight implements StrictServerInterface.
func (d *Directing) GetInsight(ctx context.Context, r GetInsightRequestObject) (GetInsightResponseObject, error) {
	if err := may(ctx, d.Tenant, d.Gate, actionRead); err != nil {
		return nil, err
	}
	i, err := d.Insights.Get(ctx, contract.InsightID(r.Insight))
	return GetInsight200JSONResponse(i), err
}

// ListModels implements StrictServerInterface.
func (d *Directing) ListModels(ctx context.Context, _ ListModelsRequestObject) (ListModelsResponseObject, error) {
	if err := may(ctx, d.Tenant, d.Gate, actionRead); err != nil {
		return nil, err
	}
	items, err := d.Models.Lines(ctx)
	return ListModels200JSONResponse{Items: append([]fitting.Record{}, items...)}, err
}

// page cuts what was found, one more than wanted if there is more, to the limit, and returns the cursor to go on with.
func page[T any](found []T, limit int, place func(*T) any) (items []T, next *string, err error) {
	if len(found) <= limit {
		return append([]T{}, found...), nil, nil
	}
	cursor, err := httpx.EncodeCursor(place(&found[limit-1]))
	return found[:limit], &cursor, err
}
