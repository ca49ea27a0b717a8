package pipeline

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// projectParser reads the argument of $project.
type projectParser struct {
	c    *compiler
	root *field
	mode mode
	// id tells what was said of _id: -1 dropped, 1 kept, 0 nothing
	id int
}

func (c *compiler) project(arg bson.RawValue) (stage, error) {
	if err := object(arg, 15969, "$project"); err != nil {
		return nil, err
	}
	if bsonx.IsEmpty(arg.Value) {
		return nil, mongoerr.New(51272, "Invalid $project :: caused by :: projection specification must have at least one field")
	}
	p := &projectParser{c: c, root: &field{}}
	if err := p.object("", arg.Value); err != nil {
		return nil, err
	}
	if p.mode == undecided {
		p.mode = keepOthers
		if p.id > 0 {
			p.mode = dropOthers
		}
	}
	if p.mode == dropOthers && p.root.children["_id"] == nil {
		p.root.child("_id").leaf = true
	}
	return &projectStage{root: p.root, rest: p.mode}, nil
}

func (p *projectParser) object(prefix string, body bson.Raw) error {
	for it := bsonx.Elements(body); it.Next(); {
		path := string(it.Key())
		if strings.HasSuffix(path, ".$") {
			return mongoerr.New(31324, "Invalid $project :: caused by :: Cannot use positional projection in aggregation projection")
		}
		if err := stagePath(path); err != nil {
			return err
		}
		if err := p.field(prefix+path, it.Value()); err != nil {
			return err
		}
	}
	return nil
}

func (p *projectParser) field(path string, v bson.RawValue) error {
	switch {
	case bsonx.IsNumber(v) || v.Type == bson.TypeBoolean:
		return p.keepOrDrop(path, bsonx.Truthy(v))
	case v.Type == bson.TypeEmbeddedDocument:
		first := bsonx.FirstKey(v.Value)
		switch {
		case first == "":
			if bsonx.IsEmpty(v.Value) {
				return mongoerr.New(51270, "Invalid $project :: caused by :: an empty object is not a valid value. Found empty object at path %s", path)
			}
		case first[0] == '$':
			if bsonx.Len(v.Value) > 1 {
				return mongoerr.New(16410, "Invalid $project :: caused by :: FieldPath field names may not start with '$'.")
			}
			return p.computed(path, v, true)
		}
		return p.object(path+".", v.Value)
	}
	return p.computed(path, v, false)
}

func (p *projectParser) keepOrDrop(path string, keep bool) error {
	want := keepOthers
	if keep {
		want = dropOthers
	}
	if path == "_id" {
		p.id = map[bool]int{true: 1, false: -1}[keep]
		if p.mode == undecided || p.mode == want || !keep {
			f, err := insert(p.root, path, 31250, 31249)
			if err != nil {
				return err
			}
			f.leaf, f.drop = true, !keep
		}
		return nil
	}
	if p.mode == undecided {
		p.mode = want
	}
	if p.mode != want {
		if keep {
			return mongoerr.New(31253, "Invalid $project :: caused by :: Cannot do inclusion on field %s in exclusion projection", path)
		}
		return mongoerr.New(31254, "Invalid $project :: caused by :: Cannot do exclusion on field %s in inclusion projection", path)
	}
	f, err := insert(p.root, path, 31250, 31249)
	if err != nil {
		return err
	}
	f.leaf, f.drop = true, !keep
	return nil
}

func (p *projectParser) computed(path string, v bson.RawValue, operator bool) error {
	if p.mode == keepOthers && !(operator && bsonx.FirstKey(v.Value) == "$meta") {
		if operator {
			return mongoerr.New(31252, "Invalid $project :: caused by :: Cannot use an expression in an exclusion projection: %s", path)
		}
		return mongoerr.New(31310, "Invalid $project :: caused by :: Cannot use a computed value in an exclusion projection: %s", path)
	}
	e, err := expr.Compile(v, p.c.scope)
	if err != nil {
		if mongoerr.CodeOf(err) == 168 && operator && bsonx.FirstKey(v.Value) != "$elemMatch" && strings.Contains(err.Error(), "'"+bsonx.FirstKey(v.Value)+"'") {
			return mongoerr.New(31325, "Invalid $project :: caused by :: Unknown expression %s", bsonx.FirstKey(v.Value))
		}
		return err
	}
	p.mode = dropOthers
	f, err := insert(p.root, path, 31250, 31249)
	if err != nil {
		return err
	}
	f.value = e
	return nil
}

