// Package oracle says what the suite must find in a file of orders. It is plain, slow Go over the file, written from the
// published formulas and the blueprint's rules; it imports nothing of the product, so that an error in the product is
// not an error here too. It owns no schedule and no story: a test or the demo asks, and compares.
package oracle

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Order is one line of the file.
type Order struct {
	Customer string
	Day      time.Time // midnight UTC
	Quantity int64
	Cents    int64
}

// Read reads lines of customer, day (20060102 or 2006-01-02), number of items and amount in whole units with up to two
// decimals, separated by commas or white space. A first line whose second field is no day is a heading. Anything else
// that does not fit is an error naming the line.
func Read(r io.Reader) ([]Order, error) {
	var orders []Order
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		fields := strings.FieldsFunc(lines.Text(), func(c rune) bool { return c == ',' || c == ' ' || c == '\t' || c == '\r' })
		if len(fields) == 0 {
			continue
		}
		o, err := parse(fields)
		if err != nil {
			if n == 1 {
				continue
			}
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		orders = append(orders, o)
	}
	return orders, lines.Err()
}

// Line returns the order of a line's four fields; it fails as [Read] does.
func Line(customer, day, items, amount string) (Order, error) {
	return parse([]string{customer, day, items, amount})
}

func parse(f []string) (Order, error) {
	if len(f) != 4 {
		return Order{}, fmt.Errorf("has %d fields, not 4", len(f))
	}
	day, err := time.Parse("20060102", strings.ReplaceAll(f[1], "-", ""))
	if err != nil {
		return Order{}, err
	}
	quantity, err := strconv.ParseInt(f[2], 10, 64)
	if err != nil {
		return Order{}, err
	}
	cents, err := cents(f[3])
	return Order{f[0], day, quantity, cents}, err
}

// cents reads "11.77" without a float in between.
func cents(s string) (int64, error) {
	whole, fraction, _ := strings.Cut(s, ".")
	if len(fraction) > 2 {
		return 0, fmt.Errorf("the amount %s has more than two decimals", s)
	}
	fraction = (fraction + "00")[:2]
	return strconv.ParseInt(whole+fraction, 10, 64)
}
