package query

import (
	"strings"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"go.mongodb.org/mongo-driver/v2/bson"
)

func bad(format string, args ...any) error { return mongoerr.New(mongoerr.BadValue, format, args...) }

func unsupported(name string) error {
	return mongoerr.New(mongoerr.NotImplemented, "this store does not support %s", name)
}

// maxDepth is how deep filters may nest.
const maxDepth = 100

// level is where in the filter a document stands.
type level struct {
	top   bool // not below $elemMatch
	depth int
}

type parser struct{ opts Options }

func (p *parser) document(doc bson.Raw, at level) (node, error) {
	if at.depth++; at.depth > maxDepth {
		return nil, bad("exceeded maximum query tree depth of %d", maxDepth)
	}
	out := make(and, 0, 1)
	for it := bsonx.Elements(doc); it.Next(); {
		n, err := p.condition(string(it.Key()), it.Value(), at)
		if err != nil {
			return nil, err
		}
		if n != nil {
			out = append(out, n)
		}
	}
	return out, nil
}

func (p *parser) condition(name string, v bson.RawValue, at level) (node, error) {
	if strings.HasPrefix(name, "$") {
		return p.topOperator(name, v, at)
	}
	return p.field(name, v)
}

func (p *parser) topOperator(name string, v bson.RawValue, at level) (node, error) {
	switch name {
	case "$and":
		all, err := p.list(name, v, at)
		return and(all), err
	case "$or":
		any, err := p.list(name, v, at)
		return or(any), err
	case "$nor":
		any, err := p.list(name, v, at)
		return not{or(any)}, err
	case "$expr":
		return p.expression(v, at)
	case "$comment":
		return nil, nil
	case "$alwaysTrue", "$alwaysFalse":
		return constantCondition(name, v)
	case "$where":
		if p.opts.InMatch {
			return nil, bad("$where is not allowed in this context")
		}
		return nil, unsupported(name)
	case "$text":
		if !at.top {
			return nil, bad("$text can only be applied to the top-level document")
		}
		return nil, unsupported(name)
	case "$jsonSchema":
		s, err := parseSchema(v)
		return schemaNode{s}, err
	case "$sampleRate":
		if !at.top {
			return nil, bad("$sampleRate can only be applied to the top-level document")
		}
		return parseSample(v)
	case "$near", "$nearSphere", "$geoNear", "$geoWithin", "$geoIntersects", "$within":
		return nil, bad("unknown top level operator: %s", name)
	}
	return nil, bad("unknown top level operator: %s. If you have a field name that starts with a '$' symbol, "+
		"consider using $getField or $setField.", name)
}

func constantCondition(name string, v bson.RawValue) (node, error) {
	if n, ok := bsonx.IntegerOf(v); !ok || n != 1 {
		return nil, mongoerr.New(mongoerr.FailedToParse, "%s must be an integer value of 1", name)
	}
	if name == "$alwaysTrue" {
		return nil, nil
	}
	return never{}, nil
}

func (p *parser) expression(v bson.RawValue, at level) (node, error) {
	if !at.top {
		return nil, bad("$expr can only be applied to the top-level document")
	}
	scope := p.opts.Scope
	if scope == nil {
		scope = expr.NewScope()
	}
	e, err := expr.Compile(v, scope)
	if err != nil {
		return nil, err
	}
	return exprNode{e}, nil
}

