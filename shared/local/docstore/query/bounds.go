package query

import (
	"bytes"
	"slices"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// Interval is a range of index keys of one field: those that are, or begin with what is, at least Start and less than End, by
// bytes.Compare. Point is set where all of them begin with Start, as for an equality, so that the next field of a compound
// index narrows further.
type Interval struct {
	Start, End []byte
	Point      bool
}

// nullKey is the key of null and of a missing field.
var nullKey = bsonx.AppendKey(nil, bsonx.Null, false)

// Bounds returns the intervals, in ascending and disjoint order of keys, within which an index field must look to find every document
// that may match: they promise nothing else, so that each document found is still to be matched. False means that the
// filter does not narrow the path. desc says that the index keeps the path descending; multikey that some document has an array on the path,
// where two conditions may be met by different elements and so do not narrow each other.
//
// No interval at all, with true, means that nothing matches.
func (m *Matcher) Bounds(path string, desc, multikey bool) ([]Interval, bool) {
	if hasPosition(path) {
		return nil, false // the path may mean a position as well as a field name
	}
	ivs, ok := boundsOf(m.root, "", path, multikey)
	if !ok {
		return nil, false
	}
	ivs = union(ivs)
	if desc {
		ivs = reverse(ivs)
	}
	return ivs, true
}

// hasPosition reports whether a part of a path may mean a position in an array.
func hasPosition(path string) bool {
	for more := true; more; {
		var part string
		part, path, more = bsonx.CutPath(path)
		if _, ok := bsonx.ArrayIndex(part); ok {
			return true
		}
	}
	return false
}

// HoldsNull reports whether ascending or descending intervals let null and missing through.
func HoldsNull(ivs []Interval, desc bool) bool {
	key := nullKey
	if desc {
		key = bsonx.AppendKey(nil, bsonx.Null, true)
	}
	return slices.ContainsFunc(ivs, func(iv Interval) bool {
		return bytes.Compare(iv.Start, key) <= 0 && (iv.End == nil || bytes.Compare(key, iv.End) < 0)
	})
}

// ExcludesMissing reports whether no document without the path can match, so that a sparse index on it misses nothing.
func (m *Matcher) ExcludesMissing(path string) bool { return excludesMissing(m.root, path) }

func excludesMissing(n node, path string) bool {
	switch t := n.(type) {
	case and:
		return slices.ContainsFunc(t, func(c node) bool { return excludesMissing(c, path) })
	case or:
		return !slices.ContainsFunc(t, func(c node) bool { return !excludesMissing(c, path) })
	case *leaf:
		return t.path.text == path && !t.pred.test(bsonx.Missing)
	case never:
		return true
	}
	return false
}

// Disjuncts returns one Matcher for each branch of a filter that is an $or, alone or beside other conditions, which each
// branch then holds too: a planner may answer the branches from different indexes. Nil where there is no $or.
func (m *Matcher) Disjuncts() []*Matcher {
	rest, branches := and{}, or(nil)
	switch t := m.root.(type) {
	case or:
		branches = t
	case and:
		for _, n := range t {
			if o, ok := n.(or); ok && branches == nil {
				branches = o
				continue
			}
			rest = append(rest, n)
		}
	}
	var out []*Matcher
	for _, b := range branches {
		out = append(out, &Matcher{root: simplify(append(and{b}, rest...)), env: m.env})
	}
	return out
}

// boundsOf looks for conditions on path, given relative to prefix, which is the path of an enclosing $elemMatch.
func boundsOf(n node, prefix, path string, multikey bool) ([]Interval, bool) {
	switch t := n.(type) {
	case and:
		return conjunction(t, prefix, path, multikey)
	case or:
		var out []Interval
		for _, c := range t {
			ivs, ok := boundsOf(c, prefix, path, multikey)
			if !ok {
				return nil, false
			}
			out = append(out, ivs...)
		}
		return out, true
	case *leaf:
		return leafBounds(t, prefix, path, multikey)
	case never:
		return nil, true
	}
	return nil, false
}

func conjunction(t and, prefix, path string, multikey bool) ([]Interval, bool) {
	var best []Interval
	found := false
	for _, c := range t {
		ivs, ok := boundsOf(c, prefix, path, multikey)
		switch {
		case !ok:
		case !found:
			best, found = union(ivs), true
		case multikey:
			best = tighter(best, union(ivs))
		default:
			best = intersect(best, union(ivs))
		}
	}
	return best, found
}

// tighter prefers no interval, then points, then ranges closed on both sides by a value.
func tighter(a, b []Interval) []Interval {
	if weight(b) < weight(a) {
		return b
	}
	return a
}

func weight(ivs []Interval) int {
	n := 0
	for _, iv := range ivs {
		switch {
		case iv.Point:
			n++
		case len(iv.Start) > 1 && len(iv.End) > 1:
			n += 100
		default:
			n += 1000
		}
	}
	return n
}

func leafBounds(l *leaf, prefix, path string, multikey bool) ([]Interval, bool) {
	at := prefix + l.path.text
	if e, ok := l.pred.(*elemObject); ok && len(path) > len(at) && path[:len(at)+1] == at+"." {
		return boundsOf(e.filter, at+".", path, multikey)
	}
	if at != path {
		return nil, false
	}
	return predicateBounds(l.pred)
}

func predicateBounds(p predicate) ([]Interval, bool) {
	switch t := p.(type) {
	case *comparison:
		return t.bounds()
	case *inSet:
		return t.bounds()
	case *regexPredicate:
		return t.bounds(), true
	case *elemValue:
		return elemBounds(t.all)
	case *typeSet:
		return t.bounds()
	}
	return nil, false
}

// elemBounds intersects: one element meets all conditions of an $elemMatch.
func elemBounds(all []predicate) ([]Interval, bool) {
	var out []Interval
	found := false
	for _, p := range all {
		ivs, ok := predicateBounds(p)
		switch {
		case !ok:
		case !found:
			out, found = union(ivs), true
		default:
			out = intersect(out, union(ivs))
		}
	}
	return out, found
}

func point(v bson.RawValue) Interval {
	room := make([]byte, 0, 2*len(v.Value)+24) // for both ends of what mostly is a short text or a number
	k := bsonx.AppendKey(room, v, false)
	end := append(k[len(k):], k...)
	return Interval{Start: k[:len(k):len(k)], End: bsonx.PrefixEndOf(end), Point: true}
}

func rankRange(rank byte) Interval { return Interval{Start: []byte{rank}, End: []byte{rank + 1}} }

// equalBounds are the keys of documents whose path may equal v: an array is indexed by its elements, null also stands for
// undefined.
func equalBounds(v bson.RawValue) []Interval {
	switch v.Type {
	case bson.TypeNull:
		return []Interval{rankRange(bsonx.Rank(bson.TypeUndefined)), point(v)}
	case bson.TypeArray:
		first := bsonx.At(v.Value, 0)
		if bsonx.IsMissing(first) {
			first = bson.RawValue{Type: bson.TypeUndefined}
		}
		return []Interval{point(first), point(v)}
	}
	return []Interval{point(v)}
}

func (c *comparison) bounds() ([]Interval, bool) {
	switch {
	case c.op == opEq:
		return equalBounds(c.value), true
	case c.value.Type == bson.TypeNull:
		if c.op == opLt || c.op == opGt {
			return nil, true
		}
		return equalBounds(c.value), true
	case c.value.Type == bson.TypeArray, c.value.Type == bson.TypeMinKey, c.value.Type == bson.TypeMaxKey:
		return nil, false
	}
	r := rankRange(c.rank)
	k := bsonx.AppendKey(nil, c.value, false)
	switch c.op {
	case opGt:
		r.Start = bsonx.PrefixEnd(k)
	case opGte:
		r.Start = k
	case opLt:
		r.End = k
	case opLte:
		r.End = bsonx.PrefixEnd(k)
	}
	return []Interval{r}, true
}

func (s *inSet) bounds() ([]Interval, bool) {
	var out []Interval
	for _, v := range s.values {
		out = append(out, equalBounds(v)...)
	}
	for _, r := range s.regexes {
		out = append(out, r.bounds()...)
	}
	return out, true
}

func (r *regexPredicate) bounds() []Interval {
	text := rankRange(bsonx.Rank(bson.TypeString))
	if r.prefix != "" {
		text.Start = append(slices.Clone(text.Start), r.prefix...)
		text.End = bsonx.PrefixEnd(text.Start)
	}
	return []Interval{text, rankRange(bsonx.Rank(bson.TypeRegex))}
}

func (t *typeSet) bounds() ([]Interval, bool) {
	var out []Interval
	for k, has := range t.has {
		switch typ := bson.Type(k); {
		case !has:
		case typ == bson.TypeArray:
			return nil, false
		default:
			out = append(out, rankRange(bsonx.Rank(typ)))
		}
	}
	return out, true
}
