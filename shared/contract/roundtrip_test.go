package contract

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/strata-crm/strata/shared/fault"
)

// anything returns a generator of whole payloads: every field at random, within what JSON can say.
func anything[T any]() *rapid.Generator[T] {
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMilli(rapid.Int64Range(-1e12, 4e12).Draw(t, "ms")).UTC()
	})
	number := rapid.Float64Range(-1e300, 1e300)
	raw := rapid.Custom(func(t *rapid.T) json.RawMessage {
		b, err := json.Marshal(rapid.StringMatching(`[ -~äß"\\]{0,9}`).Draw(t, "raw"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	})
	return rapid.MakeCustom[T](rapid.MakeConfig{
		Types: map[reflect.Type]*rapid.Generator[any]{
			reflect.TypeFor[time.Time]():       instant.AsAny(),
			reflect.TypeFor[json.RawMessage](): raw.AsAny(),
			reflect.TypeFor[Condition]():       tree(2).AsAny(),
		},
		Kinds: map[reflect.Kind]*rapid.Generator[any]{
			reflect.Float64: number.AsAny(), reflect.Int64: rapid.Int64().AsAny(), reflect.Int: rapid.IntRange(-1e9, 1e9).AsAny(),
			reflect.String: rapid.StringMatching(`[a-z0-9 <&é"\\]{0,12}`).AsAny(),
		},
	})
}

// tree returns conditions up to a depth; value types are those of the wire.
func tree(depth int) *rapid.Generator[Condition] {
	return rapid.Custom(func(t *rapid.T) Condition {
		value := rapid.OneOf(rapid.String().AsAny(), rapid.Float64Range(-1e9, 1e9).AsAny(), rapid.Bool().AsAny())
		c := Condition{Field: rapid.String().Draw(t, "field"), Op: Operator(rapid.String().Draw(t, "op")), Value: value.Draw(t, "value")}
		if rapid.Bool().Draw(t, "list") {
			c.Value = rapid.SliceOfN(value, 1, 3).Draw(t, "values")
		}
		if depth > 0 && rapid.Bool().Draw(t, "deeper") {
			c.All = rapid.SliceOfN(tree(depth-1), 0, 2).Draw(t, "all")
			c.Any = rapid.SliceOfN(tree(depth-1), 0, 2).Draw(t, "any")
			not := tree(depth-1).Draw(t, "not")
			c.Not = &not
		}
		return c
	})
}

// roundTrip checks that any value comes back from the wire as it was, that a valid one does so as a message, and that
// an invalid one never becomes a message. valid makes a value valid.
func roundTrip[T any, P interface {
	*T
	Payload
}](t *testing.T, valid func(P)) {
	t.Run(reflect.TypeFor[T]().Name(), func(t *testing.T) {
		t.Parallel()
		gen, sample := anything[T](), examples()[0]
		rapid.Check(t, func(t *rapid.T) {
			v := gen.Draw(t, "payload")
			if err := P(&v).Check(); err != nil {
				if m, encodeErr := Encode(sample.topic, sample.key, sample.envelope, P(&v)); !fault.Is(encodeErr, fault.Invalid) || m.Value != nil {
					t.Fatalf("%v, but encoding said %v", err, encodeErr)
				}
				valid(P(&v))
			}
			m, err := Encode(sample.topic, sample.key, sample.envelope, P(&v))
			if err != nil {
				t.Fatal(err)
			}
			_, got, err := Decode[T, P](m)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(v, got, cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("did not come back (-sent +read):\n%s", d)
			}
		})
	})
}

func fixOrder(o *Order) {
	o.ID, o.Revision, o.Standing, o.Expires = "d", 1, InForce, o.ValidFrom.Add(time.Hour)
}

func TestEveryPayloadComesBackFromTheWire(t *testing.T) {
	t.Parallel()
	roundTrip(t, func(d *StrategicDirective) {
		fixOrder(&d.Order)
		g, sample := &d.Goal, goal()
		g.ID, g.Revision, g.Metric, g.Variable, g.Kind, g.Direction = "g", 1, "m", Loyalty, Reach, Down
		g.Target, g.Baseline, g.Start, g.Deadline = sample.Target, sample.Baseline, sample.Start, sample.Deadline
	})
	roundTrip(t, func(d *GovernanceDirective) {
		fixOrder(&d.Order)
		d.Version, d.MinimumGroup, d.Purposes = 1, 10, append(d.Purposes, PurposeRule{Purpose: "p"})
	})
	roundTrip(t, func(d *OperationalDirective) {
		fixOrder(&d.Order)
		d.Strategic, d.Goal, d.Part = "s", "g", "p"
		for i := range d.Compute {
			m := &d.Compute[i].Metric
			m.ID, m.Version, m.Type = "m", "1.0.0", Simple
		}
		for i := range d.Insights {
			m := &d.Insights[i].Metric
			m.ID, m.Version, m.Type = "m", "1.0.0", Simple
		}
	})
	roundTrip(t, func(a *Acknowledgement) {
		a.Directive, a.AckRevision, a.State, a.History = "d", 1, Accepted, append(a.History, Step{State: Accepted})
	})
	roundTrip(t, func(m *Measurement) {
		m.ID, m.Revision, m.Directive, m.Metric, m.Window.End = "m", 1, "d", "m", m.Window.Start.Add(1e9)
		m.Value, m.Reason = nil, &Reason{Code: fault.NoData}
	})
	roundTrip(t, func(i *Insight) { i.ID, i.Revision, i.Metric = "i", 1, "m" })
	roundTrip(t, func(i *Information) {
		i.Goal, i.Revision, i.Strategic, i.Metric = "g", 1, "s", "m"
		for n := range i.Series {
			i.Series[n].Window.Start = time.UnixMilli(int64(n)).UTC()
		}
	})
	roundTrip(t, func(e *CustomerEvent) {
		e.Source, e.ID, e.CustomerKey, e.Content, e.Asked = "s", "e", "k", "c", append(e.Asked, Asked{Directive: "d"})
		e.Time, e.ReceivedAt = at(1), at(2)
	})
	roundTrip(t, func(r *StateRequest) { r.Requester, r.Of = Strategic, Functional })
}