func (p *parser) list(name string, v bson.RawValue, at level) ([]node, error) {
	if v.Type != bson.TypeArray {
		return nil, bad("%s must be an array", name)
	}
	if bsonx.IsEmpty(v.Value) {
		return nil, bad("$and/$or/$nor must be a nonempty array")
	}
	var out []node
	for it := bsonx.Elements(v.Value); it.Next(); {
		if it.Value().Type != bson.TypeEmbeddedDocument {
			return nil, bad("$or/$and/$nor entries need to be full objects")
		}
		n, err := p.document(it.Value().Value, at)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// isOperators tells {$gt: 1} from a value; a DBRef is a value.
func isOperators(doc bson.Raw) bool {
	first := bsonx.FirstKey(doc)
	return strings.HasPrefix(first, "$") && !isDBRefField(first)
}

func isDBRefField(name string) bool { return name == "$ref" || name == "$id" || name == "$db" }

// field parses what stands beside a field's name: operators, a regular expression or a value to equal.
func (p *parser) field(name string, v bson.RawValue) (node, error) {
	if v.Type == bson.TypeEmbeddedDocument && isOperators(v.Value) {
		return p.fieldOperators(name, v.Value)
	}
	pred, err := equality(v)
	if err != nil {
		return nil, err
	}
	return newLeaf(name, pred), nil
}

func newLeaf(name string, pred predicate) node {
	switch t := pred.(type) {
	case negated:
		all := make(and, len(t.all))
		for i, c := range t.all {
			all[i] = newLeaf(name, c)
		}
		return not{all}
	case allOf:
		all := make(and, len(t.all))
		for i, c := range t.all {
			all[i] = newLeaf(name, c)
		}
		return all
	case nothing:
		return never{}
	}
	whole := false
	switch pred.(type) {
	case *elemValue, *elemObject, size:
		whole = true
	}
	return &leaf{path: newPath(name, whole), pred: pred}
}

// equality is the predicate of a value that stands alone, as in {a: 1}, {a: /x/} and inside $all.
func equality(v bson.RawValue) (predicate, error) {
	switch v.Type {
	case bson.TypeRegex:
		return newRegex(bsonx.RegexParts(v))
	case bson.TypeUndefined:
		return nil, bad("cannot compare to undefined")
	}
	return newComparison(opEq, v), nil
}

func (p *parser) fieldOperators(name string, ops bson.Raw) (node, error) {
	preds, err := p.operators(name, ops)
	if err != nil {
		return nil, err
	}
	out := make(and, len(preds))
	for i, pred := range preds {
		out[i] = newLeaf(name, pred)
	}
	return out, nil
}

// operators parses {$gt: 1, $lt: 5} into one predicate for each operator.
func (p *parser) operators(name string, ops bson.Raw) ([]predicate, error) {
	var out []predicate
	seenOptions := false
	for it := bsonx.Elements(ops); it.Next(); {
		var pred predicate
		var err error
		switch op := string(it.Key()); op {
		case "$regex":
			pred, err = regexArg(it.Value(), bsonx.Lookup(ops, "$options"), seenOptions)
		case "$options":
			if seenOptions = true; bsonx.IsMissing(bsonx.Lookup(ops, "$regex")) {
				err = bad("$options needs a $regex")
			}
		default:
			pred, err = p.operator(name, op, it.Value())
		}
		if err != nil {
			return nil, err
		}
		if pred != nil {
			out = append(out, pred)
		}
	}
	return out, nil
}

var compareOps = map[string]compareOp{"$eq": opEq, "$lt": opLt, "$lte": opLte, "$gt": opGt, "$gte": opGte}

func (p *parser) operator(name, op string, v bson.RawValue) (predicate, error) {
	switch op {
	case "$eq", "$lt", "$lte", "$gt", "$gte":
		return compareArg(name, compareOps[op], v)
	case "$ne":
		if v.Type == bson.TypeRegex {
			return nil, bad("Can't have regex as arg to $ne.")
		}
		return negate(compareArg(name, opEq, v))
	case "$in":
		return p.inArg(op, v)
	case "$nin":
		return negate(p.inArg(op, v))
	case "$not":
		return p.notArg(name, v)
	case "$exists":
		if bsonx.Truthy(v) {
			return exists{}, nil
		}
		return negated{[]predicate{exists{}}}, nil
	case "$type":
		return parseTypes(v)
	case "$mod":
		return parseMod(v)
	case "$size":
		return parseSize(v)
	case "$all":
		return p.allArg(v)
	case "$elemMatch":
		return p.elemMatchArg(v)
	case "$bitsAllSet", "$bitsAllClear", "$bitsAnySet", "$bitsAnyClear":
		return parseBits(op, v)
	case "$near", "$nearSphere", "$geoNear":
		if p.opts.InMatch {
			return nil, mongoerr.New(5626500, "%s is not allowed in this context", op)
		}
		return nil, unsupported(op)
	case "$geoWithin", "$geoIntersects", "$within", "$maxDistance", "$minDistance":
		return nil, unsupported(op)
	}
	return nil, bad("unknown operator: %s", op)
}

func negate(pred predicate, err error) (predicate, error) {
	if err != nil {
		return nil, err
	}
	return negated{[]predicate{pred}}, nil
}

func compareArg(name string, op compareOp, v bson.RawValue) (predicate, error) {
	if v.Type == bson.TypeUndefined {
		return nil, bad("cannot compare to undefined")
	}
	if v.Type == bson.TypeRegex && op != opEq {
		return nil, bad("Can't have RegEx as arg to predicate over field '%s'.", name)
	}
	return newComparison(op, v), nil
}
