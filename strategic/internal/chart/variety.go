package chart

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
)

const (
	nameWidth = 150.0 // of the names of rows
	mostRows  = 8
)

// variety shows by how much the value moves without each format, in the band that is allowed.
func (d drawing) variety() bool {
	fs := telling(d.i.Formats)
	if len(fs) == 0 {
		return false
	}
	band := d.f.Band
	if band <= 0 {
		band = d.i.Tolerance
	}
	values := []float64{-1.3 * band, 1.3 * band}
	for _, f := range fs {
		values = append(values, f.Effect-f.Margin, f.Effect+f.Margin)
	}
	low, high := around(values...)
	x := scale{low, high, nameWidth, right}
	end := top + float64(len(fs))*rowHeight
	d.Height = end + 40
	d.add(Rect{X: x.at(-band), Y: top, W: x.at(band) - x.at(-band), H: end - top, Tone: Band, Title: "allowed: " + d.within(band)},
		Line{x.at(0), top - 4, x.at(0), end + 4, thin, Ink, Dashed})
	for n, f := range fs {
		d.row(f, x, top+float64(n)*rowHeight, band)
	}
	d.target(x, end)
	d.text(x.at(-band), end+20, Middle, Soft, d.effect(-band))
	d.text(x.at(band), end+20, Middle, Soft, d.effect(band))
	d.text(x.at(0), end+20, Middle, Soft, "as it is")
	if more := len(d.i.Formats) - len(fs); more > 0 {
		d.text(nameWidth-12, end+20, End, Soft, "and "+wording.Count(int64(more))+" more")
	}
	return true
}

// telling are the parts that are drawn, in the order in which they came: where there are too many, those on which the decision
// hangs, those that disagree, and those that move the value most.
func telling(all []contract.Left) []contract.Left {
	if len(all) <= mostRows {
		return all
	}
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	weight := func(l contract.Left) float64 {
		switch {
		case l.Tips:
			return math.Inf(1)
		case l.Contradicts:
			return math.MaxFloat64
		}
		return math.Abs(l.Effect) + l.Margin
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(weight(all[b]), weight(all[a])) })
	order = order[:mostRows]
	slices.Sort(order)
	drawn := make([]contract.Left, len(order))
	for i, at := range order {
		drawn[i] = all[at]
	}
	return drawn
}

// target marks where the goal's target lies from the value, if that is within the chart.
func (d drawing) target(x scale, end float64) {
	if d.i.Target == nil || d.i.Rank != nil {
		return
	}
	far := *d.i.Target - d.i.Value
	if !d.i.Absolute {
		far /= math.Abs(d.i.Value)
	}
	if !(far > x.low && far < x.high) {
		return
	}
	d.add(Line{x.at(far), top - 4, x.at(far), end + 4, bold, Warn, Dashed})
	d.text(x.at(far), top-10, Middle, Warn, "target")
}

// part names what is left out, briefly.
func (d drawing) part(f contract.Left) string {
	if d.i.LeftOut == "" {
		return wording.Format(f.Format)
	}
	return strings.ReplaceAll(f.Format, "-q", " Q")
}

// row is one format: its bar, its margin, and what it weighs.
func (d drawing) row(f contract.Left, x scale, y, band float64) {
	middle := y + rowHeight/2
	shape, tone := placed(f.Effect, f.Margin, band)
	from, to := math.Min(x.at(0), x.at(f.Effect)), math.Max(x.at(0), x.at(f.Effect))
	d.text(nameWidth-12, middle+4, End, Ink, "without "+d.part(f))
	d.add(Rect{X: from, Y: middle - 7, W: math.Max(1, to-from), H: 14, Tone: tone, Title: d.effect(f.Effect)},
		Line{x.at(f.Effect - f.Margin), middle, x.at(f.Effect + f.Margin), middle, bold, Ink, Solid}, Dot{x.at(f.Effect), middle, radius, tone, shape, d.effect(f.Effect)})
	d.text(labels, middle-1, Start, Ink, d.effect(f.Effect)+", weighs "+wording.Percent(f.Share))
	if f.Tips {
		d.add(Text{X: labels, Y: middle + 13, Size: fontSize, Tone: Warn, Bold: true, Content: "the decision hangs on it"})
	} else if f.Contradicts {
		d.add(Text{X: labels, Y: middle + 13, Size: fontSize, Tone: Warn, Bold: true, Content: "disagrees: " + d.effect(f.Gap)})
	}
}
