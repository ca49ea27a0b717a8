package egress

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// memory is a policy with a minimum group, and a store of one measurement.
type memory struct {
	minimum int64 // 0: nothing is governed
	stored  contract.Measurement
	basis   Basis
	puts    int
	insight contract.Insight
	kept    Kept
}

func (m *memory) Egress(_ context.Context, _ *contract.Measurement, inForce bool, smallest, least int64) (bool, error) {
	return inForce && m.minimum > 0 && (smallest == 0 || smallest >= max(m.minimum, least)), nil
}

func (m *memory) Insight(_ context.Context, i *contract.Insight, inForce bool, smallest, least int64) (bool, error) {
	if !Tells(i) {
		return m.minimum > 0 && smallest == 0, nil
	}
	return inForce && m.minimum > 0 && smallest >= max(m.minimum, least), nil
}

func (m *memory) ReplaceInsight(_ context.Context, _ contract.InsightID, k Kept, change func(*contract.Insight) bool) error {
	m.kept = k
	if change(&m.insight) {
		m.puts++
	}
	return nil
}

func (m *memory) Replace(_ context.Context, _ contract.MeasurementID, b Basis, change func(*contract.Measurement) bool) error {
	m.basis = b
	if change(&m.stored) {
		m.puts++
	}
	return nil
}

func (m *memory) Known(context.Context, contract.MeasurementID) (Basis, bool, error) {
	return m.basis, true, nil
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, m *memory) *Egress {
	t.Helper()
	e, err := New(Options{Policy: m, Store: m, Insights: m, Now: func() time.Time { return noon }, InForce: func(id contract.DirectiveID) (contract.OperationalDirective, bool) {
		return contract.OperationalDirective{Constraints: contract.Constraints{MinimumGroup: 12}}, id == "od-1"
	}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// secret is a measurement in which every number would tell.
func secret(value float64) contract.Measurement {
	one := 31337.5
	return contract.Measurement{ID: "m-1", Directive: "od-1", Strategic: "sd-1", Goal: "g-1", Metric: "repeat_rate", Version: "1.0.0", Grain: contract.GrainMonth,
		Window: contract.Window{Start: noon.AddDate(0, -1, 0), End: noon}, Closed: true, AsOf: noon, Unit: contract.Ratio, DirectiveRevision: 3,
		Value: &value, N: 31337, Numerator: &one, Denominator: &one, StdErr: &one, Low: &one, High: &one, Median: &one, P90: &one,
		Quality: contract.Quality{Coverage: map[contract.ParameterName]float64{"email": one}, Suspects: map[string]int64{"zero_amount": 31337}},
		Parts:   []contract.Part{{Key: "newcomers", N: 31337, Value: one}}, Model: &contract.ModelFit{Name: "mbg_nbd", Customers: 31337}}
}

func put(t *testing.T, e *Egress, m contract.Measurement, smallest int64) {
	t.Helper()
	if err := e.Put(t.Context(), m, metric.Basis{Contains: map[int]int64{0: 1}, Revision: m.DirectiveRevision, Model: "1 active"}, smallest); err != nil {
		t.Fatal(err)
	}
}

func TestPublished(t *testing.T) {
	t.Parallel()
	m := &memory{minimum: 10}
	e := open(t, m)
	put(t, e, secret(.5), 12)
	if m.puts != 1 || m.stored.Revision != noon.UnixMilli() || *m.stored.Value != .5 || !m.basis.Closed || m.basis.Revision != 3 || m.basis.Model != "1 active" {
		t.Fatalf("published %d times as %+v from %+v", m.puts, m.stored, m.basis)
	}
	later := secret(.5)
	later.AsOf, later.DirectiveRevision = noon.Add(time.Hour), 4
	put(t, e, later, 12)
	if m.puts != 1 || m.basis.Revision != 4 {
		t.Errorf("the same again was published; the basis is %+v", m.basis)
	}
	put(t, e, secret(.6), 12)
	if m.puts != 2 || m.stored.Revision != noon.UnixMilli()+1 {
		t.Errorf("another value was published %d times, revision %d", m.puts, m.stored.Revision)
	}
}

// TestSuppressed: what was published is taken back when its group becomes too small, and nothing of it stays.
func TestSuppressed(t *testing.T) {
	t.Parallel()
	m := &memory{minimum: 10}
	e := open(t, m)
	put(t, e, secret(.5), 12)
	put(t, e, secret(.5), 11) // the directive wants 12
	if m.puts != 2 || m.stored.Value != nil || m.stored.Reason == nil || m.stored.Reason.Code != fault.GroupTooSmall || m.stored.Check() != nil {
		t.Fatalf("taken back it is %+v", m.stored)
	}
	raw, err := json.Marshal(m.stored)
	if err != nil || strings.Contains(string(raw), "31337") {
		t.Errorf("something of its customers stayed: %s, %v", raw, err)
	}
	put(t, e, secret(.5), 9)
	if m.puts != 2 {
		t.Error("the same retraction was published twice")
	}
	put(t, e, secret(.5), 12)
	if m.puts != 3 || m.stored.Value == nil {
		t.Errorf("a group that has grown again is %+v", m.stored)
	}
}

// TestReasonStays: a measurement without a value goes up with its reason, and without its small count.
func TestReasonStays(t *testing.T) {
	t.Parallel()
	m := &memory{minimum: 10}
	none := secret(0)
	none.Value, none.Reason = nil, &contract.Reason{Code: fault.ModelNotIdentified, Item: "mbg_nbd"}
	put(t, open(t, m), none, 3)
	if m.stored.Reason.Code != fault.ModelNotIdentified || m.stored.N != 0 {
		t.Errorf("it went up as %+v, want its reason alone", m.stored)
	}
}

func TestNotInForce(t *testing.T) {
	t.Parallel()
	m := &memory{minimum: 10}
	unasked := secret(.5)
	unasked.Directive = "od-2"
	put(t, open(t, m), unasked, 100)
	if m.puts != 0 {
		t.Error("what nobody asked for went up")
	}
}

func TestUngoverned(t *testing.T) {
	t.Parallel()
	m := &memory{}
	err := open(t, m).Put(t.Context(), secret(.5), metric.Basis{}, 100)
	if fault.KindOf(err) != fault.Denied || m.puts != 0 {
		t.Errorf("without governance: %v and %d published, want denied and none", err, m.puts)
	}
	if _, err := New(Options{}); err == nil {
		t.Error("an egress without anything was built")
	}
}

func TestLacks(t *testing.T) {
	t.Parallel()
	b := Basis{Contains: map[int]int64{0: 5, 1: 5}, Revision: 2}
	for name, c := range map[string]struct {
		other Basis
		want  bool
	}{
		"the same":             {b, false},
		"nothing":              {Basis{}, false},
		"less":                 {Basis{Contains: map[int]int64{0: 4}, Revision: 2}, false},
		"more of one":          {Basis{Contains: map[int]int64{0: 6, 1: 1}}, true},
		"another partition":    {Basis{Contains: map[int]int64{2: 1}}, true},
		"a later directive":    {Basis{Revision: 3}, true},
		"an earlier directive": {Basis{Revision: 1}, false},
	} {
		if got := b.Lacks(c.other); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
