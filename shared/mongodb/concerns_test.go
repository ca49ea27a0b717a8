package mongodb_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// command is what a server is told with every command, as far as it decides what an acknowledgement is worth.
type command struct {
	name string
	doc  bson.Raw
}

func (c command) text(path ...string) string {
	v, err := c.doc.LookupErr(path...)
	if err != nil {
		return ""
	}
	s, _ := v.StringValueOK()
	return s
}

func (c command) is(path ...string) bool {
	v, err := c.doc.LookupErr(path...)
	if err != nil {
		return false
	}
	b, _ := v.BooleanOK()
	return b
}

func (c command) has(path ...string) bool { _, err := c.doc.LookupErr(path...); return err == nil }

// inTx reports whether the command is part of a transaction.
func (c command) inTx() bool { return c.has("autocommit") && !c.is("autocommit") }

// wire is a way to the server that reads along.
type wire struct {
	options.ContextDialer
	mu       sync.Mutex
	commands []command
}

func (w *wire) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := w.ContextDialer.DialContext(ctx, network, address)
	return &tapped{Conn: c, wire: w}, err
}

type tapped struct {
	net.Conn
	wire *wire
	buf  []byte
}

const opMsg = 2013

// Write takes the OP_MSG messages apart that pass. The body of a message is its first section.
func (c *tapped) Write(b []byte) (int, error) {
	c.buf = append(c.buf, b...)
	for len(c.buf) >= 16 && len(c.buf) >= int(binary.LittleEndian.Uint32(c.buf)) {
		n := binary.LittleEndian.Uint32(c.buf)
		message := bytes.Clone(c.buf[:n])
		c.buf = c.buf[n:]
		if binary.LittleEndian.Uint32(message[12:]) != opMsg || message[20] != 0 {
			continue
		}
		doc := bson.Raw(message[21:])
		doc = doc[:binary.LittleEndian.Uint32(doc)]
		first, err := doc.IndexErr(0)
		if err != nil {
			continue
		}
		c.wire.mu.Lock()
		c.wire.commands = append(c.wire.commands, command{first.Key(), doc})
		c.wire.mu.Unlock()
	}
	return c.Conn.Write(b)
}

var (
	reads  = map[string]bool{"find": true, "aggregate": true, "distinct": true}
	writes = map[string]bool{"insert": true, "update": true, "delete": true, "findAndModify": true}
	ends   = map[string]bool{"commitTransaction": true, "abortTransaction": true}
)

// wrong returns what is wrong with a command, or "". Only the first command of a transaction has a read concern, and only the
// last a write concern: the server knows no others.
func (c command) wrong() string {
	final := c.text("writeConcern", "w") == "majority" && c.is("writeConcern", "j")
	switch {
	case ends[c.name] && !final:
		return "a transaction ends without majority and journal"
	case ends[c.name]:
		return ""
	case c.inTx() && c.has("writeConcern"):
		return "an operation of a transaction has a write concern of its own"
	case c.inTx() && c.is("startTransaction") && c.text("readConcern", "level") != "snapshot":
		return "a transaction begins without a snapshot"
	case c.inTx() && !c.is("startTransaction") && c.has("readConcern"):
		return "an operation of a transaction has a read concern of its own"
	case c.inTx():
		return ""
	case writes[c.name] && !final:
		return "a write without majority and journal"
	case reads[c.name] && c.text("readConcern", "level") != "majority":
		return "a read without majority"
	case writes[c.name] && !c.has("maxTimeMS"): // of reads the driver keeps the time itself
		return "a write without a limit of time"
	case writes[c.name] && !c.has("txnNumber"):
		return "a write that is not retried once"
	}
	return ""
}

