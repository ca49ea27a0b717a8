package command

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// check tells whether a field's value may stand in a command. name is how messages call the field.
type check func(name string, v bson.RawValue) error

// below is the check of a field of path; it makes the joined name only where there is something to say.
func (c check) below(path, name string, v bson.RawValue) error {
	if c(name, v) == nil {
		return nil
	}
	return c(path+"."+name, v)
}

// intern returns the name of a field, without making a string of it where it is one that most commands have.
func intern(key []byte) string {
	switch string(key) {
	case "find":
		return "find"
	case "insert":
		return "insert"
	case "update":
		return "update"
	case "aggregate":
		return "aggregate"
	case "ping":
		return "ping"
	case "filter":
		return "filter"
	case "limit":
		return "limit"
	case "singleBatch":
		return "singleBatch"
	case "sort":
		return "sort"
	case "projection":
		return "projection"
	case "batchSize":
		return "batchSize"
	case "pipeline":
		return "pipeline"
	case "cursor":
		return "cursor"
	case "ordered":
		return "ordered"
	case "q":
		return "q"
	case "u":
		return "u"
	case "upsert":
		return "upsert"
	case "multi":
		return "multi"
	case "lsid":
		return "lsid"
	case "txnNumber":
		return "txnNumber"
	case "startTransaction":
		return "startTransaction"
	case "autocommit":
		return "autocommit"
	case "$clusterTime":
		return "$clusterTime"
	case "$db":
		return "$db"
	case "$readPreference":
		return "$readPreference"
	case "readConcern":
		return "readConcern"
	case "writeConcern":
		return "writeConcern"
	case "level":
		return "level"
	}
	return string(key)
}

// fields are the fields that a command or a part of one accepts.
type fields map[string]check

// Codes that package mongoerr does not name.
const (
	missingField   = 40414 // IDLFailedToParse: a required field is missing
	unknownField   = 40415
	duplicateField = 40413
)

func wrongType(name string, v bson.RawValue, want string) error {
	return mongoerr.New(mongoerr.TypeMismatch, "BSON field '%s' is the wrong type '%s', expected type '%s'", name, bsonx.TypeName(v.Type), want)
}

func anything(string, bson.RawValue) error { return nil }

// ofType accepts the given types. Every optional field also accepts null, which stands for its absence; see parseFields.
func ofType(want string, types ...bson.Type) check {
	return func(name string, v bson.RawValue) error {
		for _, t := range types {
			if v.Type == t {
				return nil
			}
		}
		return wrongType(name, v, want)
	}
}

// The checks that most fields use.
var (
	isBool    = ofType("bool", bson.TypeBoolean)
	isString  = ofType("string", bson.TypeString)
	isDoc     = ofType("object", bson.TypeEmbeddedDocument)
	isArray   = ofType("array", bson.TypeArray)
	isNumber  = ofType("number", bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128)
	isFlag    = ofType("bool", bson.TypeBoolean, bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128)
	isInteger = ofType("int", bson.TypeInt32)
	isHint    = ofType("string or object", bson.TypeString, bson.TypeEmbeddedDocument)
)

// isDocs accepts arrays of documents.
func isDocs(name string, v bson.RawValue) error {
	if err := isArray(name, v); err != nil {
		return err
	}
	for it := bsonx.Items(v); it.Next(); {
		if it.Value().Type != bson.TypeEmbeddedDocument {
			return wrongType(name+"."+string(it.Key()), it.Value(), "object")
		}
	}
	return nil
}

// isIntegers accepts arrays of 32-bit integers.
func isIntegers(name string, v bson.RawValue) error {
	if err := isArray(name, v); err != nil {
		return err
	}
	for it := bsonx.Items(v); it.Next(); {
		if err := isInteger(name+"."+string(it.Key()), it.Value()); err != nil {
			return err
		}
	}
	return nil
}

// isCount accepts whole numbers that are not negative.
func isCount(name string, v bson.RawValue) error {
	if err := isNumber(name, v); err != nil {
		return err
	}
	n, ok := wholeNumber(v)
	if !ok {
		return mongoerr.New(mongoerr.FailedToParse, "BSON field '%s' has to be a whole number", name)
	}
	if n < 0 {
		return mongoerr.New(51024, "BSON field '%s' value must be >= 0, actual value '%d'", name, n)
	}
	return nil
}

// isAmount is isCount for the fields whose negative values are BadValue.
func isAmount(name string, v bson.RawValue) error {
	if f, ok := bsonx.FloatOf(v); ok && math.Trunc(f) < 0 {
		return mongoerr.New(mongoerr.BadValue, "BSON field '%s' value must be >= 0", name)
	}
	return isCount(name, v)
}

