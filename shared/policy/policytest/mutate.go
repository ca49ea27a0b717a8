package policytest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// site is one place of a module where it can be made to say something else.
type site struct {
	what string // for a person: the rule, the place and the change
	do   func()
}

// survivors changes every rule of the layer in every way that sites finds, one at a time, and returns the changes that no
// case of the rule's own package notices. A change that leaves a rule which does not compile is noticed by that. Without any
// change the package's cases must hold among the modules of around, or they would notice anything.
func survivors(ctx context.Context, texts map[string]string, rules map[string][]string) ([]string, error) {
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		modules, err := parse(texts)
		if err != nil {
			return nil, err
		}
		modules = around(modules, name)
		if err := hold(ctx, modules); err != nil {
			return nil, fmt.Errorf("%s: unchanged, with nothing but what it imports: %w", name, err)
		}
		tried := 0
		for _, path := range rules[name] {
			for i := range sites(modules[path].Copy()) {
				changed, s := change(modules, path, i)
				failed, _, err := run(ctx, changed)
				if err != nil {
					continue
				}
				tried++
				if len(failed) == 0 {
					problems = append(problems, fmt.Sprintf("%s: no case of %s notices this change: %s", path, name, s))
				}
			}
		}
		if tried == 0 {
			return nil, fmt.Errorf("%s: no change could be tried: the rule says nothing, or none compiles", name)
		}
	}
	return problems, nil
}

// hold returns an error unless there are cases and all hold.
func hold(ctx context.Context, modules map[string]*ast.Module) error {
	failed, ran, err := run(ctx, modules)
	if err == nil && (ran == 0 || len(failed) > 0) {
		err = fmt.Errorf("of %d cases these do not hold: %q", ran, failed)
	}
	return err
}

// change returns the modules with the i-th change made to a copy of one, and what it is.
func change(modules map[string]*ast.Module, path string, i int) (map[string]*ast.Module, string) {
	changed := map[string]*ast.Module{}
	for p, m := range modules {
		changed[p] = m.Copy()
	}
	s := sites(changed[path])[i]
	s.do()
	return changed, s.what
}

// around returns the modules of a package and of its cases, with all that they import, and that imports. What they refer to
// by its full path without an import is not there.
func around(modules map[string]*ast.Module, name string) map[string]*ast.Module {
	out := map[string]*ast.Module{}
	var add func(name string)
	add = func(name string) {
		for path, m := range modules {
			if out[path] != nil || strings.TrimPrefix(m.Package.Path.String(), "data.") != name {
				continue
			}
			out[path] = m
			for _, i := range m.Imports {
				add(strings.TrimPrefix(i.Path.String(), "data."))
			}
		}
	}
	add(name)
	add(name + "_test")
	return out
}

// sites returns the changes of a module, in the same order for every copy of it: each rule and condition taken out, each
// comparison made to take its bound in or leave it out or to be its opposite, and each text, truth value, whole number and
// member of a literal collection changed. Not changed are: a not (its condition is taken out whole), what follows an else,
// numbers that are not whole, the keys of objects, the arguments of functions and, as the text of a reason is no condition,
// the heads of contains and what is given to sprintf.
func sites(m *ast.Module) []site {
	var out []site
	for i, r := range m.Rules {
		if r.Default {
			continue
		}
		at := fmt.Sprintf("line %d, %s", r.Location.Row, r.Head.Ref())
		out = append(out, site{at + ": take the rule out", func() { m.Rules = slices.Delete(m.Rules, i, i+1) }})
		out = append(out, bodySites(at, &r.Body)...)
		out = append(out, termSites(at, r.Head.Value)...)
	}
	return out
}

func bodySites(at string, body *ast.Body) []site {
	var out []site
	for i, e := range *body {
		if t, ok := e.Terms.(*ast.Term); ok && t.Value.Compare(ast.Boolean(true)) == 0 {
			continue // what the parser gives to a rule without conditions
		}
		out = append(out, site{fmt.Sprintf("%s: take out %s", at, e), func() { *body = without(*body, i) }})
		out = append(out, exprSites(at, e)...)
	}
	return out
}

