package pipeline

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// windowStage is $setWindowFields.
type windowStage struct {
	c      *compiler
	by     expr.Expr
	sortBy []bsonx.IndexField
	sorted bool
	paths  [][]string
	fields []*windowField
}

func (c *compiler) setWindowFields(arg bson.RawValue) (stage, error) {
	if err := object(arg, mongoerr.FailedToParse, "$setWindowFields"); err != nil {
		return nil, err
	}
	s := &windowStage{c: c, by: expr.Const(bsonx.Null)}
	var output, sortBy bson.RawValue
	for it := bsonx.Elements(arg.Value); it.Next(); {
		v := it.Value()
		switch string(it.Key()) {
		case "partitionBy":
			e, err := expr.Compile(v, c.scope)
			if err != nil {
				return nil, err
			}
			if k, ok := expr.Constant(e); ok && k.Type == bson.TypeArray {
				return nil, mongoerr.New(mongoerr.TypeMismatch, "An expression used to partition cannot evaluate to value of type array")
			}
			s.by = e
		case "sortBy":
			if v.Type == bson.TypeNull {
				continue
			}
			if v.Type != bson.TypeEmbeddedDocument {
				return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field '$setWindowFields.sortBy' is the wrong type '%s', expected type 'object'", expr.TypeName(v))
			}
			sortBy = v
		case "output":
			if v.Type != bson.TypeEmbeddedDocument {
				return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field '$setWindowFields.output' is the wrong type '%s', expected type 'object'", expr.TypeName(v))
			}
			output = v
		default:
			return nil, mongoerr.New(40415, "BSON field '$setWindowFields.%s' is an unknown field.", it.Key())
		}
	}
	if bsonx.IsMissing(output) {
		return nil, mongoerr.New(40414, "BSON field '$setWindowFields.output' is missing but a required field")
	}
	s.sorted = !bsonx.IsMissing(sortBy)
	if s.sorted && !bsonx.IsEmpty(sortBy.Value) {
		fields, err := sortFields(sortBy.Value)
		if err != nil {
			return nil, err
		}
		s.sortBy = fields
	}
	return s, s.readOutput(output.Value)
}

func (s *windowStage) readOutput(output bson.Raw) error {
	root := &field{}
	for it := bsonx.Elements(output); it.Next(); {
		path := string(it.Key())
		if err := stagePath(path); err != nil {
			return err
		}
		f, err := insert(root, path, 40176, 40176)
		if err != nil {
			return err
		}
		f.leaf = true
		w, err := s.c.windowField(s, it.Value())
		if err != nil {
			return err
		}
		s.paths, s.fields = append(s.paths, strings.Split(path, ".")), append(s.fields, w)
	}
	return nil
}

// windowField computes one output field.
type windowField struct {
	name   string
	acc    *accSpec
	bounds bounds
	shift  *shiftSpec
	fill   expr.Expr
	pair   [2]expr.Expr
}

func (c *compiler) windowField(s *windowStage, v bson.RawValue) (*windowField, error) {
	if v.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(mongoerr.FailedToParse, "The field must be an object with a window function")
	}
	f := &windowField{}
	switch first := bsonx.FirstKey(v.Value); first {
	case "$rank", "$denseRank", "$documentNumber":
		if bsonx.Len(v.Value) > 1 {
			return nil, mongoerr.New(5371601, "Rank style window functions take no other arguments")
		}
	}
	var arg, window bson.RawValue
	for it := bsonx.Elements(v.Value); it.Next(); {
		k := string(it.Key())
		switch {
		case k == "window":
			window = it.Value()
			if window.Type != bson.TypeEmbeddedDocument {
				return nil, mongoerr.New(mongoerr.FailedToParse, "'window' field must be an object")
			}
		case !strings.HasPrefix(k, "$"):
			return nil, mongoerr.New(mongoerr.FailedToParse, "Window function found an unknown argument: %s", k)
		case f.name != "":
			return nil, mongoerr.New(mongoerr.FailedToParse, "Cannot specify two functions in window function spec")
		default:
			f.name, arg = k, it.Value()
		}
	}
	if f.name == "" {
		return nil, mongoerr.New(mongoerr.FailedToParse, "Must specify a window function in output field")
	}
	return f, f.compile(c, s, arg, window)
}

