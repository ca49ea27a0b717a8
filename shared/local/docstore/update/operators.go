package update

import (
	"strings"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// modifier is an operator at the end of a path.
type modifier interface {
	// apply returns what becomes of the value at path, Missing for a field that is not there or goes away.
	apply(st *state, v bson.RawValue, path string) (bson.RawValue, error)
	// creates reports whether apply would make the field where it is missing, and so the way to it.
	creates(st *state) bool
}

func badValue(format string, args ...any) error {
	return mongoerr.New(mongoerr.BadValue, format, args...)
}

func mismatch(format string, args ...any) error {
	return mongoerr.New(mongoerr.TypeMismatch, format, args...)
}

var parsers = map[string]func(v bson.RawValue) (modifier, error){
	"$set":         func(v bson.RawValue) (modifier, error) { return set{v}, nil },
	"$setOnInsert": func(v bson.RawValue) (modifier, error) { return setOnInsert{v}, nil },
	"$unset":       func(bson.RawValue) (modifier, error) { return unset{}, nil },
	"$min":         func(v bson.RawValue) (modifier, error) { return extreme{v, -1}, nil },
	"$max":         func(v bson.RawValue) (modifier, error) { return extreme{v, 1}, nil },
	"$inc":         func(v bson.RawValue) (modifier, error) { return parseArithmetic("$inc", v) },
	"$mul":         func(v bson.RawValue) (modifier, error) { return parseArithmetic("$mul", v) },
	"$bit":         parseBit,
	"$currentDate": parseCurrentDate,
	"$push":        parsePush,
	"$addToSet":    parseAddToSet,
	"$pull":        parsePull,
	"$pullAll":     parsePullAll,
	"$pop":         parsePop,
}

func (u *Update) compileOperators(doc bson.Raw, opts Options) error {
	var err error
	if u.filters, err = compileFilters(opts.ArrayFilters, opts.Env); err != nil {
		return err
	}
	u.root = &tree{}
	paths := make([]string, 0, 8)
	for it := bsonx.Elements(doc); it.Next(); {
		op := string(it.Key())
		parse := parsers[op]
		if parse == nil && op != "$rename" {
			return parseFail("Unknown modifier: %s. Expected a valid update modifier or pipeline-style update specified as an array", op)
		}
		if it.Value().Type != bson.TypeEmbeddedDocument {
			return parseFail("Modifiers operate on fields but we found type %s instead. For example: {$mod: {<field>: ...}} not {%s: %s}",
				bsonx.TypeName(it.Value().Type), op, it.Value())
		}
		if paths, err = u.addOperator(parse, it.Value().Value, paths); err != nil {
			return err
		}
	}
	return u.checkFilters(paths)
}

// addOperator adds the fields of one operator, $rename where parse is nil, and their paths to paths.
func (u *Update) addOperator(parse func(bson.RawValue) (modifier, error), fields bson.Raw, paths []string) ([]string, error) {
	for it := bsonx.Elements(fields); it.Next(); {
		path := string(it.Key())
		paths = append(paths, path)
		var err error
		if parse == nil {
			err = u.addRename(path, it.Value())
		} else {
			err = u.addModifier(parse, path, it.Value())
		}
		if err != nil {
			return nil, err
		}
	}
	return paths, nil
}

func (u *Update) addModifier(parse func(bson.RawValue) (modifier, error), path string, v bson.RawValue) error {
	m, err := parse(v)
	if err != nil {
		return err
	}
	return u.root.add(path, m)
}

type set struct{ v bson.RawValue }

func (s set) apply(*state, bson.RawValue, string) (bson.RawValue, error) { return s.v, nil }

func (set) creates(*state) bool { return true }

type setOnInsert struct{ v bson.RawValue }

func (s setOnInsert) apply(st *state, v bson.RawValue, _ string) (bson.RawValue, error) {
	if st.insert {
		return s.v, nil
	}
	return v, nil
}

func (setOnInsert) creates(st *state) bool { return st.insert }

type unset struct{}

// apply returns Missing, which an array keeps as null.
func (unset) apply(*state, bson.RawValue, string) (bson.RawValue, error) { return bsonx.Missing, nil }

func (unset) creates(*state) bool { return false }

// extreme is $min and $max: it replaces a value that compares to it as want does.
type extreme struct {
	v    bson.RawValue
	want int
}

func (e extreme) apply(_ *state, v bson.RawValue, _ string) (bson.RawValue, error) {
	if bsonx.IsMissing(v) || bsonx.Compare(e.v, v) == e.want {
		return e.v, nil
	}
	return v, nil
}

func (extreme) creates(*state) bool { return true }

type currentDate struct{ timestamp bool }

func parseCurrentDate(v bson.RawValue) (modifier, error) {
	switch v.Type {
	case bson.TypeBoolean:
		return currentDate{}, nil
	case bson.TypeEmbeddedDocument:
	default:
		return nil, badValue("%s is not valid type for $currentDate. Please use a boolean ('true') or a $type expression ({$type: 'timestamp/date'}).",
			bsonx.TypeName(v.Type))
	}
	kind := bsonx.Lookup(v.Value, "$type")
	if kind.Type == bson.TypeString && bsonx.Len(v.Value) == 1 {
		switch kind.StringValue() {
		case "date":
			return currentDate{}, nil
		case "timestamp":
			return currentDate{timestamp: true}, nil
		}
	}
	return nil, badValue("The '$type' string field is required to be 'date' or 'timestamp': {$currentDate: {field : {$type: 'date'}}}")
}

func (c currentDate) apply(st *state, _ bson.RawValue, _ string) (bson.RawValue, error) {
	if !c.timestamp {
		return bsonx.Time(st.now), nil
	}
	t := st.stamp()
	return bsonx.Timestamp(t.T, t.I), nil
}

func (currentDate) creates(*state) bool { return true }

// rename sets the target to what the source was; vacate takes the source away.
type rename struct{ source string }

type vacate struct{ source string }

func (u *Update) addRename(from string, to bson.RawValue) error {
	if to.Type != bson.TypeString {
		return badValue("The 'to' field for $rename must be a string: %s: %s", from, to)
	}
	target := to.StringValue()
	if strings.IndexByte(target, 0) >= 0 {
		return mongoerr.New(9867600, "The 'to' field for $rename cannot contain an embedded null byte: %q", target)
	}
	if from == target {
		return badValue("The source and target field for $rename must differ: %s: %q", from, target)
	}
	for _, p := range []string{from, target} {
		for part := range strings.SplitSeq(p, ".") {
			if isPositional(part) {
				return badValue("The source and target field for $rename may not be dynamic: %s", p)
			}
		}
	}
	if err := u.root.add(from, vacate{from}); err != nil {
		return err
	}
	return u.root.add(target, rename{from})
}

func (r rename) apply(st *state, v bson.RawValue, path string) (bson.RawValue, error) {
	src, err := sourceOf(st.root, r.source)
	if err != nil || bsonx.IsMissing(src) {
		return v, err
	}
	if path == "_id" && !bsonx.IsMissing(v) {
		return v, immutableID()
	}
	if arrayOnPath(st.root, path) {
		return v, badValue("The destination field cannot be an array element, '%s'", path)
	}
	return src, nil
}

// creates is true also for a source that cannot be read, so that apply gets to say so.
func (r rename) creates(st *state) bool {
	src, err := sourceOf(st.root, r.source)
	return err != nil || !bsonx.IsMissing(src)
}

func (v vacate) apply(st *state, _ bson.RawValue, _ string) (bson.RawValue, error) {
	_, err := sourceOf(st.root, v.source)
	return bsonx.Missing, err
}

func (vacate) creates(*state) bool { return false }

// sourceOf reads the source of a rename, which may not lie in an array (2) nor below a scalar (28).
func sourceOf(doc bson.Raw, path string) (bson.RawValue, error) {
	cur, rest, more := bsonx.Document(doc), path, true
	for more {
		var head string
		switch cur.Type {
		case 0:
			return bsonx.Missing, nil
		case bson.TypeArray:
			return bsonx.Missing, badValue("The source field cannot be an array element, '%s'", path)
		case bson.TypeEmbeddedDocument:
		default:
			return bsonx.Missing, notViable(rest, path, cur)
		}
		head, rest, more = bsonx.CutPath(rest)
		cur = bsonx.Lookup(cur.Value, head)
	}
	return cur, nil
}

func arrayOnPath(doc bson.Raw, path string) bool {
	cur := bsonx.Document(doc)
	for {
		head, rest, more := bsonx.CutPath(path)
		cur = bsonx.LookupPath(cur.Value, head)
		if !more || cur.Type != bson.TypeEmbeddedDocument {
			return more && cur.Type == bson.TypeArray
		}
		path = rest
	}
}
