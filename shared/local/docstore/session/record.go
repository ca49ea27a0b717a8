package session

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

// Record is what survives of a session's last numbered operation. It is stored in the same batch as the writes that it
// speaks of. Fields may be added to its form on disk; none may change its meaning.
type Record struct {
	Number    int64
	Committed bool // a transaction was committed under Number
	// Simple is the count of leading statements that answered {n: 1} and nothing else.
	Simple int32
	// Replies holds the other statements' answers, in ascending order of statements; none speaks of one that Simple covers.
	Replies []Reply
}

// Reply is what one statement answered, and More that follow it answered too.
type Reply struct {
	Statement, More int32
	Answer          bson.Raw
}

// Reply returns the stored answer of a statement.
func (r *Record) Reply(statement int32) (bson.Raw, bool) {
	if statement >= 0 && statement < r.Simple {
		return simpleReply, true
	}
	i := r.place(statement)
	if i == len(r.Replies) || r.Replies[i].Statement > statement {
		return nil, false
	}
	return r.Replies[i].Answer, true
}

// place returns where the answer of a statement is, or would be.
func (r *Record) place(statement int32) int {
	i, _ := slices.BinarySearchFunc(r.Replies, statement, func(p Reply, s int32) int { return cmp.Compare(p.Statement+p.More, s) })
	return i
}

// Add notes the answer of a statement that has none yet. A negative number stands for a statement that is not remembered, as in
// MongoDB.
func (r *Record) Add(statement int32, reply bson.Raw) {
	if statement < 0 {
		return
	}
	if statement == r.Simple && string(reply) == string(simpleReply) {
		r.Simple++
		return
	}
	i := r.place(statement)
	if i > 0 {
		if last := &r.Replies[i-1]; last.Statement+last.More+1 == statement && string(last.Answer) == string(reply) {
			last.More++
			return
		}
	}
	r.Replies = slices.Insert(r.Replies, i, Reply{Statement: statement, Answer: reply})
}

var simpleReply = bsonx.NewDoc(16).Append("n", bsonx.Int32(1)).Raw()

// storedRecord is Record on disk, as it is read; encode writes it.
type storedRecord struct {
	At        time.Time     `bson:"at"`
	Number    int64         `bson:"number"`
	Committed bool          `bson:"committed,omitempty"`
	Simple    int32         `bson:"simple,omitempty"`
	Replies   []storedReply `bson:"replies,omitempty"`
}

type storedReply struct {
	Statement int32    `bson:"s"`
	Reply     bson.Raw `bson:"r"`
	More      int32    `bson:"m,omitempty"`
}

// encode writes the form of storedRecord; by hand, because a bulk write keeps thousands of answers.
func (r *Record) encode(now time.Time) []byte {
	size := 128
	for _, reply := range r.Replies {
		size += len(reply.Answer) + 48
	}
	out := bsonx.NewDoc(size).Append("at", bsonx.Time(now)).Append("number", bsonx.Int64(r.Number))
	if r.Committed {
		out.Append("committed", bsonx.Bool(true))
	}
	if r.Simple > 0 {
		out.Append("simple", bsonx.Int32(r.Simple))
	}
	if len(r.Replies) > 0 {
		list := out.Open("replies", bson.TypeArray)
		for i, reply := range r.Replies {
			item := out.Open(strconv.Itoa(i), bson.TypeEmbeddedDocument)
			out.Append("s", bsonx.Int32(reply.Statement)).Append("r", bsonx.Document(reply.Answer))
			if reply.More > 0 {
				out.Append("m", bsonx.Int32(reply.More))
			}
			out.Close(item)
		}
		out.Close(list)
	}
	return out.Raw()
}

func decodeRecord(b []byte) (*Record, error) {
	var s storedRecord
	if err := bson.Unmarshal(b, &s); err != nil {
		return nil, err
	}
	r := &Record{Number: s.Number, Committed: s.Committed, Simple: s.Simple}
	for _, reply := range s.Replies {
		r.Replies = append(r.Replies, Reply{reply.Statement, reply.More, reply.Reply})
	}
	return r, nil
}
