package replay

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore"
	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

// client sends commands exactly as the cases have them; a driver would add fields of its own.
type client struct {
	conn net.Conn
	r    *bufio.Reader
}

func connect(t *testing.T) *client {
	t.Helper()
	s, err := docstore.Open(docstore.Options{InMemory: true, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	conn, err := s.Dialer().DialContext(context.Background(), "tcp", "")
	if err != nil {
		t.Fatal(err)
	}
	return &client{conn, bufio.NewReader(conn)}
}

func (c *client) run(db string, cmd bson.Raw) (bson.Raw, error) {
	b := bsonx.NewDoc(len(cmd) + 32)
	for it := bsonx.Elements(cmd); it.Next(); {
		b.AppendBytes(it.Key(), it.Value())
	}
	body := b.Append("$db", bsonx.String(db)).Raw()
	msg := binary.LittleEndian.AppendUint32(nil, uint32(21+len(body)))
	msg = append(msg, 1, 0, 0, 0, 0, 0, 0, 0)
	msg = binary.LittleEndian.AppendUint32(msg, 2013)
	msg = append(append(msg, 0, 0, 0, 0, 0), body...)
	if err := c.conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(msg); err != nil {
		return nil, err
	}
	var head [21]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return nil, err
	}
	reply := make(bson.Raw, int(binary.LittleEndian.Uint32(head[:]))-len(head))
	_, err := io.ReadFull(c.r, reply)
	return reply, err
}

// reset drops every database and session that a case left behind.
func (c *client) reset() error {
	reply, err := c.run("admin", must(bson.D{{Key: "listDatabases", Value: 1}}))
	if err != nil {
		return err
	}
	list, ok := reply.Lookup("databases").ArrayOK()
	if !ok {
		return fmt.Errorf("listDatabases answered %s", reply)
	}
	values, err := list.Values()
	if err != nil {
		return err
	}
	for _, v := range values {
		name := v.Document().Lookup("name").StringValue()
		if name == "admin" || name == "config" || name == "local" {
			err = errors.Join(err, c.dropEach(name))
			continue
		}
		reply, derr := c.run(name, must(bson.D{{Key: "dropDatabase", Value: 1}}))
		if derr == nil && code(reply) != 0 {
			derr = fmt.Errorf("dropDatabase answered %s", reply)
		}
		err = errors.Join(err, derr)
	}
	_, kerr := c.run("admin", must(bson.D{{Key: "killAllSessions", Value: bson.A{}}}))
	return errors.Join(err, kerr)
}

// dropEach empties a database that cannot be dropped.
func (c *client) dropEach(db string) error {
	reply, err := c.run(db, must(bson.D{{Key: "listCollections", Value: 1}}))
	if err != nil {
		return err
	}
	for it := bsonx.Items(reply.Lookup("cursor", "firstBatch")); it.Next(); {
		name := bson.Raw(it.Value().Value).Lookup("name").StringValue()
		if _, err := c.run(db, must(bson.D{{Key: "drop", Value: name}})); err != nil {
			return err
		}
	}
	return nil
}

func must(d bson.D) bson.Raw {
	b, err := bson.Marshal(d)
	if err != nil {
		panic(err) // the documents are written in this file
	}
	return b
}

// code returns the code that a reply failed with: top level, or of the first write error; 0 for success.
func code(reply bson.Raw) int32 {
	if ok, _ := bsonx.FloatOf(bsonx.Lookup(reply, "ok")); ok != 1 {
		n, _ := bsonx.IntegerOf(bsonx.Lookup(reply, "code"))
		return int32(n)
	}
	for it := bsonx.Items(bsonx.Lookup(reply, "writeErrors")); it.Next(); {
		n, _ := bsonx.IntegerOf(bsonx.Lookup(it.Value().Value, "code"))
		return int32(n)
	}
	return 0
}
