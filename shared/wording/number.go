// Package wording writes what the contract holds as people read it, the same on a page and on a terminal: numbers with
// their unit, rounded half to even, which happens here and nowhere before; days; reasons, and what would heal them; notes;
// what an insight claims, and how it answers the five questions. It owns no meaning: all of that is the contract's.
package wording

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/currency"

	"github.com/strata-crm/strata/shared/contract"
)

// Minus is the sign of negative numbers; screen readers say it, which they do not for a hyphen.
const Minus = "−"

// Unit writes values of one unit.
type Unit struct {
	Unit     contract.Unit
	Currency string // ISO 4217, for money
}

// Value returns v with its unit: ratios as percent with one decimal, money in major units with its currency and as many
// decimals as ISO 4217 gives it, counts as whole numbers, anything else with two decimals.
func (u Unit) Value(v float64) string {
	switch u.Unit {
	case contract.Ratio:
		return Decimal(v, 2, 1) + " %"
	case contract.Money:
		return u.money(v)
	case contract.Count:
		return Decimal(v, 0, 0)
	case contract.PerPerson:
		return Decimal(v, 0, 2) + " per customer"
	case contract.Points:
		return Decimal(v, 0, 1) + " points"
	}
	return Decimal(v, 0, 2)
}

// Width returns a non-negative size in the unit, such as half an interval; that of a ratio is in percentage points.
func (u Unit) Width(v float64) string {
	if u.Unit == contract.Ratio {
		return Decimal(v, 2, 1) + " percentage points"
	}
	return u.Value(v)
}

// Bare returns v as Value does but without its unit, for a second number beside one that has it.
func (u Unit) Bare(v float64) string {
	switch u.Unit {
	case contract.Ratio:
		return Decimal(v, 2, 1)
	case contract.Money:
		return digits(v, u.Currency)
	case contract.Count:
		return Decimal(v, 0, 0)
	case contract.Points:
		return Decimal(v, 0, 1)
	}
	return Decimal(v, 0, 2)
}

// Day writes a day as people do; one that is none is written as it is.
func Day(d contract.Day) string {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return string(d)
	}
	return t.Format("2 January 2006")
}

// Change returns a difference with its sign; that of ratios is in percentage points.
func (u Unit) Change(v float64) string {
	text := u.Width(math.Abs(v))
	switch {
	case !strings.ContainsAny(text, "123456789"):
		return text // rounds to nothing, which has no sign
	case v > 0:
		return "+" + text
	}
	return Minus + text
}

// Relative returns the change from a baseline to v as a percentage, or "new" for a baseline of zero, from which there
// is none.
func Relative(baseline, v float64) string {
	if baseline == 0 {
		return "new"
	}
	r := (v - baseline) / math.Abs(baseline)
	sign := "+"
	if r < 0 {
		sign, r = Minus, -r
	}
	return sign + Decimal(r, 2, 1) + " %"
}

// Percent returns a share as percent with one decimal.
func Percent(share float64) string { return Decimal(share, 2, 1) + " %" }

// Count returns a whole number with thousands separated.
func Count(n int64) string { return Decimal(float64(n), 0, 0) }

func (u Unit) money(minor float64) string {
	text := digits(minor, u.Currency)
	if u.Currency == "" {
		return text
	}
	return u.Currency + " " + text
}

// digits writes minor units in major ones, with the decimals of the currency; two where it is not known.
func digits(minor float64, code string) string {
	decimals := 2
	if c, err := currency.ParseISO(code); err == nil {
		decimals, _ = currency.Standard.Rounding(c)
	}
	return Decimal(minor, -decimals, decimals)
}

// Decimal returns v times ten to the power of shift with so many decimals, rounded half to even in decimal, thousands
// separated by commas. A number that is none is written as a dash.
func Decimal(v float64, shift, decimals int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "–"
	}
	// The shortest decimal that reads back as v is what a person would have written; rounding its binary form instead
	// would turn 0.1235 into 12.3 %, because no such binary number exists.
	r, _ := new(big.Rat).SetString(strconv.FormatFloat(v, 'f', -1, 64))
	n := roundHalfEven(r.Mul(r, power(shift+decimals)))
	negative := n.Sign() < 0
	digits := n.Abs(n).String()
	for len(digits) <= decimals {
		digits = "0" + digits
	}
	whole, rest := digits[:len(digits)-decimals], digits[len(digits)-decimals:]
	text := grouped(whole)
	if decimals > 0 {
		text += "." + rest
	}
	if negative {
		text = Minus + text
	}
	return text
}

func power(n int) *big.Rat {
	p := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(n, -n))), nil)
	if n < 0 {
		return new(big.Rat).SetFrac(big.NewInt(1), p)
	}
	return new(big.Rat).SetInt(p)
}

func roundHalfEven(r *big.Rat) *big.Int {
	num, den := new(big.Int).Abs(r.Num()), r.Denom()
	q, rest := new(big.Int).QuoRem(num, den, new(big.Int))
	switch rest.Lsh(rest, 1).Cmp(den) {
	case 1:
		q.Add(q, big.NewInt(1))
	case 0:
		q.Add(q, new(big.Int).And(q, big.NewInt(1)))
	}
	if r.Sign() < 0 {
		q.Neg(q)
	}
	return q
}

func grouped(digits string) string {
	var parts []string
	for len(digits) > 3 {
		parts = append([]string{digits[len(digits)-3:]}, parts...)
		digits = digits[:len(digits)-3]
	}
	return strings.Join(append([]string{digits}, parts...), ",")
}
