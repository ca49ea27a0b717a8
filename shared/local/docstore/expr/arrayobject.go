package expr

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

func opArrayToObject(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	if bsonx.IsNullish(args[0]) {
		return bsonx.Null, nil
	}
	if args[0].Type != bson.TypeArray {
		return bsonx.Missing, mongoerr.New(40386, "$arrayToObject requires an array input, found: %s", TypeName(args[0]))
	}
	pairs := orderedDoc{}
	var form bson.Type
	err := eachErr(args[0].Value, func(_ string, item bson.RawValue) error {
		if form == 0 {
			form = item.Type
		}
		key, v, err := objectEntry(item, form)
		if err == nil {
			pairs.set(key, v)
		}
		return err
	})
	return pairs.value(), err
}

// objectEntry reads one item of $arrayToObject, [k, v] or {k, v}; all items have the form of the first.
func objectEntry(item bson.RawValue, form bson.Type) (string, bson.RawValue, error) {
	var key, v bson.RawValue
	switch form {
	case bson.TypeArray:
		if item.Type != bson.TypeArray {
			return "", bsonx.Missing, mongoerr.New(40391, "$arrayToObject requires a consistent input format. Elements must all be arrays or all be objects. Array was detected, now found: %s", TypeName(item))
		}
		parts := bsonx.Values(item)
		if len(parts) != 2 {
			return "", bsonx.Missing, mongoerr.New(40397, "$arrayToObject requires an array of size 2 arrays, found array of size: %d", len(parts))
		}
		if parts[0].Type != bson.TypeString {
			return "", bsonx.Missing, mongoerr.New(40395, "$arrayToObject requires an array of key-value pairs, where the key must be of type string. Found key type: %s", TypeName(parts[0]))
		}
		key, v = parts[0], parts[1]
	case bson.TypeEmbeddedDocument:
		if item.Type != bson.TypeEmbeddedDocument {
			return "", bsonx.Missing, mongoerr.New(40392, "$arrayToObject requires a consistent input format. Elements must all be arrays or all be objects. Object was detected, now found: %s", TypeName(item))
		}
		if n := bsonx.Len(item.Value); n != 2 {
			return "", bsonx.Missing, mongoerr.New(40393, "$arrayToObject requires an object keys of 'k' and 'v'. Found incorrect number of keys: %d", n)
		}
		key, v = bsonx.Lookup(item.Value, "k"), bsonx.Lookup(item.Value, "v")
		if bsonx.IsMissing(key) || bsonx.IsMissing(v) {
			return "", bsonx.Missing, mongoerr.New(40394, "$arrayToObject requires an object with keys 'k' and 'v'. Missing either or both keys from: %s", item)
		}
		if key.Type != bson.TypeString {
			return "", bsonx.Missing, mongoerr.New(40394, "$arrayToObject requires an object with keys 'k' and 'v', where the value of 'k' must be of type string. Found type: %s", TypeName(key))
		}
	default:
		return "", bsonx.Missing, mongoerr.New(40398, "Unrecognised input type format for $arrayToObject: %s", TypeName(item))
	}
	name := stringOf(key)
	for i := range len(name) {
		if name[i] == 0 {
			return "", bsonx.Missing, mongoerr.New(4940400, "Key field cannot contain an embedded null byte")
		}
	}
	return name, v, nil
}

// orderedDoc collects fields; a repeated key replaces the value in place.
type orderedDoc struct {
	keys   []string
	values []bson.RawValue
	index  map[string]int
}

func (d *orderedDoc) set(key string, v bson.RawValue) {
	if d.index == nil {
		d.index = map[string]int{}
	}
	if i, ok := d.index[key]; ok {
		d.values[i] = v
		return
	}
	d.index[key] = len(d.keys)
	d.keys, d.values = append(d.keys, key), append(d.values, v)
}

func (d *orderedDoc) value() bson.RawValue {
	b := bsonx.NewDoc(0)
	for i, k := range d.keys {
		b.Append(k, d.values[i])
	}
	return b.Value()
}

func opObjectToArray(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
	if bsonx.IsNullish(args[0]) {
		return bsonx.Null, nil
	}
	if args[0].Type != bson.TypeEmbeddedDocument {
		return bsonx.Missing, mongoerr.New(40390, "$objectToArray requires a document input, found: %s", TypeName(args[0]))
	}
	b := bsonx.NewArray(0)
	walk(args[0].Value, func(k []byte, v bson.RawValue) bool {
		pair := bsonx.NewDoc(0)
		pair.Append("k", bsonx.String(string(k)))
		pair.Append("v", v)
		b.Append(pair.Value())
		return true
	})
	return b.Value(), nil
}

