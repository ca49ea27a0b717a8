package pipeline

import (
	"bytes"
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
)

// values computes the field for every document of the partition.
func (f *windowField) values(env *expr.Env, p *partition) ([]bson.RawValue, error) {
	switch {
	case f.shift != nil:
		return f.shifted(env, p)
	case f.fill != nil:
		return f.carried(env, p)
	case f.acc == nil && f.pair[0] == nil:
		return f.ranks(p), nil
	case f.bounds == wholePartition:
		v, err := f.over(env, p, 0, len(p.docs))
		return slices.Repeat([]bson.RawValue{v}, len(p.docs)), err
	case f.bounds.from.unbounded && f.acc != nil && f.acc.n == nil && !f.bounds.byRange:
		return f.running(env, p)
	}
	if f.name == "$stdDevPop" || f.name == "$stdDevSamp" {
		return f.movingDeviation(env, p)
	}
	out := make([]bson.RawValue, len(p.docs))
	for i := range p.docs {
		lo, hi, err := f.bounds.window(p, i)
		if err != nil {
			return nil, err
		}
		if out[i], err = f.over(env, p, lo, hi); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// over accumulates the documents lo to hi-1.
func (f *windowField) over(env *expr.Env, p *partition, lo, hi int) (bson.RawValue, error) {
	if f.pair[0] != nil {
		return f.covariance(env, p, lo, hi)
	}
	a, err := f.acc.begin(env, nil)
	if err != nil {
		return bson.RawValue{}, err
	}
	for _, d := range p.docs[min(lo, hi):hi] {
		if err := f.acc.feed(a, env, d); err != nil {
			return bson.RawValue{}, err
		}
	}
	return a.value()
}

// movingDeviation adds what enters the window and removes what leaves it.
func (f *windowField) movingDeviation(env *expr.Env, p *partition) ([]bson.RawValue, error) {
	values := make([]bson.RawValue, len(p.docs))
	for i, d := range p.docs {
		v, err := f.acc.arg.Eval(env, d)
		if err != nil {
			return nil, err
		}
		if v.Type == bson.TypeDecimal128 {
			return nil, expr.ErrUnsupported("%s on Decimal128", f.name)
		}
		values[i] = v
	}
	m, first, next := moving{}, 0, 0
	out := make([]bson.RawValue, len(p.docs))
	for i := range p.docs {
		lo, hi, err := f.bounds.window(p, i)
		if err != nil {
			return nil, err
		}
		for ; next < hi; next++ {
			m.add(values[next])
		}
		for ; first < min(lo, next); first++ {
			m.remove(values[first])
		}
		out[i] = m.value(f.name == "$stdDevSamp")
	}
	return out, nil
}

// moving is a standard deviation from which numbers can be removed (Youngs and Cramer 1971).
type moving struct {
	n, sum, m2 float64
	special    int
}

func (m *moving) add(v bson.RawValue) {
	x, ok := bsonx.FloatOf(v)
	switch {
	case !ok:
	case math.IsNaN(x) || math.IsInf(x, 0):
		m.special++
	default:
		if m.n > 0 {
			q := m.n*x - m.sum
			m.m2 += q * q / (m.n * (m.n + 1))
		}
		m.n, m.sum = m.n+1, m.sum+x
	}
}

func (m *moving) remove(v bson.RawValue) {
	x, ok := bsonx.FloatOf(v)
	switch {
	case !ok:
	case math.IsNaN(x) || math.IsInf(x, 0):
		m.special--
	default:
		m.n, m.sum = m.n-1, m.sum-x
		if m.n > 0 {
			q := m.n*x - m.sum
			m.m2 -= q * q / (m.n * (m.n + 1))
		} else {
			*m = moving{special: m.special}
		}
	}
}

// value answers an int 0 for a single number, as MongoDB does for moving windows.
func (m *moving) value(sample bool) bson.RawValue {
	n := m.n
	if sample {
		n--
	}
	switch {
	case m.special > 0:
		return bsonx.Null
	case n <= 0:
		return bsonx.Null
	case m.m2 < 0 || !sample && n == 1:
		m.m2 = 0
		return bsonx.Int32(0)
	}
	return bsonx.Double(math.Sqrt(m.m2 / n))
}

// running accumulates windows that begin with the partition, adding each document once.
func (f *windowField) running(env *expr.Env, p *partition) ([]bson.RawValue, error) {
	a, err := f.acc.begin(env, nil)
	if err != nil {
		return nil, err
	}
	out, next := make([]bson.RawValue, len(p.docs)), 0
	for i := range p.docs {
		_, hi, err := f.bounds.window(p, i)
		if err != nil {
			return nil, err
		}
		for ; next < hi; next++ {
			if err := f.acc.feed(a, env, p.docs[next]); err != nil {
				return nil, err
			}
		}
		v, err := a.value()
		if err != nil {
			return nil, err
		}
		out[i] = owned(v)
	}
	return out, nil
}

func (f *windowField) ranks(p *partition) []bson.RawValue {
	out := make([]bson.RawValue, len(p.docs))
	rank, dense := 1, 1
	for i := range p.docs {
		if i > 0 && !bytes.Equal(p.keys[i], p.keys[i-1]) {
			rank, dense = i+1, dense+1
		}
		switch f.name {
		case "$rank":
			out[i] = bsonx.Int(int64(rank))
		case "$denseRank":
			out[i] = bsonx.Int(int64(dense))
		default:
			out[i] = bsonx.Int(int64(i + 1))
		}
	}
	return out
}

func (f *windowField) shifted(env *expr.Env, p *partition) ([]bson.RawValue, error) {
	out := make([]bson.RawValue, len(p.docs))
	for i := range p.docs {
		at := i + f.shift.by
		if at < 0 || at >= len(p.docs) {
			out[i] = f.shift.def
			continue
		}
		v, err := f.shift.output.Eval(env, p.docs[at])
		if err != nil {
			return nil, err
		}
		out[i] = orNull(v)
	}
	return out, nil
}

// carried is $locf: the last value that is not null.
func (f *windowField) carried(env *expr.Env, p *partition) ([]bson.RawValue, error) {
	out := make([]bson.RawValue, len(p.docs))
	last := bsonx.Null
	for i, d := range p.docs {
		v, err := f.fill.Eval(env, d)
		if err != nil {
			return nil, err
		}
		if !bsonx.IsNullish(v) {
			last = v
		}
		out[i] = last
	}
	return out, nil
}

// covariance of the pairs of numbers in the window: Welford's update for two series, the means taken from the sums as MongoDB does.
func (f *windowField) covariance(env *expr.Env, p *partition, lo, hi int) (bson.RawValue, error) {
	var n, sumX, sumY, c float64
	for _, d := range p.docs[min(lo, hi):hi] {
		x, err := f.pair[0].Eval(env, d)
		if err != nil {
			return x, err
		}
		y, err := f.pair[1].Eval(env, d)
		if err != nil {
			return y, err
		}
		if x.Type == bson.TypeDecimal128 || y.Type == bson.TypeDecimal128 {
			return x, expr.ErrUnsupported("%s on Decimal128", f.name)
		}
		xf, ok1 := bsonx.FloatOf(x)
		yf, ok2 := bsonx.FloatOf(y)
		if !ok1 || !ok2 {
			continue
		}
		dx := xf
		if n > 0 {
			dx -= sumX / n
		}
		n, sumX, sumY = n+1, sumX+xf, sumY+yf
		c += dx * (yf - sumY/n)
	}
	if f.name == "$covarianceSamp" {
		n--
	}
	if n <= 0 {
		return bsonx.Null, nil
	}
	return bsonx.Double(c / n), nil
}
