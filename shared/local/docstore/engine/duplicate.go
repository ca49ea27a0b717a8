package engine

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

// DuplicateKey is the error of a write that a unique index forbids.
type DuplicateKey struct {
	Namespace  Namespace
	Index      string
	KeyPattern bson.Raw
	KeyValue   bson.Raw
}

// Error returns MongoDB's text.
func (d *DuplicateKey) Error() string {
	return fmt.Sprintf("E11000 duplicate key error collection: %s index: %s dup key: %s", d.Namespace, d.Index, show(bsonx.Document(d.KeyValue)))
}

func newDuplicate(c *Collection, index string, pattern, value bson.Raw) *DuplicateKey {
	return &DuplicateKey{Namespace: c.Namespace, Index: index, KeyPattern: pattern, KeyValue: value}
}

// duplicate describes the collision of doc at key, which carries the index's prefix.
func (x *Index) duplicate(c *Collection, doc bson.Raw, key []byte) error {
	pattern, _ := x.Spec.Lookup("key").DocumentOK()
	tuples, _, err := bsonx.IndexValues(doc, x.Fields, x.Sparse)
	if err != nil {
		return err
	}
	for _, tuple := range tuples {
		if !bytes.Equal(bsonx.TupleKey(nil, tuple, x.Fields), key[len(dataPrefix(0, 0, 0)):]) {
			continue
		}
		value := bsonx.NewDoc(64)
		for i, v := range tuple {
			if bsonx.IsMissing(v) {
				v = bson.RawValue{Type: bson.TypeNull}
			}
			value.Append(x.Fields[i].Path, v)
		}
		return newDuplicate(c, x.Name, pattern, value.Raw())
	}
	return newDuplicate(c, x.Name, pattern, bsonx.NewDoc(0).Raw())
}

// show prints a value as MongoDB does in messages.
func show(v bson.RawValue) string {
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		return showItems(v, "{ ", " }", func(key string) string { return key + ": " })
	case bson.TypeArray:
		return showItems(v, "[ ", " ]", func(string) string { return "" })
	case bson.TypeString:
		return `"` + v.StringValue() + `"` // as it is, quotes and all
	case bson.TypeInt32:
		return strconv.Itoa(int(v.Int32()))
	case bson.TypeInt64:
		return strconv.FormatInt(v.Int64(), 10)
	case bson.TypeDouble:
		return showDouble(v.Double())
	case bson.TypeBoolean:
		return strconv.FormatBool(v.Boolean())
	case bson.TypeNull:
		return "null"
	case bson.TypeUndefined:
		return "undefined"
	case bson.TypeObjectID:
		return "ObjectId('" + v.ObjectID().Hex() + "')"
	case bson.TypeDateTime:
		return "new Date(" + strconv.FormatInt(v.DateTime(), 10) + ")"
	case bson.TypeDecimal128:
		return v.Decimal128().String()
	case bson.TypeTimestamp:
		t, i := v.Timestamp()
		return fmt.Sprintf("Timestamp(%d, %d)", t, i)
	case bson.TypeMinKey:
		return "MinKey"
	case bson.TypeMaxKey:
		return "MaxKey"
	case bson.TypeBinary:
		subtype, data := v.Binary()
		if subtype == bson.TypeBinaryUUID && len(data) == 16 {
			return fmt.Sprintf(`UUID("%x-%x-%x-%x-%x")`, data[:4], data[4:6], data[6:8], data[8:10], data[10:])
		}
		return fmt.Sprintf("BinData(%d, %s)", subtype, strings.ToUpper(hex.EncodeToString(data)))
	default:
		return v.String()
	}
}

func showDouble(f float64) string {
	if f == float64(int64(f)) && f < 1e15 && f > -1e15 {
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func showItems(v bson.RawValue, open, end string, label func(string) string) string {
	var parts []string
	for it := bsonx.Items(v); it.Next(); {
		parts = append(parts, label(string(it.Key()))+show(it.Value()))
	}
	if len(parts) == 0 {
		return strings.TrimRight(open, " ") + strings.TrimLeft(end, " ")
	}
	return open + strings.Join(parts, ", ") + end
}