func (f *windowField) compile(c *compiler, s *windowStage, arg, window bson.RawValue) (err error) {
	switch f.name {
	case "$rank", "$denseRank", "$documentNumber":
		return f.compileRank(s, arg, window)
	case "$shift":
		if !bsonx.IsMissing(window) {
			return mongoerr.New(mongoerr.FailedToParse, "$shift does not accept a 'window' field")
		}
		if !s.sorted {
			return mongoerr.New(mongoerr.FailedToParse, "$shift requires a sortBy")
		}
		f.shift, err = c.shift(arg)
		return err
	case "$locf", "$linearFill":
		if !bsonx.IsMissing(window) {
			return mongoerr.New(mongoerr.FailedToParse, "'window' field is not allowed in %s", f.name)
		}
		if f.name == "$linearFill" {
			return expr.ErrUnsupported("the window function $linearFill")
		}
		f.fill, err = expr.Compile(arg, c.scope)
		return err
	case "$covariancePop", "$covarianceSamp":
		if err := f.compilePair(c, arg); err != nil {
			return err
		}
	case "$derivative", "$integral", "$expMovingAvg", "$minMaxScaler":
		return expr.ErrUnsupported("the window function %s", f.name)
	default:
		if simpleAccumulator(f.name) == nil && !windowAccumulator(f.name) {
			return mongoerr.New(mongoerr.FailedToParse, "Unrecognized window function, %s", f.name)
		}
		if f.acc, err = c.windowAccumulator(f.name, arg); err != nil {
			return err
		}
	}
	f.bounds, err = c.bounds(window, s)
	return err
}

// windowAccumulator compiles an accumulator; unlike in $group, an array is an expression.
func (c *compiler) windowAccumulator(name string, arg bson.RawValue) (*accSpec, error) {
	construct := simpleAccumulator(name)
	if construct == nil {
		return c.accumulator(name, arg)
	}
	e, err := expr.Compile(arg, c.scope)
	return &accSpec{name: name, arg: e, make: func(int64) accumulator { return construct() }}, err
}

func windowAccumulator(name string) bool {
	switch name {
	case "$count", "$top", "$bottom", "$topN", "$bottomN", "$firstN", "$lastN", "$minN", "$maxN", "$median", "$percentile":
		return true
	}
	return false
}

func (f *windowField) compileRank(s *windowStage, arg, window bson.RawValue) error {
	if !bsonx.IsMissing(window) {
		return mongoerr.New(5371601, "Rank style window functions take no other arguments")
	}
	if len(s.sortBy) != 1 {
		return mongoerr.New(5371602, "%s must be specified with a top level sortBy expression with exactly one element", f.name)
	}
	if arg.Type != bson.TypeEmbeddedDocument || !bsonx.IsEmpty(arg.Value) {
		return mongoerr.New(5371603, "%s must be specified with '{}' as the value", f.name)
	}
	return nil
}

func (f *windowField) compilePair(c *compiler, arg bson.RawValue) error {
	items := bsonx.Values(arg)
	if arg.Type != bson.TypeArray || len(items) != 2 {
		// Compiling first reports an error inside the expression, as MongoDB does.
		if _, err := expr.Compile(arg, c.scope); err != nil {
			return err
		}
		f.pair = [2]expr.Expr{expr.Const(bsonx.Null), expr.Const(bsonx.Null)}
		return nil
	}
	for i, it := range items {
		e, err := expr.Compile(it, c.scope)
		if err != nil {
			return err
		}
		f.pair[i] = e
	}
	return nil
}

type shiftSpec struct {
	output expr.Expr
	by     int
	def    bson.RawValue
}

