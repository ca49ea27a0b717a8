package query

import (
	"strings"

	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// Equality is a path that a filter says equals a value.
type Equality struct {
	Path  string
	Value bson.RawValue
}

// Equalities returns what an upsert takes from the filter: equalities at the top and inside $and, an $or, $in or $all of
// one. A path given twice, or given along with a part of it, is NotSingleValueField (54).
func (m *Matcher) Equalities() ([]Equality, error) {
	var out []Equality
	err := collectEqualities(m.root, &out)
	return out, err
}

func collectEqualities(n node, out *[]Equality) error {
	switch t := n.(type) {
	case and:
		for _, c := range t {
			if err := collectEqualities(c, out); err != nil {
				return err
			}
		}
	case *leaf:
		if v, ok := equalValue(t.pred); ok {
			return addEquality(Equality{t.path.text, v}, out)
		}
	}
	return nil
}

func equalValue(p predicate) (bson.RawValue, bool) {
	if c, ok := p.(*comparison); ok && c.op == opEq {
		return c.value, true
	}
	return bson.RawValue{}, false
}

func addEquality(e Equality, out *[]Equality) error {
	for _, o := range *out {
		if o.Path == e.Path {
			return mongoerr.New(mongoerr.NotSingleValueField, "cannot infer query fields to set, path '%s' is matched twice", e.Path)
		}
		if strings.HasPrefix(o.Path, e.Path+".") || strings.HasPrefix(e.Path, o.Path+".") {
			return mongoerr.New(mongoerr.NotSingleValueField, "cannot infer query fields to set, both paths '%s' and '%s' are matched", e.Path, o.Path)
		}
	}
	*out = append(*out, e)
	return nil
}
