package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// MaxMessageSize is the largest message in bytes that a peer may send, as announced in hello.
const MaxMessageSize = 48000000

// The operation codes that a driver sends or expects.
const (
	opReply = 1
	opQuery = 2004
	opMsg   = 2013
)

// Flag bits of OP_MSG.
const (
	flagChecksum   = 1 << 0
	flagMoreToCome = 1 << 1
	knownRequired  = 0xFFFF // the lower 16 bits must be understood
)

const headerSize = 16

// Sequence is one kind-1 section of an OP_MSG: documents that belong to the command field Name.
type Sequence struct {
	Name string
	Docs []bson.Raw
}

// Message is one request. Body and Sequences point into one buffer that belongs to the message alone.
type Message struct {
	RequestID  int32
	Body       bson.Raw
	Sequences  []Sequence
	MoreToCome bool   // the sender expects no reply
	Legacy     bool   // it came as OP_QUERY and wants an OP_REPLY
	Database   string // only for Legacy: the database that the collection name begins with
}

// ErrMalformed is wrapped by every error that means the peer broke the protocol; the connection must then be closed.
var ErrMalformed = errors.New("malformed message")

// Read reads one message. It returns io.EOF where the peer closed the connection between messages.
func Read(r io.Reader) (*Message, error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	length := int32(binary.LittleEndian.Uint32(head[0:]))
	if length < headerSize || length > MaxMessageSize {
		return nil, fmt.Errorf("%w: length %d is outside %d…%d", ErrMalformed, length, headerSize, MaxMessageSize)
	}
	body := make([]byte, length-headerSize)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	m := &Message{RequestID: int32(binary.LittleEndian.Uint32(head[4:]))}
	switch code := int32(binary.LittleEndian.Uint32(head[12:])); code {
	case opMsg:
		return m, m.parseMsg(body)
	case opQuery:
		return m, m.parseQuery(body)
	default:
		return nil, fmt.Errorf("%w: operation code %d is not spoken here", ErrMalformed, code)
	}
}

func (m *Message) parseMsg(b []byte) error {
	if len(b) < 4 {
		return fmt.Errorf("%w: no flag bits", ErrMalformed)
	}
	flags := binary.LittleEndian.Uint32(b)
	b = b[4:]
	if flags&knownRequired&^(flagChecksum|flagMoreToCome) != 0 {
		return fmt.Errorf("%w: unknown required flag bits %#x", ErrMalformed, flags)
	}
	if flags&flagChecksum != 0 {
		if len(b) < 4 {
			return fmt.Errorf("%w: no checksum", ErrMalformed)
		}
		b = b[:len(b)-4]
	}
	m.MoreToCome = flags&flagMoreToCome != 0
	for len(b) > 0 {
		rest, err := m.parseSection(b[0], b[1:])
		if err != nil {
			return err
		}
		b = rest
	}
	if m.Body == nil {
		return fmt.Errorf("%w: no body section", ErrMalformed)
	}
	return nil
}

func (m *Message) parseSection(kind byte, b []byte) (rest []byte, err error) {
	switch kind {
	case 0:
		if m.Body != nil {
			return nil, fmt.Errorf("%w: two body sections", ErrMalformed)
		}
		m.Body, rest, err = document(b)
		return rest, err
	case 1:
		if len(b) < 4 {
			return nil, fmt.Errorf("%w: short sequence", ErrMalformed)
		}
		size := binary.LittleEndian.Uint32(b)
		if size < 5 || uint64(size) > uint64(len(b)) {
			return nil, fmt.Errorf("%w: sequence of %d bytes", ErrMalformed, size)
		}
		s, err := sequence(b[4:size])
		m.Sequences = append(m.Sequences, s)
		return b[size:], err
	default:
		return nil, fmt.Errorf("%w: section kind %d", ErrMalformed, kind)
	}
}

func sequence(b []byte) (Sequence, error) {
	name, b, err := cstring(b)
	s := Sequence{Name: name}
	for err == nil && len(b) > 0 {
		var d bson.Raw
		if d, b, err = document(b); err == nil {
			s.Docs = append(s.Docs, d)
		}
	}
	return s, err
}

func (m *Message) parseQuery(b []byte) error {
	if len(b) < 4 {
		return fmt.Errorf("%w: short OP_QUERY", ErrMalformed)
	}
	name, b, err := cstring(b[4:])
	if err != nil {
		return err
	}
	if len(b) < 8 {
		return fmt.Errorf("%w: short OP_QUERY", ErrMalformed)
	}
	if m.Body, _, err = document(b[8:]); err != nil {
		return err
	}
	db, coll, _ := strings.Cut(name, ".")
	if coll != "$cmd" {
		return fmt.Errorf("%w: OP_QUERY on %q; only the handshake may use it", ErrMalformed, name)
	}
	m.Legacy, m.Database = true, db
	return nil
}

// document splits the first document off b. It checks the outer shape only: the length and the final zero. Whoever
// stores a document validates it.
func document(b []byte) (bson.Raw, []byte, error) {
	if len(b) < 5 {
		return nil, nil, fmt.Errorf("%w: short document", ErrMalformed)
	}
	n := binary.LittleEndian.Uint32(b)
	if n < 5 || uint64(n) > uint64(len(b)) || b[n-1] != 0 {
		return nil, nil, fmt.Errorf("%w: document of %d bytes", ErrMalformed, n)
	}
	return bson.Raw(b[:n:n]), b[n:], nil
}

func cstring(b []byte) (string, []byte, error) {
	for i, c := range b {
		if c == 0 {
			return string(b[:i]), b[i+1:], nil
		}
	}
	return "", nil, fmt.Errorf("%w: unterminated name", ErrMalformed)
}

// Replies writes replies to one connection. It serves one goroutine.
type Replies struct {
	w   io.Writer
	buf []byte // for the next reply
}

// NewReplies returns a Replies that writes to w.
func NewReplies(w io.Writer) *Replies { return &Replies{w: w} }

// keptBuffer is how large a buffer in bytes is kept from one reply to the next.
const keptBuffer = 64 << 10

// Write writes body as the reply to m, in the form that m asks for.
func (r *Replies) Write(m *Message, body bson.Raw) error {
	if size := headerSize + 20 + len(body); cap(r.buf) < size {
		r.buf = make([]byte, 0, max(size, 1<<10))
	}
	buf := r.buf[:0]
	if cap(buf) > keptBuffer {
		r.buf = nil
	}
	code := int32(opMsg)
	if m.Legacy {
		code = opReply
	}
	buf = binary.LittleEndian.AppendUint32(buf, 0)
	buf = binary.LittleEndian.AppendUint32(buf, 0)
	buf = binary.LittleEndian.AppendUint32(buf, uint32(m.RequestID))
	buf = binary.LittleEndian.AppendUint32(buf, uint32(code))
	if m.Legacy {
		buf = binary.LittleEndian.AppendUint32(buf, 8) // flags: AwaitCapable, as every server sets
		buf = binary.LittleEndian.AppendUint64(buf, 0) // no cursor
		buf = binary.LittleEndian.AppendUint32(buf, 0)
		buf = binary.LittleEndian.AppendUint32(buf, 1)
	} else {
		buf = binary.LittleEndian.AppendUint32(buf, 0) // flag bits
		buf = append(buf, 0)                           // a body section
	}
	buf = append(buf, body...)
	binary.LittleEndian.PutUint32(buf, uint32(len(buf)))
	_, err := r.w.Write(buf)
	return err
}

// WriteReply writes one reply to w.
func WriteReply(w io.Writer, m *Message, body bson.Raw) error { return NewReplies(w).Write(m, body) }
