package plan

import (
	"bytes"
	"slices"
	"strings"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/query"
)

// maxRanges bounds the key ranges that several fields of an index may multiply to; beyond it the next field is left to the filter. The
// first field has as many as its condition names.
const maxRanges = 4096

// everything is the range of all keys.
var everything = []keyRange{{}}

// idFields is the key of the implicit index: the collection's own order.
var idFields = []bsonx.IndexField{{Path: "_id"}}

// indexBounds combines the intervals of the index's leading fields into key ranges, in ascending order.
func indexBounds(m *query.Matcher, fields []bsonx.IndexField, multikey bool) (a access) {
	a.fields = fields
	var start [1][]byte
	prefixes := start[:]
	var before []query.Interval // of the field before, all of them points
	for i, f := range fields {
		if multikey && sharesArray(fields[:i], f.Path) {
			break
		}
		ivs, ok := m.Bounds(f.Path, f.Desc, multikey)
		if ok && before != nil {
			prefixes = extend(prefixes, before)
		}
		if !ok || i > 0 && len(prefixes)*len(ivs) > maxRanges {
			break
		}
		if a.bounds = append(a.bounds, ivs); len(ivs) == 0 {
			a.ranges = nil
			return a
		}
		points := !slices.ContainsFunc(ivs, func(iv query.Interval) bool { return !iv.Point })
		a.ranges = ranges(prefixes, ivs)
		if points && len(ivs) == 1 && a.equal == i {
			a.equal++
		}
		if !points {
			break
		}
		a.points, before = i+1, ivs
	}
	if a.full = len(a.bounds) == 0; a.full {
		a.ranges = everything
	}
	return a
}

// sharesArray reports whether the path may go through the same array as an earlier one: then different elements may
// meet the conditions, and bounds on both would miss documents.
func sharesArray(earlier []bsonx.IndexField, path string) bool {
	head, _, _ := strings.Cut(path, ".")
	return slices.ContainsFunc(earlier, func(f bsonx.IndexField) bool {
		h, _, _ := strings.Cut(f.Path, ".")
		return h == head
	})
}

func extend(prefixes [][]byte, ivs []query.Interval) [][]byte {
	out := make([][]byte, 0, len(prefixes)*len(ivs))
	for _, p := range prefixes {
		for _, iv := range ivs {
			out = append(out, join(p, iv.Start))
		}
	}
	return out
}

func join(a, b []byte) []byte {
	if len(a) == 0 {
		return b
	}
	return append(append(make([]byte, 0, len(a)+len(b)+16), a...), b...)
}

func ranges(prefixes [][]byte, ivs []query.Interval) []keyRange {
	out := make([]keyRange, 0, len(prefixes)*len(ivs))
	for _, p := range prefixes {
		for _, iv := range ivs {
			r := keyRange{lower: join(p, iv.Start), point: iv.Point}
			switch {
			case iv.End != nil:
				r.upper = join(p, iv.End)
			case len(p) > 0:
				r.upper = bsonx.PrefixEnd(p)
			}
			out = append(out, r)
		}
	}
	return merge(out)
}

// merge joins ranges that touch, so that nothing is read twice.
func merge(rs []keyRange) []keyRange {
	out := rs[:1]
	for _, r := range rs[1:] {
		last := &out[len(out)-1]
		if !last.point && !r.point && last.upper != nil && bytes.Equal(last.upper, r.lower) {
			last.upper = r.upper
			continue
		}
		out = append(out, r)
	}
	return out
}

// serves reports whether reading the access's ranges in order, or in reverse, gives the sort.
func (a *access) serves(sort []bsonx.IndexField, multikey bool) (ok, reverse bool) {
	if len(sort) == 0 {
		return true, false
	}
	if multikey || slices.ContainsFunc(sort, func(f bsonx.IndexField) bool { return hasNumber(f.Path) }) {
		return false, false
	}
	rest := slices.DeleteFunc(slices.Clone(sort), func(f bsonx.IndexField) bool {
		return slices.ContainsFunc(a.fields[:a.equal], func(e bsonx.IndexField) bool { return e.Path == f.Path })
	})
	order := a.fields[a.equal:]
	if a.points > a.equal && len(rest) > 0 && !a.orderedPoints(rest) {
		return false, false
	}
	if len(rest) > len(order) {
		// A unique key leaves nothing to sort by after it; only _id is known to be one here.
		if len(order) == 0 || order[len(order)-1].Path != "_id" {
			return len(rest) == 0, false
		}
		rest = rest[:len(order)]
	}
	for i, f := range rest {
		if f.Path != order[i].Path {
			return false, false
		}
		flip := f.Desc != order[i].Desc
		if i > 0 && flip != reverse {
			return false, false
		}
		reverse = flip
	}
	return true, reverse
}

// orderedPoints reports whether several equalities on one field still leave the scan in the order of the sort: they
// do where the sort begins with that field, since ranges are read in order.
func (a *access) orderedPoints(rest []bsonx.IndexField) bool {
	return rest[0].Path == a.fields[a.equal].Path
}

func hasNumber(path string) bool {
	for part := range strings.SplitSeq(path, ".") {
		if _, ok := bsonx.ArrayIndex(part); ok {
			return true
		}
	}
	return false
}

// usable reports whether the index has an entry for every document that may match.
func usable(x *engine.Index, m *query.Matcher, seq uint64) bool {
	if x.Hidden || x.ReadySeq > seq {
		return false
	}
	if x.Partial != nil && !m.Implies(x.Partial) {
		return false
	}
	return !x.Sparse || slices.ContainsFunc(x.Fields, func(f bsonx.IndexField) bool { return m.ExcludesMissing(f.Path) })
}
