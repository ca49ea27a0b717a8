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
	c := &session.Cursor{Namespace: ns.String(), Stream: s, Done: done, TxnNumber: -1, Session: r.lsid, Collection: r.collectionID(ns)}
	docs, more, err := fill(ctx, c, size)
	if err == nil {
		err = r.durable(ctx, t)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	if more && !r.flag("singleBatch") {
		r.keep(c)
	} else {
		c.Close()
	}
	return r.batchReply("firstBatch", docs, c.ID, c.Namespace, true), nil
}

// batchReply builds the answer to find, aggregate and getMore in one buffer of its size.
func (r *request) batchReply(name string, docs []bson.Raw, id int64, ns string, first bool) *bsonx.DocBuilder {
	size := 512 + len(ns)
	for _, doc := range docs {
		size += len(doc) + itemOverhead
	}
	out := bsonx.NewDoc(size)
	cursor := out.Open("cursor", bson.TypeEmbeddedDocument)
	batch := out.Open(name, bson.TypeArray)
	out.AppendItems(docs)
	out.Close(batch)
	out.AppendInt64("id", id).AppendString("ns", ns)
	if first {
		r.appendAt(out)
	}
	out.Close(cursor)
	return out
}

func (r *request) keep(c *session.Cursor) {
	if r.tx != nil {
		c.TxnNumber = *r.txnNumber
	}
	r.cursors.Add(c)
}

// fill reads up to size documents of a stream, and no more than a reply holds; more tells that the stream goes on.
func fill(ctx context.Context, c *session.Cursor, size int64) (docs []bson.Raw, more bool, err error) {
	docs, more = make([]bson.Raw, 0, 4), true
	bytes := 0
	for n := int64(0); n < size; n++ {
		doc := c.Pending
		if c.Pending = nil; doc == nil {
			if doc, more, err = c.Stream.Next(ctx); err != nil || !more {
				break
			}
		}
		if bytes += len(doc) + itemOverhead; bytes > maxDocument && n > 0 {
			c.Pending = doc
			break
		}
		docs = append(docs, doc)
	}
	return docs, more, err
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
	docs, more, err := fill(ctx, c, size)
	if err != nil || !more {
		r.cursors.Drop(c)
		id = 0
	} else {
		r.cursors.Put(c)
	}
	if err != nil {
		return nil, err
	}
	return r.batchReply("nextBatch", docs, id, c.Namespace, false), nil
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
