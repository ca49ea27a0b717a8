package segment

import (
	"fmt"
	"math"

	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
)

// Trait is something known of a customer that groups are made by, from the closed list below: for each there are words.
type Trait string

// The traits.
const (
	Recency   Trait = "recency"    // days since the last purchase day
	Frequency Trait = "frequency"  // days with a purchase
	Revenue   Trait = "revenue"    // of all purchases, minor units
	MeanSpend Trait = "mean_spend" // revenue of a purchase day, minor units
	Tenure    Trait = "tenure"     // days since the first purchase day
)

// saying is how a trait is read off a history, measured and told. Words take the group's number.
type saying struct {
	of        func(h purchase.History, asOf purchase.Day) float64
	high, low string
	number    func(v float64, currency string) string
	mean      bool // the number told is the mean, not the median: most counts of a group would be the same
}

var sayings = map[Trait]saying{
	Recency: {
		func(h purchase.History, asOf purchase.Day) float64 { return float64(asOf - h.Last()) },
		"not seen for %s", "last seen %s ago", func(v float64, _ string) string { return duration(v) }, false,
	},
	Frequency: {
		func(h purchase.History, _ purchase.Day) float64 { return float64(len(h.Visits)) },
		"buys often, on %s", "buys rarely, on %s", func(v float64, _ string) string { return wording.Decimal(v, 0, 1) + " days" }, true,
	},
	Revenue: {
		func(h purchase.History, _ purchase.Day) float64 { return float64(h.Revenue()) },
		"spends much, %s in all", "spends little, %s in all", money, false,
	},
	MeanSpend: {
		func(h purchase.History, _ purchase.Day) float64 { return float64(h.Revenue()) / float64(len(h.Visits)) },
		"fills a large basket, %s a day", "fills a small basket, %s a day", money, false,
	},
	Tenure: {
		func(h purchase.History, asOf purchase.Day) float64 { return float64(asOf - h.First()) },
		"has been a customer longer than most, for %s", "is a newer customer than most, for %s", func(v float64, _ string) string { return duration(v) }, false,
	},
}

func money(v float64, currency string) string {
	return wording.Unit{Unit: contract.Money, Currency: currency}.Value(v)
}

// duration says days as one would: days to a fortnight, weeks to ten, months to two years.
func duration(days float64) string {
	switch {
	case days < 14:
		return counted(days, "day")
	case days < 70:
		return counted(days/7, "week")
	case days < 730:
		return counted(days/(365.25/12), "month")
	default:
		return counted(days/365.25, "year")
	}
}

func counted(v float64, unit string) string {
	n := math.RoundToEven(v)
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%.0f %ss", n, unit)
}

// Phrase is one trait in which a group differs from all customers.
type Phrase struct {
	Trait   Trait
	Differs float64 // the group's mean less everybody's, in standard deviations of the scale that groups are made on
	Typical float64 // the group's median, or mean for [Frequency], in the trait's unit
	All     float64 // the same of all customers
	Words   string  // such as "buys often, on 7.2 days (all customers 2.9 days)"
}

func (s saying) phrase(t Trait, differs, typical, all float64, currency string) Phrase {
	words := s.high
	if differs < 0 {
		words = s.low
	}
	text := fmt.Sprintf(words, s.number(typical, currency)) + " (all customers " + s.number(all, currency) + ")"
	return Phrase{Trait: t, Differs: differs, Typical: typical, All: all, Words: text}
}
