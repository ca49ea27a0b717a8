package httpapi

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/strata-crm/strata/operational/internal/audience"
	"github.com/strata-crm/strata/operational/internal/predict"
	"github.com/strata-crm/strata/operational/internal/prediction"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/export"
	"github.com/strata-crm/strata/shared/fault"
)

// Predictions makes sets.
type Predictions interface {
	// Make returns a set; see prediction.Service.
	Make(ctx context.Context, r prediction.Request) (prediction.Set, error)
}

// Segments counts customers.
type Segments interface {
	// Count counts the customers that a condition selects.
	Count(ctx context.Context, c *contract.Condition) (audience.Counted, error)
}

// Purposes decides whether types of data may be used for a purpose; a denial is fault.Denied with the reasons.
type Purposes func(ctx context.Context, p contract.Purpose, types ...contract.DataType) error

// People serves what is expected of customers and how many there are of a kind. What tells of one customer needs the right to export people, and a purpose.
// All fields are required.
type People struct {
	Tenant      contract.TenantID
	Gate        Gate
	Purposes    Purposes
	Predictions Predictions
	Segments    Segments
}

// Check returns fault.Invalid when a field is missing.
func (p *People) Check() error {
	if !p.Tenant.Valid() || p.Gate == nil || p.Purposes == nil || p.Predictions == nil || p.Segments == nil {
		return fault.New(fault.Invalid, fault.BadDefinition, "httpapi.People needs all its fields")
	}
	return nil
}

const actionExport = "export_people"

// GetPrediction implements StrictServerInterface.
func (p *People) GetPrediction(ctx context.Context, r GetPredictionRequestObject) (GetPredictionResponseObject, error) {
	if err := may(ctx, p.Tenant, p.Gate, actionRead); err != nil {
		return nil, err
	}
	q := prediction.Request{
		Kind: prediction.Kind(r.Kind), AsOf: contract.Day(r.Params.AsOf), Weeks: given(r.Params.Weeks),
		Label: contract.ParameterName(given(r.Params.Label)), Purpose: contract.Purpose(given(r.Params.Purpose)),
	}
	if q.Kind == prediction.ChurnAttributes && q.Purpose != "" {
		if err := p.Purposes(ctx, q.Purpose, contract.Descriptive); err != nil {
			return nil, err
		}
	}
	set, err := p.Predictions.Make(ctx, q)
	return GetPrediction200JSONResponse(set.Summary), err
}

func given[T any](v *T) (out T) {
	if v != nil {
		out = *v
	}
	return out
}

// ExportPrediction implements StrictServerInterface.
func (p *People) ExportPrediction(ctx context.Context, r ExportPredictionRequestObject) (ExportPredictionResponseObject, error) {
	if err := may(ctx, p.Tenant, p.Gate, actionExport); err != nil {
		return nil, err
	}
	purpose := contract.Purpose(r.Params.Purpose)
	q := prediction.Request{
		Kind: prediction.Kind(r.Kind), AsOf: contract.Day(r.Params.AsOf), Weeks: given(r.Params.Weeks),
		Label: contract.ParameterName(given(r.Params.Label)), Purpose: purpose,
	}
	if !q.Kind.OfPeople() {
		return nil, fault.New(fault.Invalid, fault.BadRequest, "%s tells of nobody in particular: read its summary", q.Kind)
	}
	used := contract.Transactional
	if q.Kind == prediction.ChurnAttributes {
		used = contract.Descriptive
	}
	if err := p.Purposes(ctx, purpose, contract.Identification, used); err != nil {
		return nil, err
	}
	format, err := export.ParseFormat(string(r.Params.Format))
	if err != nil {
		return nil, err
	}
	set, err := p.Predictions.Make(ctx, q)
	if err != nil {
		return nil, err
	}
	var file bytes.Buffer
	if err := export.Write(&file, format, table(&set, purpose), rows(set.Rows)); err != nil {
		return nil, err
	}
	return exported(format, &file, fmt.Sprintf("%s-%s.%s", r.Kind, r.Params.AsOf, format)), nil
}

// table says what the file holds.
func table(s *prediction.Set, purpose contract.Purpose) export.Table {
	m := &s.Summary.Model
	notes := []string{
		fmt.Sprintf("as of %s, %d customers", s.Summary.AsOf, s.Summary.N),
		fmt.Sprintf("model %s %s, fitted on %d customers", m.Name, m.Version, m.N) + life(m),
		"exported for " + string(purpose),
	}
	if i := s.Summary.Interval; i != nil {
		notes = append(notes, fmt.Sprintf("mean %.6g, %g %% interval %.6g to %.6g", *s.Summary.Mean, 100*i.Level, i.Low, i.High))
	}
	if m.HoldOut.Customers > 0 {
		notes = append(notes, fmt.Sprintf("hold-out of %d customers (%s): %v", m.HoldOut.Customers, m.HoldOut.Design, m.HoldOut.Measures))
	}
	return export.Table{Title: string(s.Summary.Kind), Columns: s.Columns, Notes: notes}
}

// life says where in its life a model is.
func life(m *predict.Model) string {
	switch {
	case m.State == "":
		return ""
	case m.Fit == 0:
		return ", " + string(m.State)
	}
	return fmt.Sprintf(", fit %d, %s", m.Fit, m.State)
}

func rows(all [][]any) export.Rows {
	return func(yield func([]any, error) bool) {
		for _, r := range all {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func exported(f export.Format, body io.Reader, name string) ExportPredictionResponseObject {
	disposition := "attachment; filename=" + strconv.Quote(name)
	headers := ExportPrediction200ResponseHeaders{ContentDisposition: &disposition}
	switch f {
	case export.Excel:
		return ExportPrediction200ApplicationvndOpenxmlformatsOfficedocumentSpreadsheetmlSheetResponse{Body: body, Headers: headers}
	case export.Parquet:
		return ExportPrediction200ApplicationvndApacheParquetResponse{Body: body, Headers: headers}
	}
	return ExportPrediction200TextcsvResponse{Body: body, Headers: headers}
}

// CountSegment implements StrictServerInterface.
func (p *People) CountSegment(ctx context.Context, r CountSegmentRequestObject) (CountSegmentResponseObject, error) {
	if err := may(ctx, p.Tenant, p.Gate, actionRead); err != nil {
		return nil, err
	}
	counted, err := p.Segments.Count(ctx, &r.Body.Condition)
	if err != nil {
		return nil, err
	}
	out := CountSegment200JSONResponse{Of: counted.Of, Through: map[string]int64{}}
	if tellable(counted.Customers, counted.Of) {
		out.Customers = &counted.Customers
	}
	if len(counted.Unknown) > 0 {
		out.Unknown = &counted.Unknown
	}
	for partition, at := range counted.Through {
		if partition < 0 { // no partition of the log
			continue
		}
		out.Through[strconv.Itoa(partition)] = at
	}
	return out, nil
}

// tellable reports whether a count and its complement are 0, or a group that may be told.
func tellable(n, of int64) bool {
	const least = 10
	told := func(n int64) bool { return n == 0 || n >= least }
	return of >= least && told(n) && told(of-n)
}
