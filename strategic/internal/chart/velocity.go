package chart

import (
	"fmt"
	"math"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
)

const (
	unsaidLater = 0.1 // of velocity, where no finding says what is allowed
	mostWindows = 26
	roomForTwo  = 260 // names of windows beside one another
	mostAhead   = 6.0 // windows to the flag of the shelf life; one further off stands at the edge
)

// velocity shows closed windows as dots against the baseline, in the band that is allowed, with a flag where the value would
// leave it, were it to go on as it does.
func (d drawing) velocity() bool {
	ws := d.i.Windows[max(0, len(d.i.Windows)-mostWindows):]
	if len(ws) == 0 {
		return false
	}
	band := d.laterBand()
	values := []float64{-1.5 * band, 1.5 * band}
	for _, w := range ws {
		values = append(values, w.Effect-w.Margin, w.Effect+w.Margin)
	}
	low, high := around(values...)
	y := scale{low, high, bottom, top}
	ahead := d.ahead()
	x := scale{0, float64(len(ws)-1) + math.Max(ahead, .5), left + 16, right - 16}
	d.add(Rect{X: left, Y: y.at(band), W: right - left, H: y.at(-band) - y.at(band), Tone: Band, Title: "allowed: " + d.within(band)},
		Line{left, y.at(0), right, y.at(0), thin, Ink, Dashed})
	for n, w := range ws {
		at := x.at(float64(n))
		if n > 0 {
			d.add(Line{x.at(float64(n - 1)), y.at(ws[n-1].Effect), at, y.at(w.Effect), thin, Soft, Dotted})
		}
		shape, tone := placed(w.Effect, w.Margin, band)
		title := fmt.Sprintf("%s: %s", wording.Window(w.Window, d.i.Grain, d.zone), d.effect(w.Effect))
		d.add(Line{at, y.at(w.Effect - w.Margin), at, y.at(w.Effect + w.Margin), bold, tone, Solid}, Dot{at, y.at(w.Effect), radius, tone, shape, title})
	}
	d.velocityLabels(ws, x, y, band)
	d.flag(x, float64(len(ws)-1), ahead)
	return true
}

// laterBand is what is allowed of a later window, in the unit of its effects.
func (d drawing) laterBand() float64 {
	switch {
	case d.f.Band > 0:
		return d.f.Band
	case d.i.Absolute:
		return d.i.Tolerance
	}
	return unsaidLater
}

// ahead is how many windows after the last one the flag stands; 0 for none.
func (d drawing) ahead() float64 {
	if _, ok := wording.ShelfLife(d.i); !ok {
		return 0
	}
	return math.Min(*d.i.ShelfLife, mostAhead)
}

func (d drawing) flag(x scale, last, ahead float64) {
	end, ok := wording.ShelfLife(d.i)
	if !ok {
		return
	}
	at := x.at(last + ahead)
	d.add(Line{at, top, at, bottom, thin, Ink, Dashed}, Rect{X: at - 10, Y: top, W: 10, H: 7, Tone: Ink, Title: "shelf life"})
	d.add(Text{X: math.Min(at, right), Y: top - 5, Size: fontSize, Tone: Ink, Anchor: End, Bold: true, Content: "valid until about " + end.In(d.zone).Format("2 January 2006")})
}

func (d drawing) velocityLabels(ws []contract.Shifted, x, y scale, band float64) {
	last := ws[len(ws)-1]
	than := "baseline"
	if d.i.Kind == contract.ForecastInsight {
		than = "forecast"
	}
	now, base, edge := y.at(last.Effect)+4, y.at(0)+4, y.at(-band)+4
	apart(&now, &base, &edge)
	d.add(Text{X: labels, Y: now, Size: fontSize, Tone: Ink, Bold: true, Content: "last window " + d.effect(last.Effect)})
	d.text(labels, base, Start, Ink, than)
	d.text(labels, edge, Start, Soft, "allowed "+d.within(band))
	for _, v := range []float64{-band, band} {
		d.text(left-8, y.at(v)+4, End, Soft, d.effect(v))
	}
	d.text(left, axis, Start, Soft, wording.Window(ws[0].Window, d.i.Grain, d.zone))
	if n := len(ws) - 1; n > 0 {
		d.text(math.Max(x.at(float64(n)), left+roomForTwo), axis, End, Soft, wording.Window(last.Window, d.i.Grain, d.zone))
	}
}
