package docstorebench

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

// documentSize is the length in bytes of every document.
const documentSize = 330

var kinds = []string{"purchase", "refund", "visit", "open", "click", "complaint", "signup", "unsubscribe"}

// perCustomer is how many documents share a customer.
const perCustomer = 20

// owner returns the customer of the i-th document. The first of size()/100 documents have their own customers, so that
// every customer has the same number of documents from the start; each one's are scattered over all that come with it.
func owner(i int) int {
	early := first()
	if i < early {
		return i % (early / perCustomer)
	}
	return early/perCustomer + (i-early)%((size()-early)/perCustomer)
}

// first is how many documents are there when the costs are measured for the first time.
func first() int { return max(size()/100, 1000) }

// document returns the i-th document as BSON. The same i gives the same bytes.
func document(t testing.TB, i int) bson.Raw {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(i), 7))
	d := bson.D{
		{Key: "_id", Value: documentID(i)},
		{Key: "customer", Value: customer(owner(i))},
		{Key: "kind", Value: kinds[rng.IntN(len(kinds))]},
		{Key: "at", Value: time.UnixMilli(1_700_000_000_000 + int64(i)*1000).UTC()},
		{Key: "amount", Value: rng.Int64N(100_000)},
		{Key: "quantity", Value: int32(1 + rng.IntN(9))},
		{Key: "currency", Value: "EUR"},
		{Key: "channel", Value: "web"},
		{Key: "weight", Value: rng.Float64()},
		{Key: "source", Value: bson.D{{Key: "topic", Value: "events"}, {Key: "partition", Value: int32(i % 12)}, {Key: "offset", Value: int64(i)}}},
		{Key: "note", Value: ""},
	}
	short, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	d[len(d)-1].Value = strings.Repeat("x", documentSize-len(short))
	raw, err := bson.Marshal(d)
	if err != nil || len(raw) != documentSize {
		t.Fatalf("document %d has %d bytes, %v", i, len(raw), err)
	}
	return raw
}

// documentID grows with the time of arrival, as the ids of events and MongoDB's own ids do.
func documentID(i int) string { return fmt.Sprintf("shop|web|order-%08d", i) }

func customer(i int) string { return fmt.Sprintf("c-%07d", i) }

// indexes are the two that every document is entered in.
var indexes = []mongo.IndexModel{
	{Keys: bson.D{{Key: "customer", Value: 1}, {Key: "at", Value: -1}}},
	{Keys: bson.D{{Key: "at", Value: 1}}},
}

// entry is one key and value as the store lays them out.
type entry struct{ key, value []byte }

// entries returns what the store writes for a document: itself and its place in each index.
func entries(doc bson.Raw) []entry {
	id := bsonx.AppendKey(nil, doc.Lookup("_id"), false)
	at := doc.Lookup("at")
	first := bsonx.AppendKey(bsonx.AppendKey(prefix(1), doc.Lookup("customer"), false), at, true)
	second := bsonx.AppendKey(prefix(2), at, false)
	length := binary.AppendUvarint(nil, uint64(len(id)))
	return []entry{{append(prefix(0), id...), doc}, {append(first, id...), length}, {append(second, id...), length}}
}

// prefix begins the keys of the documents (0) or of an index.
func prefix(index uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte{2}, 1), index)
}