func (c *compiler) shift(arg bson.RawValue) (*shiftSpec, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(mongoerr.FailedToParse, "Argument to $shift must be an object")
	}
	s := &shiftSpec{def: bsonx.Null}
	by := false
	for it := bsonx.Elements(arg.Value); it.Next(); {
		var err error
		switch string(it.Key()) {
		case "output":
			s.output, err = expr.Compile(it.Value(), c.scope)
		case "by":
			n, ok := expr.IntegralInt32(it.Value())
			if !ok {
				return nil, mongoerr.New(mongoerr.FailedToParse, "'$shift:by' field must be an integer")
			}
			s.by, by = int(n), true
		case "default":
			s.def, err = c.constant(it.Value(), mongoerr.FailedToParse, "'$shift:default' expression must yield a constant value.")
		default:
			return nil, mongoerr.New(mongoerr.FailedToParse, "Unknown argument in $shift: %s", it.Key())
		}
		if err != nil {
			return nil, err
		}
	}
	if s.output == nil || !by {
		return nil, mongoerr.New(mongoerr.FailedToParse, "$shift requires an 'output' expression and a 'by' integer.")
	}
	return s, nil
}

// edge is one end of a window.
type edge struct {
	unbounded bool
	n         int64
	f         float64
	integral  bool
}

// bounds is a window: by documents, by the value of the sort key, or of the whole partition.
type bounds struct {
	byRange  bool
	unit     string
	from, to edge
}

var wholePartition = bounds{from: edge{unbounded: true}, to: edge{unbounded: true}}

func (c *compiler) bounds(window bson.RawValue, s *windowStage) (bounds, error) {
	if bsonx.IsMissing(window) {
		return wholePartition, nil
	}
	var documents, values, unit bson.RawValue
	for it := bsonx.Elements(window.Value); it.Next(); {
		switch string(it.Key()) {
		case "documents":
			documents = it.Value()
		case "range":
			values = it.Value()
		case "unit":
			unit = it.Value()
		default:
			return bounds{}, mongoerr.New(mongoerr.FailedToParse, "'window' field can only contain 'documents' as the only argument or 'range' with an optional 'unit' field")
		}
	}
	switch {
	case !bsonx.IsMissing(documents) && (!bsonx.IsMissing(values) || !bsonx.IsMissing(unit)):
		return bounds{}, mongoerr.New(mongoerr.FailedToParse, "'window' field can only contain 'documents' as the only argument or 'range' with an optional 'unit' field")
	case !bsonx.IsMissing(documents):
		return documentBounds(documents, s)
	case !bsonx.IsMissing(values):
		return rangeBounds(values, unit, s)
	case !bsonx.IsMissing(unit):
		return bounds{}, mongoerr.New(mongoerr.FailedToParse, "Window bounds can only specify 'unit' with range-based bounds.")
	}
	return wholePartition, nil
}

func twoEdges(v bson.RawValue) ([]bson.RawValue, error) {
	items := bsonx.Values(v)
	if v.Type != bson.TypeArray || len(items) != 2 {
		return nil, mongoerr.New(mongoerr.FailedToParse, "Window bounds must be a 2-element array")
	}
	return items, nil
}

func documentBounds(v bson.RawValue, s *windowStage) (bounds, error) {
	items, err := twoEdges(v)
	if err != nil {
		return bounds{}, err
	}
	var e [2]edge
	for i, it := range items {
		switch word(it) {
		case "unbounded":
			e[i].unbounded = true
			continue
		case "current":
			continue
		}
		n, ok := expr.IntegralInt32(it)
		if !ok {
			return bounds{}, mongoerr.New(mongoerr.FailedToParse, "Numeric document-based bounds must be an integer")
		}
		e[i].n = int64(n)
	}
	if !e[0].unbounded && !e[1].unbounded && e[0].n > e[1].n {
		return bounds{}, mongoerr.New(5339900, "Lower bound must not exceed upper bound: %s", v)
	}
	if !s.sorted && !(e[0].unbounded && e[1].unbounded) {
		return bounds{}, mongoerr.New(5339901, "Document-based bounds require a sortBy")
	}
	return bounds{from: e[0], to: e[1]}, nil
}

