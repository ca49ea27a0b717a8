package prediction

import (
	"fmt"

	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/operational/internal/segment"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/export"
)

// segments tells which groups are found in what customers bought, and who is in which. The main figure is the revenue so
// far.
func (s *Service) segments(all []purchase.History, asOf purchase.Day, _ float64) (Set, error) {
	settings := segment.DefaultSettings(s.o.Currency)
	settings.MinSize = max(settings.MinSize, int(s.smallest))
	customers, err := segment.AsOf(all, asOf, settings.Traits)
	if err != nil {
		return Set{}, err
	}
	found, err := segment.Suggest(customers, settings)
	if err != nil {
		return Set{}, err
	}
	set := Set{Columns: []export.Column{
		customerColumn,
		{Name: "group", Type: export.Text, Note: "as the summary names it"},
		{Name: "description", Type: export.Text, Note: "what the group's customers have in common"},
		{Name: "monetary_minor", Type: export.Integer, Note: "revenue so far, minor units"},
	}}
	t, sum := newTally(), 0.0
	for g := range found.Groups {
		t.keys = append(t.keys, groupKey(g))
	}
	revenue := map[string]int64{}
	for _, h := range all {
		revenue[h.Customer] = h.Revenue()
	}
	for _, m := range found.Members {
		bought := revenue[m.Customer]
		set.Rows = append(set.Rows, []any{m.Customer, groupKey(m.Group), found.Groups[m.Group].Text, bought})
		t.add(groupKey(m.Group), float64(bought))
		sum += float64(bought)
	}
	mean := sum / float64(len(all))
	groups := t.groups(int64(len(all)), s.smallest, true)
	for i := range groups {
		if groups[i].Customers != nil {
			groups[i].Text = found.Groups[i].Text
		}
	}
	set.Summary = Summary{Mean: &mean, Interval: t.interval(), Unit: contract.Money, Groups: groups, Model: found.Model}
	return set, nil
}

func groupKey(i int) string { return fmt.Sprintf("group_%d", i+1) }
