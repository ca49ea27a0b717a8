package insight

import (
	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/model"
	"github.com/strata-crm/strata/shared/contract"
)

// named is what every message about the claim says.
func named(d *contract.OperationalDirective, o *contract.InsightOrder) contract.Insight {
	i := contract.Insight{ID: o.ID, Directive: d.ID, Strategic: d.Strategic, Goal: d.Goal, Metric: o.Metric.ID, Version: o.Metric.Version,
		State: contract.InsightCandidate, Unit: o.Metric.Unit, Tolerance: o.Tolerance, Kind: o.Kind, Scope: o.Scope, Against: o.Against,
		Grain: o.Grain, Absolute: o.Absolute, Verdicts: undecided()}
	if o.Metric.Unit == contract.Money {
		i.Currency = d.Currency
	}
	return i
}

func undecided() contract.Verdicts {
	const none = contract.NotEnoughData
	return contract.Verdicts{Volume: none, Velocity: none, Variety: none, Variability: none, Veracity: none}
}

// dress tells what a look found.
func (l *look) dress(c *claim, at metric.Span, line model.Line) contract.Insight {
	i := named(c.directive, c.order)
	i.Tolerance, i.Absolute = c.tolerance.Size, c.tolerance.Absolute
	i.AsOf = at.Until.Start(c.zone).UTC()
	if l.now.N >= smallestGroup {
		i.N, i.Of = l.now.N, max(l.now.N, l.now.Of)
	}
	s := l.st.Standing
	if s == nil {
		i.Withheld = l.withheld
		return i
	}
	i.State = contract.InsightPublished
	if s.Republished > 0 {
		i.State = contract.InsightRepublished
	}
	i.Published, i.Value, i.HalfWidth, i.Republished, i.Verdicts = s.Published, finite(l.now.Value), finite(l.half), s.Republished, s.Verdicts
	i.PublishedAt, i.Group, i.Findings, i.Looks, i.Windows = l.st.PublishedAt, l.st.Group, l.findings, l.looks, l.st.Windows
	i.Formats, i.Tail, i.Unknown, i.AboveCap, i.Model = l.formats, l.tail, l.unknown, l.aboveCap, l.model
	i.Base, i.LeftOut, i.Bounded = l.st.Base, l.leftOut, &l.now.Bounded
	if n := len(l.st.Anew); n > 0 {
		i.Anew = l.st.Anew[n-1].Why
	}
	if c.target != nil && l.st.Cap == nil { // a capped value is not what the goal wants to be there
		i.Target, i.Direction = c.target, c.order.Aim.Direction
	}
	if i.LeftOut == contract.ByFormat {
		i.LeftOut = ""
	}
	if l.st.Rank != nil {
		i.Published, i.Value, i.Rank = l.st.Rank.Published, l.number, l.st.Rank
	}
	if w := over(c, l, at); w != nil {
		window := w.Window(c.zone)
		i.Window = &window
	}
	if l.st.Cap != nil {
		most := float64(*l.st.Cap) * c.scale
		i.Cap = &most
	}
	i.ShelfLife = l.st.Later.shelfLife()
	if i.Model != nil {
		restsOn(i.Model, line.AsOf(i.AsOf), l.st.Fit)
	}
	return i
}

// over is the window that the value is over; nil for all history up to the look.
func over(c *claim, l *look, at metric.Span) *metric.Span {
	switch {
	case c.pinned():
		return &l.st.At
	case !c.fitted() && c.windowed():
		over := c.programs[0].Over(at)
		return &over
	}
	return nil
}

// restsOn says which fit a claim rests on, and what its claims have made of it; of one that was replaced since, what they had.
func restsOn(m *contract.ModelFit, line model.Line, fit int) {
	m.Version, m.State = btyd.Version, contract.ModelShadow
	for i := range line {
		if f := &line[i]; f.Number == fit {
			m.Fit, m.State, m.HoldOut = f.Number, f.Stood(), f.Latest().HoldOut
		}
	}
}
