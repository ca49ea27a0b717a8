// Package query compiles MongoDB filters and matches raw BSON documents with them. It owns the filter language, the
// equalities an upsert takes from a filter, and what an index may promise for a filter (bounds, implication); it does not own index choice
// nor aggregation expressions, which $expr takes from package expr.
//
// Text, geospatial and $where filters answer NotImplemented (238); an unknown operator answers BadValue (2).
package query

import (
	"slices"

	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// Options say where a filter stands.
type Options struct {
	// Scope names the variables ("let") that $expr may use; nil means none.
	Scope *expr.Scope
	// Env holds their values and the clock for Match and MatchArray; nil is an empty Env.
	Env *expr.Env
	// InMatch is set where documents only pass by, as in $match, array filters and projections: there $where (2) and
	// $near (5626500) are refused.
	InMatch bool
}

// Matcher is a compiled filter. It does not change, so that goroutines may share it; those that use $expr need an Env each and
// call MatchEnv.
type Matcher struct {
	root node
	env  *expr.Env
}

// Compile parses a filter; nil and {} match every document. Errors are *mongoerr.Error with MongoDB's codes. The filter's
// bytes must stay unchanged while the Matcher is in use.
func Compile(filter bson.Raw, opts Options) (*Matcher, error) {
	p := parser{opts: opts}
	root, err := p.document(filter, level{top: true})
	if err != nil {
		return nil, err
	}
	if opts.Env == nil {
		opts.Env = &expr.Env{}
	}
	return &Matcher{root: simplify(root), env: opts.Env}, nil
}

// Match reports whether the document matches. Only $expr can fail. It does not allocate but for $expr and $regex.
func (m *Matcher) Match(doc bson.Raw) (bool, error) { return m.root.match(m.env, doc) }

// MatchEnv is Match with the variables and clock of env.
func (m *Matcher) MatchEnv(env *expr.Env, doc bson.Raw) (bool, error) { return m.root.match(env, doc) }

// MatchArray is Match that also tells the position, in the outermost array that the filter went through, of the element
// that matched: what the positional operator $ stands for. It is -1 where no array was involved.
func (m *Matcher) MatchArray(doc bson.Raw) (matched bool, index int, err error) {
	return m.root.locate(m.env, doc)
}

// MatchesAll reports whether the filter has no conditions.
func (m *Matcher) MatchesAll() bool {
	a, ok := m.root.(and)
	return ok && len(a) == 0
}

// IsOperators reports whether a document is made of operators, as in {$gt: 1}, rather than a value; a DBRef is a value.
func IsOperators(doc bson.Raw) bool { return isOperators(doc) }

// HasExpr reports whether the filter uses $expr, the only condition that reads the variables of an Env.
func (m *Matcher) HasExpr() bool { return hasExpr(m.root) }

func hasExpr(n node) bool {
	switch t := n.(type) {
	case and:
		return slices.ContainsFunc(t, hasExpr)
	case or:
		return slices.ContainsFunc(t, hasExpr)
	case not:
		return hasExpr(t.child)
	case exprNode:
		return true
	}
	return false
}
