package insight

import (
	"math"
	"slices"
	"time"

	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/model"
	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// claim is an order made ready: what to ask of each customer, and how the answers become its value.
type claim struct {
	directive *contract.OperationalDirective
	order     *contract.InsightOrder
	programs  []*metric.Program // one, or one per group of a difference
	shape     metric.Shape
	calendar  metric.Calendar
	zone      *time.Location
	arrived   func(metric.Span) float64 // see completeness
	early     bool                      // too little has come of what the value is of for Volume to be judged by it
	kept      contract.Day              // the first day from which on no facts have expired; "" where none have at all
	num, den  []int64                   // weights of a customer's vector, of a quotient
	scale     float64                   // of Σnum/Σden; for a total, of the mean over the base
	form      form
	target    *float64 // of the goal
	base      *float64 // what a difference is from, where the tolerance is a share of that
	quantile  *float64 // of a percentile, that the shares are taken below
	tolerance validity.Tolerance
	later     float64
	entity    contract.Entity
	fixed     bool // the vectors are no whole numbers: they are taken in units of 2^-20
}

// prepare makes an order ready, or says why it cannot be examined.
func prepare(d *contract.OperationalDirective, o *contract.InsightOrder, cal metric.Calendar, zone *time.Location) (*claim, *contract.Reason) {
	c := &claim{directive: d, order: o, calendar: cal, zone: zone, tolerance: validity.Tolerance{Size: o.Tolerance, Absolute: o.Absolute}, later: o.LaterTolerance}
	if !(c.later > 0) {
		c.later = defaultLater
	}
	scopes := []*contract.Condition{o.Scope}
	if o.Kind == contract.DifferenceInsight {
		scopes = append(scopes, o.Against)
	}
	for _, scope := range scopes {
		p, why := metric.Compile(&contract.Computation{Metric: scoping(o.Metric), Scope: scope, Grain: o.Grain, Until: o.Until}, cal)
		if why != nil {
			return nil, why
		}
		c.programs = append(c.programs, p)
	}
	c.shape = c.programs[0].Shape()
	c.entity = entityOf(&o.Metric)
	return c, c.check()
}

// scoping is the definition by which customers are selected: of a model that no metric is made of, that of one that is.
func scoping(d contract.Definition) contract.Definition {
	if d.Model != nil && d.Model.Output == outputPurchases {
		d.Model = &contract.ModelSpec{Name: "mbg_nbd", Output: outputAlive}
	}
	return d
}

// The defaults where an order says nothing.
const (
	defaultLater    = .10 // relative, of velocity
	defaultRelative = .05
	defaultPoints   = 5
)

// check completes the claim by what its shape allows.
func (c *claim) check() *contract.Reason {
	if !(c.tolerance.Size > 0) {
		c.tolerance = validity.Tolerance{Size: defaultRelative}
		if c.order.Metric.Unit == contract.Points {
			c.tolerance = validity.Tolerance{Size: defaultPoints, Absolute: true}
		}
	}
	kind := c.order.Kind
	what := string(kind) + "." + string(c.shape.Form)
	switch model := c.shape.Form == metric.Model; {
	case kind == contract.ForecastInsight && !model, model && (kind == contract.LevelInsight || kind == contract.MoverInsight):
		return unsupported(what)
	case model:
		return checkForecast(c.order.Metric.Model)
	case kind == contract.MoverInsight && (c.order.Metric.Dimension == "" || c.shape.Form != metric.Quotient):
		return unsupported(what)
	case c.grows():
		return unsupported(string(kind) + ".to_date")
	case c.shape.Form == metric.Distinct:
		return unsupported(what) // of values that nobody read a sample says nothing
	case c.shape.Form == metric.Percentile && kind != contract.LevelInsight:
		return unsupported(what) // the statement is about ranks, and those of two groups have no difference
	}
	c.figure()
	return nil
}

// figure chooses how sums become the value, in whole numbers where the weights allow it.
func (c *claim) figure() {
	c.form.double = c.double()
	switch c.shape.Form {
	case metric.Percentile:
		c.form.figure, c.tolerance = rank{c.shape.Level}, c.ranks()
	case metric.Quotient, metric.Total:
		if c.weigh() {
			c.form.figure = quotient{c.scale}
			return
		}
		fallthrough
	default:
		unit := 1.
		if c.fixed = fractional(&c.order.Metric, c.entity); c.fixed {
			unit = validity.Float(1)
		}
		c.form.figure = smooth{f: c.programs[0].Of, components: c.shape.Width, customers: unit}
	}
}

// levelled takes a tolerance that was ordered as a share of what a difference is from.
func (c *claim) levelled(base float64) {
	if c.order.OfLevel && c.double() && !math.IsNaN(base) {
		size := c.order.Tolerance
		if !(size > 0) {
			size = defaultRelative
		}
		c.base, c.tolerance = &base, validity.Tolerance{Size: size * math.Abs(base), Absolute: true}
	}
}

// subject is what the fits of a forecast's model are about.
func (c *claim) subject() model.Subject {
	return model.Subject{Model: c.order.Metric.Model.Name, Scope: c.order.Scope}
}

func unsupported(what string) *contract.Reason {
	return &contract.Reason{Code: fault.UnsupportedFeature, Item: "insight." + what}
}

// weigh turns the shape's weights into whole numbers, so that sums over customers are exact; false if it cannot.
func (c *claim) weigh() bool {
	var numScale, denScale float64
	var ok, too bool
	c.num, numScale, ok = whole(c.shape.Num)
	c.den, denScale, too = nil, 1, true
	if c.shape.Form == metric.Quotient {
		c.den, denScale, too = whole(c.shape.Den)
	}
	if !ok || !too {
		return false
	}
	c.scale = c.shape.Scale * denScale / numScale
	c.fixed = fractional(&c.order.Metric, c.entity)
	if c.fixed && c.den == nil {
		c.scale = c.scale * validity.Float(1)
	}
	return true
}

// whole multiplies weights until they are whole numbers.
func whole(w []float64) (out []int64, by float64, ok bool) {
	for _, by := range []float64{1, 2, 4, 5, 8, 10, 100, 1000} {
		if !slices.ContainsFunc(w, func(x float64) bool { return math.Abs(x*by-math.Round(x*by)) > 1e-9 }) {
			for _, x := range w {
				out = append(out, int64(math.Round(x*by)))
			}
			return out, by, true
		}
	}
	return nil, 0, false
}

// fractional reports whether customers may add numbers that are not whole: scores of answers and values of profiles.
func fractional(d *contract.Definition, e contract.Entity) bool {
	return (e == contract.Answer || e == contract.Profile) && slices.ContainsFunc(d.Measures, func(m contract.Measure) bool {
		return m.Agg == contract.Sum || m.Agg == contract.Average
	})
}

// entityOf returns what the metric's rows are. A retention and a model rest on customers' histories.
func entityOf(d *contract.Definition) contract.Entity {
	if len(d.Measures) == 0 {
		return contract.Customer
	}
	return d.Measures[0].Entity
}

// double reports whether the value is a difference of two.
func (c *claim) double() bool {
	return c.order.Kind != contract.LevelInsight && c.order.Kind != contract.ForecastInsight
}

// fitted reports whether the value is a model's.
func (c *claim) fitted() bool { return c.shape.Form == metric.Model }

// bounded reports whether the value has fixed bounds, whatever one customer does.
func (c *claim) bounded() bool {
	return c.shape.Bounded && !c.curved() || c.ranked()
}

// curved reports whether the value is another function of sums than a quotient.
func (c *claim) curved() bool { _, is := c.form.figure.(smooth); return is }

// pinned reports whether the claim is about the windows of its publication for ever, and not about the latest one.
func (c *claim) pinned() bool {
	return c.order.Kind == contract.ChangeInsight || c.order.Kind == contract.MoverInsight
}

// total reports whether the value is a sum over customers.
func (c *claim) total() bool { return c.shape.Form == metric.Total && !c.curved() }

// money reports whether customers add money.
func (c *claim) money() bool { return c.order.Metric.Unit == contract.Money }

// capped reports whether what customers add may be bounded by a cap: money that is summed.
func (c *claim) capped() bool {
	_, is := c.form.figure.(quotient)
	return is && c.money()
}

// windowed reports whether the value is over a window, rather than over everything up to its end.
func (c *claim) windowed() bool {
	d := &c.order.Metric
	switch {
	case d.Type == contract.Cumulative:
		return d.Cumulative != nil && d.Cumulative.Days > 0
	case c.entity == contract.Profile:
		return false
	case c.byRow(), d.Type == contract.RetentionOf, d.Type == contract.Conversion:
		return true
	}
	for i := range d.Measures {
		if periodic(d.Measures[i].Field) || asksPeriod(d.Measures[i].Filter) {
			return true
		}
	}
	return asksPeriod(d.Filter)
}

// grows reports whether the value grows by itself as time goes on, so that every claim that it stands must fall: what is summed over
// all history, or whatever is taken since a year or another period began.
func (c *claim) grows() bool {
	d := &c.order.Metric
	return d.Cumulative != nil && d.Cumulative.ToDate != "" || c.shape.Form == metric.Total && !c.windowed()
}

// periodic reports whether a field of a customer's history is about the window.
func periodic(field string) bool {
	return field == "new" || field == "active" || field == "active_before"
}

func asksPeriod(c *contract.Condition) bool {
	if c == nil {
		return false
	}
	asks := func(o contract.Condition) bool { return asksPeriod(&o) }
	return periodic(c.Field) || slices.ContainsFunc(c.All, asks) || slices.ContainsFunc(c.Any, asks) || asksPeriod(c.Not)
}

// byRow reports whether every row belongs to a day, so that windows may have any length.
func (c *claim) byRow() bool { return c.entity == contract.CustomerDay || c.entity == contract.Answer }

// divisible reports whether the metric means the same over a window of another length than its grain.
func (c *claim) divisible() bool {
	d := &c.order.Metric
	offset := slices.ContainsFunc(d.Measures, func(m contract.Measure) bool { return m.Offset != nil })
	return c.byRow() && !offset && d.Type != contract.Cumulative && d.Type != contract.Conversion && !c.pinned()
}

// rests reports on which facts the claim rests.
func (c *claim) rests(k fact.Kind) bool {
	switch c.entity {
	case contract.Answer:
		return k == fact.Answer
	case contract.Profile:
		return false
	}
	return k == fact.Order
}

// values returns the parameters of the profile that the claim rests on.
func (c *claim) values() []contract.ParameterName {
	if c.entity != contract.Profile {
		return []contract.ParameterName{}
	}
	return c.order.Metric.Parameters
}

// term is what a customer adds to one of the claim's quotients in a window, and their key of its dimension.
func (c *claim) term(s *metric.Subject, program int, at metric.Span) (t term, key string, err error) {
	if c.ranked() {
		return placed(c.quantile, values(c.programs[program], s, at)), "", nil
	}
	z, key, in := c.programs[program].Contribution(s, at)
	if c.total() {
		t.Den = 1
	}
	if !in {
		return t, key, nil
	}
	for i, x := range z {
		units := int64(math.Round(x))
		if c.fixed {
			if units, err = validity.Fixed(x); err != nil {
				return t, key, err
			}
		}
		t.add(c, i, units)
	}
	return t, key, nil
}

// add adds what component i of a customer's vector is worth.
func (t *term) add(c *claim, i int, units int64) {
	switch {
	case !c.curved():
		t.Num += c.num[i] * units
		if c.den != nil {
			t.Den += c.den[i] * units
		}
	case i == 0:
		t.Num = units
	case i == 1:
		t.Den = units
	default:
		t.more = append(t.more, units)
	}
}

// spans are the windows that the value's quotients are over.
func (c *claim) spans(at metric.Span) []metric.Span {
	switch {
	case c.pinned():
		return []metric.Span{at, c.calendar.Previous(c.order.Grain, at)}
	case c.double():
		return []metric.Span{at, at}
	}
	return []metric.Span{at}
}

// program says which program a quotient is of.
func (c *claim) program(quotient int) int { return min(quotient, len(c.programs)-1) }

// nothing is what a customer without facts adds.
func (c *claim) nothing() []term {
	t := term{}
	if c.total() {
		t.Den = 1
	}
	if c.double() {
		return []term{t, t}
	}
	return []term{t}
}
