package query

import (
	"bytes"
	"slices"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

func endLess(a, b []byte) bool {
	switch {
	case a == nil:
		return false
	case b == nil:
		return true
	}
	return bytes.Compare(a, b) < 0
}

// union sorts intervals and joins those that meet.
func union(ivs []Interval) []Interval {
	if len(ivs) < 2 {
		return ivs
	}
	ivs = slices.Clone(ivs)
	slices.SortFunc(ivs, func(a, b Interval) int { return bytes.Compare(a.Start, b.Start) })
	out := ivs[:1]
	for _, iv := range ivs[1:] {
		last := &out[len(out)-1]
		if last.End != nil && bytes.Compare(iv.Start, last.End) >= 0 {
			out = append(out, iv)
			continue
		}
		last.Point = last.Point && iv.Point && bytes.Equal(last.Start, iv.Start)
		if endLess(last.End, iv.End) {
			last.End, last.Point = iv.End, false
		}
	}
	return out
}

// intersect takes two ascending, disjoint lists.
func intersect(a, b []Interval) []Interval {
	var out []Interval
	for i, j := 0, 0; i < len(a) && j < len(b); {
		iv := Interval{Start: a[i].Start, End: a[i].End, Point: a[i].Point || b[j].Point}
		if bytes.Compare(iv.Start, b[j].Start) < 0 {
			iv.Start = b[j].Start
		}
		if endLess(b[j].End, iv.End) {
			iv.End = b[j].End
		}
		if iv.End == nil || bytes.Compare(iv.Start, iv.End) < 0 {
			out = append(out, iv)
		}
		if endLess(a[i].End, b[j].End) {
			i++
		} else {
			j++
		}
	}
	return out
}

// reverse turns intervals of ascending keys into those of complemented keys.
func reverse(ivs []Interval) []Interval {
	out := make([]Interval, 0, len(ivs))
	for _, iv := range slices.Backward(ivs) {
		r := Interval{Start: []byte{}, End: bsonx.PrefixEnd(complement(iv.Start)), Point: iv.Point}
		if iv.Point {
			r.Start = complement(iv.Start)
		} else if iv.End != nil {
			r.Start = bsonx.PrefixEnd(complement(iv.End))
		}
		out = append(out, r)
	}
	return out
}

func complement(b []byte) []byte {
	out := make([]byte, len(b))
	for i, c := range b {
		out[i] = ^c
	}
	return out
}