// TestEveryCommandCarriesItsConcerns does what services do, and reads on the wire what each acknowledgement and each read is
// worth (../design/clients.md, M1 to M3).
func TestEveryCommandCarriesItsConcerns(t *testing.T) {
	t.Parallel()
	c, d := mongotest.Settings(t)
	w := &wire{ContextDialer: d.Dialer}
	if w.ContextDialer == nil {
		w.ContextDialer = &net.Dialer{}
	}
	d.Dialer = w
	db, err := mongodb.Connect(t.Context(), c, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	everything(t, db)

	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[string]int{}
	for _, c := range w.commands {
		seen[fmt.Sprintf("%s/%t", c.name, c.inTx())]++
		if why := c.wrong(); why != "" {
			t.Errorf("%s: %v", why, c.doc)
		}
	}
	for _, kind := range []string{
		"find/false", "aggregate/false", "distinct/false", "insert/false", "update/false", "delete/false", "findAndModify/false",
		"find/true", "aggregate/true", "insert/true", "update/true", "delete/true", "commitTransaction/true", "abortTransaction/true",
	} {
		if seen[kind] == 0 {
			t.Errorf("%s was never sent: the test shows nothing of it (%v)", kind, seen)
		}
	}
}

// everything is each kind of operation, alone and in a transaction, and what this package does by itself.
func everything(t *testing.T, db *mongodb.DB) {
	t.Helper()
	people := db.Collection("people")
	set := bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: 1}}}}
	operate := func(ctx context.Context, name string) error {
		_, err := people.InsertOne(ctx, id(name))
		_, update := people.UpdateOne(ctx, id(name), set)
		_, replace := people.ReplaceOne(ctx, id(name), bson.D{{Key: "n", Value: 2}})
		_, bulk := people.BulkWrite(ctx, []mongo.WriteModel{mongo.NewUpdateOneModel().SetFilter(id(name)).SetUpdate(set)})
		_, count := people.CountDocuments(ctx, id(name))
		_, remove := people.DeleteOne(ctx, id(name))
		return errors.Join(err, update, replace, bulk, count, remove, people.FindOne(ctx, id("none")).Err())
	}
	ctx := t.Context()
	must := func(what string, err error) {
		t.Helper()
		if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
			t.Fatalf("%s: %v", what, err)
		}
	}
	must("alone", operate(ctx, "a"))
	must("find and modify", people.FindOneAndUpdate(ctx, id("none"), set).Err())
	must("distinct", people.Distinct(ctx, "n", bson.D{}).Err())
	refused := errors.New("refused")
	err := db.Tx(ctx, func(ctx context.Context) error {
		if err := operate(ctx, "b"); !errors.Is(err, mongo.ErrNoDocuments) {
			return err
		}
		doc, _ := bson.Marshal(id("raw"))
		if err := mongodb.InsertAll(ctx, people, []bson.Raw{doc}); err != nil {
			return err
		}
		return nil
	})
	must("in a transaction", err)
	if err := db.Tx(ctx, func(ctx context.Context) error { return errors.Join(operate(ctx, "c"), refused) }); !errors.Is(err, refused) {
		t.Fatal(err)
	}
	must("once", mongodb.NewOnce(db, "it").Set(ctx))
	must("put newer", db.Tx(ctx, func(ctx context.Context) error {
		_, err := mongodb.PutNewer(ctx, db.Collection("received"), "r", 1, bson.D{{Key: "n", Value: 1}})
		return err
	}))
	claim := begin(t, mongodb.NewIdempotency(db))
	o := outbox(t, db, &broker{}, nil)
	must("outbox", db.Tx(claim.Guard(ctx), func(ctx context.Context) error { return o.Put(ctx, entry("k", 1)) }))
	_, err = o.Republish(ctx, func(string, string, string) bool { return true })
	must("republish", err)
	stop := relay(t, o)
	eventually(t, "the outbox is empty", drained(t, o))
	stop()
}

// TestNobodyElseSetsConcerns: what one collection or operation says of its own takes the place of what the connection says.
func TestNobodyElseSetsConcerns(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "go.work")); err != nil {
		t.Skip("the whole workspace is not here")
	}
	files := 0
	for _, module := range []string{"shared", string(contract.Strategic), string(contract.Functional), string(contract.Operational)} {
		err := filepath.WalkDir(filepath.Join(root, module), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || filepath.Dir(path) == filepath.Join(root, "shared", "mongodb") {
				return err
			}
			files++
			source, err := os.ReadFile(path)
			for _, concern := range []string{"writeconcern", "readconcern", "readpref"} {
				if bytes.Contains(source, []byte(`"go.mongodb.org/mongo-driver/v2/mongo/`+concern+`"`)) {
					t.Errorf("%s sets a %s: the connection has the only right one", path, concern)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 100 {
		t.Errorf("looked at %d files", files)
	}
}
