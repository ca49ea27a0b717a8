package command

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
)

// changed is the outcome of one statement.
type changed struct {
	matched, modified int
	upserted          bson.RawValue // the _id of the inserted document, Missing where none was
	before, after     bson.Raw      // of the last document
}

func updateCommand(ctx context.Context, r *request) (*bsonx.DocBuilder, error) {
	ns, err := r.writableNamespace()
	if err != nil {
		return nil, err
	}
	statements := r.documents("updates")
	if err := r.checkBatch(len(statements)); err != nil {
		return nil, err
	}
	w, err := newWriter(r, ns)
	if err != nil {
		return nil, err
	}
	defer w.abandon()
	out, err := w.updateAll(ctx, statements)
	if ferr := w.finish(); err == nil {
		err = ferr
	}
	return out, err
}

// tally is what the answer to an update tells.
type tally struct {
	n, modified int32
	upserted    *bsonx.ArrayBuilder
	failed      writeErrors
}

func (w *writer) updateAll(ctx context.Context, statements []bson.Raw) (*bsonx.DocBuilder, error) {
	var all tally
	for from := 0; from < len(statements); from += ahead {
		ok, err := w.updateSome(ctx, from, statements[from:min(len(statements), from+ahead)], &all)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
	}
	out := bsonx.NewDoc(128).Append("n", bsonx.Int32(all.n))
	if all.upserted != nil {
		out.Append("upserted", all.upserted.Value())
	}
	out.Append("nModified", bsonx.Int32(all.modified))
	all.failed.appendTo(out)
	w.appendRetried(out)
	return out, nil
}

// updateSome carries out statements of which the first is the command's number from; ok tells that the command goes on.
func (w *writer) updateSome(ctx context.Context, from int, statements []bson.Raw, all *tally) (ok bool, err error) {
	changes, faults := w.compileAll(statements)
	if len(changes) > 1 {
		if err := w.lookAhead(changes); err != nil {
			return false, err
		}
	}
	for i := range changes {
		index, statement := int32(from+i), w.r.statement(from+i)
		if reply, done := w.repeats(statement); done {
			all.repeat(index, reply)
			continue
		}
		var got changed
		err := faults[i]
		if err == nil {
			got, err = w.apply(ctx, &changes[i])
		}
		if err == nil {
			err = w.done(statement, got.reply())
		}
		if err == nil {
			all.add(index, got)
			continue
		}
		if err := all.failed.add(w.r, from+i, err); err != nil {
			return false, err
		}
		if all.failed.stops(w.r, w.r.ordered()) {
			return false, nil
		}
	}
	return true, nil
}

func (a *tally) add(index int32, got changed) {
	a.n += int32(got.matched)
	a.modified += int32(got.modified)
	if bsonx.IsMissing(got.upserted) {
		return
	}
	if a.upserted == nil {
		a.upserted = bsonx.NewArray(512)
	}
	a.upserted.Append(bsonx.NewDoc(len(got.upserted.Value)+24).Append("index", bsonx.Int32(index)).Append("_id", got.upserted).Value())
}

// repeat adds the answer that was kept of an earlier attempt.
func (a *tally) repeat(index int32, reply bson.Raw) {
	a.add(index, changed{matched: int(bsonx.Lookup(reply, "n").Int32()), modified: int(intOrZero(bsonx.Lookup(reply, "m"))), upserted: bsonx.Lookup(reply, "u")})
}

// compileAll compiles statements, with all processors where there are many; faults says what is wrong with one.
func (w *writer) compileAll(given []bson.Raw) (changes []change, faults []error) {
	changes, faults = make([]change, len(given)), make([]error, len(given))
	engine.Parallel(len(given), func(from, to int) {
		s := statements{w: w, fields: make(args, 0, 6)}
		for i := from; i < to; i++ {
			faults[i] = s.compile(given[i], &changes[i])
		}
	})
	return changes, faults
}

// lookAhead looks at the documents that changes name by their _id alone, and works out what becomes of them. Where that meets
// an error the statements meet it too, and know what to do.
func (w *writer) lookAhead(changes []change) error {
	named := make([]*change, 0, len(changes))
	ids := make([][]byte, 0, len(changes))
	for i := range changes {
		if c := &changes[i]; c.update != nil && c.id != nil && !c.multi { // a faulty statement has no update
			named, ids = append(named, c), append(ids, c.id)
		}
	}
	if len(named) < 2 {
		return nil
	}
	var places []engine.Place
	err := w.once(false, func(t *engine.Tx, c *engine.Collection) (err error) {
		if c != nil {
			places, err = t.Places(c, ids)
		}
		return err
	})
	var conflict *engine.Conflict
	if err != nil && !errors.As(err, &conflict) {
		return err
	}
	ready := make([]outcome, len(places))
	engine.Parallel(len(places), func(from, to int) {
		for i := from; i < to; i++ {
			if named[i].place = &places[i]; named[i].update.Pure() {
				ready[i] = named[i].outcome(places[i].Seen())
				named[i].ready = &ready[i]
			}
		}
	})
	return nil
}

func intOrZero(v bson.RawValue) int32 {
	n, _ := v.Int32OK()
	return n
}

// oneModified is what an update mostly answers.
var oneModified = bsonx.NewDoc(16).Append("n", bsonx.Int32(1)).Append("m", bsonx.Int32(1)).Raw()

// reply is the outcome in the form kept for a repeated write: n, m modified, u upserted.
func (c changed) reply() bson.Raw {
	if c.matched == 1 && bsonx.IsMissing(c.upserted) {
		switch c.modified {
		case 0:
			return oneInserted
		case 1:
			return oneModified
		}
	}
	out := bsonx.NewDoc(len(c.upserted.Value)+24).Append("n", bsonx.Int32(int32(c.matched)))
	if c.modified > 0 {
		out.Append("m", bsonx.Int32(int32(c.modified)))
	}
	return out.Append("u", c.upserted).Raw()
}