func without(body ast.Body, i int) ast.Body {
	rest := slices.Delete(slices.Clone(body), i, i+1)
	if len(rest) == 0 {
		return ast.NewBody(ast.NewExpr(ast.BooleanTerm(true)))
	}
	return ast.NewBody(rest...)
}

func exprSites(at string, e *ast.Expr) []site {
	switch terms := e.Terms.(type) {
	case *ast.Term:
		return termSites(at, terms)
	case []*ast.Term:
		return callSites(at, terms)
	case *ast.SomeDecl:
		var out []site
		for _, t := range terms.Symbols {
			out = append(out, termSites(at, t)...)
		}
		return out
	case *ast.Every:
		return append(termSites(at, terms.Domain), bodySites(at, &terms.Body)...)
	}
	return nil
}

// otherwise has for each comparison the one that differs from it at the bound.
var otherwise = map[string]string{"gte": "gt", "gt": "gte", "lte": "lt", "lt": "lte", "equal": "neq", "neq": "equal"}

// callSites takes a call as its operator and operands. The operands of sprintf are the text of a reason.
func callSites(at string, call []*ast.Term) []site {
	var out []site
	operator := call[0].String()
	if operator == "sprintf" {
		return nil
	}
	if other, ok := otherwise[operator]; ok {
		out = append(out, site{fmt.Sprintf("%s: %s instead of %s in %v", at, other, operator, call[1:]), func() {
			call[0] = ast.NewTerm(ast.Ref{ast.VarTerm(other)}).SetLocation(call[0].Location)
		}})
	}
	for _, t := range call[1:] {
		out = append(out, termSites(at, t)...)
	}
	return out
}

// termSites changes the literals in a term. Those in a reference name a field and are checked by the compiler.
func termSites(at string, t *ast.Term) []site {
	if t == nil {
		return nil
	}
	switch v := t.Value.(type) {
	case ast.Call:
		return callSites(at, v)
	case *ast.ArrayComprehension:
		return append(termSites(at, v.Term), bodySites(at, &v.Body)...)
	case *ast.SetComprehension:
		return append(termSites(at, v.Term), bodySites(at, &v.Body)...)
	case *ast.ObjectComprehension:
		return append(termSites(at, v.Value), bodySites(at, &v.Body)...)
	}
	var out []site
	for _, other := range variants(t.Value) {
		out = append(out, site{fmt.Sprintf("%s: %v instead of %v", at, other, t.Value), func() { t.Value = other }})
	}
	return out
}

// variants returns literals next to a literal: those from which a rule must tell it apart.
func variants(v ast.Value) []ast.Value {
	switch v := v.(type) {
	case ast.String:
		return []ast.Value{v + "~"}
	case ast.Boolean:
		return []ast.Value{!v}
	case ast.Number:
		if n, ok := v.Int(); ok {
			return []ast.Value{number(n - 1), number(n + 1)}
		}
	case *ast.Array:
		return exchanged(v.Len(), v.Elem, func(terms []*ast.Term) ast.Value { return ast.NewArray(terms...) })
	case ast.Set:
		members := v.Slice()
		return exchanged(len(members), func(i int) *ast.Term { return members[i] }, func(terms []*ast.Term) ast.Value { return ast.NewSet(terms...) })
	case ast.Object:
		keys := v.Keys()
		return exchanged(len(keys), func(i int) *ast.Term { return v.Get(keys[i]) }, func(terms []*ast.Term) ast.Value {
			o := ast.NewObject()
			for i, t := range terms {
				o.Insert(keys[i], t)
			}
			return o
		})
	}
	return nil
}

func number(n int) ast.Value { return ast.Number(json.Number(strconv.Itoa(n))) }

// exchanged returns a collection with each of its members exchanged for each of that member's variants.
func exchanged(n int, at func(int) *ast.Term, build func([]*ast.Term) ast.Value) []ast.Value {
	var out []ast.Value
	for i := range n {
		for _, other := range variants(at(i).Value) {
			terms := make([]*ast.Term, n)
			for j := range n {
				terms[j] = at(j)
			}
			terms[i] = ast.NewTerm(other)
			out = append(out, build(terms))
		}
	}
	return out
}
