package command

import (
	"context"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/session"
)

// defaultBatch is how many documents a first batch holds where the client does not say.
const defaultBatch = 101

// cursorInUse is MongoDB's CursorInUse.
const cursorInUse = 12051

// firstBatch answers the first documents of a stream and keeps the rest as a cursor. It takes over the stream and done.
func (r *request) firstBatch(ctx context.Context, ns engine.Namespace, s session.Stream, t *engine.Tx, done func()) (*bsonx.DocBuilder, error) {
	size := int64(defaultBatch)
	if r.has("batchSize") {
		size = r.number("batchSize", size)
	} else if c := r.doc("cursor"); c != nil {
		if v := bsonx.Lookup(c, "batchSize"); !bsonx.IsNullish(v) {
			size, _ = wholeNumber(v)
		}
	}
	collection := r.collectionID(ns) // before the stream is read: it may be dropped meanwhile
	b, err := fill(ctx, s, nil, size)
	if err == nil {
		err = r.durable(ctx, t)
	}
	id := int64(0)
	if err == nil && b.more && !r.flag("singleBatch") {
		id = r.keep(&session.Cursor{Namespace: ns.String(), Stream: s, Pending: b.pending, Done: done, TxnNumber: -1, Session: r.lsid, Collection: collection, Patient: r.flag("noCursorTimeout")})
	} else {
		s.Close()
		done()
	}
	if err != nil {
		return nil, err
	}
	return r.batchReply("firstBatch", b.docs, id, ns, true), nil
}

// batchReply builds the answer to find, aggregate and getMore in one buffer of its size.
func (r *request) batchReply(name string, docs []bson.Raw, id int64, ns engine.Namespace, first bool) *bsonx.DocBuilder {
	size := 320 + len(ns.DB) + len(ns.Name)
	for _, doc := range docs {
		size += len(doc) + itemOverhead
	}
	out := bsonx.NewDoc(size)
	cursor := out.Open("cursor", bson.TypeEmbeddedDocument)
	batch := out.Open(name, bson.TypeArray)
	out.AppendItems(docs)
	out.Close(batch)
	out.AppendInt64("id", id).AppendString("ns", ns.DB, ".", ns.Name)
	if first {
		r.appendAt(out)
	}
	out.Close(cursor)
	return out
}

// keep registers a cursor and returns its id.
func (r *request) keep(c *session.Cursor) int64 {
	if r.tx != nil {
		c.TxnNumber = *r.txnNumber
	}
	return r.cursors.Add(c)
}

// batch is what one answer of a cursor holds.
type batch struct {
	docs    []bson.Raw
	pending bson.Raw // was read as well, but found no room
	more    bool     // the stream goes on
}

// fill reads up to size documents, of which pending was read before, and no more than a reply holds.
func fill(ctx context.Context, s session.Stream, pending bson.Raw, size int64) (b batch, err error) {
	b = batch{docs: make([]bson.Raw, 0, 1), pending: pending, more: true}
	bytes := 0
	for n := int64(0); n < size; n++ {
		doc := b.pending
		if b.pending = nil; doc == nil {
			if doc, b.more, err = s.Next(ctx); err != nil || !b.more {
				break
			}
		}
		if bytes += len(doc) + itemOverhead; bytes > maxDocument && n > 0 {
			b.pending = doc
			break
		}
		b.docs = append(b.docs, doc)
	}
	return b, err
}

// itemOverhead bounds the bytes that an item of an array takes beside its value.
const itemOverhead = 12