// isBatchSize accepts numbers that do not round to less than 0.
func isBatchSize(name string, v bson.RawValue) error {
	if err := isNumber(name, v); err != nil {
		return err
	}
	if f, _ := bsonx.FloatOf(v); math.RoundToEven(f) < 0 {
		return mongoerr.New(mongoerr.BadValue, "BSON field '%s' must not be negative", name)
	}
	return nil
}

// isLimit and isSkip accept what count takes: any whole number, for skip not a negative one.
func isLimit(name string, v bson.RawValue) error {
	f, ok := bsonx.FloatOf(v)
	switch {
	case !ok || f == math.MinInt64 && v.Type != bson.TypeDouble:
		return mongoerr.New(mongoerr.BadValue, "BSON field '%s' must be a number other than the smallest", name)
	case f != math.Trunc(f) || f < math.MinInt64 || f >= math.MaxInt64 && v.Type != bson.TypeInt64:
		return mongoerr.New(mongoerr.FailedToParse, "BSON field '%s' must be representable as a 64-bit integer", name)
	}
	return nil
}

func isSkip(name string, v bson.RawValue) error {
	if f, ok := bsonx.FloatOf(v); ok && (math.Trunc(f) < 0 || v.Type == bson.TypeDecimal128 && math.RoundToEven(f) < 0) {
		return mongoerr.New(mongoerr.BadValue, "BSON field '%s' value must be >= 0", name)
	}
	return isCount(name, v)
}

// isParsedHint is isHint for the commands whose parser answers FailedToParse.
func isParsedHint(name string, v bson.RawValue) error {
	if isHint(name, v) != nil {
		return mongoerr.New(mongoerr.FailedToParse, "BSON field '%s' must be either a string or an object", name)
	}
	return nil
}

func isUpdateSpec(name string, v bson.RawValue) error {
	if v.Type != bson.TypeEmbeddedDocument && v.Type != bson.TypeArray {
		return mongoerr.New(mongoerr.FailedToParse, "Update argument must be either an object or an array")
	}
	return nil
}

// wholeNumber returns the integer that v stands for; doubles and decimals are cut towards zero.
func wholeNumber(v bson.RawValue) (int64, bool) {
	if n, ok := bsonx.IntegerOf(v); ok {
		return n, true
	}
	f, ok := bsonx.FloatOf(v)
	if !ok || math.IsNaN(f) {
		return 0, ok
	}
	switch {
	case f >= math.MaxInt64:
		return math.MaxInt64, true
	case f <= math.MinInt64:
		return math.MinInt64, true
	}
	return int64(f), true
}

// arg is one field of a command.
type arg struct {
	name  string
	value bson.RawValue
}

// args are a command's fields as given, without those that are null.
type args []arg

// get returns the named field, Missing where it was not given.
func (a args) get(name string) bson.RawValue {
	for i := range a {
		if a[i].name == name {
			return a[i].value
		}
	}
	return bsonx.Missing
}

func (a args) has(name string) bool { return !bsonx.IsMissing(a.get(name)) }

func (a args) doc(name string) bson.Raw {
	d, _ := a.get(name).DocumentOK()
	return d
}

func (a args) flag(name string) bool {
	v := a.get(name)
	return !bsonx.IsMissing(v) && bsonx.Truthy(v)
}

func (a args) text(name string) string { return string(bsonx.StringBytes(a.get(name))) }

func (a args) number(name string, otherwise int64) int64 {
	v := a.get(name)
	if bsonx.IsMissing(v) {
		return otherwise
	}
	n, _ := wholeNumber(v)
	return n
}

func (a args) docs(name string) []bson.Raw {
	var out []bson.Raw
	for it := bsonx.Items(a.get(name)); it.Next(); {
		if d, ok := it.Value().DocumentOK(); ok {
			out = append(out, d)
		}
	}
	return out
}

// parseFields checks a part of a command, such as one update statement. required names must be there.
func parseFields(path string, doc bson.Raw, known fields, required ...string) (args, error) {
	return parseInto(make(args, 0, 4), path, doc, known, required...)
}

// parseInto is parseFields that uses the room of out, whose content is lost.
func parseInto(out args, path string, doc bson.Raw, known fields, required ...string) (args, error) {
	out = out[:0]
	for it := bsonx.Elements(doc); it.Next(); {
		chk := known[string(it.Key())]
		if chk == nil {
			return nil, mongoerr.New(unknownField, "BSON field '%s.%s' is an unknown field.", path, it.Key())
		}
		if it.Value().Type == bson.TypeNull {
			continue
		}
		name := intern(it.Key())
		if err := chk.below(path, name, it.Value()); err != nil {
			return nil, err
		}
		out = append(out, arg{name, it.Value()})
	}
	for _, name := range required {
		if !out.has(name) {
			return nil, mongoerr.New(missingField, "BSON field '%s.%s' is missing but a required field", path, name)
		}
	}
	return out, nil
}
