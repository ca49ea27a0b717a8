package engine

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

// expireChunk is how many documents one expiry transaction deletes.
const expireChunk = 500

// Expire deletes every document whose expiry index says that its time has passed, and returns how many. A document
// that somebody is writing is left for the next round.
func (e *Engine) Expire(ctx context.Context) (deleted int, err error) {
	for _, c := range e.Collections("") {
		for _, x := range c.Indexes {
			if x.ExpireAfter == nil || len(x.Fields) != 1 {
				continue
			}
			n, err := e.expireIndex(ctx, c.Namespace, x)
			if deleted += n; err != nil {
				return deleted, err
			}
		}
	}
	return deleted, nil
}

func (e *Engine) expireIndex(ctx context.Context, ns Namespace, x *Index) (deleted int, err error) {
	cutoff := e.now().Add(-time.Duration(*x.ExpireAfter) * time.Second).UnixMilli()
	desc := x.Fields[0].Desc
	lower := bsonx.AppendKey(nil, bsonx.DateTime(-1<<63), desc)
	upper := after(bsonx.AppendKey(nil, bsonx.DateTime(cutoff), desc))
	if desc {
		lower, upper = bsonx.AppendKey(nil, bsonx.DateTime(cutoff), desc), after(lower)
	}
	for ctx.Err() == nil {
		n, err := e.expireSome(ns, x.Name, lower, upper)
		if deleted += n; err != nil || n == 0 {
			return deleted, err
		}
	}
	return deleted, ctx.Err()
}

// expireSome deletes the first documents whose entries lie in the bounds, in one transaction.
func (e *Engine) expireSome(ns Namespace, index string, lower, upper []byte) (n int, err error) {
	t := e.Begin()
	defer t.Abort()
	c, err := t.Writable(ns)
	if c == nil || err != nil {
		return 0, ignoreConflict(err)
	}
	x := c.Index(index)
	if x == nil {
		return 0, nil
	}
	ids, err := t.firstIDs(x, lower, upper, expireChunk)
	for _, id := range ids {
		if err != nil {
			return 0, err
		}
		var doc bson.Raw
		if doc, err = t.Get(c, id); err != nil || doc == nil {
			continue
		}
		if err = t.Delete(c, id, doc); err == nil {
			n++
		}
		err = ignoreConflict(err)
	}
	if err != nil {
		return 0, err
	}
	return n, t.Commit()
}

func (t *Tx) firstIDs(x *Index, lower, upper []byte, limit int) (ids [][]byte, err error) {
	it, err := t.ScanIndex(x, lower, upper, false)
	if err != nil {
		return nil, err
	}
	for len(ids) < limit {
		_, id, ok, err := it.Next()
		if err != nil || !ok {
			return ids, errors.Join(err, it.Close())
		}
		ids = append(ids, id)
	}
	return ids, it.Close()
}

func ignoreConflict(err error) error {
	var conflict *Conflict
	if errors.As(err, &conflict) {
		return nil
	}
	return err
}

// SweepSessions deletes what sessions stored before the given time and returns how many records. The time of a record
// is its field "at".
func (e *Engine) SweepSessions(before time.Time) (deleted int, err error) {
	b := e.db.NewBatch()
	err = eachPrefix(e.db, systemKey(kindSession), func(key, value []byte) error {
		if at, ok := bson.Raw(value).Lookup("at").DateTimeOK(); ok && at >= before.UnixMilli() {
			return nil
		}
		deleted++
		return b.Delete(key, nil)
	})
	if err != nil || deleted == 0 {
		return 0, errors.Join(err, b.Close())
	}
	_, err = e.write(b)
	return deleted, err
}
