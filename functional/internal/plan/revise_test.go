package plan

import (
	"slices"
	"testing"

	"github.com/strata-crm/strata/functional/internal/playbook"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

func active(t *testing.T, l *playbook.Library) (Plan, *contract.StrategicDirective) {
	t.Helper()
	d := directive(contract.LifetimeValue, "predicted_value_52w", "value_analysis")
	p, why := Draft("p1", d, l, now)
	if why != nil {
		t.Fatalf("refused: %v", why)
	}
	p.State = Active
	return p, d
}

func (p *Plan) definition(m contract.MetricID) (contract.Definition, *Part) {
	for i := range p.Parts {
		if x, ok := p.Parts[i].metric(m); ok {
			return x.Definition, &p.Parts[i]
		}
	}
	return contract.Definition{}, nil
}

func TestARevisedPlanHasTheVersionsInUse(t *testing.T) {
	t.Parallel()
	l := library(t)
	p, d := active(t, l)
	if _, err := Revised(p, d, l); !fault.Is(err, fault.Conflict) {
		t.Errorf("nothing new: %v", err)
	}
	next, _ := l.Metric("revenue_month")
	next.Version, next.Label = "2.0.0", "Sales"
	next.Parameters = append(slices.Clone(next.Parameters), "order_items", "email")
	l.Adopt(next)
	before, _ := p.definition("revenue_month")
	r, err := Revised(p, d, l)
	if err != nil {
		t.Fatal(err)
	}
	after, part := r.definition("revenue_month")
	if after.Version != "2.0.0" || before.Version != "1.0.0" {
		t.Errorf("from %s to %s", before.Version, after.Version)
	}
	if was, _ := p.definition("revenue_month"); was.Version != "1.0.0" {
		t.Error("the plan that was seen changed with it")
	}
	for _, name := range []contract.ParameterName{"order_items", "email"} {
		i := slices.IndexFunc(part.Collect, func(c contract.Collection) bool { return c.Parameter.Name == name })
		if i < 0 || part.Collect[i].Parameter.Purpose != "value_analysis" || part.Collect[i].Required {
			t.Errorf("%s is collected as %v", name, i)
		}
	}
	if len(r.Parts) != len(p.Parts) || r.Customers != p.Customers {
		t.Errorf("parts %d, customers %d", len(r.Parts), r.Customers)
	}
	l.Drop("revenue_month") // retired: the plan keeps what it has
	if _, err := Revised(r, d, l); !fault.Is(err, fault.Conflict) {
		t.Errorf("a retired metric: %v", err)
	}
}
