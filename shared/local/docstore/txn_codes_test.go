package docstore_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore"
)

// TestTransactionNumbers walks through what MongoDB answers to numbers used out of turn.
func TestTransactionNumbers(t *testing.T) {
	t.Parallel()
	s, _ := open(t, docstore.Options{InMemory: true})
	raw := dialRaw(t, s)
	lsid := doc("id", bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")})
	id := 0
	insert := func(number int64, more ...any) bson.D {
		id++
		return append(doc("insert", "c", "documents", bson.A{doc("_id", id)}, "lsid", lsid, "txnNumber", number), doc(more...)...)
	}
	in := []any{"autocommit", false}
	starts := []any{"autocommit", false, "startTransaction", true}
	end := func(name string, number int64) bson.D {
		return doc(name, 1, "lsid", lsid, "txnNumber", number, "autocommit", false)
	}
	for _, step := range []struct {
		what string
		db   string
		cmd  bson.D
		want int
	}{
		{"continue what never began", "db", insert(5, in...), 251},
		{"start", "db", insert(5, starts...), 0},
		{"continue", "db", insert(5, in...), 0},
		{"a number below", "db", insert(4, starts...), 225},
		{"start it twice", "db", insert(5, starts...), 117},
		{"commit on another database", "db", end("commitTransaction", 5), 13},
		{"commit", "admin", end("commitTransaction", 5), 0},
		{"commit again", "admin", end("commitTransaction", 5), 0},
		{"abort what is committed", "admin", end("abortTransaction", 5), 256},
		{"go on after the commit", "db", insert(5, in...), 256},
		{"start after the commit", "db", insert(5, starts...), 117},
		{"start the next", "db", insert(6, starts...), 0},
		{"abort", "admin", end("abortTransaction", 6), 0},
		{"commit what is aborted", "admin", end("commitTransaction", 6), 251},
		{"abort again", "admin", end("abortTransaction", 6), 251},
		{"go on after the abort", "db", insert(6, in...), 251},
		{"start the aborted number again", "db", insert(6, starts...), 117},
		{"start the next", "db", insert(7, starts...), 0},
		{"a failing operation", "db", doc("insert", "c", "documents", bson.A{doc("_id", bson.A{})}, "lsid", lsid, "txnNumber", int64(7), "autocommit", false), 0},
		{"go on after a failure", "db", insert(7, in...), 251},
		{"a newer number ends the old transaction", "db", insert(8, starts...), 0},
		{"retryable write", "db", insert(9), 0},
		{"old transaction", "admin", end("commitTransaction", 8), 225},
		{"commit outside of a transaction", "admin", doc("commitTransaction", 1, "lsid", lsid), 125},
		{"commit without autocommit", "admin", doc("commitTransaction", 1, "lsid", lsid, "txnNumber", int64(9)), 50768},
		{"commit with autocommit only", "admin", doc("commitTransaction", 1, "lsid", lsid, "autocommit", false), 72},
		{"abort with autocommit only", "admin", doc("abortTransaction", 1, "lsid", lsid, "autocommit", false), 72},
		{"number on a read", "db", doc("find", "c", "lsid", lsid, "txnNumber", int64(10)), 50768},
		{"autocommit without a number", "db", append(doc("find", "c", "lsid", lsid), doc(in...)...), 72},
		{"number without a session", "db", doc("insert", "c", "documents", bson.A{bson.D{}}, "txnNumber", int64(1)), 72},
		{"multi update as a retryable write", "db", doc("update", "c", "updates", bson.A{doc("q", bson.D{}, "u", doc("$set", doc("a", 1)), "multi", true)}, "lsid", lsid, "txnNumber", int64(11)), 0},
	} {
		if got := raw.code(step.db, step.cmd); got != step.want {
			t.Errorf("%s: code %d, want %d", step.what, got, step.want)
		}
	}
	if n := raw.run("db", doc("count", "c")).Lookup("n").AsInt64(); n != 3 {
		t.Errorf("%d documents are there, want the 2 of the committed transaction and the retryable write", n)
	}
}
