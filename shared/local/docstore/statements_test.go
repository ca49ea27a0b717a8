package docstore_test

import (
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore"
)

// TestStatementsAreRepeatedByTheirNumbers sends retryable writes whose statements the client has numbered itself, in other orders and
// batches than before: each is carried out once, and the answer names those that an earlier attempt had carried out.
func TestStatementsAreRepeatedByTheirNumbers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lsid := doc("id", bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")})
	increments := func(number int64, n int, more ...any) bson.D {
		var updates bson.A
		for range n {
			updates = append(updates, doc("q", doc("_id", 1), "u", doc("$inc", doc("v", 1)), "upsert", true))
		}
		return append(doc("update", "c", "updates", updates, "lsid", lsid, "txnNumber", number), doc(more...)...)
	}
	inserts := func(number int64, ids bson.A, more ...any) bson.D {
		var docs bson.A
		for _, id := range ids {
			docs = append(docs, doc("_id", id))
		}
		return append(doc("insert", "d", "documents", docs, "lsid", lsid, "txnNumber", number), doc(more...)...)
	}
	removes := func(number int64, more ...any) bson.D {
		return append(doc("delete", "d", "deletes", bson.A{doc("q", bson.D{}, "limit", 1)}, "lsid", lsid, "txnNumber", number), doc(more...)...)
	}
	modify := func(number int64, more ...any) bson.D {
		return append(doc("findAndModify", "c", "query", doc("_id", 1), "update", doc("$inc", doc("v", 100)), "lsid", lsid, "txnNumber", number), doc(more...)...)
	}
	type step struct {
		what    string
		cmd     bson.D
		n       int64
		retried string // as the answer has it
		v, docs int64  // afterwards
	}
	for life, steps := range [][]step{
		{
			{"three at once", increments(1, 3, "stmtIds", bson.A{7, 2, 5}), 3, "", 3, 0},
			{"two of them and a new one", increments(1, 3, "stmtIds", bson.A{2, 3, 7}), 3, "[2,7]", 4, 0},
			{"from a number on", increments(1, 4, "stmtId", 4), 4, "[5,7]", 6, 0},
			{"by their positions", increments(1, 2), 2, "", 8, 0},
			{"another number of the transaction", increments(2, 2), 2, "", 10, 0},
			{"inserts", inserts(3, bson.A{1, 2}, "stmtIds", bson.A{11, 10}), 2, "", 10, 2},
			{"inserts once more, turned round", inserts(3, bson.A{2, 1, 3}, "stmtIds", bson.A{10, 11, 0}), 3, "[10,11]", 10, 3},
			{"a number twice", inserts(3, bson.A{4, 5}, "stmtIds", bson.A{20, 20}), 2, "[20]", 10, 4},
			{"a statement that is not remembered", inserts(3, bson.A{6}, "stmtId", -1), 1, "", 10, 5},
			{"a delete", removes(4, "stmtId", 3), 1, "", 10, 4},
			{"the delete again", removes(4, "stmtIds", bson.A{3}), 1, "[3]", 10, 4},
			{"findAndModify", modify(5, "stmtId", 9), 0, "", 110, 4},
			{"findAndModify again", modify(5, "stmtId", 9), 0, "9", 110, 4},
			{"findAndModify under another statement", modify(5), 0, "", 210, 4},
		},
		{
			{"findAndModify after a restart", modify(5, "stmtId", 9), 0, "9", 210, 4},
			{"its other statement", modify(5), 0, "0", 210, 4},
		},
	} {
		s, client := open(t, docstore.Options{Dir: dir})
		raw := dialRaw(t, s)
		for _, step := range steps {
			reply := raw.run("db", step.cmd)
			n, _ := reply.Lookup("n").AsInt64OK()
			if got := retriedOf(reply); n != step.n || got != step.retried {
				t.Errorf("%s: n %d and retried %q, want %d and %q: %s", step.what, n, got, step.n, step.retried, reply)
			}
			if v := field(t, t.Context(), client.Database("db").Collection("c"), 1, "v"); int64(v) != step.v {
				t.Errorf("%s: v is %d, want %d", step.what, v, step.v)
			}
			if docs := raw.run("db", doc("count", "d")).Lookup("n").AsInt64(); docs != step.docs {
				t.Errorf("%s: %d documents are there, want %d", step.what, docs, step.docs)
			}
		}
		if life == 0 {
			for code, cmd := range map[int]bson.D{
				16: increments(6, 2, "stmtIds", bson.A{1}), 72: increments(6, 1, "stmtIds", bson.A{1}, "stmtId", 1),
				14: increments(6, 1, "stmtIds", bson.A{int64(1)}),
			} {
				if got := raw.code("db", cmd); got != code {
					t.Errorf("%v: code %d, want %d", cmd, got, code)
				}
			}
		}
		_ = client.Disconnect(t.Context())
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// retriedOf is what an answer says about statements that were carried out before.
func retriedOf(reply bson.Raw) string {
	if one, ok := reply.Lookup("retriedStmtId").AsInt64OK(); ok {
		return fmt.Sprint(one)
	}
	list, ok := reply.Lookup("retriedStmtIds").ArrayOK()
	if !ok {
		return ""
	}
	values, err := list.Values()
	if err != nil {
		return err.Error()
	}
	out := "["
	for i, v := range values {
		if i > 0 {
			out += ","
		}
		out += fmt.Sprint(v.AsInt64())
	}
	return out + "]"
}
