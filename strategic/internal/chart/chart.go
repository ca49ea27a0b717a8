package chart

import (
	"math"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
)

// The geometry that all charts share.
const (
	width      = 640.0
	height     = 230.0
	left       = 64.0  // of the plot
	right      = 470.0 // of the plot; labels are beyond
	top        = 18.0
	bottom     = 190.0
	axis       = 212.0 // baseline of what is under the plot
	labels     = 480.0 // where labels beyond the plot begin
	fontSize   = 12.0
	rowHeight  = 34.0
	mostLooks  = 40
	radius     = 4.0
	thin, bold = 1.2, 2.0
)

// Of returns the chart of one of the five questions about an insight.
func Of(q contract.Question, i *contract.Insight, zone *time.Location) Scene {
	s := Scene{Title: wording.Claim(i) + ": " + wording.Asks(q), Desc: wording.Sentence(q, i, zone), Width: width, Height: height}
	d := drawing{&s, i, finding(q, i), zone}
	drawn := false
	if i.State != contract.InsightCandidate {
		switch q {
		case contract.Volume:
			drawn = d.volume()
		case contract.VelocityOf:
			drawn = d.velocity()
		case contract.Variety:
			drawn = d.variety()
		case contract.Variability:
			drawn = d.variability()
		case contract.Veracity:
			drawn = d.veracity()
		}
	}
	if !drawn {
		s.Height, s.Blank = 60, true
		s.add(Text{X: 12, Y: 34, Size: fontSize, Tone: Soft, Content: "There is nothing to draw yet."})
	}
	return s
}

func finding(q contract.Question, i *contract.Insight) contract.Finding {
	for _, f := range i.Findings {
		if f.Question == q {
			return f
		}
	}
	return contract.Finding{}
}

// drawing is one chart in the making.
type drawing struct {
	*Scene
	i    *contract.Insight
	f    contract.Finding
	zone *time.Location
}

func (d drawing) unit() wording.Unit { return wording.Unit{Unit: d.i.Unit, Currency: d.i.Currency} }

func (d drawing) text(x, y float64, a Anchor, t Tone, content string) {
	d.add(Text{X: x, Y: y, Size: fontSize, Tone: t, Anchor: a, Content: content})
}

// effect writes by how much the value moves, with its sign: short, in the unit where the tolerance is.
func (d drawing) effect(v float64) string {
	if d.i.Rank != nil {
		return wording.Effect(d.i, v)
	}
	if !d.i.Absolute {
		return wording.Signed(v)
	}
	text := d.unit().Bare(math.Abs(v))
	switch {
	case text == d.unit().Bare(0):
		return text
	case v < 0:
		return wording.Minus + text
	}
	return "+" + text
}

// within writes a band.
func (d drawing) within(band float64) string {
	if d.i.Rank != nil {
		return "± " + wording.Margin(d.i, band)
	}
	if d.i.Absolute {
		return "± " + d.unit().Bare(band)
	}
	return "± " + wording.Percent(band)
}

// scale maps values to coordinates, and keeps what lies beyond on the edge.
type scale struct{ low, high, from, to float64 }

func (s scale) at(v float64) float64 {
	if s.high == s.low {
		return (s.from + s.to) / 2
	}
	share := (v - s.low) / (s.high - s.low)
	return s.from + math.Max(0, math.Min(1, share))*(s.to-s.from)
}

// around returns the limits of values, a little wider than they are.
func around(values ...float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			low, high = math.Min(low, v), math.Max(high, v)
		}
	}
	pad := (high - low) * .06
	if pad == 0 {
		pad = math.Max(math.Abs(high)*.1, 1e-9)
	}
	return low - pad, high + pad
}

// placed returns how a value with a margin lies to a band around the middle: inside, uncertain or outside.
func placed(v, margin, band float64) (Shape, Tone) {
	v = math.Abs(v)
	switch {
	case v+margin <= band:
		return Circle, Accent
	case v-margin > band:
		return Diamond, Bad
	}
	return Triangle, Warn
}

// apart moves labels that would lie on one another down, in order of their place.
func apart(ys ...*float64) {
	const least = 15
	for n := 1; n < len(ys); n++ {
		for m := n; m > 0 && *ys[m] < *ys[m-1]; m-- {
			ys[m], ys[m-1] = ys[m-1], ys[m]
		}
	}
	for n := 1; n < len(ys); n++ {
		if gap := *ys[n] - *ys[n-1]; gap < least {
			*ys[n] += least - gap
		}
	}
}
