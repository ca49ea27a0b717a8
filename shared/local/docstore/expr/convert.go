package expr

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

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

func (c conversion) convert(v bson.RawValue) (bson.RawValue, error) {
	switch c.to {
	case bson.TypeInt32:
		return c.toInteger(v, 32)
	case bson.TypeInt64:
		return c.toInteger(v, 64)
	case bson.TypeDouble:
		return c.toDouble(v)
	case bson.TypeDecimal128:
		return c.toDecimal(v)
	case bson.TypeBoolean:
		return bsonx.Bool(v.Type == bson.TypeString || bsonx.Truthy(v)), nil
	case bson.TypeString:
		return c.toString(v)
	case bson.TypeDateTime:
		return c.toDate(v)
	case bson.TypeObjectID:
		return c.toObjectID(v)
	case bson.TypeBinary:
		return c.toBinary(v)
	}
	return bsonx.Missing, c.unsupported(v)
}

func (c conversion) unsupported(v bson.RawValue) error {
	return errConvert("Unsupported conversion from %s to %s in $convert with no onError value", TypeName(v), TypeName(bson.RawValue{Type: c.to}))
}

func (c conversion) toInteger(v bson.RawValue, bits int) (bson.RawValue, error) {
	lo, hi := int64(math.MinInt32), int64(math.MaxInt32)
	if bits == 64 {
		lo, hi = math.MinInt64, math.MaxInt64
	}
	var n int64
	switch v.Type {
	case bson.TypeBoolean:
		if bsonx.Truthy(v) {
			n = 1
		}
	case bson.TypeString:
		i, err := strconv.ParseInt(stringOf(v), 10, bits)
		if err != nil || !plainInteger(stringOf(v)) {
			return bsonx.Missing, errConvert("Failed to parse number '%s' in $convert with no onError value", stringOf(v))
		}
		n = i
	case bson.TypeDateTime:
		if bits == 32 {
			return bsonx.Missing, c.unsupported(v)
		}
		n = int64Of(v)
	case bson.TypeBinary:
		b, err := c.binaryInteger(v, bits/8)
		if err != nil {
			return bsonx.Missing, err
		}
		n = b
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		i, ok := bsonx.TruncatedOf(v)
		if !ok || i < lo || i > hi {
			return bsonx.Missing, errConvert("Conversion would overflow target type in $convert with no onError value: %s", numberText(v))
		}
		n = i
	default:
		return bsonx.Missing, c.unsupported(v)
	}
	if bits == 64 {
		return bsonx.Int64(n), nil
	}
	return bsonx.Int32(int32(n)), nil
}

func plainInteger(s string) bool {
	return !strings.ContainsAny(s, "_ ") && s != ""
}

// binaryInteger reads 1, 2, 4 or 8 bytes as a signed number.
func (c conversion) binaryInteger(v bson.RawValue, size int) (int64, error) {
	data := v.Value[5:]
	n := len(data)
	if n > size || n != 1 && n != 2 && n != 4 && n != 8 {
		return 0, errConvert("Failed to convert '%d' bytes of BinData to a number in $convert because of invalid length", n)
	}
	var u uint64
	for i := range n {
		at := n - 1 - i
		if c.big {
			at = i
		}
		u = u<<8 | uint64(data[at])
	}
	shift := 64 - 8*n
	return int64(u<<shift) >> shift, nil
}

