package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/session"
	"github.com/strata-crm/strata/shared/local/docstore/wire"
)

// Config is what a Server needs. Engine and Now are required.
type Config struct {
	Engine     *engine.Engine
	Now        func() time.Time
	Logger     *slog.Logger // nil discards
	FailPoints bool         // offer configureFailPoint
	Credential *Credential  // nil asks nobody who they are
}

// Server runs commands. All methods are safe for concurrent use.
type Server struct {
	engine     *engine.Engine
	sessions   *session.Manager
	cursors    *session.Cursors
	commands   map[string]*command
	now        func() time.Time
	log        *slog.Logger
	fail       *failPoints // nil where they are not offered
	credential *Credential
	conns      atomic.Int64
	process    bson.ObjectID
	clock      clock
	snapshots  snapshots

	indexing sync.Mutex // one createIndexes at a time
}

// New returns a Server.
func New(c Config) (*Server, error) {
	if c.Engine == nil || c.Now == nil {
		return nil, errors.New("docstore command: Engine and Now are required")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	m, err := session.NewManager(c.Engine)
	if err != nil {
		return nil, err
	}
	s := &Server{engine: c.Engine, sessions: m, cursors: session.NewCursors(c.Now), now: c.Now, log: c.Logger, credential: c.Credential, process: bson.NewObjectID()}
	if c.FailPoints {
		s.fail = &failPoints{}
	}
	s.commands = commands(c.FailPoints)
	return s, nil
}

// Conn is the state of one connection. It is used by one goroutine at a time.
type Conn struct {
	ID            int64
	Address       string // host:port that the client dialled
	AppName       string // from the client's handshake
	Authenticated bool
	scram         *scramExchange
}

// Connect registers a connection.
func (s *Server) Connect(address string, trusted bool) *Conn {
	return &Conn{ID: s.conns.Add(1), Address: address, Authenticated: trusted || s.credential == nil}
}

// Disconnect tells that the connection is gone.
func (s *Server) Disconnect(c *Conn) { s.sessions.Disconnected(c.ID) }

// Reap ends what has outlived its time: transactions, sessions, cursors. It is to be called about once a second.
func (s *Server) Reap() {
	s.sessions.Reap()
	s.cursors.Reap()
	s.snapshots.reap(s.now())
	s.engine.Rest()
}

// Close ends all sessions and cursors. No command may be running.
func (s *Server) Close() {
	s.cursors.KillWhere(func(*session.Cursor) bool { return true })
	s.sessions.EndAll()
	s.snapshots.reap(s.now().Add(2 * snapshotWindow))
}

// errHangUp says that the connection is to be closed without a reply, as a fail point asked.
var errHangUp = errors.New("docstore: fail point closes the connection")

// Handle runs one message and returns the reply. hangUp tells the caller to close the connection instead of replying.
func (s *Server) Handle(ctx context.Context, c *Conn, m *wire.Message) (reply bson.Raw, hangUp bool) {
	r, err := s.parse(c, m)
	var fault failure
	if err == nil && s.fail != nil {
		fault, err = s.fail.match(ctx, r)
	}
	if errors.Is(err, errHangUp) {
		return nil, true
	}
	var out *bsonx.DocBuilder
	if err == nil {
		if out, err = s.run(ctx, r); !errors.Is(err, errHangUp) {
			err = r.labelled(err)
		}
	}
	if errors.Is(err, errHangUp) {
		return nil, true
	}
	if err != nil {
		out = errorReply(r, err)
	} else {
		out = fault.amend(out).Append("ok", one)
	}
	return s.appendTimes(out).Raw(), false
}

var one = bsonx.Double(1)

// run brings the command together with its session and transaction.
func (s *Server) run(ctx context.Context, r *request) (out *bsonx.DocBuilder, err error) {
	if !r.conn.Authenticated && !r.cmd.open {
		return nil, mongoerr.New(mongoerr.Unauthorized, "command %s requires authentication", r.name)
	}
	if r.cmd.adminOnly && r.db != "admin" {
		return nil, mongoerr.New(mongoerr.Unauthorized, "%s may only be run against the admin database.", r.name)
	}
	if err := s.engine.Stuck(); err != nil && !r.cmd.open {
		return nil, err
	}
	if r.maxTime > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.maxTime)
		defer cancel()
	}
	if err := r.checkTimes(); err != nil {
		return nil, err
	}
	if err := r.enter(); err != nil {
		return nil, err
	}
	defer r.leave()
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("docstore: a command panicked", "command", r.name, "panic", p, "stack", string(debug.Stack()))
			err = mongoerr.New(mongoerr.InternalError, "internal error in %s: %v", r.name, p)
		}
		err = r.settle(translate(err))
	}()
	return r.cmd.run(ctx, r)
}

