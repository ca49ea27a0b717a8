package chart

import (
	"math"

	"github.com/strata-crm/strata/shared/wording"
)

const (
	tailLimit   = 0.15 // by which the value may fall without the top 1 % of contributors
	spreadLimit = 2.0  // times the baseline's
	spreadEnd   = 4.0  // of the dial
)

// variability shows the value with and without the top 1 % of contributors, and a dial of the spread.
func (d drawing) variability() bool {
	t := d.i.Tail
	if t == nil {
		return false
	}
	x := scale{0, 1, nameWidth, right}
	d.Height = 190
	limit := x.at(1 - tailLimit)
	d.bar("with everybody", 1, x, top, Accent)
	without := math.Max(0, 1-t.Fall)
	_, tone := placed(t.Fall, t.Margin, tailLimit)
	middle := d.bar("without the top 1 %", without, x, top+rowHeight, tone)
	d.add(Line{x.at(without - t.Margin), middle, x.at(without + t.Margin), middle, bold, Ink, Solid},
		Line{limit, top - 6, limit, top + 2*rowHeight + 4, 3 * thin, Paper, Solid}, // so that the limit is seen on a bar
		Line{limit, top - 6, limit, top + 2*rowHeight + 4, thin, Ink, Dashed})
	d.text(labels, top+rowHeight/2+4, Start, Ink, wording.InsightValue(d.i))
	d.text(labels, middle-1, Start, Ink, wording.Minus+wording.Percent(t.Fall))
	d.text(labels, middle+13, Start, Soft, "of "+wording.Count(t.Customers)+" customers")
	d.text(limit, top+2*rowHeight+18, Middle, Soft, "at most "+wording.Minus+wording.Percent(tailLimit))
	if t.Spread != nil && *t.Spread > 0 {
		d.dial(*t.Spread, top+3*rowHeight+16)
	}
	return true
}

// bar is a share of the whole with its name; it returns its middle.
func (d drawing) bar(name string, share float64, x scale, y float64, tone Tone) float64 {
	middle := y + rowHeight/2
	d.text(nameWidth-12, middle+4, End, Ink, name)
	d.add(Rect{X: x.at(0), Y: middle - 9, W: x.at(share) - x.at(0), H: 18, Tone: tone, Title: wording.Percent(share)})
	return middle
}

// dial shows the spread of the last window as a multiple of the baseline's, between half and twice of which is allowed.
func (d drawing) dial(spread, y float64) {
	x := scale{math.Log(1 / spreadEnd), math.Log(spreadEnd), nameWidth, right}
	d.text(nameWidth-12, y+4, End, Ink, "spread")
	from, to := x.at(math.Log(1/spreadLimit)), x.at(math.Log(spreadLimit))
	d.add(Rect{X: from, Y: y - 8, W: to - from, H: 16, Tone: Band, Title: "allowed: ×0.5 to ×2"}, Line{nameWidth, y, right, y, thin, Soft, Solid},
		Line{x.at(0), y - 10, x.at(0), y + 10, thin, Ink, Dashed})
	shape, tone := placed(math.Log(spread), 0, math.Log(spreadLimit))
	d.add(Dot{x.at(math.Log(spread)), y, radius + 1, tone, shape, "×" + wording.Decimal(spread, 0, 1)})
	d.text(labels, y+4, Start, Ink, "×"+wording.Decimal(spread, 0, 1))
	for _, at := range []struct {
		v    float64
		text string
	}{{1 / spreadLimit, "half"}, {1, "as before"}, {spreadLimit, "twice"}} {
		d.text(x.at(math.Log(at.v)), y+25, Middle, Soft, at.text)
	}
}