func getMore(ctx context.Context, r *request) (*bsonx.DocBuilder, error) {
	id, ok := r.get("getMore").Int64OK()
	if r.get("getMore").Type == bson.TypeNull {
		return nil, mongoerr.New(missingField, "BSON field 'getMore.getMore' is missing but a required field")
	}
	if !ok {
		return nil, wrongType("getMore.getMore", r.get("getMore"), "long")
	}
	ns := engine.Namespace{DB: r.db, Name: r.text("collection")}
	if err := checkCursorNamespace(ns); err != nil {
		return nil, err
	}
	size := int64(math.MaxInt64)
	if n := r.number("batchSize", 0); n > 0 {
		size = n
	}
	c, busy := r.cursors.Take(id)
	if busy {
		return nil, mongoerr.New(cursorInUse, "cursor id %d is already in use", id)
	}
	if c == nil {
		return nil, mongoerr.New(mongoerr.CursorNotFound, "cursor id %d not found", id)
	}
	if err := r.mayRead(c, ns); err != nil {
		r.cursors.Put(c)
		return nil, err
	}
	if r.collectionID(ns) != c.Collection {
		r.cursors.Drop(c)
		return nil, mongoerr.New(queryPlanKilled, "collection dropped. UUID of %s has changed", ns)
	}
	b, err := fill(ctx, c.Stream, c.Pending, size)
	if c.Pending = b.pending; err != nil || !b.more {
		r.cursors.Drop(c)
		id = 0
	} else {
		r.cursors.Put(c)
	}
	if err != nil {
		return nil, err
	}
	return r.batchReply("nextBatch", b.docs, id, ns, false), nil
}

// queryPlanKilled is the code of a cursor whose collection is gone.
const queryPlanKilled = 175

// collectionID tells a collection from another one that has its name later. A transaction keeps those that it began with.
func (r *request) collectionID(ns engine.Namespace) uint32 {
	c := r.engine.Collection(ns)
	if r.tx != nil {
		c = r.tx.Collection(ns)
	}
	if c == nil {
		return 0
	}
	return c.ID
}

func checkCursorNamespace(ns engine.Namespace) error {
	if ns.Name == "" || ns.Name[0] == '.' {
		return mongoerr.New(mongoerr.InvalidNamespace, "Invalid namespace specified '%s'", ns)
	}
	return checkDatabase(ns.DB)
}

// mayRead reports whether the command comes from where the cursor was opened.
func (r *request) mayRead(c *session.Cursor, ns engine.Namespace) error {
	switch {
	case c.Namespace != ns.String():
		return mongoerr.New(mongoerr.Unauthorized, "Requested getMore on namespace '%s', but cursor belongs to a different namespace %s", ns, c.Namespace)
	case c.Session != nil && (r.lsid == nil || *r.lsid != *c.Session):
		return mongoerr.New(50738, "Cannot run getMore on cursor %d, which was created in another session", c.ID)
	case c.Session == nil && r.lsid != nil:
		return mongoerr.New(50737, "Cannot run getMore on cursor %d, which was not created in a session", c.ID)
	case c.TxnNumber >= 0 && (r.txnNumber == nil || *r.txnNumber != c.TxnNumber):
		return mongoerr.New(50741, "Cannot run getMore on cursor %d, which was created in another transaction", c.ID)
	}
	return nil
}

func killCursors(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	if _, err := r.namespace(); err != nil {
		return nil, err
	}
	killed, missing := bsonx.NewArray(16), bsonx.NewArray(16)
	for it := bsonx.Items(r.get("cursors")); it.Next(); {
		if t := it.Value().Type; t != bson.TypeInt64 && t != bson.TypeNull {
			return nil, wrongType("killCursors.cursors."+string(it.Key()), it.Value(), "long")
		}
	}
	for it := bsonx.Items(r.get("cursors")); it.Next(); {
		if it.Value().Type == bson.TypeNull {
			continue
		}
		if r.cursors.Kill(it.Value().Int64()) {
			killed.Append(it.Value())
		} else {
			missing.Append(it.Value())
		}
	}
	return bsonx.NewDoc(128).Append("cursorsKilled", killed.Value()).Append("cursorsNotFound", missing.Value()).
		Append("cursorsAlive", bsonx.ArrayOf()).Append("cursorsUnknown", bsonx.ArrayOf()), nil
}
