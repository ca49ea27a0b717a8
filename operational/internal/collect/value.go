package collect

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

const maxTextValue = 8 << 10

// place returns where a parameter's value stands in the item, and the value; false means it is not there.
func (it *item) place(property string, at time.Time) (pointer string, v any, ok bool) {
	switch property {
	case propertyUser:
		return "/userId", it.UserID, it.UserID != ""
	case "anonymousId":
		return "/anonymousId", it.AnonymousID, it.AnonymousID != ""
	case "groupId":
		return "/groupId", it.GroupID, it.GroupID != ""
	case propertyTimestamp:
		return "/timestamp", at.Format(time.RFC3339Nano), true
	}
	from, root := any(it.Fields), "/properties/"
	if it.Type == "identify" || it.Type == "group" {
		root = "/traits/"
	}
	for _, name := range strings.Split(property, ".") {
		m, isMap := from.(map[string]any)
		if !isMap {
			return "", nil, false
		}
		if from, ok = m[name]; !ok || from == nil {
			return "", nil, false
		}
	}
	return root + strings.ReplaceAll(property, ".", "/"), from, true
}

// typed returns a value as its parameter's type wants it, in JSON. currency is the tenant's, which amounts without one
// are taken to be in. Another currency is an error with code currency_not_supported: the item is quarantined for it.
func (it *item) typed(p contract.Parameter, pointer string, v any, currency string) (json.RawMessage, error) {
	wrong := func(format string, args ...any) error { return invalid(fault.WrongType, pointer, format, args...) }
	switch p.Value {
	case contract.Text:
		return text(v, wrong)
	case contract.Integer:
		return integer(v, wrong)
	case contract.Decimal, contract.Score:
		return decimal(v, wrong)
	case contract.AmountOf:
		return it.amount(v, currency, wrong)
	case contract.Boolean:
		return boolean(v, wrong)
	case contract.Timestamp:
		return timestamp(v, wrong)
	default:
		return nil, wrong("has a type that this release does not know: %s", p.Value)
	}
}

type complaint func(format string, args ...any) error

func text(v any, wrong complaint) (json.RawMessage, error) {
	s, ok := v.(string)
	if n, isNumber := v.(json.Number); isNumber {
		s, ok = n.String(), true
	}
	if !ok || !utf8.ValidString(s) || len(s) > maxTextValue {
		return nil, wrong("must be text of at most %d bytes", maxTextValue)
	}
	return json.Marshal(s)
}

func integer(v any, wrong complaint) (json.RawMessage, error) {
	if s, ok := decimalText(v); ok {
		if n, err := scaled(s, 0); err == nil {
			return json.RawMessage(strconv.FormatInt(n, 10)), nil
		}
	}
	return nil, wrong("must be a whole number")
}

func decimal(v any, wrong complaint) (json.RawMessage, error) {
	if s, ok := decimalText(v); ok {
		if f, err := strconv.ParseFloat(s, 64); err == nil && f-f == 0 {
			return json.Marshal(f)
		}
	}
	return nil, wrong("must be a number")
}

func boolean(v any, wrong complaint) (json.RawMessage, error) {
	switch v {
	case true, "true":
		return json.RawMessage("true"), nil
	case false, "false":
		return json.RawMessage("false"), nil
	}
	return nil, wrong("must be true or false")
}

func timestamp(v any, wrong complaint) (json.RawMessage, error) {
	if s, ok := v.(string); ok {
		if t, err := parseTime(s); err == nil {
			return json.Marshal(t)
		}
		if t, err := time.Parse(time.DateOnly, s); err == nil {
			return json.Marshal(t)
		}
	}
	return nil, wrong("must be an RFC 3339 time or a day")
}

// currency returns the currency that the item names for its amounts, or the tenant's where it names none.
func (it *item) currency(tenant string) (string, bool) {
	switch v := it.Fields["currency"].(type) {
	case nil:
		return tenant, true
	case string:
		return strings.ToUpper(v), len(v) == 3
	default:
		return "", false
	}
}

func (it *item) amount(v any, tenant string, wrong complaint) (json.RawMessage, error) {
	code, ok := it.currency(tenant)
	if !ok {
		return nil, wrong("needs a currency such as EUR beside it")
	}
	s, ok := decimalText(v)
	if !ok {
		return nil, wrong("must be a decimal number such as 11.77")
	}
	n, err := minor(s, code)
	if err != nil {
		return nil, wrong("%v", err)
	}
	if code != tenant {
		return nil, invalid(fault.CurrencyNotSupported, "/properties/currency", "is %s; only %s, the company's currency, is supported until rates exist", code, tenant)
	}
	return json.Marshal(contract.Amount{Minor: n, Currency: code})
}
