package project

import (
	"math"
	"strings"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/query"
	"go.mongodb.org/mongo-driver/v2/bson"
)

type parser struct {
	opts       Options
	root       *node
	positional string

	including, excluding bool // some field but _id is included, or computed; is excluded
	idIncluded           bool // {_id: 1}
	idExcluded           bool
	elements, slices     bool
}

// document parses a spec, or one nested in it below prefix.
func (p *parser) document(spec bson.Raw, prefix string) error {
	for it := bsonx.Elements(spec); it.Next(); {
		path := string(it.Key())
		if err := checkPath(path); err != nil {
			return err
		}
		if prefix != "" {
			path = prefix + "." + path
		}
		if err := p.field(path, it.Value()); err != nil {
			return err
		}
	}
	return nil
}

func checkPath(path string) error {
	switch {
	case path == "":
		return mongoerr.New(40352, "FieldPath cannot be constructed with empty string")
	case strings.HasSuffix(path, "."):
		return mongoerr.New(40353, "FieldPath must not end with a '.'.")
	}
	parts := strings.Split(path, ".")
	for i, s := range parts {
		switch {
		case s == "":
			return mongoerr.New(15998, "FieldPath field names may not be empty strings.")
		case s == "$" && i > 0 && i < len(parts)-1:
			return mongoerr.New(31394, "As of 4.4, it's illegal to specify positional operator in the middle of a path."+
				"Positional projection may only be used at the end, for example: a.b.$.")
		case s[0] == '$' && (s != "$" || i == 0):
			return mongoerr.New(16410, "FieldPath field names may not start with '$'. Consider using $getField or $setField.")
		}
	}
	return nil
}

func (p *parser) field(path string, v bson.RawValue) error {
	if before, ok := strings.CutSuffix(path, ".$"); ok {
		return p.positionalField(before, v)
	}
	switch {
	case v.Type == bson.TypeBoolean || bsonx.IsNumber(v):
		return p.flag(path, bsonx.Truthy(v))
	case v.Type != bson.TypeEmbeddedDocument:
		return p.expression(path, v, 31310)
	case bsonx.IsEmpty(v.Value):
		return mongoerr.New(51270, "An empty sub-projection is not a valid value. Found empty object at path")
	}
	if !strings.HasPrefix(bsonx.FirstKey(v.Value), "$") {
		return p.document(v.Value, path)
	}
	return p.operator(path, v)
}

func (p *parser) operator(path string, v bson.RawValue) error {
	name := bsonx.FirstKey(v.Value)
	if bsonx.Len(v.Value) > 1 {
		return mongoerr.New(16410, "FieldPath field names may not start with '$', and an expression has one operator: %s", v)
	}
	switch arg := bsonx.Lookup(v.Value, name); {
	case name == "$elemMatch":
		return p.elemMatch(path, arg)
	case name == "$slice" && path != p.positional:
		return p.slice(path, v, arg)
	}
	return p.expression(path, v, 31252)
}

func (p *parser) flag(path string, on bool) error {
	n, err := p.at(path)
	if err != nil {
		return err
	}
	n.kind = exclude
	if on {
		n.kind = include
	}
	switch {
	case path == "_id":
		p.idIncluded, p.idExcluded = on, !on
		return nil
	case on && p.excluding:
		return mongoerr.New(31253, "Cannot do inclusion on field %s in exclusion projection", path)
	case !on && p.including:
		return mongoerr.New(31254, "Cannot do exclusion on field %s in inclusion projection", path)
	case on:
		p.including = true
	default:
		p.excluding = true
	}
	return nil
}

func (p *parser) expression(path string, v bson.RawValue, inExclusion int32) error {
	scope := p.opts.Scope
	if scope == nil {
		scope = expr.NewScope()
	}
	e, err := expr.Compile(v, scope)
	if err != nil {
		return unknownExpression(err)
	}
	n, err := p.at(path)
	if err != nil {
		return err
	}
	n.kind, n.expr = compute, e
	if p.excluding {
		return computedError(inExclusion, path)
	}
	if path != "_id" {
		p.including = true
	}
	return nil
}

func computedError(code int32, path string) error {
	return mongoerr.New(code, "Cannot use an expression on field %s in an exclusion projection", path)
}

// unknownExpression gives an unknown operator the code that projections have for it.
func unknownExpression(err error) error {
	if e := mongoerr.From(err); e.Code == mongoerr.InvalidPipelineOperator {
		return mongoerr.New(31325, "Unknown expression: %s", e.Message)
	}
	return err
}

