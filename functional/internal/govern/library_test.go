package govern

import (
	"testing"
	"testing/fstest"

	"github.com/strata-crm/strata/functional/internal/definition"
	"github.com/strata-crm/strata/functional/internal/playbook"
	"github.com/strata-crm/strata/shared/contract"
)

// Whoever looks at all families now and then must not bring back what somebody has replaced since that look.
func TestALookAtFamiliesIsOvertaken(t *testing.T) {
	t.Parallel()
	read, err := playbook.Load(fstest.MapFS{})
	if err != nil {
		t.Fatal(err)
	}
	l := NewLibrary(read)
	const id = "average_order_value_month"
	certified := func(number string) definition.Version {
		d := *l.Shipped(id)
		d.Version = number
		return definition.Version{Definition: d, State: definition.Certified}
	}
	family := func(revision int64, vs ...definition.Version) definition.Family {
		return definition.Family{Metric: id, Revision: revision, Versions: vs}
	}
	inUse := func() string {
		d, _ := l.Metric(id)
		return d.Version
	}
	before, after := family(7, certified("2.0.0")), family(8, certified("2.0.0"), certified("2.0.1"))
	for _, step := range []struct {
		use  definition.Family
		want string
	}{{before, "2.0.0"}, {after, "2.0.1"}, {before, "2.0.1"}, {after, "2.0.1"}, {family(9, certified("2.0.0")), "2.0.0"}} {
		l.Use(step.use)
		if got := inUse(); got != step.want {
			t.Errorf("after revision %d version %s is in use, want %s", step.use.Revision, got, step.want)
		}
	}
	l.Use(definition.Family{Metric: "other", Revision: 1})
	if _, ok := l.Metric(contract.MetricID("other")); ok {
		t.Error("a metric without versions is in use")
	}
}
