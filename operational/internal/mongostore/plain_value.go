package mongostore

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// plainValue returns what toBSON does for the values that nearly all parameters have: whole numbers, text without escapes, and
// amounts, which are objects of such. A decoder for each of them took a third of what storing an event takes. Whatever
// else comes, it leaves to the decoder.
func plainValue(raw []byte) (any, bool) {
	if len(raw) > 0 && raw[0] == '{' {
		return plainObject(raw)
	}
	if s, ok := plainText(raw); ok {
		return s, true
	}
	return plainNumber(raw)
}

func plainObject(raw []byte) (any, bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return nil, false
	}
	d := make(bson.D, 0, len(members))
	for _, name := range sorted(members) {
		m := members[name]
		v, ok := any(nil), false
		if m[0] != '{' {
			v, ok = plainValue(m)
		}
		if !ok {
			return nil, false
		}
		d = append(d, bson.E{Key: name, Value: v})
	}
	return d, true
}

func plainText(raw []byte) (string, bool) {
	n := len(raw)
	if n < 2 || raw[0] != '"' || raw[n-1] != '"' {
		return "", false
	}
	for _, c := range raw[1 : n-1] {
		if c < ' ' || c == '"' || c == '\\' {
			return "", false
		}
	}
	return string(raw[1 : n-1]), utf8.Valid(raw[1 : n-1])
}

// maxDigits is how many digits any number of which fits an int64.
const maxDigits = 18

func plainNumber(raw []byte) (int64, bool) {
	digits := raw
	if len(raw) > 1 && raw[0] == '-' {
		digits = raw[1:]
	}
	if len(digits) == 0 || len(digits) > maxDigits || digits[0] == '0' && len(digits) > 1 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return n, err == nil
}
