package expr

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// fieldPath reads a dotted path of the document; arrays on the way are mapped, numeric names are names, as in MongoDB's expressions.
type fieldPath struct{ keys []string }

func (p *fieldPath) Eval(_ *Env, doc bson.Raw) (bson.RawValue, error) {
	return walkPath(bsonx.Lookup(doc, p.keys[0]), p.keys[1:]), nil
}

// rootNode is $$ROOT.
type rootNode struct{}

func (rootNode) Eval(_ *Env, doc bson.Raw) (bson.RawValue, error) { return bsonx.Document(doc), nil }

// varNode reads a variable, and a path below it.
type varNode struct {
	slot int
	keys []string
}

func (n *varNode) Eval(env *Env, _ bson.Raw) (bson.RawValue, error) {
	return walkPath(env.Var(n.slot), n.keys), nil
}

// envNode reads a variable of the operation itself.
type envNode struct {
	keys []string
	get  func(env *Env) (bson.RawValue, error)
}

func (n *envNode) Eval(env *Env, _ bson.Raw) (bson.RawValue, error) {
	v, err := n.get(env)
	if err != nil {
		return bsonx.Missing, err
	}
	return walkPath(v, n.keys), nil
}

// Path reads a dotted path of a document as "$path" does.
func Path(doc bson.Raw, keys []string) bson.RawValue {
	return walkPath(bsonx.Lookup(doc, keys[0]), keys[1:])
}

func walkPath(v bson.RawValue, keys []string) bson.RawValue {
	for i, k := range keys {
		switch v.Type {
		case bson.TypeEmbeddedDocument:
			v = bsonx.Lookup(v.Value, k)
		case bson.TypeArray:
			return mapPath(v, keys[i:])
		default:
			return bsonx.Missing
		}
	}
	return v
}

func mapPath(arr bson.RawValue, keys []string) bson.RawValue {
	b := bsonx.NewArray(0)
	walk(arr.Value, func(_ []byte, item bson.RawValue) bool {
		var r bson.RawValue
		if item.Type == bson.TypeEmbeddedDocument {
			r = walkPath(item, keys)
		}
		if r.Type != 0 {
			b.Append(r)
		}
		return true
	})
	return b.Value()
}

func compilePath(str string, s *Scope) (Expr, error) {
	if strings.HasPrefix(str, "$$") {
		return compileVariable(str, s)
	}
	keys, err := SplitPath(str[1:])
	if err != nil {
		return nil, err
	}
	if s.noDocument {
		return nil, errNoDocument
	}
	if slot, ok := s.slot("CURRENT"); ok {
		return &varNode{slot, keys}, nil
	}
	return &fieldPath{keys}, nil
}

// SplitPath checks and splits a dotted field path without its dollar sign.
func SplitPath(path string) ([]string, error) {
	if path == "" {
		return nil, mongoerr.New(16872, "'$' by itself is not a valid FieldPath")
	}
	if strings.HasSuffix(path, ".") {
		return nil, mongoerr.New(40353, "FieldPath must not end with a '.'.")
	}
	keys := strings.Split(path, ".")
	if len(keys) > maxDepth {
		return nil, mongoerr.New(15, "FieldPath is too long, max depth is %d", maxDepth)
	}
	for _, k := range keys {
		if err := pathComponent(k); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

func pathComponent(k string) error {
	switch {
	case k == "":
		return mongoerr.New(15998, "FieldPath field names may not be empty strings.")
	case k == "$ref" || k == "$id" || k == "$db":
		// The fields of a DBRef are the names with a dollar sign that a path may use.
		return nil
	case k[0] == '$':
		return mongoerr.New(16410, "FieldPath field names may not start with '$'. Consider using $getField or $setField.")
	case strings.IndexByte(k, 0) >= 0:
		return mongoerr.New(16411, "FieldPath field names may not contain '\\0'.")
	}
	return nil
}

// ValidateFieldName checks the name of a computed field: no dollar sign in front, no dot.
func ValidateFieldName(k string) error {
	if strings.Contains(k, ".") {
		return mongoerr.New(16412, "FieldPath field names may not contain '.'. Consider using $getField or $setField.")
	}
	return pathComponent(k)
}

func compileVariable(str string, s *Scope) (Expr, error) {
	name, rest, dotted := strings.Cut(str[2:], ".")
	if err := validateVariableUse(name); err != nil {
		return nil, err
	}
	var keys []string
	if dotted {
		var err error
		if keys, err = SplitPath(rest); err != nil {
			if rest == "" {
				err = mongoerr.New(40353, "FieldPath must not end with a '.'.")
			}
			return nil, err
		}
	}
	if slot, ok := s.slot(name); ok {
		return &varNode{slot, keys}, nil
	}
	if s.noDocument {
		switch name {
		case "ROOT", "CURRENT":
			return nil, errNoDocument
		case "NOW", "CLUSTER_TIME":
			return nil, mongoerr.New(51144, "Command let Expression does not support the variable $$%s", name)
		}
	}
	if name == "NOW" && s != nil && s.noClock {
		return nil, errNoClock
	}
	return systemVariable(name, keys)
}

var errNoClock = mongoerr.New(51144, "Builtin variable '$$NOW' is not available")

func systemVariable(name string, keys []string) (Expr, error) {
	switch name {
	case "ROOT", "CURRENT":
		if len(keys) == 0 {
			return rootNode{}, nil
		}
		return &fieldPath{keys}, nil
	case "REMOVE":
		return constant{bsonx.Missing}, nil
	case "NOW":
		return &envNode{keys, now}, nil
	case "CLUSTER_TIME":
		return &envNode{keys, clusterTime}, nil
	case "USER_ROLES":
		return constant{walkPath(bsonx.ArrayOf(), keys)}, nil
	}
	return nil, mongoerr.New(17276, "Use of undefined variable: %s", name)
}

func now(env *Env) (bson.RawValue, error) {
	if env.Now.IsZero() {
		return bsonx.Missing, errNoClock
	}
	return bsonx.DateTime(env.Now.UnixMilli()), nil
}

func clusterTime(env *Env) (bson.RawValue, error) {
	if env.ClusterTime.T == 0 {
		return bsonx.Missing, mongoerr.New(10071200, "Builtin variable '$$CLUSTER_TIME' is not available")
	}
	return bsonx.Timestamp(env.ClusterTime.T, env.ClusterTime.I), nil
}

// validateVariableUse checks a variable's name where it is read; names of system variables begin with an upper-case letter.
func validateVariableUse(name string) error {
	if name == "" {
		return mongoerr.New(9, "empty variable names are not allowed")
	}
	if !isNameStart(name[0]) && (name[0] < 'A' || name[0] > 'Z') {
		return mongoerr.New(9, "'%s' starts with an invalid character for a variable name", name)
	}
	return validateVariableRest(name)
}

// ValidateVariableName checks the name of a variable that a user defines.
func ValidateVariableName(name string) error {
	if name == "" {
		return mongoerr.New(9, "empty variable names are not allowed")
	}
	if name == "CURRENT" {
		return nil
	}
	if !isNameStart(name[0]) {
		return mongoerr.New(9, "'%s' starts with an invalid character for a user variable name", name)
	}
	return validateVariableRest(name)
}

func isNameStart(c byte) bool { return c >= 'a' && c <= 'z' || c >= 0x80 }

func validateVariableRest(name string) error {
	for i := 1; i < len(name); i++ {
		c := name[i]
		if !isNameStart(c) && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return mongoerr.New(9, "'%s' contains an invalid character for a variable name: '%c'", name, c)
		}
	}
	return nil
}
