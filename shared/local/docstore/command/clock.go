package command

import (
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// clock gives the commits their cluster times: seconds of the wall clock and a counter. Times rise with the commits'
// numbers, and never fall, even where the wall clock does. The node is alone, so that a read sees every commit whose
// time a client can know. All methods are safe for concurrent use.
type clock struct {
	mu   sync.Mutex
	seq  uint64         // the last commit that has a time
	last bson.Timestamp // its time, or a later one that a client told
	op   bson.Timestamp // its time
}

// maxAhead is how many seconds a client's cluster time may be ahead of the wall clock, as in MongoDB: one year.
const maxAhead = 365 * 24 * 60 * 60

// at returns the time of the commit with that number, or the time and number of a later one where that has one already.
func (c *clock) at(seq uint64, wall int64) (bson.Timestamp, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.op.T == 0 || seq > c.seq {
		if now := uint32(wall); now > c.last.T {
			c.last = bson.Timestamp{T: now}
		}
		c.last.I++
		c.seq, c.op = max(c.seq, seq), c.last
	}
	return c.op, c.seq
}

// tick returns a time that nothing else has.
func (c *clock) tick(wall int64) bson.Timestamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := uint32(wall); now > c.last.T {
		c.last = bson.Timestamp{T: now}
	}
	c.last.I++
	return c.last
}

// stamp returns the time of a change that stores its time.
func (r *request) stamp() bson.Timestamp { return r.clock.tick(r.at.Unix()) }

// now returns the highest time known.
func (c *clock) now() bson.Timestamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// hear takes over a client's $clusterTime where it is ahead: it has been told it before a restart.
func (c *clock) hear(t bson.Timestamp, wall int64) error {
	if int64(t.T) > wall+maxAhead {
		return mongoerr.New(mongoerr.ClusterTimeFailsRateLimiter, "New cluster time, %d, is too far from this node's wall clock time, %d.", t.T, wall)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.last) {
		c.last = t
	}
	return nil
}

// setClusterTime reads {clusterTime, signature}. Nobody signs times here, so that signatures are not looked at.
func (g *general) setClusterTime(v bson.RawValue) error {
	if err := isDoc("$clusterTime", v); err != nil {
		return err
	}
	t := bsonx.Lookup(v.Value, "clusterTime")
	if bsonx.IsNullish(t) {
		return mongoerr.New(mongoerr.NoSuchKey, "Missing expected field \"clusterTime\"")
	}
	if t.Type != bson.TypeTimestamp {
		return mongoerr.New(mongoerr.TypeMismatch, "\"$clusterTime.clusterTime\" had the wrong type. Expected timestamp, found %s", bsonx.TypeName(t.Type))
	}
	g.clusterTime = timestampOf(t)
	return nil
}

func timestampOf(v bson.RawValue) bson.Timestamp {
	t, i := v.Timestamp()
	return bson.Timestamp{T: t, I: i}
}

func timestampValue(t bson.Timestamp) bson.RawValue { return bsonx.Timestamp(t.T, t.I) }

// checkTimes refuses times that have not come yet: no read could wait for them on a node that is alone.
func (r *request) checkTimes() error {
	wall := r.at.Unix()
	if r.clusterTime.T != 0 {
		if err := r.clock.hear(r.clusterTime, wall); err != nil {
			return err
		}
	}
	if r.afterTime.T == 0 && r.atTime.T == 0 {
		return nil
	}
	if r.cmd.localReads && r.afterTime.T != 0 {
		return mongoerr.New(mongoerr.IllegalOperation, "%s does not support readConcern.afterClusterTime", r.name)
	}
	r.clock.at(r.engine.Seq(), wall)
	if now := r.clock.now(); r.afterTime.After(now) || r.atTime.After(now) {
		return mongoerr.New(mongoerr.InvalidOptions, "readConcern afterClusterTime or atClusterTime value must not be greater than the current clusterTime")
	}
	return nil
}

// appendTimes adds what clients need for causally consistent sessions.
func (s *Server) appendTimes(out *bsonx.DocBuilder) *bsonx.DocBuilder {
	op, _ := s.clock.at(s.engine.Seq(), s.now().Unix())
	now := s.clock.now()
	start := out.Open("$clusterTime", bson.TypeEmbeddedDocument)
	out.AppendTimestamp("clusterTime", now.T, now.I).Append("signature", unsigned)
	out.Close(start)
	return out.AppendTimestamp("operationTime", op.T, op.I)
}

// unsigned is what MongoDB sends as a signature where nobody must log in.
var unsigned = bsonx.NewDoc(64).Append("hash", binaryValue(bson.Binary{Data: make([]byte, 20)})).Append("keyId", bsonx.Int64(0)).Value()
