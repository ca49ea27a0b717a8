package metric

import (
	"slices"

	"github.com/expr-lang/expr/ast"

	"github.com/strata-crm/strata/shared/contract"
)

// Form says how customers' contributions become a metric's value.
type Form string

// The forms.
const (
	Total      Form = "total"      // Num·Σz
	Quotient   Form = "quotient"   // Num·Σz over Den·Σz, times Scale
	Smooth     Form = "smooth"     // another function of Σz, which Program.Of computes
	Percentile Form = "percentile" // of the customers' Values at Level
	Distinct   Form = "distinct"   // how many different Values there are
	Model      Form = "model"      // fitted to the customers' summaries
)

// Shape is how the vectors z that customers contribute become the metric's value.
type Shape struct {
	Form     Form
	Width    int       // of z; 0 where the form needs more than sums
	Num, Den []float64 // a weight per component of z; Den is nil unless the form is Quotient
	Scale    float64   // such as 100 for points
	Level    float64   // of a percentile
	Bounded  bool      // the value has fixed bounds, whatever a customer does: a share or a score of counts
}

// Shape says how z becomes the value.
func (p *Program) Shape() Shape {
	n := len(p.measures)
	s := Shape{Form: Smooth, Width: n, Scale: 1, Bounded: p.bounded()}
	switch {
	case p.c.Metric.Model != nil:
		return Shape{Form: Model, Scale: 1, Bounded: p.c.Metric.Unit == contract.Ratio}
	case p.order != nil && p.order.Distinct:
		return Shape{Form: Distinct, Scale: 1}
	case p.order != nil:
		return Shape{Form: Percentile, Level: p.order.Percentile, Scale: 1}
	case p.ratio:
		s.Form, s.Num, s.Den = Quotient, unit(n, 0), unit(n, 1)
	case p.formula == nil:
		s.Form, s.Num = Total, unit(n, 0)
	default:
		s.linear(p.formula, p.measures)
	}
	return s
}

// Of values sums of contributions; false where the denominator is zero.
func (p *Program) Of(sums []float64) (float64, bool) {
	if p.value == nil || len(sums) != len(p.measures) {
		return 0, false
	}
	return p.value(sums)
}

// bounded reports whether only rows or customers are counted and the unit is one that has bounds.
func (p *Program) bounded() bool {
	counts := !slices.ContainsFunc(p.measures, func(m Measure) bool { return m.Field != "" })
	return counts && (p.c.Metric.Unit == contract.Ratio || p.c.Metric.Unit == contract.Points)
}

func unit(n, at int) []float64 {
	u := make([]float64, n)
	u[at] = 1
	return u
}

// linear sets the form of an expression that is one linear form over another, or one alone.
func (s *Shape) linear(formula ast.Node, ms []Measure) {
	f, ok := fractionOf(formula, ms)
	if !ok || f.num.constant != 0 {
		return
	}
	switch {
	case f.den.constant == 0 && !f.den.flat():
		s.Form, s.Num, s.Den, s.Scale = Quotient, f.num.weights, f.den.weights, 1
	case f.den.flat() && f.den.constant != 0:
		s.Form, s.Num, s.Scale = Total, f.num.weights, 1/f.den.constant
	default:
		return
	}
	s.normalise()
}

// normalise moves what all weights of the numerator share into the scale, so that counts stay counts.
func (s *Shape) normalise() {
	most := 0.0
	for _, w := range s.Num {
		most = max(most, w, -w)
	}
	if most == 0 {
		return
	}
	for i := range s.Num {
		s.Num[i] /= most
	}
	s.Scale *= most
}

// affine is a weighted sum of measures and a constant.
type affine struct {
	weights  []float64
	constant float64
}

func (a affine) flat() bool {
	return !slices.ContainsFunc(a.weights, func(w float64) bool { return w != 0 })
}

func (a affine) plus(b affine, sign float64) affine {
	out := affine{slices.Clone(a.weights), a.constant + sign*b.constant}
	for i, w := range b.weights {
		out.weights[i] += sign * w
	}
	return out
}

func (a affine) times(k float64) affine {
	return affine{make([]float64, len(a.weights)), 0}.plus(a, k)
}

func (a affine) equals(b affine) bool {
	return a.constant == b.constant && slices.Equal(a.weights, b.weights)
}

// fraction is one affine form over another.
type fraction struct{ num, den affine }

// fractionOf reads a formula as a fraction; false if it is none.
func fractionOf(n ast.Node, ms []Measure) (fraction, bool) {
	number := func(x float64) fraction {
		zero := make([]float64, len(ms))
		return fraction{affine{zero, x}, affine{zero, 1}}
	}
	switch n := n.(type) {
	case *ast.IntegerNode:
		return number(float64(n.Value)), true
	case *ast.FloatNode:
		return number(n.Value), true
	case *ast.ConstantNode:
		v, ok := scalar(n.Value).(float64)
		return number(v), ok
	case *ast.IdentifierNode:
		f, at := number(0), slices.IndexFunc(ms, func(m Measure) bool { return m.Name == n.Value })
		if at >= 0 {
			f.num.weights = unit(len(ms), at)
		}
		return f, at >= 0
	case *ast.UnaryNode:
		f, ok := fractionOf(n.Node, ms)
		if n.Operator == "-" {
			f.num = f.num.times(-1)
		}
		return f, ok && (n.Operator == "-" || n.Operator == "+")
	case *ast.BinaryNode:
		a, ok := fractionOf(n.Left, ms)
		b, too := fractionOf(n.Right, ms)
		if !ok || !too {
			return a, false
		}
		return combine(n.Operator, a, b)
	}
	return fraction{}, false
}

func combine(operator string, a, b fraction) (fraction, bool) {
	sign := 1.0
	switch operator {
	case "/":
		b = fraction{b.den, b.num}
		fallthrough
	case "*":
		return product(a, b)
	case "-":
		sign = -1
	case "+":
	default:
		return a, false
	}
	switch { // a number beside a fraction is one over the same
	case a.den.equals(b.den):
	case b.num.flat() && b.den.flat() && b.den.constant != 0:
		b = fraction{a.den.times(b.num.constant / b.den.constant), a.den}
	case a.num.flat() && a.den.flat() && a.den.constant != 0:
		a = fraction{b.den.times(a.num.constant / a.den.constant), b.den}
	default:
		return a, false
	}
	return fraction{a.num.plus(b.num, sign), a.den}, true
}

// product multiplies fractions of which, above and below, one factor is a number.
func product(a, b fraction) (fraction, bool) {
	num, ok := scaled(a.num, b.num)
	den, too := scaled(a.den, b.den)
	return fraction{num, den}, ok && too
}

func scaled(a, b affine) (affine, bool) {
	switch {
	case b.flat():
		return a.times(b.constant), true
	case a.flat():
		return b.times(a.constant), true
	}
	return a, false
}