// insert makes the node of a path; it fails with below where a part of the path is an end already, with above where the path itself has
// fields below it or was there.
func insert(root *field, path string, above, below int32) (*field, error) {
	f := root
	for _, name := range strings.Split(path, ".") {
		if f.isEnd() {
			return nil, mongoerr.New(below, "Path collision at %s", path)
		}
		f = f.child(name)
	}
	if f.isEnd() || len(f.children) > 0 {
		return nil, mongoerr.New(above, "Path collision at %s", path)
	}
	return f, nil
}

// addFields is $addFields and $set.
func (c *compiler) addFields(name string, arg bson.RawValue) (stage, error) {
	if err := object(arg, 40272, name); err != nil {
		return nil, err
	}
	root := &field{}
	if err := c.addFieldsIn(root, "", arg.Value); err != nil {
		return nil, err
	}
	return &projectStage{root: root, rest: keepOthers}, nil
}

func (c *compiler) addFieldsIn(root *field, prefix string, body bson.Raw) error {
	for it := bsonx.Elements(body); it.Next(); {
		path := string(it.Key())
		if err := stagePath(path); err != nil {
			return err
		}
		if prefix != "" && strings.Contains(path, ".") {
			return mongoerr.New(40183, "FieldPath field names may not contain '.' in a nested object: %s", path)
		}
		path = prefix + path
		v := it.Value()
		if v.Type == bson.TypeEmbeddedDocument && !bsonx.IsEmpty(v.Value) {
			nested, err := isNested(v.Value)
			if err != nil {
				return err
			}
			if nested {
				if err := c.addFieldsIn(root, path+".", v.Value); err != nil {
					return err
				}
				continue
			}
		}
		e, err := expr.Compile(v, c.scope)
		if err != nil {
			return err
		}
		f, err := insert(root, path, 40176, 40176)
		if err != nil {
			return err
		}
		f.value = e
	}
	return nil
}

// isNested tells an object of fields from an operator.
func isNested(body bson.Raw) (bool, error) {
	if !strings.HasPrefix(bsonx.FirstKey(body), "$") {
		return true, nil
	}
	if bsonx.Len(body) > 1 {
		return false, mongoerr.New(40181, "an expression specification must contain exactly one field, the name of the expression")
	}
	return false, nil
}

// unset is $unset: an exclusion.
func (c *compiler) unset(arg bson.RawValue) (stage, error) {
	list := []bson.RawValue{arg}
	switch arg.Type {
	case bson.TypeString:
	case bson.TypeArray:
		list = bsonx.Values(arg)
		if len(list) == 0 {
			return nil, mongoerr.New(31119, "$unset specification must be a string or an array with at least one field")
		}
	default:
		return nil, mongoerr.New(31002, "$unset specification must be a string or an array")
	}
	for _, v := range list {
		if v.Type != bson.TypeString {
			return nil, mongoerr.New(31120, "$unset specification must be a string or an array containing only string values")
		}
	}
	for _, v := range list {
		if strings.Contains(string(bsonx.StringBytes(v)), "\x00") {
			return nil, mongoerr.New(9527900, "$unset field names may not contain a null byte")
		}
	}
	root := &field{}
	for _, v := range list {
		path := string(bsonx.StringBytes(v))
		if err := stagePath(path); err != nil {
			return nil, err
		}
		f, err := insert(root, path, 31250, 31249)
		if err != nil {
			return nil, err
		}
		f.leaf, f.drop = true, true
	}
	return &projectStage{root: root, rest: keepOthers}, nil
}