var decimalNumber = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$`)

func (c conversion) toDouble(v bson.RawValue) (bson.RawValue, error) {
	switch v.Type {
	case bson.TypeBoolean:
		if bsonx.Truthy(v) {
			return bsonx.Double(1), nil
		}
		return bsonx.Double(0), nil
	case bson.TypeDateTime:
		return bsonx.Double(float64(int64Of(v))), nil
	case bson.TypeBinary:
		return c.binaryDouble(v)
	case bson.TypeString:
		s := stringOf(v)
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || !decimalNumber.MatchString(s) && !namedNumber(s) {
			return bsonx.Missing, errConvert("Failed to parse number '%s' in $convert with no onError value", s)
		}
		return bsonx.Double(f), nil
	case bson.TypeDecimal128:
		f, _ := bsonx.FloatOf(v)
		if math.IsInf(f, 0) && decimalOf(v).IsInf() == 0 {
			return bsonx.Missing, errConvert("Conversion would overflow target type in $convert with no onError value: %s", numberText(v))
		}
		return bsonx.Double(f), nil
	}
	f, ok := bsonx.FloatOf(v)
	if !ok {
		return bsonx.Missing, c.unsupported(v)
	}
	return bsonx.Double(f), nil
}

func namedNumber(s string) bool {
	switch strings.ToLower(strings.TrimLeft(s, "+-")) {
	case "nan", "inf", "infinity":
		return true
	}
	return false
}

func (c conversion) binaryDouble(v bson.RawValue) (bson.RawValue, error) {
	data := v.Value[5:]
	order := binary.ByteOrder(binary.LittleEndian)
	if c.big {
		order = binary.BigEndian
	}
	switch len(data) {
	case 4:
		return bsonx.Double(float64(math.Float32frombits(order.Uint32(data)))), nil
	case 8:
		return bsonx.Double(math.Float64frombits(order.Uint64(data))), nil
	}
	return bsonx.Missing, errConvert("Failed to convert '%d' bytes of BinData to double in $convert because of invalid length", len(data))
}

func (c conversion) toDecimal(v bson.RawValue) (bson.RawValue, error) {
	text := ""
	switch v.Type {
	case bson.TypeDecimal128:
		return v, nil
	case bson.TypeBoolean:
		text = "0"
		if bsonx.Truthy(v) {
			text = "1"
		}
	case bson.TypeInt32, bson.TypeInt64:
		text = numberText(v)
	case bson.TypeDouble:
		text = decimalOfDouble(float64Of(v))
	case bson.TypeDateTime:
		text = strconv.FormatInt(int64Of(v), 10)
	case bson.TypeString:
		text = stringOf(v)
		if !decimalNumber.MatchString(text) && !namedNumber(text) {
			return bsonx.Missing, errConvert("Failed to parse number '%s' in $convert with no onError value", text)
		}
	default:
		return bsonx.Missing, c.unsupported(v)
	}
	d, err := parseDecimal(text)
	if err != nil {
		return bsonx.Missing, errConvert("Failed to parse number '%s' in $convert with no onError value", text)
	}
	return d, nil
}

// decimalOfDouble writes a double with the 15 significant digits that MongoDB keeps, as many as are exact.
func decimalOfDouble(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 0):
		return doubleText(f)
	}
	return strconv.FormatFloat(f, 'E', 14, 64)
}

func parseDecimal(text string) (bson.RawValue, error) {
	text = strings.TrimPrefix(text, "+")
	d, err := bson.ParseDecimal128(text)
	if err != nil {
		if d, err = roundedDecimal(text); err != nil {
			return bsonx.Missing, err
		}
	}
	hi, lo := d.GetBytes()
	b := binary.LittleEndian.AppendUint64(nil, lo)
	return bson.RawValue{Type: bson.TypeDecimal128, Value: binary.LittleEndian.AppendUint64(b, hi)}, nil
}

// roundedDecimal rounds a text of more than 34 digits half to even.
func roundedDecimal(text string) (bson.Decimal128, error) {
	f, _, err := big.ParseFloat(text, 10, 2000, big.ToNearestEven)
	if err != nil {
		return bson.Decimal128{}, err
	}
	return bson.ParseDecimal128(f.Text('E', 33))
}

func (c conversion) toString(v bson.RawValue) (bson.RawValue, error) {
	switch v.Type {
	case bson.TypeString:
		return v, nil
	case bson.TypeBoolean:
		return bsonx.String(strconv.FormatBool(bsonx.Truthy(v))), nil
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return bsonx.String(numberText(v)), nil
	case bson.TypeObjectID:
		return bsonx.String(v.ObjectID().Hex()), nil
	case bson.TypeDateTime:
		s, err := dateText(int64Of(v))
		if err != nil {
			return bsonx.Missing, err
		}
		return bsonx.String(s), nil
	case bson.TypeBinary:
		return c.binaryText(v)
	}
	return bsonx.Missing, c.unsupported(v)
}

func (c conversion) binaryText(v bson.RawValue) (bson.RawValue, error) {
	// The payload of the old subtype 2 keeps its inner length.
	subtype, data := v.Value[4], v.Value[5:]
	switch c.format {
	case "":
		return bsonx.Missing, mongoerr.New(4341115, "Missing required argument 'format' to convert BinData to string")
	case "auto":
		if subtype == bson.TypeBinaryUUID && len(data) == 16 {
			return bsonx.String(uuidText(data)), nil
		}
		return bsonx.String(base64.StdEncoding.EncodeToString(data)), nil
	case "base64":
		return bsonx.String(base64.StdEncoding.EncodeToString(data)), nil
	case "base64url":
		return bsonx.String(base64.RawURLEncoding.EncodeToString(data)), nil
	case "hex":
		return bsonx.String(strings.ToUpper(hex.EncodeToString(data))), nil
	case "utf8":
		if !utf8.Valid(data) {
			return bsonx.Missing, errConvert("BinData does not represent a valid UTF-8 string")
		}
		return bsonx.String(string(data)), nil
	}
	if subtype != bson.TypeBinaryUUID || len(data) != 16 {
		return bsonx.Missing, errConvert("Only BinData of the UUID subtype converts to a UUID string")
	}
	return bsonx.String(uuidText(data)), nil
}

func uuidText(b []byte) string {
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func (c conversion) toDate(v bson.RawValue) (bson.RawValue, error) {
	switch v.Type {
	case bson.TypeDateTime, bson.TypeTimestamp, bson.TypeObjectID:
		ms, err := millisOf(v, mongoerr.ConversionFailure)
		if err != nil {
			return bsonx.Missing, err
		}
		return bsonx.DateTime(ms), nil
	case bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		ms, ok := bsonx.TruncatedOf(v)
		if !ok {
			return bsonx.Missing, errConvert("Conversion would overflow target type in $convert with no onError value: %s", numberText(v))
		}
		return bsonx.DateTime(ms), nil
	case bson.TypeString:
		var d writtenDate
		if err := d.parseFree(stringOf(v)); err != nil {
			return bsonx.Missing, err
		}
		return d.value(), nil
	}
	return bsonx.Missing, c.unsupported(v)
}

func (c conversion) toObjectID(v bson.RawValue) (bson.RawValue, error) {
	switch v.Type {
	case bson.TypeObjectID:
		return v, nil
	case bson.TypeString:
		id, err := bson.ObjectIDFromHex(stringOf(v))
		if err != nil {
			return bsonx.Missing, errConvert("Failed to parse objectId '%s' in $convert with no onError value", stringOf(v))
		}
		return bson.RawValue{Type: bson.TypeObjectID, Value: id[:]}, nil
	}
	return bsonx.Missing, c.unsupported(v)
}

func (c conversion) toBinary(v bson.RawValue) (bson.RawValue, error) {
	var data []byte
	switch v.Type {
	case bson.TypeBinary:
		subtype, _, _ := v.BinaryOK()
		if subtype != c.subtype {
			return bsonx.Missing, errConvert("Conversions between different binary subtypes are not supported")
		}
		return v, nil
	case bson.TypeString:
		b, err := c.textBytes(stringOf(v))
		if err != nil {
			return bsonx.Missing, err
		}
		data = b
	case bson.TypeInt32:
		data = append(data, v.Value...)
	case bson.TypeInt64, bson.TypeDouble:
		data = append(data, v.Value...)
	default:
		return bsonx.Missing, c.unsupported(v)
	}
	if c.big && v.Type != bson.TypeString {
		for i, j := 0, len(data)-1; i < j; i, j = i+1, j-1 {
			data[i], data[j] = data[j], data[i]
		}
	}
	return Binary(c.subtype, data), nil
}

func (c conversion) textBytes(s string) ([]byte, error) {
	fail := func() error { return errConvert("Input string is not valid for format '%s': %s", c.format, s) }
	var data []byte
	var err error
	switch c.format {
	case "":
		return nil, mongoerr.New(4341115, "Missing required argument 'format' to convert string to BinData")
	case "base64":
		if c.subtype == bson.TypeBinaryUUID {
			return nil, fail()
		}
		data, err = base64.StdEncoding.Strict().DecodeString(s)
	case "base64url":
		data, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
	case "hex":
		data, err = hex.DecodeString(s)
	case "utf8":
		return []byte(s), nil
	default:
		if c.format == "auto" && c.subtype != bson.TypeBinaryUUID || len(s) != 36 {
			return nil, fail()
		}
		data, err = hex.DecodeString(strings.ReplaceAll(s, "-", ""))
		if err == nil && (len(data) != 16 || c.subtype != bson.TypeBinaryUUID) {
			return nil, fail()
		}
	}
	if err != nil {
		return nil, fail()
	}
	return data, nil
}
