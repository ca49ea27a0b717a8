package prediction

import (
	"github.com/strata-crm/strata/operational/internal/churn"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/export"
)

// churn tells who has left, and why it is thought so. The main figure is the chance of having left.
func (s *Service) churn(all []purchase.History, asOf purchase.Day, _ float64) (Set, error) {
	judged, err := churn.Transactional(all, asOf, churn.DefaultRule())
	if err != nil {
		return Set{}, err
	}
	set := Set{Columns: []export.Column{
		customerColumn,
		{Name: "state", Type: export.Text, Note: "active or churned"},
		{Name: "probability", Type: export.Number, Note: "of having left"},
		{Name: "probability_low", Type: export.Number, Note: "95 % interval of the probability, from"},
		{Name: "probability_high", Type: export.Number, Note: "95 % interval, to"},
		{Name: "basis", Type: export.Text, Note: "own_gaps, repeaters_gap or alive_model"},
		{Name: "silent_days", Type: export.Number, Note: "since the last order"},
		{Name: "because", Type: export.Text, Note: "the reason, with its numbers"},
	}}
	t, sum := newTally(string(churn.Active), string(churn.Churned)), 0.0
	for _, a := range judged {
		row := []any{a.Customer, string(a.State), nil, nil, nil, string(a.Because.Basis), a.Because.Silent, a.Because.String()}
		if a.Probability != nil {
			row[2] = *a.Probability
			sum += *a.Probability
			t.add(string(a.State), *a.Probability)
		}
		if a.Interval != nil {
			row[3], row[4] = a.Interval.Low, a.Interval.High
		}
		set.Rows = append(set.Rows, row)
	}
	mean := sum / float64(len(judged))
	set.Summary = Summary{Mean: &mean, Interval: t.interval(), Unit: contract.Ratio, Groups: t.groups(int64(len(judged)), s.smallest, true), Model: judged[0].Model}
	return set, nil
}