func word(v bson.RawValue) string {
	if v.Type != bson.TypeString {
		return ""
	}
	return string(bsonx.StringBytes(v))
}

func rangeBounds(v, unit bson.RawValue, s *windowStage) (bounds, error) {
	items, err := twoEdges(v)
	if err != nil {
		return bounds{}, err
	}
	b := bounds{byRange: true}
	if !bsonx.IsMissing(unit) {
		if unit.Type != bson.TypeString {
			return b, mongoerr.New(mongoerr.FailedToParse, "'unit' must be a string")
		}
		b.unit = word(unit)
		switch b.unit {
		case "year", "quarter", "month", "week", "day", "hour", "minute", "second", "millisecond":
		default:
			return b, mongoerr.New(mongoerr.FailedToParse, "unknown time unit value: %s", b.unit)
		}
	}
	for i, e := range []*edge{&b.from, &b.to} {
		switch word(items[i]) {
		case "unbounded":
			e.unbounded = true
			continue
		case "current":
			e.integral = true
			continue
		}
		if !bsonx.IsNumber(items[i]) {
			return b, mongoerr.New(mongoerr.FailedToParse, "Range-based bounds expression must be a number")
		}
		e.f, _ = bsonx.FloatOf(items[i])
		e.n, e.integral = bsonx.IntegerOf(items[i])
		if b.unit != "" && !e.integral {
			return b, mongoerr.New(mongoerr.FailedToParse, "With 'unit', range-based bounds must be an integer")
		}
	}
	if !b.from.unbounded && !b.to.unbounded && b.from.f > b.to.f {
		return b, mongoerr.New(5339900, "Lower bound must not exceed upper bound: %s", v)
	}
	if len(s.sortBy) != 1 || s.sortBy[0].Desc {
		return b, mongoerr.New(5339902, "Range-based bounds require sortBy a single field, in ascending order")
	}
	return b, nil
}

// partition is the documents of one partition, in the order of sortBy.
type partition struct {
	docs []bson.Raw
	keys [][]byte
	// at are the values of the single sort field, for ranges.
	at []bson.RawValue
}

func (s *windowStage) run(_ context.Context, env *expr.Env, in Iterator) (Iterator, error) {
	return &lazyIter{in: in, load: func(ctx context.Context, in Iterator) (Iterator, error) {
		entries, err := s.read(ctx, env, in)
		if err != nil {
			return nil, err
		}
		var out []bson.Raw
		for len(entries) > 0 {
			n := 1
			for n < len(entries) && bytes.Equal(entries[n].part, entries[0].part) {
				n++
			}
			docs, err := s.partition(env, entries[:n])
			if err != nil {
				return nil, err
			}
			out = append(out, docs...)
			entries = entries[n:]
		}
		return Slice(out), nil
	}}, nil
}

type windowEntry struct {
	part, key []byte
	doc       bson.Raw
}

// read sorts the input by partition and sort key.
func (s *windowStage) read(ctx context.Context, env *expr.Env, in Iterator) ([]windowEntry, error) {
	var out []windowEntry
	used := int64(0)
	for {
		d, ok, err := in.Next(ctx)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		v, err := s.by.Eval(env, d)
		if err != nil {
			return nil, err
		}
		if v.Type == bson.TypeArray {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "An expression used to partition cannot evaluate to value of type array")
		}
		e := windowEntry{part: bsonx.AppendKey(nil, orNull(v), false), key: bsonx.SortKey(nil, d, s.sortBy), doc: d}
		out = append(out, e)
		used += int64(len(d)+len(e.part)+len(e.key)) + 96
		if err := s.c.exceeded(used, "$setWindowFields"); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out, func(a, b windowEntry) int {
		if c := bytes.Compare(a.part, b.part); c != 0 {
			return c
		}
		return bytes.Compare(a.key, b.key)
	})
	return out, nil
}

