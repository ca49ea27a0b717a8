package httpapi

import (
	"context"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/trial"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
)

// StartTrial implements StrictServerInterface.
func (s *Server) StartTrial(ctx context.Context, r StartTrialRequestObject) (StartTrialResponseObject, error) {
	who, err := s.allow(ctx, try)
	if err != nil {
		return nil, err
	}
	v, err := s.d.Definitions.Version(ctx, contract.MetricID(r.Metric), r.Body.Version)
	if err != nil {
		return nil, err
	}
	var under contract.DirectiveID
	if r.Body.Directive != nil {
		under = contract.DirectiveID(*r.Body.Directive)
	} else if under, err = s.computing(ctx, v.Definition.ID); err != nil {
		return nil, err
	}
	by := directive.Approver{Subject: who.Subject, Roles: roles(who)}
	rec, err := s.d.Plans.Try(ctx, v.Definition, v.Revision, under, by, s.d.Reader.Series)
	if err != nil {
		return nil, err
	}
	report, err := s.report(ctx, &rec, v.Definition.ID, v.Definition.Version)
	return StartTrial201JSONResponse(report), err
}

// computing returns the first directive whose active plan computes a metric.
func (s *Server) computing(ctx context.Context, m contract.MetricID) (contract.DirectiveID, error) {
	all, err := s.records(ctx)
	if err != nil {
		return "", err
	}
	for i := range all {
		if all[i].Computes(m) {
			return all[i].ID(), nil
		}
	}
	return "", fault.New(fault.Conflict, fault.NotInForce, "no active plan computes %s: name the directive to try it under", m)
}

// GetTrial implements StrictServerInterface.
func (s *Server) GetTrial(ctx context.Context, r GetTrialRequestObject) (GetTrialResponseObject, error) {
	if _, err := s.allow(ctx, read); err != nil {
		return nil, err
	}
	all, err := s.tried(ctx, r.Params.Directive)
	if err != nil {
		return nil, err
	}
	version := ""
	if r.Params.Version != nil {
		version = *r.Params.Version
	}
	var newest *directive.Record
	var since trial.Trial
	for i := range all {
		t, ok := all[i].Trial(contract.MetricID(r.Metric), version)
		if ok && (newest == nil || t.Order.At.After(since.Order.At)) {
			newest, since = &all[i], t
		}
	}
	if newest == nil {
		return nil, fault.New(fault.NotFound, "", "nobody has tried %s %s yet: POST starts a trial", r.Metric, version)
	}
	report, err := s.report(ctx, newest, contract.MetricID(r.Metric), since.Metric().Version)
	return GetTrial200JSONResponse(report), err
}

// tried returns the record of a directive, or all.
func (s *Server) tried(ctx context.Context, id *string) ([]directive.Record, error) {
	if id == nil {
		return s.records(ctx)
	}
	rec, err := s.d.Reader.Get(ctx, contract.DirectiveID(*id))
	return []directive.Record{rec}, err
}

func (s *Server) report(ctx context.Context, rec *directive.Record, m contract.MetricID, version string) (trial.Report, error) {
	t, ok := rec.Trial(m, version)
	if !ok {
		return trial.Report{}, fault.New(fault.NotFound, "", "there is no trial of %s %s under %s", m, version, rec.ID())
	}
	series, err := s.d.Reader.Series(ctx, rec.ID(), "")
	if err != nil {
		return trial.Report{}, err
	}
	tried, err := s.d.Reader.Series(ctx, t.Order.ID, "")
	return trial.Compare(&t, series, tried, s.d.Now()), err
}

// records returns every strategic directive received: there are dozens, not thousands.
func (s *Server) records(ctx context.Context) ([]directive.Record, error) {
	var all []directive.Record
	after := ""
	for {
		page, err := s.d.Reader.List(ctx, after, httpx.MaxLimit)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < httpx.MaxLimit {
			return all, nil
		}
		after = string(page[len(page)-1].ID())
	}
}
