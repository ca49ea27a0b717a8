package collect

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"golang.org/x/text/currency"
)

// minor returns a decimal number in the minor units of a currency (ISO 4217): exactly, never through a float.
func minor(decimal, code string) (int64, error) {
	unit, err := currency.ParseISO(code)
	if err != nil {
		return 0, fmt.Errorf("%q is not an ISO 4217 currency", code)
	}
	scale, _ := currency.Standard.Rounding(unit)
	return scaled(decimal, scale)
}

// scaled returns decimal × 10^scale, which must be whole.
func scaled(decimal string, scale int) (int64, error) {
	s, negative := strings.CutPrefix(decimal, "-")
	mantissa, exponent, hasExponent := strings.Cut(strings.ToLower(s), "e")
	if hasExponent {
		e, err := strconv.Atoi(exponent)
		if err != nil || e < -30 || e > 30 {
			return 0, fmt.Errorf("is not a decimal number")
		}
		scale += e
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	fraction = strings.TrimRight(fraction, "0")
	digits := whole + fraction
	if whole == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, fmt.Errorf("is not a decimal number")
	}
	scale -= len(fraction)
	for ; scale < 0 && strings.HasSuffix(digits, "0"); scale++ {
		digits = strings.TrimSuffix(digits, "0")
	}
	if digits = strings.TrimLeft(digits, "0"); digits == "" {
		return 0, nil
	}
	if scale < 0 {
		return 0, fmt.Errorf("has more decimals than the currency")
	}
	n, err := strconv.ParseInt(digits+strings.Repeat("0", scale), 10, 64)
	if err != nil || n == math.MaxInt64 {
		return 0, fmt.Errorf("is too large")
	}
	if negative {
		n = -n
	}
	return n, nil
}

// decimalText returns the text of a decimal number, sent as a number or as text.
func decimalText(v any) (string, bool) {
	switch v := v.(type) {
	case json.Number:
		return v.String(), true
	case string:
		return strings.TrimSpace(v), true
	default:
		return "", false
	}
}
