package plan

import (
	"time"

	"github.com/strata-crm/strata/shared/contract"
)

// Orders returns the operational directives of an active plan, one per part. Ids are derived, so a rebuilt layer goes
// on with the same ones. Revision, standing, decision and time are the caller's to set.
func Orders(tenant contract.TenantID, p *Plan, d *contract.StrategicDirective) []contract.OperationalDirective {
	zone, err := time.LoadLocation(d.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	var orders []contract.OperationalDirective
	for _, part := range p.Parts {
		o := contract.OperationalDirective{
			Order: contract.Order{
				ID: contract.OperationalIdentity(tenant, d.ID, part.Unit), ValidFrom: d.ValidFrom, Expires: d.Expires,
				Standing: contract.InForce,
				Requires: features(p.Constraints, d.Goal.Scope),
			},
			Strategic: d.ID, Goal: d.Goal.ID, Plan: p.ID, Part: part.Unit,
			Collect: part.Collect, Constraints: p.Constraints, TimeZone: d.TimeZone, Currency: d.Currency,
		}
		for _, m := range part.Metrics {
			o.Compute = append(o.Compute, contract.Computation{
				Metric: m.Definition, Scope: d.Goal.Scope, Grain: d.Goal.Grain, Until: contract.DayOf(d.Expires, zone), Required: m.Required,
			})
		}
		for _, a := range part.Insights {
			if m, ok := part.metric(a.Metric); ok {
				o.Insights = append(o.Insights, a.Order(tenant, o.ID, m.Definition, &d.Goal, contract.DayOf(d.Expires, zone)))
			}
		}
		orders = append(orders, o)
	}
	return orders
}

func (p *Part) metric(id contract.MetricID) (Metric, bool) {
	for _, m := range p.Metrics {
		if m.Definition.ID == id {
			return m, true
		}
	}
	return Metric{}, false
}

// features returns what an operational directive needs its receiver to understand.
func features(c contract.Constraints, scope *contract.Condition) []contract.Feature {
	fs := []contract.Feature{contract.FeaturePurposes, contract.FeatureMinimumGroup, contract.FeatureCoverage}
	for _, f := range []struct {
		used bool
		name contract.Feature
	}{
		{scope != nil, contract.FeatureScope}, {c.RetentionDays > 0, contract.FeatureRetention},
		{c.MinimumN > 0 || c.Tolerance > 0, contract.FeatureEvidence}, {c.Budget != nil, contract.FeatureBudget},
	} {
		if f.used {
			fs = append(fs, f.name)
		}
	}
	return fs
}
