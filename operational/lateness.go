package operational

import (
	"context"
	"slices"
	"time"

	"github.com/strata-crm/strata/operational/internal/arrival"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/source"
	"github.com/strata-crm/strata/shared/contract"
)

// lateness tells which share of a window's facts has arrived.
type lateness struct {
	completeness
	tenant   contract.TenantID
	arrivals arrival.Store
	zone     *time.Location
	now      func() time.Time
}

// of returns the share for some days, by how late facts of the live sources of the parameters have come so far. Of other sources
// everything that they say is complete has.
func (l lateness) of(ctx context.Context, ps []contract.ParameterName) (func(metric.Span) float64, error) {
	now := l.now()
	all, err := l.registry.List(ctx)
	if err != nil {
		return nil, err
	}
	marks, err := l.keeper.Of(ctx)
	if err != nil {
		return nil, err
	}
	from, until := arrival.Sampled(contract.DayOf(now, time.UTC))
	bins, err := l.arrivals.Sum(ctx, l.tenant, from, until)
	if err != nil {
		return nil, err
	}
	var live []arrival.Source
	for i := range all {
		s := &all[i]
		if s.Lateness <= 0 || !fromIt(s, ps) {
			continue
		}
		known := arrival.Source{Curve: arrival.Draw(bins[s.ID])}
		if at := marks[s.ID].Declared; !at.IsZero() {
			known.Declared = contract.DayOf(at, l.zone)
		}
		live = append(live, known)
	}
	return func(w metric.Span) float64 { return arrival.Share(live, w.From, w.Until, now, l.zone) }, nil
}

// fromIt reports whether a source offers any of some parameters; who a customer is, it tells with whatever else it does.
func fromIt(s *source.Source, ps []contract.ParameterName) bool {
	return slices.ContainsFunc(s.Offers, func(p contract.ParameterName) bool {
		return slices.Contains(ps, p) && (p != contract.ParamCustomerID || len(ps) == 1)
	})
}
