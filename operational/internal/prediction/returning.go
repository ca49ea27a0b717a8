package prediction

import (
	"fmt"

	"github.com/strata-crm/strata/operational/internal/nextpurchase"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/export"
)

// next tells whether customers will buy again within some weeks, and when. The main figure is the chance that they will.
func (s *Service) next(all []purchase.History, asOf purchase.Day, weeks float64) (Set, error) {
	settings := nextpurchase.DefaultSettings()
	settings.HorizonWeeks = weeks
	f, err := nextpurchase.Fit(all, asOf, settings)
	if err != nil {
		return Set{}, err
	}
	set := Set{Columns: []export.Column{
		customerColumn,
		{Name: "returns", Type: export.Number, Note: fmt.Sprintf("probability of a purchase within %g weeks", weeks)},
		{Name: "days", Type: export.Number, Note: "days by which half of those like this who return have; from the as-of day"},
		{Name: "days_low", Type: export.Number, Note: "80 % interval of the days, given that the customer returns, from"},
		{Name: "days_high", Type: export.Number, Note: "80 % interval, to"},
		{Name: "basis", Type: export.Text, Note: "own_gaps, population_gaps or alive_model"},
		{Name: "gaps", Type: export.Integer, Note: "between the customer's own purchase days"},
		{Name: "median_gap_days", Type: export.Number, Note: "of the customer's own gaps; empty: none"},
		{Name: "silent_days", Type: export.Number, Note: "since the last purchase"},
	}}
	t, sum := newTally(string(nextpurchase.OwnGaps), string(nextpurchase.PopulationGaps), string(nextpurchase.AliveModel)), 0.0
	for _, h := range all {
		p, err := f.Predict(h)
		if err != nil {
			return Set{}, err
		}
		row := []any{p.Customer, p.Returns, p.Median, p.Interval.Low, p.Interval.High, string(p.Basis), int64(p.Gaps), nil, p.Silent}
		if p.Gaps > 0 {
			row[7] = p.MedianGap
		}
		set.Rows = append(set.Rows, row)
		t.add(string(p.Basis), p.Returns)
		sum += p.Returns
	}
	mean := sum / float64(len(all))
	set.Summary = Summary{Weeks: weeks, Mean: &mean, Interval: t.interval(), Unit: contract.Ratio, Groups: t.groups(int64(len(all)), s.smallest, true), Model: f.Model}
	return set, nil
}
