package chart

import (
	"math"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
)

// scaleOfError is the error up to which the tipping point is shown to scale; one beyond stands at the edge.
const scaleOfError = 2.0

// veracity shows how much comes from unknown sources, and by how much they would have to be wrong to change the conclusion.
func (d drawing) veracity() bool {
	u := d.i.Unknown
	if u == nil {
		if d.i.Verdicts.Veracity != contract.Holds {
			return false
		}
		u = &contract.Unverified{}
	}
	x := scale{0, 1, nameWidth, right}
	known := math.Max(0, math.Min(1, 1-u.Share))
	middle := d.bar("sources", known, x, top, Accent)
	d.add(Rect{X: x.at(known), Y: middle - 9, W: x.at(1) - x.at(known), H: 18, Tone: Warn, Outline: true, Dash: Dashed, Title: "unknown: " + wording.Percent(u.Share)})
	d.text(labels, middle+4, Start, Ink, "unknown "+wording.Percent(u.Share))
	d.Height = 80
	if u.Tipping == nil || math.IsInf(*u.Tipping, 0) || math.IsNaN(*u.Tipping) {
		return true
	}
	d.Height = 150
	d.tipping(*u.Tipping, top+2*rowHeight)
	return true
}

// tipping marks the error at which the conclusion changes on a scale of errors, of which those up to 100 % are plausible.
func (d drawing) tipping(tip, y float64) {
	x := scale{0, scaleOfError, nameWidth, right}
	d.text(nameWidth-12, y+4, End, Ink, "wrong by")
	d.add(Rect{X: x.at(0), Y: y - 8, W: x.at(1) - x.at(0), H: 16, Tone: Band, Title: "plausible"}, Line{nameWidth, y, right, y, thin, Soft, Solid},
		Line{x.at(tip), y - 14, x.at(tip), y + 10, bold, Ink, Dashed})
	shape, tone := Circle, Accent
	if tip < 1 {
		shape, tone = Triangle, Warn
	}
	d.add(Dot{x.at(tip), y, radius + 1, tone, shape, wording.Percent(tip)})
	said := "tips at " + wording.Percent(tip)
	if tip > scaleOfError {
		said = "tips beyond " + wording.Percent(scaleOfError)
	}
	d.add(Text{X: labels, Y: y - 1, Size: fontSize, Tone: Ink, Bold: true, Content: said})
	d.text(labels, y+14, Start, Soft, "the conclusion changes")
	if cross := d.i.Unknown.ToTarget; cross != nil && *cross < scaleOfError {
		d.add(Line{x.at(*cross), y - 14, x.at(*cross), y + 10, bold, Warn, Dashed})
		d.text(x.at(*cross), y-18, Middle, Warn, "target")
	}
	for _, v := range []float64{0, 1, scaleOfError} {
		d.text(x.at(v), y+27, Middle, Soft, wording.Percent(v))
	}
}
