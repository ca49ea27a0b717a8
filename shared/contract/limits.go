package contract

import (
	"math"
	"slices"
)

// Limits returns what lies below and above every value that a unit's metric may come to have, as far as the values seen so
// far tell; infinite where nothing does. A ratio that has never been above one may be a share, which lies within 0 and 1;
// one that has, such as revenue against a year ago, is none. Scores have no limits, and nothing else has ever been below 0
// unless it was seen to: money after refunds may, and so may a change that is written as a ratio. NaN stands for a window
// without a value.
func (u Unit) Limits(seen ...float64) (low, high float64) {
	least, most := math.Inf(1), math.Inf(-1)
	for _, v := range seen {
		if !math.IsNaN(v) {
			least, most = min(least, v), max(most, v)
		}
	}
	switch {
	case u == Points || least < 0:
		return math.Inf(-1), math.Inf(1)
	case u == Ratio && most <= 1:
		return 0, 1
	}
	return 0, math.Inf(1)
}

// Share reports whether the definition alone proves that a value is a share of a whole, and so lies within 0 and 1: those
// who came back, who went on, who are alive, and a part of a count over the whole of it in the same time.
func (d *Definition) Share() bool {
	switch d.Type {
	case RetentionOf, Conversion:
		return true
	case ModelOf:
		return d.Model != nil && d.Model.Output == "share_alive"
	case RatioOf:
		return d.partOfCount()
	}
	return false
}

// Bounded reports whether what one customer adds to a value has bounds as far as the definition tells: only things or customers
// are counted, and the unit is that of shares or scores.
func (d *Definition) Bounded() bool {
	counts := !slices.ContainsFunc(d.Measures, func(m Measure) bool { return m.Field != "" })
	return counts && (d.Unit == Ratio || d.Unit == Points)
}

func (d *Definition) partOfCount() bool {
	measure := func(name string) *Measure {
		if i := slices.IndexFunc(d.Measures, func(m Measure) bool { return m.Name == name }); i >= 0 {
			return &d.Measures[i]
		}
		return nil
	}
	part, whole := measure(d.Numerator), measure(d.Denominator)
	if part == nil || whole == nil || whole.Filter != nil || part.Offset != nil || whole.Offset != nil {
		return false
	}
	counts := part.Agg == CountRows || part.Agg == CountDistinct
	return counts && part.Agg == whole.Agg && part.Entity == whole.Entity && part.Field == whole.Field
}
