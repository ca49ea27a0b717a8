package mongodb

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/strata-crm/strata/shared/fault"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// Writes of many documents that are bytes already. The driver's bulk writes take every document apart and put it together
// again; here it is copied. What they do besides is not wanted in a transaction: no statement is repeated by itself there,
// and none has a write concern. So these run in [DB.Tx] only. A document has its _id, best as its first field.

const (
	maxDocument   = 16 << 20 // the server's limit
	maxStatements = 100_000  // of one command, the server's limit
	// maxBytes of statements go into one command, which is a document itself; a larger statement goes alone, and the server
	// allows for the command around it.
	maxBytes = 12 << 20
	// around is more than a statement usually has beside its document.
	around = 256
)

// InsertAll stores documents that are not there yet. Errors are the driver's.
func InsertAll(ctx context.Context, c *mongo.Collection, docs []bson.Raw) error {
	b := bulk{c: c, command: "insert", list: "documents", statement: func(dst []byte, doc bson.Raw, _ bsoncore.Value) []byte { return append(dst, doc...) }}
	return b.run(ctx, docs, func(int, bson.Raw) error { return nil })
}

// ReplaceAll stores documents in the place of those with the same _id, whether there are any or not. Errors are the
// driver's.
func ReplaceAll(ctx context.Context, c *mongo.Collection, docs []bson.Raw) error {
	b := bulk{c: c, command: "update", list: "updates", statement: func(dst []byte, doc bson.Raw, id bsoncore.Value) []byte {
		return upsert(dst, id, func(dst []byte) []byte { return bsoncore.AppendDocumentElement(dst, "u", bsoncore.Document(doc)) })
	}}
	return b.run(ctx, docs, func(int, bson.Raw) error { return nil })
}

// KeepAll stores those of the documents whose _id is not there yet, in order, and tells of each whether it was. Unlike a
// failing insert, one that is there already does not end the transaction. Errors are the driver's.
func KeepAll(ctx context.Context, c *mongo.Collection, docs []bson.Raw) (stored []bool, err error) {
	stored = make([]bool, len(docs))
	b := bulk{c: c, command: "update", list: "updates", ordered: true, statement: func(dst []byte, doc bson.Raw, id bsoncore.Value) []byte {
		return upsert(dst, id, func(dst []byte) []byte {
			at, dst := bsoncore.AppendDocumentElementStart(dst, "u")
			return end(bsoncore.AppendDocumentElement(dst, "$setOnInsert", bsoncore.Document(doc)), at)
		})
	}}
	return stored, b.run(ctx, docs, func(from int, reply bson.Raw) error { return upserted(reply, stored[from:]) })
}

// bulk is how documents become the statements of a command.
type bulk struct {
	c             *mongo.Collection
	command, list string
	ordered       bool
	statement     func(dst []byte, doc bson.Raw, id bsoncore.Value) []byte
}

// run sends the documents in as many commands as it takes. took is given the number of a command's first document and its
// answer.
func (b bulk) run(ctx context.Context, docs []bson.Raw, took func(from int, reply bson.Raw) error) error {
	if !inTx(ctx) {
		return errors.New("mongodb: a bulk of encoded documents outside a transaction: call it in DB.Tx")
	}
	for from := 0; from < len(docs); {
		command, n, err := b.encode(docs[from:])
		if err != nil {
			return err
		}
		reply, err := b.c.Database().RunCommand(ctx, command).Raw()
		if err == nil {
			err = took(from, reply)
		}
		if err != nil {
			return err
		}
		from += n
	}
	return nil
}

// encode returns a command for the first documents, as many as it may have, and how many those are.
func (b bulk) encode(docs []bson.Raw) (bson.Raw, int, error) {
	n, size := 0, 0
	for n < min(len(docs), maxStatements) && (n == 0 || size+len(docs[n])+around <= maxBytes) {
		size += len(docs[n]) + around
		n++
	}
	whole, dst := bsoncore.AppendDocumentStart(make([]byte, 0, size+around))
	dst = bsoncore.AppendStringElement(dst, b.command, b.c.Name())
	dst = bsoncore.AppendBooleanElement(dst, "ordered", b.ordered)
	list, dst := bsoncore.AppendArrayElementStart(dst, b.list)
	for i, doc := range docs[:n] {
		id, err := bsoncore.Document(doc).LookupErr("_id")
		if err != nil {
			return nil, 0, fmt.Errorf("mongodb: a document without an _id: %w", err)
		}
		if len(doc) > maxDocument {
			return nil, 0, fault.New(fault.Invalid, fault.TooLarge, "the document is larger than the database allows: send less in one piece")
		}
		dst = b.statement(bsoncore.AppendHeader(dst, bsoncore.TypeEmbeddedDocument, strconv.Itoa(i)), doc, id)
	}
	return bson.Raw(end(end(dst, list), whole)), n, nil
}

// upsert appends {q: {_id: id}, u: …, upsert: true}.
func upsert(dst []byte, id bsoncore.Value, u func([]byte) []byte) []byte {
	at, dst := bsoncore.AppendDocumentStart(dst)
	q, dst := bsoncore.AppendDocumentElementStart(dst, "q")
	dst = u(end(bsoncore.AppendValueElement(dst, "_id", id), q))
	return end(bsoncore.AppendBooleanElement(dst, "upsert", true), at)
}

// end closes the document or array that begins at the place.
func end(dst []byte, at int32) []byte {
	dst = append(dst, 0)
	return bsoncore.UpdateLength(dst, at, int32(len(dst))-at)
}

// upserted notes the statements that an answer names as upserted.
func upserted(reply bson.Raw, stored []bool) error {
	list, err := reply.LookupErr("upserted")
	if err != nil {
		return nil // none was
	}
	values, err := list.Array().Values()
	if err != nil {
		return fmt.Errorf("mongodb: the answer to an update: %w", err)
	}
	for _, v := range values {
		one, _ := v.DocumentOK()
		i, ok := one.Lookup("index").AsInt64OK()
		if !ok || i < 0 || i >= int64(len(stored)) {
			return errors.New("mongodb: the answer to an update names no statement of it")
		}
		stored[i] = true
	}
	return nil
}
