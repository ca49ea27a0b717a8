package expr

import (
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// PercentileSpec is a checked $percentile or $median.
type PercentileSpec struct {
	Input  Expr
	P      []float64
	Median bool
}

// ParsePercentile checks {input, p, method} of $percentile and {input, method} of $median. The only method is "approximate".
func ParsePercentile(name string, arg bson.RawValue, s *Scope) (*PercentileSpec, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(7436100, "specification must be an object; found %s", TypeName(arg))
	}
	fields := []string{"input", "method", "p"}
	if name == "$median" {
		fields = fields[:2]
	}
	f, err := rawFields(arg, 40415, "BSON field '"+name+".%s' is an unknown field.", fields...)
	if err != nil {
		return nil, err
	}
	for i, v := range f {
		if bsonx.IsMissing(v) {
			return nil, mongoerr.New(40414, "BSON field '%s.%s' is missing but a required field", name, fields[i])
		}
	}
	if f[1].Type != bson.TypeString {
		return nil, mongoerr.New(14, "BSON field '%s.method' is the wrong type '%s', expected type 'string'", name, TypeName(f[1]))
	}
	if m := stringOf(f[1]); m != "approximate" {
		return nil, mongoerr.New(2, "Currently only 'approximate' can be used as percentile 'method', found %s", m)
	}
	spec := &PercentileSpec{P: []float64{0.5}, Median: name == "$median"}
	if spec.Input, err = compile(f[0], s); err != nil || spec.Median {
		return spec, err
	}
	p, err := compile(f[2], s)
	if err != nil {
		return nil, err
	}
	spec.P, err = percentiles(p)
	return spec, err
}

func percentiles(p Expr) ([]float64, error) {
	c, ok := p.(constant)
	if !ok {
		return nil, mongoerr.New(7750300, "The $percentile 'p' field must be an array of constant values")
	}
	if c.v.Type != bson.TypeArray || len(bsonx.Values(c.v)) == 0 {
		return nil, mongoerr.New(7750301, "The $percentile 'p' field must be a non-empty array of numbers from [0.0, 1.0] range, but found: %s", TypeName(c.v))
	}
	var out []float64
	for _, v := range bsonx.Values(c.v) {
		f, ok := bsonx.FloatOf(v)
		if !ok {
			return nil, mongoerr.New(7750302, "The $percentile 'p' field must be an array of numbers from [0.0, 1.0] range, but found: %s", TypeName(v))
		}
		if !(f >= 0 && f <= 1) {
			return nil, mongoerr.New(7750303, "The $percentile 'p' field must be an array of numbers from [0.0, 1.0] range, but found: %v", f)
		}
		out = append(out, f)
	}
	return out, nil
}

// Compute answers the percentiles of the values, each the value at the rank ceil(p*n): an element, never interpolated. values is sorted in place.
func (s *PercentileSpec) Compute(values []float64) bson.RawValue {
	slices.Sort(values)
	out := make([]bson.RawValue, len(s.P))
	for i, p := range s.P {
		out[i] = bsonx.Null
		if n := len(values); n > 0 {
			rank := int(math.Ceil(p*float64(n))) - 1
			out[i] = bsonx.Double(values[min(max(rank, 0), n-1)])
		}
	}
	if s.Median {
		return out[0]
	}
	return bsonx.ArrayOf(out...)
}

type percentileNode struct{ spec *PercentileSpec }

func (n *percentileNode) Eval(env *Env, doc bson.Raw) (bson.RawValue, error) {
	v, err := n.spec.Input.Eval(env, doc)
	if err != nil {
		return bsonx.Missing, err
	}
	var values []float64
	for _, item := range spread([]bson.RawValue{v}) {
		if f, ok := bsonx.FloatOf(item); ok && !math.IsNaN(f) {
			values = append(values, f)
		}
	}
	return n.spec.Compute(values), nil
}

func parsePercentile(name string, arg bson.RawValue, s *Scope) (Expr, error) {
	spec, err := ParsePercentile(name, arg, s)
	return &percentileNode{spec}, err
}
