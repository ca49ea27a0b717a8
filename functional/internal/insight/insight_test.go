package insight

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

var (
	retention = contract.Definition{ID: "month_on_month_retention", Version: "1.2.0", Type: contract.RetentionOf, Unit: contract.Ratio, Dimension: "tenure"}
	value     = contract.Definition{ID: "predicted_value_52w", Version: "1.0.0", Type: contract.ModelOf, Unit: contract.Money, Dimension: "buyer_kind"}
	nps       = contract.Definition{ID: "nps_month", Version: "1.0.0", Type: contract.Derived, Unit: contract.Points}
	orders    = contract.Definition{ID: "orders_month", Version: "1.0.0", Type: contract.Simple, Unit: contract.Count}
)

type library struct{}

func (library) Metric(id contract.MetricID) (contract.Definition, bool) {
	for _, d := range []contract.Definition{retention, value, nps, orders} {
		if d.ID == id {
			return d, true
		}
	}
	return contract.Definition{}, false
}

func (library) Parameter(n contract.ParameterName) (contract.Parameter, bool) {
	return contract.Parameter{Name: n}, n == "country"
}

func when(field string, op contract.Operator, v any) *contract.Condition {
	return &contract.Condition{Field: field, Op: op, Value: v}
}

var book = []Claim{
	{Kind: contract.LevelInsight}, {Kind: contract.ForecastInsight}, {Kind: contract.ChangeInsight, Tolerance: .02, Near: true},
	{Kind: contract.MoverInsight, Tolerance: .02, Near: true}, {Metric: "orders_month", Kind: contract.LevelInsight, Tolerance: .5},
	{Metric: "orders_month", Kind: contract.DifferenceInsight, Scope: when("new", contract.Eq, true), Against: when("new", contract.Eq, false)},
}

