// Package simulate makes the orders of a shop whose truth is known: customers buy as the BG/NBD model says and spend as
// the Gamma-Gamma model says, so that what the suite estimates can be held against what was put in. It owns the drawing
// and the file's form. It does not know what anybody will compute from it.
package simulate

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/strata-crm/strata/shared/fault"
)

// Truth is the parameters that customers are drawn from (Fader, Hardie & Lee 2005; Fader & Hardie 2013). Time is in weeks, money in whole units.
type Truth struct {
	R, Alpha float64 // gamma distribution of the purchase rate while alive
	A, B     float64 // beta distribution of the chance to leave after a purchase
	P        float64 // gamma shape of one purchase's amount
	Q, Gamma float64 // gamma distribution of a customer's rate of the amount
}

// Shop says which shop. Its zero values are filled in by [Default].
type Shop struct {
	Customers int
	Seed      uint64
	First     time.Time // first day, midnight UTC
	Joining   int       // days over which customers make their first purchase
	Last      time.Time // last day
	Truth     Truth
	Zero      float64 // share of orders of no amount
	Twice     float64 // share of orders that come as two identical rows, both real
}

// Default returns eighteen months of a shop whose customers all join in the first quarter.
func Default(customers int, seed uint64) Shop {
	return Shop{
		Customers: customers, Seed: seed, First: day(2024, 1, 1), Joining: 84, Last: day(2025, 6, 30),
		Truth: Truth{R: 1, Alpha: 5, A: .8, B: 2.2, P: 4, Q: 4, Gamma: 20}, Zero: .002, Twice: .004,
	}
}

func day(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC) }

// Check refuses a shop that no model can be fitted to.
func (s Shop) Check() error {
	if s.Customers < 1500 || s.Customers > 1_000_000 {
		return fault.New(fault.Invalid, fault.BadRequest, "a simulated shop has 1,500 to 1,000,000 customers, not %d: with fewer, too few come again for a model to be fitted", s.Customers)
	}
	return nil
}

// How says in a few lines how the shop is simulated.
func (s Shop) How() string {
	t := s.Truth
	return fmt.Sprintf(`%d customers, seed %d. Each first buys on a day drawn evenly from the first %d. From then on, as the BG/NBD model
says, a customer buys at a rate of their own (gamma: r %.2f, alpha %.2f, in weeks) and after each repeat leaves for good
with a chance of their own (beta: a %.2f, b %.2f). Amounts are as the Gamma-Gamma model says (p %.2f, q %.2f, gamma %.2f).
%.1f %% of the orders are of zero amount and %.1f %% come as two identical rows, as in real shops; nothing else is in it.`,
		s.Customers, s.Seed, s.Joining, t.R, t.Alpha, t.A, t.B, t.P, t.Q, t.Gamma, 100*s.Zero, 100*s.Twice)
}

// Order is one line.
type Order struct {
	Customer int
	Day      time.Time
	Items    int
	Cents    int64
}

// Orders draws the shop's orders, by day and customer. The same shop gives the same orders.
func (s Shop) Orders() []Order {
	rng := rand.New(rand.NewPCG(s.Seed, 0x5eed))
	var all []Order
	for c := 1; c <= s.Customers; c++ {
		all = append(all, s.customer(rng, c)...)
	}
	slices.SortStableFunc(all, func(a, b Order) int {
		if c := a.Day.Compare(b.Day); c != 0 {
			return c
		}
		return cmp.Compare(a.Customer, b.Customer)
	})
	return all
}

func (s Shop) customer(rng *rand.Rand, id int) []Order {
	t := s.Truth
	rate, leaving, scale := gamma(rng, t.R)/t.Alpha, beta(rng, t.A, t.B), gamma(rng, t.Q)/t.Gamma
	at := float64(rng.IntN(s.Joining))
	days := s.Last.Sub(s.First).Hours() / 24
	var orders []Order
	for first := true; at <= days; first = false {
		o := Order{Customer: id, Day: s.First.AddDate(0, 0, int(at)), Items: 1 + poisson(rng, .8), Cents: max(1, int64(math.Round(100*gamma(rng, t.P)/scale)))}
		if rng.Float64() < s.Zero {
			o.Cents = 0
		}
		orders = append(orders, o)
		if rng.Float64() < s.Twice {
			orders = append(orders, o)
		}
		if !first && rng.Float64() < leaving { // nobody leaves after the first purchase in this model
			break
		}
		at += 7 * rng.ExpFloat64() / rate
	}
	return orders
}

// gamma draws from the gamma distribution of the shape and scale 1 (Marsaglia & Tsang 2000).
func gamma(rng *rand.Rand, shape float64) float64 {
	if shape < 1 {
		return gamma(rng, shape+1) * math.Pow(rng.Float64(), 1/shape)
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := rng.NormFloat64()
		v := math.Pow(1+c*x, 3)
		if v > 0 && math.Log(1-rng.Float64()) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

func beta(rng *rand.Rand, a, b float64) float64 {
	x, y := gamma(rng, a), gamma(rng, b)
	return x / (x + y)
}

func poisson(rng *rand.Rand, mean float64) int {
	n, p := 0, rng.Float64()
	for limit := math.Exp(-mean); p > limit; n++ {
		p *= rng.Float64()
	}
	return n
}

// Write writes the orders as comma-separated values with a heading.
func Write(w io.Writer, orders []Order) error {
	out := bufio.NewWriter(w)
	_, err := out.WriteString("customer_id,date,items,amount\n")
	for _, o := range orders {
		if err == nil {
			_, err = fmt.Fprintf(out, "s%06d,%s,%d,%d.%02d\n", o.Customer, o.Day.Format(time.DateOnly), o.Items, o.Cents/100, o.Cents%100)
		}
	}
	if err != nil {
		return fmt.Errorf("write the simulated orders: %w", err)
	}
	return out.Flush()
}
