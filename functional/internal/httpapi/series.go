package httpapi

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"github.com/strata-crm/strata/functional/internal/series"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/export"
)

// GetForecast implements StrictServerInterface.
func (s *Server) GetForecast(ctx context.Context, r GetForecastRequestObject) (GetForecastResponseObject, error) {
	what, err := s.series(ctx, r.Params.Metric, r.Params.Goal)
	if err != nil {
		return nil, err
	}
	f, err := series.Ahead(ctx, s.d.Tiles, what, given(r.Params.Ahead), s.forecasts.Of)
	return GetForecast200JSONResponse(f), err
}

// series returns what is asked for, if the caller may read.
func (s *Server) series(ctx context.Context, metric *SeriesMetric, goal *SeriesGoal) (series.Subject, error) {
	if _, err := s.allow(ctx, read); err != nil {
		return series.Subject{}, err
	}
	all, err := s.records(ctx)
	if err != nil {
		return series.Subject{}, err
	}
	return series.Find(all, contract.MetricID(given(metric)), contract.GoalID(given(goal)))
}

func given[T any](v *T) (out T) {
	if v != nil {
		out = *v
	}
	return out
}

// ExportTable implements StrictServerInterface.
func (s *Server) ExportTable(ctx context.Context, r ExportTableRequestObject) (ExportTableResponseObject, error) {
	what, err := s.series(ctx, r.Params.Metric, r.Params.Goal)
	if err != nil {
		return nil, err
	}
	format, err := export.ParseFormat(string(r.Params.Format))
	if err != nil {
		return nil, err
	}
	var file series.File
	switch r.Table {
	case ExportTableParamsTableCohorts:
		file, err = series.Cohorts(ctx, s.d.Tiles, what)
	case ExportTableParamsTableForecast:
		file, err = series.Expectation(ctx, s.d.Tiles, what, given(r.Params.Ahead), s.forecasts.Of)
	default:
		file, err = series.Series(ctx, s.d.Tiles, what)
	}
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	if err := export.Write(&body, format, file.Table, file.Rows()); err != nil {
		return nil, err
	}
	disposition := "attachment; filename=" + strconv.Quote(fmt.Sprintf("%s-%s.%s", what.Definition.ID, r.Table, format))
	return tableAs(format, &body, ExportTable200ResponseHeaders{ContentDisposition: &disposition}), nil
}

func tableAs(f export.Format, body *bytes.Buffer, h ExportTable200ResponseHeaders) ExportTableResponseObject {
	switch f {
	case export.Excel:
		return ExportTable200ApplicationvndOpenxmlformatsOfficedocumentSpreadsheetmlSheetResponse{Body: body, Headers: h}
	case export.Parquet:
		return ExportTable200ApplicationvndApacheParquetResponse{Body: body, Headers: h}
	}
	return ExportTable200TextcsvResponse{Body: body, Headers: h}
}