func (s *windowStage) partition(env *expr.Env, entries []windowEntry) ([]bson.Raw, error) {
	p := &partition{}
	for _, e := range entries {
		p.docs, p.keys = append(p.docs, e.doc), append(p.keys, e.key)
		if len(s.sortBy) == 1 {
			p.at = append(p.at, valueAt(e.doc, strings.Split(s.sortBy[0].Path, ".")))
		}
	}
	out := slices.Clone(p.docs)
	for i, f := range s.fields {
		values, err := f.values(env, p)
		if err != nil {
			return nil, err
		}
		for d := range out {
			out[d] = setPath(out[d], s.paths[i], values[d])
		}
	}
	return out, nil
}

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
	if d, ok := a.(*deviationAcc); ok && !f.bounds.from.unbounded && !d.sample && d.d.Count() == 1 {
		// MongoDB's function for moving windows answers an int here.
		return bsonx.Int32(0), nil
	}
	return a.value()
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
		if out[i], err = a.value(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// window answers the documents lo to hi-1 that the window of document i holds.
func (b bounds) window(p *partition, i int) (lo, hi int, err error) {
	n := len(p.docs)
	if b.byRange {
		return b.rangeWindow(p, i)
	}
	lo, hi = 0, n
	if !b.from.unbounded {
		lo = min(max(0, i+int(b.from.n)), n)
	}
	if !b.to.unbounded {
		hi = min(max(0, i+int(b.to.n)+1), n)
	}
	return lo, max(lo, hi), nil
}

func (b bounds) rangeWindow(p *partition, i int) (lo, hi int, err error) {
	v := p.at[i]
	if b.unit != "" && v.Type != bson.TypeDateTime {
		return 0, 0, mongoerr.New(5429513, "Expected the sortBy field to be a Date, but it was %s", expr.TypeName(v))
	}
	if b.unit == "" && !bsonx.IsNumber(v) {
		return 0, 0, mongoerr.New(5429414, "Range-based bounds expected a number, but found %s", expr.TypeName(v))
	}
	lo, hi = 0, len(p.docs)
	if !b.from.unbounded {
		low, err := b.limit(v, b.from)
		if err != nil {
			return 0, 0, err
		}
		for lo = 0; lo < len(p.docs) && (!sameKind(p.at[lo], v) || expr.Compare(p.at[lo], low) < 0); lo++ {
		}
	}
	if !b.to.unbounded {
		high, err := b.limit(v, b.to)
		if err != nil {
			return 0, 0, err
		}
		for hi = lo; hi < len(p.docs) && sameKind(p.at[hi], v) && expr.Compare(p.at[hi], high) <= 0; hi++ {
		}
	}
	return lo, max(lo, hi), nil
}

func sameKind(a, b bson.RawValue) bool { return bsonx.Rank(a.Type) == bsonx.Rank(b.Type) }

// limit answers the value at an edge of the range around v.
func (b bounds) limit(v bson.RawValue, e edge) (bson.RawValue, error) {
	if b.unit != "" {
		return expr.AddUnits(time.UnixMilli(v.DateTime()).UTC(), b.unit, e.n)
	}
	if i, ok := bsonx.IntegerOf(v); ok && e.integral {
		return bsonx.Int64(i + e.n), nil
	}
	f, _ := bsonx.FloatOf(v)
	return bsonx.Double(f + e.f), nil
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

// covariance of the pairs of numbers in the window (Welford's update for two series).
func (f *windowField) covariance(env *expr.Env, p *partition, lo, hi int) (bson.RawValue, error) {
	var n, meanX, meanY, c float64
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
		n++
		dx := xf - meanX
		meanX += dx / n
		meanY += (yf - meanY) / n
		c += dx * (yf - meanY)
	}
	if f.name == "$covarianceSamp" {
		n--
	}
	if n <= 0 {
		return bsonx.Null, nil
	}
	return bsonx.Double(c / n), nil
}
