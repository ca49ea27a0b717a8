package query

import (
	"cmp"
	"slices"
	"strings"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// node is one condition on a document.
type node interface {
	match(env *expr.Env, doc bson.Raw) (bool, error)
	// locate is match with the index of the array element that decided, -1 where none did.
	locate(env *expr.Env, doc bson.Raw) (bool, int, error)
}

type (
	and   []node
	or    []node
	not   struct{ child node }
	never struct{}
	// leaf is a predicate on the values at a path.
	leaf struct {
		path path
		pred predicate
	}
	exprNode struct{ e expr.Expr }
)

func (a and) match(env *expr.Env, doc bson.Raw) (bool, error) {
	for _, n := range a {
		if ok, err := n.match(env, doc); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// locate keeps the last child's index, as MongoDB does.
func (a and) locate(env *expr.Env, doc bson.Raw) (bool, int, error) {
	index := -1
	for _, n := range a {
		ok, i, err := n.locate(env, doc)
		if !ok || err != nil {
			return false, -1, err
		}
		if i >= 0 {
			index = i
		}
	}
	return true, index, nil
}

func (o or) match(env *expr.Env, doc bson.Raw) (bool, error) {
	for _, n := range o {
		if ok, err := n.match(env, doc); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// locate has no index, as in MongoDB: only an $or of equalities of one field, which becomes $in, has.
func (o or) locate(env *expr.Env, doc bson.Raw) (bool, int, error) {
	ok, err := o.match(env, doc)
	return ok, -1, err
}

func (n not) match(env *expr.Env, doc bson.Raw) (bool, error) {
	ok, err := n.child.match(env, doc)
	return !ok && err == nil, err
}

func (n not) locate(env *expr.Env, doc bson.Raw) (bool, int, error) {
	ok, err := n.match(env, doc)
	return ok, -1, err
}

func (never) match(*expr.Env, bson.Raw) (bool, error) { return false, nil }

func (never) locate(*expr.Env, bson.Raw) (bool, int, error) { return false, -1, nil }

func (l *leaf) match(_ *expr.Env, doc bson.Raw) (bool, error) {
	ok, _ := l.path.search(doc, 0, l.pred)
	return ok, nil
}

func (l *leaf) locate(_ *expr.Env, doc bson.Raw) (bool, int, error) {
	ok, i := l.path.search(doc, 0, l.pred)
	if e, isElem := l.pred.(elemIndexer); ok && i < 0 && isElem {
		i = e.indexOf(bsonx.LookupPath(doc, l.path.text))
	}
	return ok, i, nil
}

func (n exprNode) match(env *expr.Env, doc bson.Raw) (bool, error) {
	v, err := n.e.Eval(env, doc)
	return err == nil && bsonx.Truthy(v), err
}

func (n exprNode) locate(env *expr.Env, doc bson.Raw) (bool, int, error) {
	ok, err := n.match(env, doc)
	return ok, -1, err
}

// simplify flattens nested conjunctions, opens disjunctions of one and puts the conditions of a conjunction into MongoDB's
// order, which decides the array index that locate keeps.
func simplify(n node) node {
	switch t := n.(type) {
	case and:
		if len(t) == 1 {
			return simplify(t[0])
		}
		out := make(and, 0, len(t))
		for _, c := range t {
			switch s := simplify(c).(type) { // once: twice per level is exponential in the depth
			case and:
				out = append(out, s...)
			default:
				out = append(out, s)
			}
		}
		if len(out) == 1 {
			return out[0]
		}
		slices.SortStableFunc(out, compareNodes)
		return out
	case or:
		out := make(or, len(t))
		for i, c := range t {
			out[i] = simplify(c)
		}
		if len(out) == 1 {
			return out[0]
		}
		if in := asInSet(out); in != nil {
			return in
		}
		return out
	case not:
		return not{simplify(t.child)}
	}
	return n
}

// asInSet returns an $or of equalities and regular expressions of one field as $in, nil where it is none.
func asInSet(o or) node {
	set := &inSet{}
	var first *leaf
	for _, n := range o {
		l, ok := n.(*leaf)
		if !ok || first != nil && l.path.text != first.path.text {
			return nil
		}
		switch t := l.pred.(type) {
		case *regexPredicate:
			set.regexes = append(set.regexes, t)
		case *comparison:
			if t.op != opEq {
				return nil
			}
			set.null = set.null || t.value.Type == bson.TypeNull
			set.values = append(set.values, t.value)
		default:
			return nil
		}
		first = l
	}
	slices.SortFunc(set.values, bsonx.Compare)
	return &leaf{path: first.path, pred: set}
}

func compareNodes(a, b node) int {
	oa, pa := orderOf(a)
	ob, pb := orderOf(b)
	return cmp.Or(cmp.Compare(oa, ob), strings.Compare(pa, pb))
}

// orderOf returns a condition's place by kind, as in MongoDB's MatchExpression::MatchType, and its path.
func orderOf(n node) (order int, path string) {
	switch t := n.(type) {
	case and:
		return 0, ""
	case or:
		return 1, ""
	case *leaf:
		return predicateOrder(t.pred), t.path.text
	case exprNode:
		return 30, ""
	}
	return 40, ""
}

var comparisonOrder = [...]int{opEq: 5, opLte: 6, opLt: 7, opGt: 8, opGte: 9}

func predicateOrder(p predicate) int {
	switch t := p.(type) {
	case *elemObject:
		return 2
	case *elemValue:
		return 3
	case size:
		return 4
	case *comparison:
		return comparisonOrder[t.op]
	case *regexPredicate:
		return 10
	case modulo:
		return 11
	case exists:
		return 12
	case *inSet:
		return 13
	}
	return 20
}
