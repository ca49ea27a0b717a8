package page

import (
	"fmt"
	"strings"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
	"github.com/strata-crm/strata/strategic/internal/scorecard"
)

// The chart's size in its own units, and the windows it shows at most.
const (
	chartWidth, chartHeight  = 720.0, 170.0
	chartLeft, chartRight    = 8.0, 150.0
	chartTop, chartBottom    = 14.0, 24.0
	chartWindows             = 24
	targetLabel, valuesLabel = "target ", "baseline "
)

// Chart is the values of the closed windows with their 95 % intervals, the baseline and the target, as SVG coordinates.
type Chart struct {
	Label        string // for who cannot see it
	Line, Band   string // points
	Dots         []Dot
	Target, Base *Rule
	First, Last  string
	Width        float64
	Height       float64
	FirstX       float64
	LastX        float64
	AxisY        float64
	RightX       float64
	LabelX       float64
}

// Dot is one window.
type Dot struct {
	X, Y  float64
	Title string
	Last  bool
}

// Rule is a horizontal line with its label.
type Rule struct {
	Y, TextY float64
	Text     string
}

// scale maps values to the chart's height.
type scale struct{ low, high float64 }

func (s scale) y(v float64) float64 {
	if s.high == s.low {
		return chartHeight / 2
	}
	return round(chartTop + (s.high-v)/(s.high-s.low)*(chartHeight-chartTop-chartBottom))
}

func round(v float64) float64 { return float64(int(v*10+.5)) / 10 }

// chartOf draws the windows as of the state; nil where fewer than two have a value.
func chartOf(in scorecard.Input, s scorecard.State, u wording.Unit) *Chart {
	var ps []contract.Point
	for _, p := range in.Series {
		if p.Closed && p.Value != nil && (in.AsOf.IsZero() || !p.Window.End.After(in.AsOf)) {
			ps = append(ps, p)
		}
	}
	ps = ps[max(0, len(ps)-chartWindows):]
	if len(ps) < 2 {
		return nil
	}
	first, last := ps[0], ps[len(ps)-1]
	c := &Chart{
		First: wording.Window(first.Window, in.Goal.Grain, in.Zone), Last: wording.Window(last.Window, in.Goal.Grain, in.Zone), Width: chartWidth, Height: chartHeight,
		AxisY: chartHeight - 6, RightX: chartWidth - chartRight, LabelX: chartWidth - chartRight + 8,
	}
	c.Label = fmt.Sprintf("Values of %d windows from %s, %s, to %s, %s", len(ps), c.First, u.Value(*first.Value), c.Last, u.Value(*last.Value))
	sc := extent(ps, s)
	c.draw(ps, sc, in, u)
	if s.Target != nil {
		c.Target = &Rule{Y: sc.y(*s.Target), Text: targetLabel + u.Value(*s.Target)}
		c.Label += ", against a target of " + u.Value(*s.Target)
	}
	if s.Baseline != nil {
		c.Base = &Rule{Y: sc.y(s.Baseline.Value), Text: valuesLabel + u.Value(s.Baseline.Value)}
	}
	c.apart()
	return c
}

func extent(ps []contract.Point, s scorecard.State) scale {
	sc := scale{*ps[0].Value, *ps[0].Value}
	add := func(v float64) { sc.low, sc.high = min(sc.low, v), max(sc.high, v) }
	for _, p := range ps {
		add(*p.Value)
		if low, high, ok := scorecard.Interval(p); ok {
			add(low)
			add(high)
		}
	}
	if s.Target != nil {
		add(*s.Target)
	}
	if s.Baseline != nil {
		add(s.Baseline.Value)
	}
	return sc
}

func (c *Chart) draw(ps []contract.Point, sc scale, in scorecard.Input, u wording.Unit) {
	var line, upper, lower []string
	step := (chartWidth - chartLeft - chartRight - 12) / float64(len(ps)-1)
	for i, p := range ps {
		x := round(chartLeft + float64(i)*step)
		line = append(line, fmt.Sprintf("%g,%g", x, sc.y(*p.Value)))
		low, high, ok := scorecard.Interval(p)
		if !ok {
			low, high = *p.Value, *p.Value
		}
		upper = append(upper, fmt.Sprintf("%g,%g", x, sc.y(high)))
		lower = append([]string{fmt.Sprintf("%g,%g", x, sc.y(low))}, lower...)
		c.Dots = append(c.Dots, Dot{x, sc.y(*p.Value), fmt.Sprintf("%s: %s, n %s", wording.Window(p.Window, in.Goal.Grain, in.Zone), plusMinus(p, u), wording.Count(p.N)), i == len(ps)-1})
	}
	c.Line, c.Band = strings.Join(line, " "), strings.Join(append(upper, lower...), " ")
	c.FirstX, c.LastX = c.Dots[0].X, c.Dots[len(ps)-1].X
}

// apart keeps the two labels from lying on each other.
func (c *Chart) apart() {
	const least = 14
	for _, r := range []*Rule{c.Target, c.Base} {
		if r != nil {
			r.TextY = r.Y + 4
		}
	}
	if c.Target == nil || c.Base == nil {
		return
	}
	upper, lower := c.Target, c.Base
	if upper.Y > lower.Y {
		upper, lower = lower, upper
	}
	if gap := lower.TextY - upper.TextY; gap < least {
		upper.TextY -= (least - gap) / 2
		lower.TextY += (least - gap) / 2
	}
}
