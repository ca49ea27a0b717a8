package collect

import (
	"encoding/json"
	"strconv"
)

// shortest returns v with every number in one form, so that 11.5 and 11.50 are the same content. Integers keep all their
// digits; other numbers are written as the shortest text of the nearest double, as in RFC 8785.
func shortest(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = shortest(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = shortest(e)
		}
		return out
	case json.Number:
		return number(v)
	default:
		return v
	}
}

func number(n json.Number) any {
	if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
		return i
	}
	f, err := strconv.ParseFloat(n.String(), 64)
	if err != nil { // beyond a double: its text is its form
		return n.String()
	}
	if i := int64(f); float64(i) == f && i > -1<<53 && i < 1<<53 {
		return i
	}
	return f
}
