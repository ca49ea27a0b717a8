package orderfile

import (
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"strings"

	"github.com/strata-crm/strata/shared/fault"
)

var (
	decimal  = regexp.MustCompile(`^-?(0|[1-9]\d*)(\.\d+)?$`)
	loose    = regexp.MustCompile(`^-?(\d+\.?\d*|\.\d+)$`)
	exponent = regexp.MustCompile(`^-?\d+(\.\d+)?[eE][+-]?\d+$`)
	grouped  = regexp.MustCompile(`^-?\d{1,3}([, '’\x{a0}\x{202f}]\d{3})+(\.\d+)?$`)
)

// number keeps a decimal as it is written, so that no float comes between file and cent. What is none stays text, and is
// answered as such.
func number(text string) any {
	if decimal.MatchString(text) {
		return json.Number(text)
	}
	return text
}

// decimals reads numbers as a file writes them: with a decimal point unless a comma is said. Marks between thousands are
// taken out only where the decimal mark is said, as 1,234 may be either.
type decimals struct{ said, comma bool }

func decimalsOf(name string) (decimals, error) {
	switch name {
	case "", "point", "comma":
		return decimals{said: name != "", comma: name == "comma"}, nil
	}
	return decimals{}, fault.New(fault.Invalid, fault.BadRequest, "the decimal mark %q is none: say point or comma", name)
}

// read returns the number as JSON writes it. Zeros behind a second decimal are taken off; no other digit is.
func (d decimals) read(text string) (string, error) {
	plain := strings.TrimPrefix(strings.ReplaceAll(text, "−", "-"), "+")
	if d.comma {
		plain = strings.NewReplacer(".", ",", ",", ".").Replace(plain)
	}
	if d.said && grouped.MatchString(plain) {
		plain = strings.Map(func(r rune) rune {
			if strings.ContainsRune(", '’\u00a0\u202f", r) {
				return -1
			}
			return r
		}, plain)
	}
	switch {
	case decimal.MatchString(plain):
		return short(plain), nil
	case loose.MatchString(plain):
		return short(canonical(plain)), nil
	case exponent.MatchString(plain):
		return plain, nil
	}
	if d.comma {
		return text, fmt.Errorf("%q is not a number such as 1.234,50 or 1234,50: take signs of currencies and words out", text)
	}
	return text, fmt.Errorf("%q is not a number such as 1234.50: take signs of currencies and words out; say --decimal comma for 1.234,50, and --decimal point for 1,234.50", text)
}

// canonical writes 007.5, .5 and 5. as JSON takes them.
func canonical(plain string) string {
	sign, rest := "", plain
	if strings.HasPrefix(rest, "-") {
		sign, rest = "-", rest[1:]
	}
	whole, fraction, _ := strings.Cut(rest, ".")
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	return sign + whole + fraction
}

// short takes the zeros behind the second decimal off.
func short(plain string) string {
	whole, fraction, _ := strings.Cut(plain, ".")
	if len(fraction) <= 2 {
		return plain
	}
	rest := strings.TrimRight(fraction[2:], "0")
	return whole + "." + fraction[:2] + rest
}

// whole takes a fraction of nothing but zeros off, as spreadsheets write counts.
func whole(plain string) string {
	n, fraction, ok := strings.Cut(plain, ".")
	if ok && strings.Trim(fraction, "0") == "" {
		return n
	}
	return plain
}

// times multiplies two decimals exactly.
func times(a, b string) (string, error) {
	x, ok := new(big.Rat).SetString(a)
	y, also := new(big.Rat).SetString(b)
	if !ok || !also {
		return "", fmt.Errorf("%q times %q is no amount", a, b)
	}
	product := x.Mul(x, y)
	digits, exact := product.FloatPrec()
	if !exact {
		return "", fmt.Errorf("%q times %q is no amount", a, b)
	}
	return product.FloatString(digits), nil
}
