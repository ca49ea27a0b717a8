package attribute

import (
	"iter"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Count returns how many customers a condition selects; nil selects everybody. An attribute that nobody has satisfies
// nothing but ne, not and exists false. It fails with fault.Invalid on a malformed condition and on one that asks which
// text an attribute has that has more than MaxValues.
func (x *Index) Count(c *contract.Condition) (int64, error) {
	x.lock.RLock()
	defer x.lock.RUnlock()
	b, err := x.matching(c)
	if err != nil {
		return 0, err
	}
	return int64(b.GetCardinality()), nil
}

// Unknown returns the fields of a condition, nil having none, that nobody has: they may be misspelt. Each comes once, by
// name.
func (x *Index) Unknown(c *contract.Condition) []string {
	x.lock.RLock()
	defer x.lock.RUnlock()
	var names []string
	for _, name := range fields(c) {
		if col := x.columns[name]; col == nil || col.known.IsEmpty() {
			names = append(names, name)
		}
	}
	return names
}

// fields returns what a condition compares, by name.
func fields(c *contract.Condition) (names []string) {
	if c == nil {
		return nil
	}
	if c.Field != "" {
		names = append(names, c.Field)
	}
	for _, part := range slices.Concat(c.All, c.Any) {
		names = append(names, fields(&part)...)
	}
	names = append(names, fields(c.Not)...)
	slices.Sort(names)
	return slices.Compact(names)
}

// Select yields the customers that a condition selects, in no order that means anything. It fails as Count does. Changes
// wait until the sequence has ended.
func (x *Index) Select(c *contract.Condition) (iter.Seq[identity.Key], error) {
	x.lock.RLock()
	b, err := x.matching(c)
	x.lock.RUnlock()
	if err != nil {
		return nil, err
	}
	return func(yield func(identity.Key) bool) {
		x.lock.RLock()
		defer x.lock.RUnlock()
		for at := range roaring.Values(b) {
			if key := x.keys[at]; key != "" && !yield(key) {
				return
			}
		}
	}, nil
}

// matching returns a bitmap that must not be changed.
func (x *Index) matching(c *contract.Condition) (*roaring.Bitmap, error) {
	switch {
	case c == nil:
		return x.all, nil
	case len(c.All) > 0:
		return x.joined(c.All, roaring.FastAnd)
	case len(c.Any) > 0:
		return x.joined(c.Any, roaring.FastOr)
	case c.Not != nil:
		b, err := x.matching(c.Not)
		if err != nil {
			return nil, err
		}
		return roaring.AndNot(x.all, b), nil
	}
	col := x.columns[c.Field]
	if col == nil {
		col = newColumn()
	}
	return x.compared(col, c)
}

func (x *Index) joined(parts []contract.Condition, join func(...*roaring.Bitmap) *roaring.Bitmap) (*roaring.Bitmap, error) {
	bs := make([]*roaring.Bitmap, len(parts))
	for i := range parts {
		var err error
		if bs[i], err = x.matching(&parts[i]); err != nil {
			return nil, err
		}
	}
	return join(bs...), nil
}

func (x *Index) compared(col *column, c *contract.Condition) (*roaring.Bitmap, error) {
	switch c.Op {
	case contract.Exists:
		if want, ok := c.Value.(bool); ok && !want {
			return roaring.AndNot(x.all, col.known), nil
		}
		return col.known, nil
	case contract.Eq:
		return col.equal(c.Field, c.Value)
	case contract.Ne:
		b, err := col.equal(c.Field, c.Value)
		if err != nil {
			return nil, err
		}
		return roaring.AndNot(x.all, b), nil
	case contract.In:
		return col.in(c)
	case contract.Lt, contract.Lte, contract.Gt, contract.Gte:
		return col.ordered(c)
	}
	return nil, fault.New(fault.Invalid, fault.BadDefinition, "%q is not an operator: use eq, ne, gt, gte, lt, lte, in or exists", c.Op)
}

func (c *column) tellsApart(name string) error {
	if c.open {
		return fault.New(fault.Invalid, fault.BadDefinition, "%s has more than %d different texts and cannot be counted by: ask only whether it exists", name, MaxValues)
	}
	return nil
}

func (c *column) equal(name string, v any) (*roaring.Bitmap, error) {
	switch v := v.(type) {
	case string:
		if b := c.texts[v]; b != nil {
			return b, nil
		}
		return roaring.New(), c.tellsApart(name)
	case bool:
		return c.truths[truth(v)], nil
	}
	if n, ok := numberOf(v); ok {
		return c.digitsOf(n).equal(n.order()), nil
	}
	return nil, fault.New(fault.Invalid, fault.BadDefinition, "%s can be compared with a text, a number or a truth value, not with %v", name, v)
}

func (c *column) in(cond *contract.Condition) (*roaring.Bitmap, error) {
	values, ok := cond.List()
	if !ok {
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "in needs a list of values")
	}
	all := roaring.New()
	for _, v := range values {
		b, err := c.equal(cond.Field, v)
		if err != nil {
			return nil, err
		}
		all.Or(b)
	}
	return all, nil
}

func (c *column) ordered(cond *contract.Condition) (*roaring.Bitmap, error) {
	less := cond.Op == contract.Lt || cond.Op == contract.Lte
	with := cond.Op == contract.Lte || cond.Op == contract.Gte
	switch v := cond.Value.(type) {
	case string:
		out := roaring.New()
		for text, b := range c.texts {
			if with && text == v || text != v && less == (text < v) {
				out.Or(b)
			}
		}
		return out, c.tellsApart(cond.Field)
	case bool:
		out := roaring.New()
		for i, b := range c.truths {
			if with && i == truth(v) || i != truth(v) && less == (i < truth(v)) {
				out.Or(b)
			}
		}
		return out, nil
	}
	n, ok := numberOf(cond.Value)
	if !ok {
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "%s can be compared with a text, a number or a truth value, not with %v", cond.Field, cond.Value)
	}
	return roaring.Or(c.whole.side(n, true, less, with), c.broken.side(n, false, less, with)), nil
}

// side returns the numbers on one side of n; whole says of which kind they are.
func (d *digits) side(n number, whole, less, with bool) *roaring.Bitmap {
	at, ok := n.floor(whole)
	if !ok {
		if less {
			return roaring.New()
		}
		return d.some
	}
	from := at.order()
	// The first that counts as above: n itself for >= and <, else the next one; so too among numbers of the other kind, where n
	// is replaced by what lies below it.
	if n.whole != whole || less == with {
		if from == math.MaxUint64 {
			return d.nobodyAbove(less)
		}
		from++
	}
	if less {
		return roaring.AndNot(d.some, d.atLeast(from))
	}
	return d.atLeast(from)
}

func (d *digits) nobodyAbove(less bool) *roaring.Bitmap {
	if less {
		return d.some
	}
	return roaring.New()
}
