package pipeline

import (
	"slices"
	"sort"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

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
	lo, hi = 0, len(p.at)
	if !b.from.unbounded {
		low, err := b.limit(v, b.from)
		if err != nil {
			return 0, 0, err
		}
		lo, _ = slices.BinarySearchFunc(p.at, low, compareKinds)
	}
	if !b.to.unbounded {
		high, err := b.limit(v, b.to)
		if err != nil {
			return 0, 0, err
		}
		hi = sort.Search(len(p.at), func(i int) bool { return compareKinds(p.at[i], high) > 0 })
	}
	return lo, max(lo, hi), nil
}

// compareKinds orders sort keys: a missing one is null.
func compareKinds(a, b bson.RawValue) int { return bsonx.Compare(orNull(a), orNull(b)) }

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
