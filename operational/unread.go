package operational

import (
	"context"
	"slices"
	"time"

	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/mongostore"
	"github.com/strata-crm/strata/operational/internal/source"
	"github.com/strata-crm/strata/shared/contract"
)

// unread tells which share of the facts of a metric was set aside.
type unread struct {
	tenant    contract.TenantID
	registry  *source.Registry
	lake      *mongostore.Lake
	warehouse *mongostore.Metrics
	zone      *time.Location
	ever      func(context.Context) (float64, error) // of all records so far, whatever they are about
}

// of returns the share for some days: of what the sources of the metric's parameters sent about them, by the gateway or later. Of what
// is known of customers whenever it came, it is the share of all records there are.
func (u unread) of(ctx context.Context, d *contract.Definition, at metric.Span) (float64, error) {
	orders, answers := restsOn(d)
	if !orders && !answers {
		return u.ever(ctx)
	}
	all, err := u.registry.List(ctx)
	if err != nil {
		return 0, err
	}
	var sources []contract.SourceID
	for i := range all {
		if fromIt(&all[i], d.Parameters) {
			sources = append(sources, all[i].ID)
		}
	}
	var from time.Time
	if at.From != "" {
		from = at.From.Start(u.zone)
	}
	aside, err := u.lake.AsideBetween(ctx, u.tenant, sources, from, at.Until.Start(u.zone))
	if err != nil || aside == 0 {
		return 0, err
	}
	read, err := u.warehouse.Facts(ctx, at, orders, answers)
	return float64(aside) / float64(aside+read), err
}

// restsOn reports whether a metric rests on orders and on answers.
func restsOn(d *contract.Definition) (orders, answers bool) {
	measures := slices.Clone(d.Measures)
	if c := d.Conversion; c != nil {
		measures = append(measures, c.Base, c.Converted)
	}
	orders = d.Retention != nil || d.Model != nil
	for i := range measures {
		switch measures[i].Entity {
		case contract.Answer:
			answers = true
		case contract.CustomerDay, contract.Customer:
			orders = true
		}
	}
	return orders, answers
}
