package chart

import (
	"fmt"
	"math"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
)

// volume is a funnel: the value and its interval against the customers read, in the band that is allowed around what was
// published.
func (d drawing) volume() bool {
	looks := thinned(d.i.Looks)
	if len(looks) == 0 {
		looks = []contract.Look{{N: d.i.N, Value: d.i.Value, HalfWidth: d.i.HalfWidth}}
	}
	last := looks[len(looks)-1]
	if last.N <= 0 {
		return false
	}
	allowed := d.i.Tolerance
	switch {
	case d.i.Rank != nil: // the ranks that are allowed, as numbers; drawn as wide as the wider side
		allowed = math.Max(d.i.Rank.High-d.i.Published, d.i.Published-d.i.Rank.Low)
	case !d.i.Absolute:
		allowed *= math.Abs(d.i.Published)
	}
	y := d.funnelScale(looks, allowed)
	x := scale{math.Log(float64(max(1, looks[0].N))), math.Log(float64(last.N)), left + 12, right - 12}
	high, low := y.at(d.i.Published+allowed), y.at(d.i.Published-allowed)
	d.add(Rect{X: left, Y: high, W: right - left, H: low - high, Tone: Band, Title: "allowed: " + wording.Tolerance(d.i)},
		Line{left, y.at(d.i.Published), right, y.at(d.i.Published), thin, Ink, Dashed})
	for n, l := range looks {
		at := x.at(math.Log(float64(max(1, l.N))))
		if n > 0 {
			b := looks[n-1]
			from := x.at(math.Log(float64(max(1, b.N))))
			d.add(Line{from, y.at(b.Value + b.HalfWidth), at, y.at(l.Value + l.HalfWidth), thin, Soft, Dotted},
				Line{from, y.at(b.Value - b.HalfWidth), at, y.at(l.Value - l.HalfWidth), thin, Soft, Dotted})
		}
		shape, tone := placed(l.Value-d.i.Published, l.HalfWidth, allowed)
		d.add(Line{at, y.at(l.Value - l.HalfWidth), at, y.at(l.Value + l.HalfWidth), bold, tone, Solid},
			Dot{at, y.at(l.Value), radius, tone, shape, fmt.Sprintf("%s ± %s after %s customers", d.unit().Value(l.Value), d.unit().Bare(l.HalfWidth), wording.Count(l.N))})
	}
	d.volumeLabels(looks, y, allowed)
	return true
}

// funnelScale shows the band and what is near it; the wide mouth of the funnel may end at the edge.
func (d drawing) funnelScale(looks []contract.Look, allowed float64) scale {
	p := d.i.Published
	values := []float64{p - 2*allowed, p + 2*allowed}
	for _, l := range looks {
		values = append(values, l.Value)
	}
	last := looks[len(looks)-1]
	values = append(values, last.Value-last.HalfWidth, last.Value+last.HalfWidth)
	low, high := around(values...)
	return scale{low, high, bottom, top}
}

func (d drawing) volumeLabels(looks []contract.Look, y scale, allowed float64) {
	last := looks[len(looks)-1]
	now, published, edge := y.at(last.Value)+4, y.at(d.i.Published)+4, y.at(d.i.Published-allowed)+4
	apart(&now, &published, &edge)
	d.add(Text{X: labels, Y: now, Size: fontSize, Tone: Ink, Bold: true, Content: "now " + d.unit().Value(last.Value)})
	d.text(labels, published, Start, Ink, "published "+d.unit().Value(d.i.Published))
	d.text(labels, edge, Start, Soft, "allowed "+wording.Tolerance(d.i))
	for _, v := range []float64{d.i.Published - allowed, d.i.Published + allowed} {
		d.text(left-8, y.at(v)+4, End, Soft, d.unit().Bare(v))
	}
	if len(looks) == 1 {
		d.text((left+right)/2, axis, Middle, Soft, "after "+wording.Count(last.N)+" customers")
		return
	}
	d.text(left, axis, Start, Soft, wording.Count(looks[0].N)+" customers read")
	d.text(right, axis, End, Soft, wording.Count(last.N))
}

// thinned returns at most so many looks as can be told apart, the first and the last among them.
func thinned(looks []contract.Look) []contract.Look {
	if len(looks) <= mostLooks {
		return looks
	}
	var kept []contract.Look
	for n := range mostLooks {
		kept = append(kept, looks[n*(len(looks)-1)/(mostLooks-1)])
	}
	return kept
}
