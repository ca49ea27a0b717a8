package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

var emptyDoc = []byte{5, 0, 0, 0, 0}

// frame builds a message with a right length.
func frame(code uint32, body ...byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(16+len(body)))
	b = append(b, 7, 0, 0, 0, 0, 0, 0, 0)
	return append(binary.LittleEndian.AppendUint32(b, code), body...)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestReadSections(t *testing.T) {
	t.Parallel()
	seq := join([]byte{1, 24, 0, 0, 0}, []byte("documents\x00"), emptyDoc, emptyDoc)
	m, err := Read(bytes.NewReader(frame(opMsg, join([]byte{3, 0, 0, 0, 0}, emptyDoc, seq, []byte("csum"))...)))
	if err != nil {
		t.Fatal(err)
	}
	if m.RequestID != 7 || !m.MoreToCome || len(m.Body) != 5 || len(m.Sequences) != 1 || m.Sequences[0].Name != "documents" || len(m.Sequences[0].Docs) != 2 {
		t.Errorf("read %+v", m)
	}
}

func TestReadRefusesBrokenMessages(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"length below the header": {15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"length above the limit":  {0, 0, 0, 127, 0, 0, 0, 0, 0, 0, 0, 0, 0xDD, 7, 0, 0},
		"unknown code":            frame(99, 0),
		"no flags":                frame(opMsg),
		"no body":                 frame(opMsg, 0, 0, 0, 0),
		"unknown required flag":   frame(opMsg, join([]byte{4, 0, 0, 0, 0}, emptyDoc)...),
		"unknown section":         frame(opMsg, join([]byte{0, 0, 0, 0, 2}, emptyDoc)...),
		"document too long":       frame(opMsg, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0),
		"document without an end": frame(opMsg, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1),
		"two bodies":              frame(opMsg, join([]byte{0, 0, 0, 0, 0}, emptyDoc, []byte{0}, emptyDoc)...),
		"sequence too long":       frame(opMsg, join([]byte{0, 0, 0, 0, 0}, emptyDoc, []byte{1, 99, 0, 0, 0})...),
		"query of a collection":   frame(opQuery, join([]byte{0, 0, 0, 0}, []byte("db.c\x00"), make([]byte, 8), emptyDoc)...),
		"query without a name":    frame(opQuery, 0, 0, 0, 0, 'a'),
	} {
		if _, err := Read(bytes.NewReader(b)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		}
	}
	if _, err := Read(bytes.NewReader(frame(opMsg, 0, 0)[:17])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a cut message gives %v", err)
	}
	if _, err := Read(bytes.NewReader(nil)); !errors.Is(err, io.EOF) {
		t.Errorf("no message gives %v", err)
	}
}

// TestLargestMessage is trap 139 of the design: a message of 48,000,000 bytes is read, one of a byte more is not.
func TestLargestMessage(t *testing.T) {
	t.Parallel()
	// One document fills the sequence: 4 bytes of length, "a" as binary with 4 bytes of length and a subtype, an end.
	const outside = headerSize + 4 + 1 + 5 + 1 + 4 + len("documents\x00")
	for more, want := range map[int]error{0: nil, 1: ErrMalformed} {
		doc := make([]byte, MaxMessageSize+more-outside)
		binary.LittleEndian.PutUint32(doc, uint32(len(doc)))
		copy(doc[4:], "\x05a\x00")
		binary.LittleEndian.PutUint32(doc[7:], uint32(len(doc)-4-3-5-1))
		size := binary.LittleEndian.AppendUint32(nil, uint32(4+len("documents\x00")+len(doc)))
		b := frame(opMsg, join([]byte{0, 0, 0, 0, 0}, emptyDoc, []byte{1}, size, []byte("documents\x00"), doc)...)
		if len(b) != MaxMessageSize+more {
			t.Fatalf("the message has %d bytes", len(b))
		}
		m, err := Read(bytes.NewReader(b))
		if !errors.Is(err, want) {
			t.Errorf("%d bytes: %v, want %v", len(b), err, want)
		}
		if want == nil && (len(m.Sequences) != 1 || len(m.Sequences[0].Docs) != 1 || m.Sequences[0].Docs[0].Validate() != nil) {
			t.Errorf("%d bytes: read %d sequences", len(b), len(m.Sequences))
		}
	}
}

func TestHandshakeIsAnsweredInItsOwnForm(t *testing.T) {
	t.Parallel()
	m, err := Read(bytes.NewReader(frame(opQuery, join([]byte{0, 0, 0, 0}, []byte("admin.$cmd\x00"), make([]byte, 8), emptyDoc)...)))
	if err != nil {
		t.Fatal(err)
	}
	if !m.Legacy || m.Database != "admin" {
		t.Errorf("read %+v", m)
	}
	var out bytes.Buffer
	if err := WriteReply(&out, m, bson.Raw(emptyDoc)); err != nil {
		t.Fatal(err)
	}
	b := out.Bytes()
	if n := binary.LittleEndian.Uint32(b); int(n) != len(b) || binary.LittleEndian.Uint32(b[12:]) != opReply || binary.LittleEndian.Uint32(b[8:]) != 7 || binary.LittleEndian.Uint32(b[32:]) != 1 {
		t.Errorf("reply % x", b)
	}
}

func pipe(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l := NewListener("host:1")
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	client, err := l.DialContext(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	return client, <-accepted
}

func TestPipeCarriesMoreThanItsBuffer(t *testing.T) {
	t.Parallel()
	client, server := pipe(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 200000)
	go func() {
		if _, err := client.Write(sent); err != nil {
			t.Error(err)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}()
	got, err := io.ReadAll(server)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes of %d arrived, %v", len(got), len(sent), err)
	}
	if _, err := server.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("writing to a closed peer gives %v", err)
	}
}

func TestPipeDeadlines(t *testing.T) {
	t.Parallel()
	client, server := pipe(t)
	if err := client.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reading past the deadline gives %v", err)
	}
	if _, err := server.Write(make([]byte, bufferLimit)); err != nil {
		t.Fatal(err)
	}
	if err := server.SetWriteDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Write(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("writing past the deadline gives %v", err)
	}
	if err := client.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if n, err := client.Read(make([]byte, 10)); n != 10 || err != nil {
		t.Errorf("after the deadline is taken back: %d, %v", n, err)
	}
}

func TestClosedListener(t *testing.T) {
	t.Parallel()
	l := NewListener("host:1")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept gives %v", err)
	}
	if _, err := l.DialContext(t.Context(), "", ""); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Dial gives %v", err)
	}
}
