package attribute_test

import (
	"cmp"
	"math/big"
)

// rank compares two values as MongoDB does those of one kind; false for values of different kinds.
func rank(a, b any) (int, bool) {
	switch a := a.(type) {
	case string:
		b, ok := b.(string)
		return cmp.Compare(a, b), ok
	case bool:
		b, ok := b.(bool)
		return cmp.Compare(number(a), number(b)), ok
	}
	x, ok := rational(a)
	y, too := rational(b)
	if !ok || !too {
		return 0, false
	}
	return x.Cmp(y), true
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

func rational(v any) (*big.Rat, bool) {
	switch v := v.(type) {
	case int64:
		return new(big.Rat).SetInt64(v), true
	case float64:
		return new(big.Rat).SetFloat64(v), true
	}
	return nil, false
}
