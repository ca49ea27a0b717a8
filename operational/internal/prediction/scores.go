package prediction

import (
	"github.com/strata-crm/strata/operational/internal/predict"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/operational/internal/rfm"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/export"
)

const (
	rfmName    = "rfm_quintiles"
	rfmVersion = "1.0.0"
)

// scores tells the segments of all customers. Their main figure is the revenue so far. There is nothing to hold out: scores
// say what was, not what will be.
func (s *Service) scores(all []purchase.History, asOf purchase.Day, _ float64) (Set, error) {
	customers, err := rfm.AsOf(all, asOf)
	if err != nil {
		return Set{}, err
	}
	rules := rfm.DefaultRules()
	scored, _, err := rfm.Quintiles(customers, rfm.DefaultGates(), rules)
	if err != nil {
		return Set{}, err
	}
	t := newTally()
	for _, total := range rfm.Totals(nil, rules) {
		t.keys = append(t.keys, string(total.Segment))
	}
	set := Set{Columns: []export.Column{
		customerColumn,
		{Name: "recency_days", Type: export.Integer, Note: "days since the last purchase day"},
		{Name: "frequency", Type: export.Integer, Note: "days with a purchase"},
		{Name: "monetary_minor", Type: export.Integer, Note: "revenue so far, minor units"},
		{Name: "r", Type: export.Integer, Note: "score of recency, 1 to 5, 5 is best"},
		{Name: "f", Type: export.Integer, Note: "score of frequency, 1 to 5"},
		{Name: "m", Type: export.Integer, Note: "score of revenue, 1 to 5"},
		{Name: "segment", Type: export.Text, Note: "what the scores mean"},
	}}
	var sum float64
	for _, c := range scored {
		set.Rows = append(set.Rows, []any{
			c.ID, int64(c.Recency), int64(c.Frequency), c.Monetary, int64(c.R), int64(c.F), int64(c.M), string(c.Segment),
		})
		t.add(string(c.Segment), float64(c.Monetary))
		sum += float64(c.Monetary)
	}
	mean := sum / float64(len(scored))
	set.Summary = Summary{
		Mean: &mean, Interval: t.interval(), Unit: contract.Money, Groups: t.groups(int64(len(scored)), s.smallest, true),
		Model: predict.Model{Name: rfmName, Version: rfmVersion, N: len(scored)},
	}
	return set, nil
}

var customerColumn = export.Column{Name: "customer", Type: export.Text, Note: "the customer's key, the same in every export"}
