package trial

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func tried() contract.Definition {
	return contract.Definition{ID: "repeat_rate", Version: "2.0.0", Type: contract.RatioOf, Unit: contract.Ratio, Parameters: []contract.ParameterName{"customer_id", "order_time"}}
}

func like() *contract.OperationalDirective {
	return &contract.OperationalDirective{
		Order:     contract.Order{ID: "od-1", Revision: 9, Standing: contract.InForce, ValidFrom: noon.AddDate(0, -1, 0), Expires: noon.AddDate(0, 1, 0)},
		Strategic: "sd-1", Goal: "g-1", Plan: "p-1", Part: "marketing", TimeZone: "UTC", Currency: "EUR",
		Collect: []contract.Collection{{Parameter: contract.Parameter{Name: "order_time"}}},
		Compute: []contract.Computation{{Metric: contract.Definition{ID: "repeat_rate", Version: "1.0.0"}, Grain: contract.GrainMonth, Until: "2027-01-01", Scope: &contract.Condition{Field: "country", Op: contract.Eq, Value: "AT"}}},
	}
}

func month(metric contract.MetricID, version string, m time.Month, v float64, closed bool) contract.Measurement {
	start := time.Date(1997, m, 1, 0, 0, 0, 0, time.UTC)
	return contract.Measurement{Metric: metric, Version: version, Revision: 1, Grain: contract.GrainMonth, Window: contract.Window{Start: start, End: start.AddDate(0, 1, 0)}, Closed: closed, Value: &v, N: 100}
}

func year(metric contract.MetricID) []contract.Measurement {
	var ms []contract.Measurement
	for m := time.January; m <= time.December; m++ {
		ms = append(ms, month(metric, "1.0.0", m, float64(m)/100, m < time.December))
	}
	return ms
}

var collected = []contract.ParameterName{"customer_id", "order_time"}

func started(t *testing.T) *Trial {
	t.Helper()
	o, err := Order(Identity("main", "sd-1", "repeat_rate", "2.0.0", 1), like(), tried(), Due("repeat_rate", contract.GrainMonth, year("repeat_rate")), collected, noon)
	if err != nil {
		t.Fatal(err)
	}
	o.Revision = 1
	return &Trial{Order: o, By: "mia"}
}

func TestATrialIsAnOrderThatCollectsNothing(t *testing.T) {
	t.Parallel()
	o := started(t).Order
	c := o.Compute[0]
	if len(o.Collect) > 0 || len(o.Compute) != 1 || c.Metric.Version != "2.0.0" || c.From != "1997-06-01" || c.Until != "1997-11-30" || !c.Required || c.Scope == nil {
		t.Errorf("%+v", o)
	}
	if o.Part != Part || !Is(o.ID) || Is("od-1") || o.Expires != noon.Add(Life) || o.Strategic != "sd-1" || o.Check() != nil {
		t.Errorf("%+v", o.Order)
	}
	if a, b := Identity("main", "sd-1", "repeat_rate", "2.0.0", 1), Identity("main", "sd-1", "repeat_rate", "2.0.0", 2); a == b {
		t.Error("an edited draft has the trial of the one before")
	}
	soon := like()
	soon.Expires = noon.Add(time.Hour)
	if o, err := Order("trial-x", soon, tried(), Due("repeat_rate", contract.GrainMonth, year("repeat_rate")), collected, noon); err != nil || o.Expires != soon.Expires {
		t.Errorf("a trial outlives its directive: %v, %v", o.Expires, err)
	}
}

func TestWhatCannotBeTried(t *testing.T) {
	t.Parallel()
	due := Due("repeat_rate", contract.GrainMonth, year("repeat_rate"))
	if _, err := Order("trial-x", like(), tried(), due, collected[:1], noon); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "order_time") {
		t.Errorf("without a parameter: %v", err)
	}
	if _, err := Order("trial-x", like(), tried(), nil, collected, noon); fault.CodeOf(err) != fault.NoData {
		t.Errorf("without a window: %v", err)
	}
}

func TestDueWindows(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		series []contract.Measurement
		want   int
	}{
		"its own":      {year("repeat_rate"), Windows},
		"few":          {year("repeat_rate")[:2], 2},
		"another's":    {year("orders_month"), Windows},
		"none":         {nil, 0},
		"only open":    {year("repeat_rate")[11:], 0},
		"its own only": {append(year("orders_month"), year("repeat_rate")[:1]...), 1},
	} {
		if got := Due("repeat_rate", contract.GrainMonth, c.series); len(got) != c.want {
			t.Errorf("%s: %d windows, want %d", name, len(got), c.want)
		}
	}
}

func TestOldAgainstNew(t *testing.T) {
	t.Parallel()
	x := started(t)
	series := append(year("repeat_rate"), year("orders_month")...)
	r := Compare(x, series, nil, noon)
	if r.State != Waiting || len(r.Windows) != Windows || r.Against != "1.0.0" || r.Windows[0].Old == nil || r.Windows[0].New != nil {
		t.Errorf("at first: %+v", r)
	}
	var in []contract.Measurement
	for m := time.June; m <= time.November; m++ {
		in = append(in, month("repeat_rate", "2.0.0", m, 2*float64(m)/100, true))
	}
	if r := Compare(x, series, in[:5], noon); r.State != Waiting {
		t.Errorf("%s though a window lacks", r.State)
	}
	in[0].Value, in[0].Reason = nil, &contract.Reason{Code: fault.GroupTooSmall}
	r = Compare(x, series, in, noon)
	last := r.Windows[5]
	if r.State != Ready || last.Difference == nil || math.Abs(*last.Difference-.11) > 1e-12 || math.Abs(*last.Relative-1) > 1e-12 || last.New.N != 100 {
		t.Errorf("all in: %+v", r)
	}
	if first := r.Windows[0]; first.Difference != nil || first.New == nil || first.New.Reason == nil {
		t.Errorf("a window without a value: %+v", first)
	}
}

func TestStatesOfATrial(t *testing.T) {
	t.Parallel()
	for want, change := range map[State]func(*Trial) time.Time{
		Waiting: func(*Trial) time.Time { return noon },
		Expired: func(*Trial) time.Time { return noon.Add(Life) },
		Refused: func(x *Trial) time.Time {
			x.Answer = &contract.Acknowledgement{State: contract.Refused, Reasons: []contract.Reason{{Code: fault.NoSource, Item: "order_time"}}}
			return noon
		},
		Withdrawn: func(x *Trial) time.Time { x.Order.Standing = contract.WithdrawnEnd; return noon },
	} {
		x := started(t)
		now := change(x)
		r := Compare(x, year("repeat_rate"), nil, now)
		if r.State != want || x.Running(now) != (want == Waiting) {
			t.Errorf("%s, running %v; want %s", r.State, x.Running(now), want)
		}
		if want == Refused && len(r.Reasons) != 1 {
			t.Errorf("refused for %v", r.Reasons)
		}
	}
}