func TestAskTakesWhatFitsTheMetric(t *testing.T) {
	t.Parallel()
	austria := when("country", contract.Eq, "AT")
	for name, c := range map[string]struct {
		d         contract.Definition
		own       bool
		scope     *contract.Condition
		tolerance float64
		want      []Asked
	}{
		"the goal's own rate": {retention, true, austria, .1, []Asked{
			{Kind: contract.LevelInsight, Metric: retention.ID, Scope: austria, Tolerance: .1, Required: true},
			{Kind: contract.ChangeInsight, Metric: retention.ID, Scope: austria, Tolerance: .02, Absolute: true},
			{Kind: contract.MoverInsight, Metric: retention.ID, Scope: austria, Tolerance: .02, Absolute: true},
		}},
		"the goal's own model": {value, true, nil, .1, []Asked{{Kind: contract.ForecastInsight, Metric: value.ID, Tolerance: .1, Required: true}}},
		"points, to an absolute tolerance": {nps, true, nil, .1, []Asked{
			{Kind: contract.LevelInsight, Metric: nps.ID, Tolerance: 10, Absolute: true, Required: true},
			{Kind: contract.ChangeInsight, Metric: nps.ID, Tolerance: 2, Absolute: true},
		}},
		"another's claims of a metric that is not the goal's": {orders, false, austria, .1, []Asked{
			{Kind: contract.LevelInsight, Metric: orders.ID, Scope: austria, Tolerance: .1},
			{
				Kind: contract.DifferenceInsight, Metric: orders.ID, Tolerance: .1, Scope: &contract.Condition{All: []contract.Condition{*austria, *book[5].Scope}},
				Against: &contract.Condition{All: []contract.Condition{*austria, *book[5].Against}},
			},
		}},
		"a directive without a tolerance": {value, true, nil, 0, []Asked{{Kind: contract.ForecastInsight, Metric: value.ID, Tolerance: .05, Required: true}}},
		"nothing of it":                   {retention, false, nil, .1, nil},
	} {
		if d := cmp.Diff(c.want, Ask(book, &c.d, c.own, c.scope, c.tolerance)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestOrderedAndReadBack(t *testing.T) {
	t.Parallel()
	scope := when("country", contract.Eq, "AT")
	ids := map[contract.InsightID]bool{}
	for _, a := range append(Ask(book, &retention, true, scope, .1), Ask(book, &orders, false, scope, .1)...) {
		d := retention
		if a.Metric == orders.ID {
			d = orders
		}
		o := a.Order("main", "od-1", d, &contract.Goal{Grain: contract.GrainMonth}, "1998-06-30")
		if o.ID != contract.InsightIdentity("main", "od-1", a.Kind, d.ID, 1, a.Scope, a.Against, contract.GrainMonth) || ids[o.ID] {
			t.Errorf("%s of %s: id %s", a.Kind, a.Metric, o.ID)
		}
		ids[o.ID] = true
		if o.Until != "1998-06-30" || o.Grain != contract.GrainMonth {
			t.Errorf("%+v", o)
		}
		if diff := cmp.Diff(a, FromOrder(o, map[contract.MetricID]*contract.Condition{retention.ID: scope})); diff != "" {
			t.Errorf("(-asked +read back):\n%s", diff)
		}
	}
}

func TestAnEditTightensOnly(t *testing.T) {
	t.Parallel()
	a := Asked{Kind: contract.LevelInsight, Metric: "m", Tolerance: .1, LaterTolerance: .2, Required: true}
	with := func(change func(*Asked)) Asked { b := a; change(&b); return b }
	for name, c := range map[string]struct {
		b    Asked
		want bool
	}{
		"itself":           {a, true},
		"tighter":          {with(func(b *Asked) { b.Tolerance = .05 }), true},
		"tighter later":    {with(func(b *Asked) { b.LaterTolerance = 0 }), true}, // 0.1
		"wider":            {with(func(b *Asked) { b.Tolerance = .11 }), false},
		"without":          {with(func(b *Asked) { b.Tolerance = 0 }), false},
		"wider later":      {with(func(b *Asked) { b.LaterTolerance = .3 }), false},
		"in another unit":  {with(func(b *Asked) { b.Absolute = true }), false},
		"of other people":  {with(func(b *Asked) { b.Scope = when("new", contract.Eq, true) }), false},
		"another kind":     {with(func(b *Asked) { b.Kind = contract.ChangeInsight }), false},
		"not the proof's":  {with(func(b *Asked) { b.Required = false }), false},
		"of other against": {with(func(b *Asked) { b.Against = when("new", contract.Eq, true) }), false},
	} {
		if got := a.Narrows(c.b); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	newcomers := when("new", contract.Eq, true)
	for name, c := range map[string]struct {
		claim Claim
		want  string
	}{
		"fine":                    {Claim{Kind: contract.LevelInsight, Scope: when("country", contract.In, []any{"AT", "DE"})}, ""},
		"a fine difference":       {book[5], ""},
		"a kind":                  {Claim{Kind: "opinion"}, "kind"},
		"no other group":          {Claim{Kind: contract.DifferenceInsight, Scope: newcomers}, "against"},
		"another group for level": {Claim{Kind: contract.LevelInsight, Against: newcomers}, "against"},
		"the same group":          {Claim{Kind: contract.DifferenceInsight, Scope: newcomers, Against: newcomers}, "other than"},
		"no such metric":          {Claim{Kind: contract.LevelInsight, Metric: "happiness"}, "happiness"},
		"a level of a model":      {Claim{Kind: contract.LevelInsight, Metric: value.ID}, "model"},
		"a forecast of a rate":    {Claim{Kind: contract.ForecastInsight, Metric: retention.ID}, "retention"},
		"a mover of one lump":     {Claim{Kind: contract.MoverInsight, Metric: orders.ID}, "dimension"},
		"a tolerance":             {Claim{Kind: contract.LevelInsight, Tolerance: 1.5}, "tolerances"},
		"a field":                 {Claim{Kind: contract.LevelInsight, Scope: when("shoe_size", contract.Gt, 40)}, "shoe_size"},
		"an operator":             {Claim{Kind: contract.LevelInsight, Scope: when("new", "like", true)}, "like"},
		"a list":                  {Claim{Kind: contract.LevelInsight, Scope: when("country", contract.In, "AT")}, "list"},
		"no value":                {Claim{Kind: contract.LevelInsight, Scope: when("country", contract.Eq, nil)}, "missing"},
		"two forms":               {Claim{Kind: contract.LevelInsight, Scope: &contract.Condition{Not: newcomers, Field: "new", Op: contract.Eq, Value: true}}, "exactly one"},
		"deep inside":             {Claim{Kind: contract.LevelInsight, Scope: &contract.Condition{Any: []contract.Condition{{Not: when("shoe_size", contract.Gt, 40)}}}}, "shoe_size"},
	} {
		err := c.claim.Check(library{})
		if c.want == "" && err != nil || c.want != "" && (!fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
}

func TestLabelled(t *testing.T) {
	t.Parallel()
	labels := map[contract.MetricID]string{"m": "Repeat rate"}
	if got := Labelled(contract.Insight{Metric: "m"}, labels).Label; got != "Repeat rate" {
		t.Error(got)
	}
	if got := Labelled(contract.Insight{Metric: "other", Label: "as it came"}, labels).Label; got != "as it came" {
		t.Error(got)
	}
}

// TestDifferencesOfModels: they are asked for by name, to a share of what they are from; and what a goal wants goes with the claim
// that its proof rests on, and with no other.
func TestDifferencesOfModels(t *testing.T) {
	t.Parallel()
	claims := []Claim{
		{Kind: contract.ForecastInsight}, {Kind: contract.ChangeInsight, Near: true},
		{Metric: value.ID, Kind: contract.DifferenceInsight, Near: true, Tolerance: .05, Scope: when("orders", contract.Gte, 3), Against: when("orders", contract.Lt, 3)},
	}
	asked := Ask(claims, &value, true, nil, .1)
	if len(asked) != 2 || !asked[1].OfLevel || asked[1].Absolute || asked[1].Tolerance != .05 {
		t.Fatalf("asked for: %+v", asked)
	}
	target := 5.
	goal := &contract.Goal{Grain: contract.GrainMonth, Direction: contract.Up, Target: contract.Target{Value: &target}}
	own, other := asked[0].Order("main", "od-1", value, goal, "1998-06-30"), asked[1].Order("main", "od-1", value, goal, "1998-06-30")
	if own.Aim == nil || *own.Aim.Target.Value != target || own.Aim.Direction != contract.Up || other.Aim != nil || !other.OfLevel {
		t.Errorf("ordered: %+v and %+v", own, other)
	}
}
