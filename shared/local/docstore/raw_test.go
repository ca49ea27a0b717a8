package docstore_test

import (
	"encoding/binary"
	"io"
	"net"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore"
)

// rawConn sends commands as they are: the driver would put its own session and time limit into them.
type rawConn struct {
	t *testing.T
	c net.Conn
}

func dialRaw(t *testing.T, s *docstore.Store) *rawConn {
	t.Helper()
	c, err := s.Dialer().DialContext(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &rawConn{t, c}
}

func (r *rawConn) run(db string, cmd bson.D) bson.Raw {
	r.t.Helper()
	body, err := bson.Marshal(append(cloneD(cmd), bson.E{Key: "$db", Value: db}))
	if err != nil {
		r.t.Fatal(err)
	}
	msg := binary.LittleEndian.AppendUint32(nil, uint32(21+len(body)))
	msg = append(msg, 1, 0, 0, 0, 0, 0, 0, 0)
	msg = binary.LittleEndian.AppendUint32(msg, 2013)
	msg = append(append(msg, 0, 0, 0, 0, 0), body...)
	if _, err := r.c.Write(msg); err != nil {
		r.t.Fatal(err)
	}
	var head [21]byte
	if _, err := io.ReadFull(r.c, head[:]); err != nil {
		r.t.Fatal(err)
	}
	reply := make(bson.Raw, int(binary.LittleEndian.Uint32(head[:]))-len(head))
	if _, err := io.ReadFull(r.c, reply); err != nil {
		r.t.Fatal(err)
	}
	return reply
}

func cloneD(d bson.D) bson.D { return append(bson.D(nil), d...) }

// code returns the code of a failed reply, 0 for success.
func (r *rawConn) code(db string, cmd bson.D) int {
	r.t.Helper()
	reply := r.run(db, cmd)
	n, _ := reply.Lookup("code").AsInt64OK()
	return int(n)
}