func (p *parser) positionalField(path string, v bson.RawValue) error {
	if v.Type == bson.TypeEmbeddedDocument {
		return mongoerr.New(31271, "positional projection cannot be used with an expression or sub object")
	}
	switch {
	case p.positional != "":
		return mongoerr.New(31276, "Cannot specify more than one positional projection per query.")
	case p.elements:
		return mongoerr.New(31256, "Cannot specify positional operator and $elemMatch.")
	case p.excluding || !bsonx.Truthy(v):
		return mongoerr.New(31395, "positional projection cannot be used with exclusion")
	case p.opts.Filter != nil && p.opts.Filter.HasExpr():
		return mongoerr.New(mongoerr.QueryFeatureNotAllowed, "$expr is not allowed together with a positional projection")
	}
	n, err := p.at(path)
	if err != nil {
		return err
	}
	n.kind, p.positional, p.including = include, path, true
	return nil
}

func (p *parser) elemMatch(path string, arg bson.RawValue) error {
	switch {
	case arg.Type != bson.TypeEmbeddedDocument:
		return mongoerr.New(31274, "elemMatch: Invalid argument, object required, but got %s", bsonx.TypeName(arg.Type))
	case p.positional != "":
		return mongoerr.New(31255, "Cannot specify positional operator and $elemMatch.")
	case strings.Contains(path, "."):
		return mongoerr.New(31275, "Cannot use $elemMatch projection on a nested field")
	}
	if !bsonx.IsMissing(bsonx.Lookup(arg.Value, "$jsonSchema")) {
		return mongoerr.New(mongoerr.QueryFeatureNotAllowed, "$jsonSchema is not allowed in this context")
	}
	filter := bsonx.NewDoc(0).Append("a", bsonx.NewDoc(0).Append("$elemMatch", arg).Value()).Raw()
	m, err := query.Compile(filter, query.Options{Env: p.opts.Env, InMatch: true})
	if err != nil {
		return err
	}
	n, err := p.at(path)
	if err != nil {
		return err
	}
	n.kind, n.matcher, p.elements = element, m, true
	return nil
}

// slice parses $slice as find has it, a number or two; anything else is the expression of that name.
func (p *parser) slice(path string, whole, arg bson.RawValue) error {
	skip, limit := bsonx.Missing, arg
	if arg.Type == bson.TypeArray && bsonx.Len(arg.Value) == 2 {
		skip, limit = bsonx.At(arg.Value, 0), bsonx.At(arg.Value, 1)
	}
	if !bsonx.IsNumber(limit) || !bsonx.IsMissing(skip) && !bsonx.IsNumber(skip) {
		return p.expression(path, whole, 31252)
	}
	n, err := p.at(path)
	if err != nil {
		return err
	}
	n.kind, n.limit, p.slices = slice, clamp(limit), true
	switch {
	case !bsonx.IsMissing(skip):
		if n.skip = clamp(skip); n.limit <= 0 {
			return mongoerr.New(28724, "Second argument to $slice must be a positive number, but was %d", n.limit)
		}
	case n.limit < 0:
		n.skip, n.limit = n.limit, -n.limit
	}
	return nil
}

// clamp cuts a number to a whole one of 32 bits, as MongoDB does for $slice.
func clamp(v bson.RawValue) int {
	f, _ := bsonx.FloatOf(v)
	switch {
	case math.IsNaN(f):
		return 0
	case f >= math.MaxInt32:
		return math.MaxInt32
	case f <= -math.MaxInt32:
		return -math.MaxInt32
	}
	return int(f)
}

// at makes the node of a path. A path given twice, or a part of one given before, collides.
func (p *parser) at(path string) (*node, error) {
	n := p.root
	parts := strings.Split(path, ".")
	for i, name := range parts {
		k := n.kid(name)
		last := i == len(parts)-1
		switch {
		case k == nil:
			k = n.add(name)
		case last:
			return nil, mongoerr.New(31250, "Path collision at %s", path)
		case k.kind != inner:
			return nil, mongoerr.New(31249, "Path collision at %s remaining portion %s", path, strings.Join(parts[i+1:], "."))
		}
		n = k
	}
	return n, nil
}

// excludes decides the kind of the projection: by a plain field, else by _id, else by what operators there are.
func (p *parser) excludes() bool {
	switch {
	case p.including:
		return false
	case p.excluding:
		return true
	case p.idIncluded:
		return false
	case p.elements && !p.slices:
		return false
	}
	return p.idExcluded || p.slices || len(p.root.kids) == 0
}

// check finds computed fields that came before an exclusion decided the kind.
func (p *parser) check() error {
	if !p.excludes() {
		return nil
	}
	for i, k := range p.root.kids {
		if k.computes() {
			return computedError(31252, p.root.names[i])
		}
	}
	return nil
}
