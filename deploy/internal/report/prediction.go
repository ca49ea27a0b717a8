package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/shared/wording"
)

// Prediction writes what a model tells of all customers together: the whole, its groups, the curve or the grid, and which
// model says so with what it was held against.
func Prediction(out io.Writer, p client.Prediction) {
	u := wording.Unit{Unit: p.Unit, Currency: p.Currency}
	head := Plain(p.Kind) + " as of " + wording.Day(p.AsOf) + ": " + wording.Count(p.N) + " customers"
	if p.Weeks > 0 {
		head += fmt.Sprintf(", %g weeks ahead", p.Weeks)
	}
	if p.Mean != nil {
		head += ", on average " + u.Value(*p.Mean)
		if i := p.Interval; i != nil {
			head += fmt.Sprintf(" (%g %% interval %s to %s)", 100*i.Level, u.Value(i.Low), u.Value(i.High))
		}
	}
	Say(out, "", Sentence(head))
	for _, g := range p.Groups {
		Say(out, "  "+pad(Plain(g.Key)), groupLine(u, g))
	}
	if c := p.Curve; c != nil {
		Say(out, "  "+pad("median"), medianLine(p))
		for _, q := range chosen(c.Points) {
			Say(out, "  "+pad(fmt.Sprintf("%g days", q.Days)), fmt.Sprintf("%s have come back (%s to %s)", wording.Percent(1-q.Not), wording.Percent(1-q.High), wording.Percent(1-q.Low)))
		}
	}
	if p.Retention != nil {
		Say(out, "  "+pad("by month"), "share who bought, by months since the first purchase, from 1 on, few where that tells of too few; the last month is "+p.Retention.Until)
		for _, c := range p.Retention.Cohorts {
			Say(out, "  "+pad(c.Cohort), wording.Count(c.Customers)+" customers: "+shares(c))
		}
	}
	Say(out, "  "+pad("model"), modelLine(p))
}

const labelWidth = 18

func pad(label string) string { return fmt.Sprintf("%-*s ", labelWidth, label) }

func groupLine(u wording.Unit, g client.PredictionGroup) string {
	if g.Customers == nil {
		return "too few to tell"
	}
	line := wording.Count(*g.Customers) + " customers"
	if g.Share != nil {
		line += ", " + wording.Percent(*g.Share)
	}
	if g.Mean != nil {
		line += ", on average " + u.Value(*g.Mean)
	}
	if g.Text != "" {
		line += ": " + g.Text
	}
	return line
}

func medianLine(p client.Prediction) string {
	m := p.Curve.Median
	if m == nil {
		return fmt.Sprintf("fewer than half have come back in the %g days that anybody was watched", p.Curve.Watched)
	}
	line := fmt.Sprintf("half have come back within %g days", m.Days)
	if m.Low != nil && m.High != nil {
		line += fmt.Sprintf(" (%g to %g)", *m.Low, *m.High)
	}
	return line
}

// chosen returns some eight points, the last one among them.
func chosen(all []client.CurvePoint) []client.CurvePoint {
	step := max(1, (len(all)+7)/8)
	var out []client.CurvePoint
	for i := (len(all) - 1) % step; i >= 0 && i < len(all); i += step {
		out = append(out, all[i])
	}
	return out
}

func shares(c client.Cohort) string {
	var cells []string
	for _, a := range c.Active[min(1, len(c.Active)):] {
		if a == nil {
			cells = append(cells, "few")
			continue
		}
		cells = append(cells, wording.Percent(a.Share))
	}
	if len(cells) == 0 {
		return "no month since is over"
	}
	return strings.Join(cells, ", ")
}

func modelLine(p client.Prediction) string {
	m := p.Model
	line := fmt.Sprintf("%s %s, on %s customers", m.Name, m.Version, wording.Count(m.N))
	if m.Fit > 0 {
		line += fmt.Sprintf(", fit %d", m.Fit)
	}
	if m.State != "" {
		line += ", " + Plain(m.State)
	}
	if m.HoldOut.Customers == 0 {
		return line + "; nothing could be held out"
	}
	var measures []string
	for _, name := range slices.Sorted(maps.Keys(m.HoldOut.Measures)) {
		measures = append(measures, fmt.Sprintf("%s %.4g", Plain(name), m.HoldOut.Measures[name]))
	}
	return line + fmt.Sprintf("; held out (%s) %s customers: %s", Plain(m.HoldOut.Design), wording.Count(m.HoldOut.Customers), strings.Join(measures, ", "))
}