// zipNode is $zip; the defaults are compiled even where they are not used.
func parseZip(_ string, arg bson.RawValue, s *Scope) (Expr, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(34460, "$zip only supports an object as an argument, found %s", TypeName(arg))
	}
	f, err := rawFields(arg, 34464, "$zip found an unknown argument: %s", "inputs", "defaults", "useLongestLength")
	if err != nil {
		return nil, err
	}
	inputs, defaults, longest := f[0], f[1], false
	switch {
	case !bsonx.IsMissing(inputs) && inputs.Type != bson.TypeArray:
		return nil, mongoerr.New(34461, "inputs must be an array of expressions, found %s", TypeName(inputs))
	case !bsonx.IsMissing(defaults) && defaults.Type != bson.TypeArray:
		return nil, mongoerr.New(34462, "defaults must be an array of expressions, found %s", TypeName(defaults))
	case !bsonx.IsMissing(f[2]) && f[2].Type != bson.TypeBoolean:
		return nil, mongoerr.New(34463, "useLongestLength must be a bool, found %s", TypeName(f[2]))
	case bsonx.IsMissing(inputs) || bsonx.IsEmpty(inputs.Value):
		return nil, mongoerr.New(34465, "$zip requires at least one input array")
	}
	longest = !bsonx.IsMissing(f[2]) && bsonx.Truthy(f[2])
	args, err := positional("$zip", inputs, s, 0, -1)
	if err != nil {
		return nil, err
	}
	n := len(args)
	if !bsonx.IsMissing(defaults) && !bsonx.IsEmpty(defaults.Value) {
		if !longest {
			return nil, mongoerr.New(34466, "cannot specify defaults unless useLongestLength is true")
		}
		fill, err := positional("$zip", defaults, s, 0, -1)
		if err != nil {
			return nil, err
		}
		if len(fill) != n {
			return nil, mongoerr.New(34467, "defaults and inputs must have the same length")
		}
		args = append(args, fill...)
	}
	return newCall(zip(n, longest), args)
}

func zip(n int, longest bool) callFunc {
	return func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		lists := make([][]bson.RawValue, n)
		null := false
		for i, a := range args[:n] {
			if bsonx.IsNullish(a) {
				null = true
				continue
			}
			if a.Type != bson.TypeArray {
				return bsonx.Missing, mongoerr.New(34468, "$zip found a non-array expression in input: %s", TypeName(a))
			}
			lists[i] = bsonx.Values(a)
		}
		if null {
			return bsonx.Null, nil
		}
		return zipRows(lists, args[n:], longest), nil
	}
}

func zipRows(lists [][]bson.RawValue, fill []bson.RawValue, longest bool) bson.RawValue {
	rows := len(lists[0])
	for _, l := range lists[1:] {
		if longest {
			rows = max(rows, len(l))
		} else {
			rows = min(rows, len(l))
		}
	}
	b := bsonx.NewArray(0)
	for r := range rows {
		row := bsonx.NewArray(0)
		for i, l := range lists {
			switch {
			case r < len(l):
				row.Append(l[r])
			case len(fill) > 0:
				row.Append(fill[i])
			default:
				row.Append(bsonx.Null)
			}
		}
		b.Append(row.Value())
	}
	return b.Value()
}

// nItems is $firstN, $lastN, $minN and $maxN of an array.
func parseNItems(name string, arg bson.RawValue, s *Scope) (Expr, error) {
	if arg.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(5787801, "specification must be an object; found %s: %s", name, TypeName(arg))
	}
	args, err := named(arg, s, 5787901, "Unknown argument for 'n' operator: %s", "n", "input")
	if err != nil {
		return nil, err
	}
	if args[0] == nil {
		return nil, mongoerr.New(5787906, "Missing value for 'n'")
	}
	if args[1] == nil {
		return nil, mongoerr.New(5787907, "Missing value for 'input'")
	}
	return newCall(func(_ *Env, args []bson.RawValue) (bson.RawValue, error) {
		n, err := CheckN(args[0], name)
		if err != nil {
			return bsonx.Missing, err
		}
		if args[1].Type != bson.TypeArray {
			return bsonx.Missing, mongoerr.New(5788200, "Input must be an array: %s", TypeName(args[1]))
		}
		return pickN(name, bsonx.Values(args[1]), n), nil
	}, args)
}

func pickN(name string, items []bson.RawValue, n int64) bson.RawValue {
	if name == "$minN" || name == "$maxN" {
		items = slices.DeleteFunc(items, bsonx.IsNullish)
		slices.SortStableFunc(items, func(a, b bson.RawValue) int {
			if name == "$maxN" {
				return Compare(b, a)
			}
			return Compare(a, b)
		})
	}
	size := int64(len(items))
	if name == "$lastN" {
		return bsonx.ArrayOf(items[max(0, size-n):]...)
	}
	return bsonx.ArrayOf(items[:min(n, size)]...)
}

// CheckN reads the n of the firstN family: a positive integral number.
func CheckN(v bson.RawValue, name string) (int64, error) {
	if !bsonx.IsNumber(v) {
		return 0, mongoerr.New(5787902, "Value for 'n' must be of integral type, but found %s for %s", TypeName(v), name)
	}
	n, ok := bsonx.IntegerOf(v)
	if !ok {
		return 0, mongoerr.New(5787903, "Value for 'n' must be of integral type for %s", name)
	}
	if n <= 0 {
		return 0, mongoerr.New(5787908, "'n' must be greater than 0, found %d for %s", n, name)
	}
	return n, nil
}
