package mongostore

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/shared/contract"
)

// This file packs what one identity bought, day by day, into a few bytes a day: numbers as varints, days as what lies
// between them.

// keptDay is a customer-day row without its customer.
type keptDay struct {
	day    int64 // since 1970-01-01
	counts counts
}

// counts are the numbers of a row, by the places below.
type counts [7]int64

const (
	ofOrders = iota
	ofRevenue
	ofUnits
	ofZero
	ofIdentical
	ofAmount
	ofItems
)

// countNames are the fields of rows and of rollups that the places stand for.
var countNames = [len(counts{})]string{"orders", "revenueMinor", "units", "zeroOrders", "identical", "withAmount", "withItems"}

func (c *counts) add(o *counts, sign int64) {
	for i := range c {
		c[i] += sign * o[i]
	}
}

// keptCustomer is what one identity bought, ascending by day.
type keptCustomer struct {
	key  identity.Key
	days []keptDay
}

// appendCustomer packs a customer.
func appendCustomer(b []byte, c *keptCustomer) []byte {
	b = binary.AppendUvarint(b, uint64(len(c.key)))
	b = append(b, c.key...)
	b = binary.AppendUvarint(b, uint64(len(c.days)))
	before := int64(0)
	for i := range c.days {
		d := &c.days[i]
		b = binary.AppendVarint(b, d.day-before)
		before = d.day
		for _, n := range d.counts {
			b = binary.AppendVarint(b, n)
		}
	}
	return b
}

// unpacker reads packed customers one after another.
type unpacker struct {
	b      []byte
	broken bool
}

func (u *unpacker) more() bool { return len(u.b) > 0 && !u.broken }

func (u *unpacker) unsigned() uint64 {
	v, n := binary.Uvarint(u.b)
	if n <= 0 {
		u.broken, u.b = true, nil
		return 0
	}
	u.b = u.b[n:]
	return v
}

func (u *unpacker) signed() int64 {
	v, n := binary.Varint(u.b)
	if n <= 0 {
		u.broken, u.b = true, nil
		return 0
	}
	u.b = u.b[n:]
	return v
}

// next reads a customer into c, whose memory it uses again.
func (u *unpacker) next(c *keptCustomer) error {
	c.key, c.days = "", c.days[:0]
	size := u.unsigned()
	if size > uint64(len(u.b)) {
		u.broken = true
	}
	if !u.broken {
		c.key, u.b = identity.Key(u.b[:size]), u.b[size:]
	}
	before := int64(0)
	for n := u.unsigned(); n > 0 && !u.broken; n-- {
		d := keptDay{day: before + u.signed()}
		before = d.day
		for i := range d.counts {
			d.counts[i] = u.signed()
		}
		c.days = append(c.days, d)
	}
	if u.broken {
		return fmt.Errorf("what is kept of customer %q is damaged", c.key)
	}
	return nil
}

// put replaces the customer's day, or removes it where there is none any more, and returns what was there before.
func (c *keptCustomer) put(day int64, now *counts) (before *counts) {
	i, found := slices.BinarySearchFunc(c.days, day, func(d keptDay, day int64) int { return int(d.day - day) })
	if found {
		old := c.days[i].counts
		before = &old
	}
	switch {
	case found && now != nil:
		c.days[i].counts = *now
	case found:
		c.days = slices.Delete(c.days, i, i+1)
	case now != nil:
		c.days = slices.Insert(c.days, i, keptDay{day, *now})
	}
	return before
}

// until returns how many of the customer's days lie before a day.
func (c *keptCustomer) until(day int64) int {
	i, _ := slices.BinarySearchFunc(c.days, day, func(d keptDay, day int64) int { return int(d.day - day) })
	return i
}

// numberOf returns a day as it is packed.
func numberOf(d contract.Day) (int64, error) {
	parsed, err := contract.ParseDay(string(d))
	if err != nil {
		return 0, fmt.Errorf("day of a row: %w", err)
	}
	return parsed.Start(time.UTC).Unix() / (24 * 60 * 60), nil
}

func dayOfNumber(n int64) contract.Day { return contract.DayOf(time.Unix(n*24*60*60, 0), time.UTC) }

// keptRow reads what is kept of a row as it was stored.
func keptRow(raw bson.Raw) (key identity.Key, day contract.Day, c counts, err error) {
	elements, err := raw.Elements()
	if err != nil {
		return key, day, c, fmt.Errorf("a row: %w", err)
	}
	for _, e := range elements {
		switch name := e.Key(); name {
		case "customer":
			key = identity.Key(e.Value().StringValue())
		case "day":
			day = contract.Day(e.Value().StringValue())
		default:
			if i := slices.Index(countNames[:], name); i >= 0 {
				c[i] = e.Value().AsInt64()
			}
		}
	}
	return key, day, c, nil
}
