package command

import (
	"context"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/session"
)

// flushBytes bounds what a command outside of a transaction collects before it commits.
const flushBytes = 8 << 20

// writer carries the writes of one command. In a transaction they join it. Outside, the statements of a command share
// engine transactions for speed, but each document's write stands alone, as in MongoDB: when one meets another's
// write, what was done so far is committed first, so that nobody ever waits while holding a lock, and then it waits
// and is tried again on a new snapshot.
type writer struct {
	r       *request
	ns      engine.Namespace
	tx      *engine.Tx
	seen    uint64          // the last commit that the answers tell of
	record  *session.Record // of a retryable write, else nil
	retried []int32         // the statements that an earlier attempt had carried out

	coll *engine.Collection // what held holds, where that is tx
	held *engine.Tx
}

func newWriter(r *request, ns engine.Namespace) (*writer, error) {
	w := &writer{r: r, ns: ns, tx: r.tx}
	if r.session != nil && r.tx == nil {
		var err error
		if w.record, err = r.session.Write(*r.txnNumber); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// attempt runs op until it meets no conflict. c is nil where the collection does not exist and create is false.
func (w *writer) attempt(ctx context.Context, create bool, op func(t *engine.Tx, c *engine.Collection) error) error {
	for {
		err := w.once(create, op)
		if err == nil {
			return nil
		}
		var conflict *engine.Conflict
		if !errors.As(err, &conflict) || w.r.tx != nil {
			return err
		}
		if err := w.flush(); err != nil {
			return err
		}
		if conflict.Wait == nil {
			continue
		}
		select {
		case <-conflict.Wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *writer) once(create bool, op func(t *engine.Tx, c *engine.Collection) error) error {
	w.begin()
	if w.held == w.tx {
		return op(w.tx, w.coll)
	}
	c, err := w.tx.Writable(w.ns)
	if err == nil && c == nil && create {
		c, err = w.create()
	}
	if err != nil {
		return err
	}
	if c != nil { // it stays as it is until the transaction ends
		w.coll, w.held = c, w.tx
	}
	return op(w.tx, c)
}

func (w *writer) begin() {
	if w.tx == nil {
		w.tx = w.r.engine.Begin()
		w.seen = max(w.seen, w.tx.Seq())
	}
}

// create makes the collection: inside a transaction as a part of it, else at once, for everybody to see.
func (w *writer) create() (*engine.Collection, error) {
	if w.r.tx != nil {
		return w.tx.Create(w.ns, nil)
	}
	if _, err := w.r.engine.Create(w.ns, nil, nil); err != nil && !errors.Is(err, engine.ErrExists) {
		return nil, err
	}
	if err := w.flush(); err != nil { // the snapshot is older than the collection
		return nil, err
	}
	w.begin()
	c, err := w.tx.Writable(w.ns)
	if err == nil && c == nil { // dropped meanwhile
		err = engine.ErrStale
	}
	return c, err
}

// ahead is how many statements at a time are read ahead of.
const ahead = 1024

// flush commits what a command outside of a transaction has done; finish waits for the disk.
func (w *writer) flush() error {
	if w.r.tx != nil || w.tx == nil {
		return nil
	}
	t := w.tx
	w.tx = nil
	if t.Dirty() && w.record != nil {
		if err := w.r.session.Keep(t, w.record, w.r.at); err != nil {
			t.Abort()
			return err
		}
	}
	seq, err := t.CommitLater()
	w.seen = max(w.seen, seq)
	if err != nil && w.record != nil { // it already holds the answers that are not true now
		err = errors.Join(err, w.r.sessions.Reload(w.r.session))
	}
	return err
}

// statement returns the number by which the command's statement at a position is remembered: as the client says, else its position.
func (r *request) statement(position int) int32 {
	if ids := r.get("stmtIds"); ids.Type == bson.TypeArray {
		return bsonx.At(ids.Value, position).Int32()
	}
	return int32(r.number("stmtId", 0)) + int32(position)
}

// checkStatements checks the numbers that a command gives to so many statements.
func (r *request) checkStatements(n int) error {
	ids := r.get("stmtIds")
	switch {
	case bsonx.IsMissing(ids):
	case bsonx.Len(ids.Value) != n:
		return mongoerr.New(mongoerr.InvalidLength, "Number of statement ids must match the number of batch entries. Got %d statement ids but %d operations.", bsonx.Len(ids.Value), n)
	case r.has("stmtId"):
		return mongoerr.New(mongoerr.InvalidOptions, "May not specify both stmtId and stmtIds in write command.")
	}
	return nil
}

// done notes the answer of a statement and commits when enough has been collected.
func (w *writer) done(statement int32, reply bson.Raw) error {
	if w.record != nil {
		w.record.Add(statement, reply)
		if err := w.interrupted(); err != nil {
			return err
		}
	}
	if w.tx != nil && w.tx.Bytes() > flushBytes {
		return w.flush()
	}
	return nil
}

// interrupted applies the fail point of retryable writes.
func (w *writer) interrupted() error {
	if w.r.fail == nil {
		return nil
	}
	lost, undone := w.r.fail.write()
	switch {
	case !lost:
		return nil
	case undone && w.tx != nil:
		w.tx.Abort()
		w.tx = nil
		return errors.Join(errHangUp, w.r.sessions.Reload(w.r.session))
	}
	return errors.Join(errHangUp, w.flush())
}

// before returns the stored answer of a statement that was carried out by an earlier attempt.
func (w *writer) before(statement int32) (bson.Raw, bool) {
	if w.record == nil {
		return nil, false
	}
	reply, done := w.record.Reply(statement)
	if done {
		w.seen = w.r.engine.Seq()
	}
	return reply, done
}

// repeats is before for a statement whose answer is then given again.
func (w *writer) repeats(statement int32) (bson.Raw, bool) {
	reply, done := w.before(statement)
	if done {
		w.retried = append(w.retried, statement)
	}
	return reply, done
}

// appendRetried tells the client which statements an earlier attempt had carried out.
func (w *writer) appendRetried(out *bsonx.DocBuilder) {
	if len(w.retried) == 0 {
		return
	}
	list := bsonx.NewArray(8 * len(w.retried))
	for _, statement := range w.retried {
		list.Append(bsonx.Int32(statement))
	}
	out.Append("retriedStmtIds", list.Value())
}

// finish commits the rest and returns when all that the answer tells of is durable, unless the client does not care: the
// command's own writes, and also those of others that kept it from writing.
func (w *writer) finish() error {
	err := w.flush()
	if w.r.noReplyWait || w.r.tx != nil {
		return err
	}
	return errors.Join(err, w.r.engine.WaitDurable(context.Background(), w.seen))
}

// abandon ends what a panic left open, so that nobody waits for it; after finish there is nothing.
func (w *writer) abandon() {
	if w.r.tx == nil && w.tx != nil {
		w.tx.Abort()
		w.tx = nil
	}
}

// writeErrors collects the failures of single statements.
type writeErrors struct {
	list  *bsonx.ArrayBuilder
	count int
}

// wholeCommand are the codes of failures that are not of one statement.
var wholeCommand = []int32{mongoerr.InternalError, mongoerr.MaxTimeMSExpired, mongoerr.InterruptedAtShutdown, mongoerr.WriteConflict,
	mongoerr.OutOfDiskSpace, mongoerr.FileStreamFailed, mongoerr.DataCorruptionDetected}

// add notes a failure. It returns the error itself where the whole command must fail: in a transaction, and where the
// client's time is over or the store is broken.
func (e *writeErrors) add(r *request, index int, err error) error {
	err = translate(err)
	var dup *engine.DuplicateKey
	isDup := errors.As(err, &dup)
	code := mongoerr.CodeOf(err)
	if !isDup && slices.Contains(wholeCommand, code) {
		return err
	}
	out := bsonx.NewDoc(128).Append("index", bsonx.Int32(int32(index)))
	if isDup {
		out.Append("code", bsonx.Int32(mongoerr.DuplicateKey)).Append("errmsg", bsonx.String(dup.Error())).
			Append("keyPattern", bsonx.Document(dup.KeyPattern)).Append("keyValue", bsonx.Document(dup.KeyValue))
	} else {
		m := mongoerr.From(err)
		out.Append("code", bsonx.Int32(m.Code)).Append("errmsg", bsonx.String(m.Message))
		appendInfo(out, m)
	}
	if e.list == nil {
		e.list = bsonx.NewArray(256)
	}
	e.list.Append(out.Value())
	e.count++
	if r.tx != nil {
		r.session.Abort()
	}
	return nil
}

func (e *writeErrors) appendTo(out *bsonx.DocBuilder) {
	if e.list != nil {
		out.Append("writeErrors", e.list.Value())
	}
}

// stops reports whether the command goes no further after a failure.
func (e *writeErrors) stops(r *request, ordered bool) bool {
	return e.count > 0 && (ordered || r.tx != nil)
}

func (r *request) ordered() bool { return !r.has("ordered") || r.flag("ordered") }

func (r *request) checkBatch(n int) error {
	if n == 0 || n > maxWriteBatch {
		return mongoerr.New(mongoerr.InvalidLength, "Write batch sizes must be between 1 and %d. Got %d operations.", maxWriteBatch, n)
	}
	return r.checkStatements(n)
}
