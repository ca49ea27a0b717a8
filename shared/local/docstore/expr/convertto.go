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
