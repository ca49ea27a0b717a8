package attribute_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/strata-crm/strata/operational/internal/attribute"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

func key(i int) identity.Key { return identity.Key(fmt.Sprintf("%032x", i)) }

var (
	fields = []string{"country", "vip", "orders", "mixed"}
	values = []any{
		"at", "de", "", "z", true, false, int64(0), int64(-1), int64(7), int64(1 << 53), int64(1<<53 + 1), int64(1<<63 - 1), int64(-1 << 63),
		0.0, -1.0, 7.0, 6.5, -6.5, .1, 1e300, -1e300, float64(1 << 63), float64(-1 << 63), float64(1 << 53),
	}
)

func attributes() *rapid.Generator[attribute.Attributes] {
	return rapid.Custom(func(t *rapid.T) attribute.Attributes {
		a := attribute.Attributes{}
		for _, f := range fields {
			if rapid.Bool().Draw(t, "has "+f) {
				a[f] = rapid.SampledFrom(values).Draw(t, f)
			}
		}
		return a
	})
}

func conditions(depth int) *rapid.Generator[contract.Condition] {
	return rapid.Custom(func(t *rapid.T) contract.Condition {
		if depth > 0 {
			parts := rapid.SliceOfN(conditions(depth-1), 1, 3)
			switch rapid.IntRange(0, 3).Draw(t, "form") {
			case 0:
				return contract.Condition{All: parts.Draw(t, "all")}
			case 1:
				return contract.Condition{Any: parts.Draw(t, "any")}
			case 2:
				c := conditions(depth-1).Draw(t, "not")
				return contract.Condition{Not: &c}
			}
		}
		c := contract.Condition{Field: rapid.SampledFrom(append(slices.Clone(fields), "nobody_has_it")).Draw(t, "field")}
		c.Op = rapid.SampledFrom([]contract.Operator{
			contract.Eq, contract.Ne, contract.Gt, contract.Gte, contract.Lt, contract.Lte, contract.In, contract.Exists,
		}).Draw(t, "op")
		switch c.Op {
		case contract.In:
			c.Value = rapid.SliceOf(rapid.SampledFrom(values)).Draw(t, "values")
		case contract.Exists:
			c.Value = rapid.Bool().Draw(t, "value")
		default:
			c.Value = rapid.SampledFrom(values).Draw(t, "value")
		}
		return c
	})
}

func TestItCountsWhatAScanCounts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x, rows := attribute.New(), map[identity.Key]attribute.Attributes{}
		for range rapid.IntRange(1, 40).Draw(t, "updates") {
			c := attribute.Change{Customer: key(rapid.IntRange(0, 12).Draw(t, "customer"))}
			if rapid.IntRange(0, 4).Draw(t, "erase") > 0 {
				c.Attributes = attributes().Draw(t, "attributes")
			}
			if delete(rows, c.Customer); c.Attributes != nil {
				rows[c.Customer] = c.Attributes
			}
			if err := x.Apply([]attribute.Change{c}, nil); err != nil {
				t.Fatal(err)
			}
		}
		c := conditions(2).Draw(t, "condition")
		var want []identity.Key
		for k, a := range rows {
			if holds(&c, a) {
				want = append(want, k)
			}
		}
		chosen, err := x.Select(&c)
		if err != nil {
			t.Fatal(err)
		}
		got := slices.Sorted(chosen)
		slices.Sort(want)
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("the scan and the index differ (-scan +index): %s", d)
		}
		if n, err := x.Count(&c); err != nil || n != int64(len(want)) {
			t.Fatalf("counted %d, want %d (%v)", n, len(want), err)
		}
		if n := x.Customers(); n != int64(len(rows)) {
			t.Fatalf("%d customers, want %d", n, len(rows))
		}
	})
}

// holds is what a condition means, written for one row.
func holds(c *contract.Condition, a attribute.Attributes) bool {
	part := func(c contract.Condition) bool { return holds(&c, a) }
	switch {
	case len(c.All) > 0:
		return !slices.ContainsFunc(c.All, func(c contract.Condition) bool { return !part(c) })
	case len(c.Any) > 0:
		return slices.ContainsFunc(c.Any, part)
	case c.Not != nil:
		return !holds(c.Not, a)
	}
	v, has := a[c.Field]
	if c.Op == contract.Exists {
		return has == c.Value
	}
	if c.Op == contract.In {
		list, _ := c.List()
		return has && slices.ContainsFunc(list, func(w any) bool { r, ok := rank(v, w); return ok && r == 0 })
	}
	r, ok := rank(v, c.Value)
	ok = ok && has
	switch c.Op {
	case contract.Eq:
		return ok && r == 0
	case contract.Ne:
		return !ok || r != 0
	case contract.Lt:
		return ok && r < 0
	case contract.Lte:
		return ok && r <= 0
	case contract.Gt:
		return ok && r > 0
	}
	return ok && r >= 0
}

func TestAnAttributeWithTooManyTextsTellsOnlyThatItIsKnown(t *testing.T) {
	t.Parallel()
	x := attribute.New()
	var changes []attribute.Change
	for i := range attribute.MaxValues + 5 {
		changes = append(changes, attribute.Change{Customer: key(i), Attributes: attribute.Attributes{"email": fmt.Sprint(i), "n": int64(i)}})
	}
	if err := x.Apply(changes, map[int]int64{3: 17}); err != nil {
		t.Fatal(err)
	}
	if n, err := x.Count(&contract.Condition{Field: "email", Op: contract.Exists, Value: true}); err != nil || n != attribute.MaxValues+5 {
		t.Errorf("%d know their address (%v)", n, err)
	}
	if n, err := x.Count(&contract.Condition{Field: "email", Op: contract.Eq, Value: "4"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("counted %d with one address (%v)", n, err)
	}
	if n, err := x.Count(&contract.Condition{Field: "n", Op: contract.Lt, Value: 100.5}); err != nil || n != 101 {
		t.Errorf("counted %d, want 101 (%v)", n, err)
	}
	if err := x.Apply([]attribute.Change{{Customer: key(1)}}, map[int]int64{4: 2}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[int]int64{3: 17, 4: 2}, x.Position()); d != "" {
		t.Error(d)
	}
}

func TestWhatIsMalformedIsRefused(t *testing.T) {
	t.Parallel()
	x := attribute.New()
	for _, c := range []contract.Condition{
		{Field: "a", Op: "like", Value: "x"}, {Field: "a", Op: contract.In, Value: "x"}, {Field: "a", Op: contract.Eq, Value: []any{"x"}},
		{Field: "a", Op: contract.Lt}, {All: []contract.Condition{{Field: "a", Op: "like"}}}, {Not: &contract.Condition{Field: "a", Op: "like"}},
	} {
		if _, err := x.Count(&c); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if err := x.Apply([]attribute.Change{{Customer: "short", Attributes: attribute.Attributes{}}}, nil); fault.KindOf(err) != fault.Invalid || x.Customers() != 0 {
		t.Errorf("a key that is none: %v", err)
	}
}
