package query

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Exact reports whether bounds on all of the paths, as [Matcher.Bounds] gives them, tell all that the filter asks: then a document of the
// index matches if, and only if, one of its keys lies within them, and nobody need look at the document. multikey is as for
// Bounds; partial is what every document of the index is known to match, nil where that is nothing. False means "not known".
func (m *Matcher) Exact(paths []string, multikey bool, partial *Matcher) bool {
	conditions, ok := m.root.(and)
	if !ok {
		conditions = and{m.root}
	}
	told := make([]string, 0, len(paths))
	for _, n := range conditions {
		path, ok := exactPath(n)
		bounded := ok && slices.Contains(paths, path)
		switch known := partial != nil && implies(partial.root, n); {
		case known && (!multikey || ok && !bounded):
			continue // it holds, and takes no part in the bounds of another condition
		case !bounded:
			return false
		case multikey && slices.Contains(told, path): // different elements may meet the two conditions
			return false
		}
		told = append(told, path)
	}
	return true
}

// exactPath returns the path of a condition whose bounds are exact.
func exactPath(n node) (path string, ok bool) {
	switch t := n.(type) {
	case *leaf:
		return t.path.text, !t.path.whole && exactPredicate(t.pred)
	case or: // whatever element meets one of the conditions lies within the union of their bounds
		for i, c := range t {
			p, ok := exactPath(c)
			if !ok || i > 0 && p != path {
				return "", false
			}
			path = p
		}
		return path, len(t) > 0
	}
	return "", false
}

func exactPredicate(p predicate) bool {
	switch t := p.(type) {
	case *comparison:
		return !t.nan && exactValue(t.value, t.op)
	case *inSet:
		return !t.null && len(t.regexes) == 0 && !slices.ContainsFunc(t.values, func(v bson.RawValue) bool { return !exactValue(v, opEq) })
	}
	return false
}

// exactValue names the types of which a key tells all that matching looks at. Null is none: its key also stands for what is
// missing or undefined, and arrays are not kept as they are.
func exactValue(v bson.RawValue, op compareOp) bool {
	switch v.Type {
	case bson.TypeDouble, bson.TypeInt32, bson.TypeInt64, bson.TypeDecimal128, bson.TypeString, bson.TypeBoolean, bson.TypeObjectID,
		bson.TypeDateTime, bson.TypeTimestamp, bson.TypeBinary:
		return true
	case bson.TypeEmbeddedDocument:
		return op == opEq
	}
	return false
}
