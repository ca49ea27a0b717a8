package metric

import (
	"cmp"
	"reflect"
	"slices"

	"github.com/strata-crm/strata/shared/contract"
)

// record gives the fields of a row by name: text, a float64 or a boolean; nil where the row lacks the field.
type record func(name string) any

// number returns a field, false if it is absent or no number.
func (r record) number(name string) (float64, bool) {
	v, ok := r(name).(float64)
	return v, ok
}

// matches evaluates a condition tree as the warehouse does: a field that is absent satisfies nothing but ne and not; one
// of another kind than the value is neither greater nor less.
func (r record) matches(c *contract.Condition) bool {
	switch {
	case c == nil:
		return true
	case len(c.All) > 0:
		return !slices.ContainsFunc(c.All, func(o contract.Condition) bool { return !r.matches(&o) })
	case len(c.Any) > 0:
		return slices.ContainsFunc(c.Any, func(o contract.Condition) bool { return r.matches(&o) })
	case c.Not != nil:
		return !r.matches(c.Not)
	}
	return compares(c, r(c.Field))
}

func compares(c *contract.Condition, v any) bool {
	switch c.Op {
	case contract.Exists:
		want, ok := c.Value.(bool)
		return (v != nil) == (want || !ok)
	case contract.In:
		list, _ := c.List()
		return slices.ContainsFunc(list, func(w any) bool { return equal(v, w) })
	case contract.Eq:
		return equal(v, c.Value)
	case contract.Ne:
		return !equal(v, c.Value)
	}
	order, same := order(v, scalar(c.Value))
	if !same {
		return false
	}
	switch c.Op {
	case contract.Gt:
		return order > 0
	case contract.Gte:
		return order >= 0
	case contract.Lt:
		return order < 0
	case contract.Lte:
		return order <= 0
	}
	return false
}

func equal(v, w any) bool {
	o, same := order(v, scalar(w))
	return same && o == 0
}

// order compares two scalars; false if they are of different kinds.
func order(a, b any) (int, bool) {
	switch x := a.(type) {
	case float64:
		y, ok := b.(float64)
		return cmp.Compare(x, y), ok
	case string:
		y, ok := b.(string)
		return cmp.Compare(x, y), ok
	case bool:
		y, ok := b.(bool)
		return cmp.Compare(bit(x), bit(y)), ok
	}
	return 0, false
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// scalar returns a condition's value with every number as a float64, however the store or the wire decoded it.
func scalar(v any) any {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Int, reflect.Int32, reflect.Int64:
		return float64(r.Int())
	case reflect.Float64:
		return r.Float()
	case reflect.String:
		return r.String()
	}
	return v
}
