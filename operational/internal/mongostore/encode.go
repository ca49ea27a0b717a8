package mongostore

import (
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// The documents that ingest writes for every event encode themselves, field by field as their tags say: by reflection that
// took half of the time of storing them. A test holds the two against each other.

// encoder is a document that encodes itself.
type encoder interface {
	// encode appends the whole document.
	encode(f *fields) error
}

var (
	_ encoder = (*eventDoc)(nil)
	_ encoder = (*profileDoc)(nil)
	_ encoder = (*factDoc)(nil)
	_ encoder = (*dayDoc)(nil)
	_ encoder = (*stirredDoc)(nil)

	_ bson.Marshaler = (*eventDoc)(nil) // as a part of another one
)

// fields are the elements of documents that are being written, one behind the other.
type fields struct {
	b    []byte
	open []int32 // where the documents begin that are not closed, the outermost first
}

// typical is the size that most of the documents stay within.
const typical = 768

func newFields(documents int) *fields {
	return &fields{b: make([]byte, 0, documents*typical), open: make([]int32, 0, 4)}
}

// encoded returns n documents in one piece of memory.
func encoded(n int, document func(i int) (encoder, error)) ([]bson.Raw, error) {
	f, ends := newFields(n), make([]int, n)
	for i := range n {
		d, err := document(i)
		if err == nil {
			err = d.encode(f)
		}
		if err != nil {
			return nil, err
		}
		ends[i] = len(f.b)
	}
	docs, from := make([]bson.Raw, n), 0
	for i, end := range ends {
		docs[i], from = f.b[from:end:end], end
	}
	return docs, nil
}

func (f *fields) begin() *fields {
	at, b := bsoncore.ReserveLength(f.b)
	f.b, f.open = b, append(f.open, at)
	return f
}

func (f *fields) end() {
	last := len(f.open) - 1
	f.b = bsoncore.UpdateLength(append(f.b, 0), f.open[last], int32(len(f.b)+1)-f.open[last])
	f.open = f.open[:last]
}

func (f *fields) document(name string) { f.header(bsoncore.TypeEmbeddedDocument, name).begin() }
func (f *fields) array(name string)    { f.header(bsoncore.TypeArray, name).begin() }

func (f *fields) header(t bsoncore.Type, name string) *fields {
	f.b = bsoncore.AppendHeader(f.b, t, name)
	return f
}

func (f *fields) text(name, v string)       { f.b = bsoncore.AppendStringElement(f.b, name, v) }
func (f *fields) long(name string, v int64) { f.b = bsoncore.AppendInt64Element(f.b, name, v) }
func (f *fields) time(name string, v time.Time) {
	f.b = bsoncore.AppendDateTimeElement(f.b, name, int64(bson.NewDateTimeFromTime(v)))
}

// small is an int, which the driver stores in four bytes where it fits.
func (f *fields) small(name string, v int) {
	if n := int32(v); int(n) == v {
		f.b = bsoncore.AppendInt32Element(f.b, name, n)
		return
	}
	f.long(name, int64(v))
}

// some is text that is left out where it is empty.
func (f *fields) some(name, v string) {
	if v != "" {
		f.text(name, v)
	}
}

func (f *fields) longOf(name string, v *int64) {
	if v != nil {
		f.long(name, *v)
	}
}

func (f *fields) timeOf(name string, v *time.Time) {
	if v != nil {
		f.time(name, *v)
	}
}

// value is a value as toBSON gives it.
func (f *fields) value(name string, v any) error {
	switch v := v.(type) {
	case nil:
		f.header(bsoncore.TypeNull, name)
	case string:
		f.text(name, v)
	case int64:
		f.long(name, v)
	case bson.D:
		return f.values(name, v)
	default:
		t, data, err := bson.MarshalValue(v)
		if err != nil {
			return err
		}
		f.b = append(f.header(bsoncore.Type(t), name).b, data...)
	}
	return nil
}

func (f *fields) values(name string, d bson.D) error {
	if d == nil {
		f.header(bsoncore.TypeNull, name)
		return nil
	}
	f.document(name)
	for _, e := range d {
		if err := f.value(e.Key, e.Value); err != nil {
			return err
		}
	}
	f.end()
	return nil
}

// texts is an array of texts.
func texts[T ~string](f *fields, name string, v []T) {
	if v == nil {
		f.header(bsoncore.TypeNull, name)
		return
	}
	f.array(name)
	for i, s := range v {
		f.text(strconv.Itoa(i), string(s))
	}
	f.end()
}

func (f *fields) asked(name string, v []askedDoc) {
	if v == nil {
		f.header(bsoncore.TypeNull, name)
		return
	}
	f.array(name)
	for i := range v {
		f.document(strconv.Itoa(i))
		f.text("directive", string(v[i].Directive))
		f.long("revision", v[i].Revision)
		texts(f, "purposes", v[i].Purposes)
		f.end()
	}
	f.end()
}

func (d *eventDoc) encode(f *fields) error {
	f.begin()
	f.text("_id", d.ID)
	f.small("v", d.V)
	f.text("tenant", string(d.Tenant))
	f.text("source", string(d.Source))
	f.text("event", d.Event)
	f.text("call", d.Call)
	f.some("name", d.Name)
	f.text("customer", d.Customer)
	f.some("userId", d.User)
	f.some("anonymousId", d.Anonymous)
	f.some("previousId", d.Previous)
	f.time("at", d.At)
	f.timeOf("originalTimestamp", d.Original)
	f.timeOf("sentAt", d.SentAt)
	f.time("receivedAt", d.ReceivedAt)
	if err := f.values("parameters", d.Parameters); err != nil {
		return err
	}
	f.asked("asked", d.Asked)
	f.text("content", d.Content)
	if d.Import != nil {
		f.document("import")
		f.text("run", d.Import.Run)
		f.long("row", d.Import.Row)
		f.end()
	}
	f.text("format", d.Format)
	f.some("trust", d.Trust)
	f.long("epoch", d.Epoch)
	f.small("partition", d.Partition)
	f.long("offset", d.Offset)
	f.end()
	return nil
}

// MarshalBSON implements bson.Marshaler.
func (d *eventDoc) MarshalBSON() ([]byte, error) {
	f := newFields(1)
	err := d.encode(f)
	return f.b, err
}

func (d *profileDoc) encode(f *fields) error {
	f.begin()
	f.text("_id", d.ID)
	f.small("v", d.V)
	f.text("tenant", string(d.Tenant))
	f.text("customer", string(d.Key))
	f.time("since", d.Since)
	f.long("priority", int64(d.Place))
	f.small("partition", d.Seen.Partition)
	f.long("position", d.Seen.Position)
	if err := f.values("values", d.Values); err != nil {
		return err
	}
	f.end()
	return nil
}

func (d *factDoc) encode(f *fields) error {
	f.begin()
	f.text("_id", d.ID)
	f.small("v", d.V)
	f.text("tenant", string(d.Tenant))
	f.text("source", string(d.Source))
	f.text("event", d.Event)
	f.text("customer", string(d.Customer))
	f.time("at", d.At)
	f.text("day", string(d.Day))
	f.text("row", d.Row)
	f.text("kind", string(d.Kind))
	f.longOf("amountMinor", d.Amount)
	f.some("currency", d.Currency)
	f.longOf("quantity", d.Quantity)
	if d.Score != nil {
		f.b = bsoncore.AppendDoubleElement(f.b, "score", *d.Score)
	}
	if len(d.More) > 0 {
		if err := f.values("more", d.More); err != nil {
			return err
		}
	}
	f.text("format", d.Format)
	f.some("trust", d.Trust)
	f.some("import", d.Import)
	f.end()
	return nil
}

func (d *dayDoc) encode(f *fields) error {
	f.begin()
	f.text("_id", d.ID)
	f.small("v", d.V)
	f.text("tenant", string(d.Tenant))
	f.text("customer", string(d.Customer))
	f.text("day", string(d.Day))
	f.long("orders", d.Orders)
	f.long("revenueMinor", d.Revenue)
	f.long("units", d.Units)
	f.long("zeroOrders", d.Zero)
	f.long("identical", d.Identical)
	f.long("withAmount", d.WithAmount)
	f.long("withItems", d.WithItems)
	f.end()
	return nil
}

func (d *stirredDoc) encode(f *fields) error {
	f.begin()
	f.text("_id", d.ID)
	f.small("v", d.V)
	f.text("tenant", string(d.Tenant))
	if d.Days == nil {
		f.header(bsoncore.TypeNull, "days")
	} else {
		f.array("days")
		for i := range d.Days {
			f.document(strconv.Itoa(i))
			f.text("day", string(d.Days[i].Day))
			texts(f, "who", d.Days[i].Who)
			f.end()
		}
		f.end()
	}
	f.end()
	return nil
}
