package prediction

import (
	"github.com/strata-crm/strata/operational/internal/churn"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/export"
	"github.com/strata-crm/strata/shared/fault"
)

// churn tells who has left, and why it is thought so. The main figure is the chance of having left; there is none where the data
// cannot carry the model that gives it: customers are then judged by gaps alone.
func (s *Service) churn(all []purchase.History, asOf purchase.Day, _ float64) (Set, error) {
	rule := churn.DefaultRule()
	judged, err := churn.Transactional(all, asOf, rule)
	if fault.CodeOf(err) == fault.ModelNotIdentified {
		rule.Fallback = churn.RepeatersGap
		judged, err = churn.Transactional(all, asOf, rule)
	}
	if err != nil {
		return Set{}, err
	}
	set := Set{Columns: []export.Column{
		customerColumn,
		{Name: "state", Type: export.Text, Note: "active or churned"},
		{Name: "probability", Type: export.Number, Note: "of having left; none where the basis is gaps alone"},
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
		} else {
			t.add(string(a.State), 0)
		}
		if a.Interval != nil {
			row[3], row[4] = a.Interval.Low, a.Interval.High
		}
		set.Rows = append(set.Rows, row)
	}
	known := rule.Fallback == churn.AliveModel
	set.Summary = Summary{Unit: contract.Ratio, Groups: t.groups(int64(len(judged)), s.smallest, known), Model: judged[0].Model}
	if known {
		mean := sum / float64(len(judged))
		set.Summary.Mean, set.Summary.Interval = &mean, t.interval()
	}
	return set, nil
}
