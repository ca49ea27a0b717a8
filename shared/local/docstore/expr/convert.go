package expr

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// conversion is what $convert turns a value into.
type conversion struct {
	to      bson.Type
	subtype byte
	format  string
	big     bool
}

func errConvert(format string, args ...any) error {
	return mongoerr.New(mongoerr.ConversionFailure, format, args...)
}

// shortConversion makes $toInt and its kind.
func shortConversion(to bson.Type, c conversion) operator {
	c.to = to
	return operator{1, 1, func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		if bsonx.IsNullish(args[0]) {
			return bsonx.Null, nil
		}
		return c.convert(args[0])
	}}
}

type convertNode struct{ input, to, subtype, onError, onNull, format, byteOrder Expr }

func parseConvert(_ string, arg bson.RawValue, s *Scope) (Expr, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(9, "$convert expects an object of named arguments but found: %s", TypeName(arg))
	}
	f, err := rawFields(arg, 9, "$convert found an unknown argument: %s", "input", "to", "onError", "onNull", "format", "byteOrder")
	if err != nil {
		return nil, err
	}
	if bsonx.IsMissing(f[0]) {
		return nil, mongoerr.New(9, "Missing 'input' parameter to $convert")
	}
	if bsonx.IsMissing(f[1]) {
		return nil, mongoerr.New(9, "Missing 'to' parameter to $convert")
	}
	n := &convertNode{}
	for i, dst := range []*Expr{&n.input, &n.to, &n.onError, &n.onNull, &n.format, &n.byteOrder} {
		if i == 1 || bsonx.IsMissing(f[i]) {
			continue
		}
		if *dst, err = compile(f[i], s); err != nil {
			return nil, err
		}
	}
	if err := n.parseTarget(f[1], s); err != nil {
		return nil, err
	}
	return fold(n, []Expr{n.input, n.to, n.subtype, n.onError, n.onNull, n.format, n.byteOrder})
}

// parseTarget compiles "to": a type, or an object of type and subtype.
func (n *convertNode) parseTarget(to bson.RawValue, s *Scope) (err error) {
	if to.Type != bson.TypeEmbeddedDocument || strings.HasPrefix(bsonx.FirstKey(to.Value), "$") {
		n.to, err = compile(to, s)
		return err
	}
	var typ, sub bson.RawValue
	walk(to.Value, func(k []byte, v bson.RawValue) bool {
		switch string(k) {
		case "type":
			typ = v
		case "subtype":
			sub = v
		}
		return true
	})
	if bsonx.IsNullish(typ) {
		return mongoerr.New(9, "Missing 'type' parameter to $convert's 'to'")
	}
	if n.to, err = compile(typ, s); err != nil || bsonx.IsMissing(sub) {
		return err
	}
	n.subtype, err = compile(sub, s)
	return err
}

func evalOptional(e Expr, env *Env, doc bson.Raw) (bson.RawValue, error) {
	if e == nil {
		return bsonx.Missing, nil
	}
	return e.Eval(env, doc)
}

func (n *convertNode) Eval(env *Env, doc bson.Raw) (bson.RawValue, error) {
	var vals [5]bson.RawValue
	for i, e := range []Expr{n.to, n.input, n.subtype, n.format, n.byteOrder} {
		v, err := evalOptional(e, env, doc)
		if err != nil {
			return bsonx.Missing, err
		}
		vals[i] = v
	}
	input := vals[1]
	if bsonx.IsNullish(input) {
		if err := n.checkTarget(vals[0]); err != nil {
			return bsonx.Missing, err
		}
		if n.onNull != nil {
			return n.onNull.Eval(env, doc)
		}
		return bsonx.Null, nil
	}
	if bsonx.IsNullish(vals[0]) {
		return bsonx.Null, nil
	}
	c, err := n.target(vals)
	if err != nil {
		return bsonx.Missing, err
	}
	v, err := c.convert(input)
	if err != nil && n.onError != nil && recoverable(err) {
		return n.onError.Eval(env, doc)
	}
	return v, err
}

// recoverable tells the failures of a conversion itself, which onError replaces.
func recoverable(err error) bool {
	switch mongoerr.CodeOf(err) {
	case mongoerr.ConversionFailure, 18537, 4341115, 4341116, 4341117:
		return true
	}
	return false
}

func (n *convertNode) checkTarget(to bson.RawValue) error {
	if bsonx.IsNullish(to) {
		return nil
	}
	_, err := targetType(to)
	return err
}

func targetType(to bson.RawValue) (bson.Type, error) {
	switch {
	case to.Type == bson.TypeString:
		t, ok := typeByName(stringOf(to))
		if !ok {
			return 0, mongoerr.New(2, "Unknown type name: %s", stringOf(to))
		}
		return t, nil
	case bsonx.IsNumber(to):
		i, ok := IntegralInt32(to)
		if !ok {
			return 0, mongoerr.New(9, "In $convert, numeric 'to' argument is not an integer")
		}
		if i == -1 {
			return bson.TypeMinKey, nil
		}
		if i == 127 {
			return bson.TypeMaxKey, nil
		}
		if i < 0 || i > 19 {
			return 0, mongoerr.New(9, "In $convert, numeric value for 'to' does not correspond to a BSON type: %d", i)
		}
		return bson.Type(i), nil
	}
	return 0, mongoerr.New(9, "$convert's 'to' argument must be a string or number, but is %s", TypeName(to))
}

func typeByName(name string) (bson.Type, bool) {
	if name == "missing" || name == "number" {
		return 0, false
	}
	return bsonx.TypeByName(name)
}

// target reads the evaluated options.
func (n *convertNode) target(vals [5]bson.RawValue) (c conversion, err error) {
	if c.to, err = targetType(vals[0]); err != nil {
		return c, err
	}
	if n.subtype != nil {
		if c.subtype, err = binarySubtype(vals[2]); err != nil {
			return c, err
		}
	}
	if n.format != nil && !bsonx.IsNullish(vals[3]) {
		if vals[3].Type != bson.TypeString {
			return c, mongoerr.New(4341114, "$convert requires that 'format' be a string, found: %s", TypeName(vals[3]))
		}
		c.format = stringOf(vals[3])
		switch c.format {
		case "base64", "base64url", "utf8", "hex", "uuid", "auto":
		default:
			return c, mongoerr.New(4341125, "Invalid 'format' argument for $convert: %s", c.format)
		}
	}
	if n.byteOrder != nil && !bsonx.IsNullish(vals[4]) {
		if vals[4].Type != bson.TypeString {
			return c, mongoerr.New(9130001, "$convert requires that 'byteOrder' be a string, found: %s", TypeName(vals[4]))
		}
		switch stringOf(vals[4]) {
		case "big":
			c.big = true
		case "little":
		default:
			return c, mongoerr.New(9130002, "Invalid 'byteOrder' argument for $convert: %s", stringOf(vals[4]))
		}
	}
	return c, nil
}

func binarySubtype(v bson.RawValue) (byte, error) {
	if !bsonx.IsNumber(v) {
		return 0, mongoerr.New(4341108, "In $convert, 'subtype' must be a number, found: %s", TypeName(v))
	}
	i, ok := bsonx.IntegerOf(v)
	if !ok {
		return 0, mongoerr.New(4341106, "In $convert, numeric 'subtype' argument is not an integer")
	}
	if !(i >= 0 && i <= 9 || i >= 128 && i <= 255) {
		return 0, mongoerr.New(4341107, "In $convert, numeric value for 'subtype' does not correspond to a BinData type: %d", i)
	}
	return byte(i), nil
}