// translate gives every error its MongoDB code.
func translate(err error) error {
	if err == nil {
		return nil
	}
	var conflict *engine.Conflict
	switch {
	case errors.As(err, &conflict):
		return mongoerr.New(mongoerr.WriteConflict, "WriteConflict error: this operation conflicted with another operation. Please retry your operation or multi-document transaction.")
	case errors.Is(err, context.DeadlineExceeded):
		return mongoerr.New(mongoerr.MaxTimeMSExpired, "operation exceeded time limit")
	case errors.Is(err, context.Canceled):
		return mongoerr.New(mongoerr.InterruptedAtShutdown, "operation was interrupted")
	}
	return translateDisk(engine.Explain(err))
}

// translateDisk gives failures of the disk their codes. Clients may try again while the disk is full.
func translateDisk(err error) error {
	var disk *engine.DiskError
	var damaged *engine.Corruption
	switch {
	case errors.As(err, &disk) && disk.Final:
		return mongoerr.New(mongoerr.FileStreamFailed, "%v", disk) // not a code that drivers repeat until their time is over
	case errors.As(err, &disk):
		return mongoerr.New(mongoerr.OutOfDiskSpace, "%v", disk)
	case errors.Is(err, syscall.ENOSPC): // of a sort or group that goes on disk
		return mongoerr.New(mongoerr.OutOfDiskSpace, "there is no space for the temporary files of this command: free some, or use an index (%v)", err)
	case errors.As(err, &damaged):
		return mongoerr.New(mongoerr.DataCorruptionDetected, "%v", damaged)
	}
	return err
}

// settle rolls an open transaction back after a failure in it.
func (r *request) settle(err error) error {
	if err == nil || r.session == nil || r.tx == nil {
		return err
	}
	r.session.Abort()
	return err
}

func errorReply(r *request, err error) *bsonx.DocBuilder {
	out := bsonx.NewDoc(128)
	e := mongoerr.From(translate(err))
	if e.Code == mongoerr.InternalError {
		e = &mongoerr.Error{Code: e.Code, Name: e.Name, Message: fmt.Sprintf("%s: %v", r.name, err), Labels: e.Labels}
	}
	appendError(out, e)
	var dup *engine.DuplicateKey
	if errors.As(err, &dup) {
		out = bsonx.NewDoc(128)
		out.Append("ok", bsonx.Double(0)).Append("errmsg", bsonx.String(dup.Error())).Append("code", bsonx.Int32(mongoerr.DuplicateKey)).
			Append("codeName", bsonx.String("DuplicateKey")).Append("keyPattern", bsonx.Document(dup.KeyPattern)).Append("keyValue", bsonx.Document(dup.KeyValue))
	}
	return out
}

func appendError(out *bsonx.DocBuilder, e *mongoerr.Error) {
	out.Append("ok", bsonx.Double(0)).Append("errmsg", bsonx.String(e.Message)).
		Append("code", bsonx.Int32(e.Code)).Append("codeName", bsonx.String(e.Name))
	appendInfo(out, e)
	if len(e.Labels) > 0 {
		out.Append("errorLabels", labelArray(e.Labels))
	}
}

func appendInfo(out *bsonx.DocBuilder, e *mongoerr.Error) {
	if e.Info != nil {
		out.Append("errInfo", bsonx.Document(e.Info))
	}
}

func labelArray(labels []string) bson.RawValue {
	out := bsonx.NewArray(32)
	for _, l := range labels {
		out.Append(bsonx.String(l))
	}
	return out.Value()
}
