package command

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/session"
	"github.com/strata-crm/strata/shared/local/docstore/wire"
)

// request is one command while it runs.
type request struct {
	*Server
	conn *Conn
	cmd  *command
	name string
	db   string
	body bson.Raw
	args
	sequences []wire.Sequence
	general

	session *session.Session
	tx      *engine.Tx     // the open transaction; nil outside of one
	at      time.Time      // one instant for the whole command
	sawAt   bson.Timestamp // when a read with level "snapshot" outside of a transaction read
}

// general are the fields that every command accepts.
type general struct {
	lsid        *session.ID
	txnNumber   *int64
	start       bool
	autocommit  bool // autocommit was given, and false
	readConcern string
	noReplyWait bool // w:0 or j:false: the reply need not wait for the disk
	maxTime     time.Duration
	tooMany     bool           // the write concern asks for more members than there are
	clusterTime bson.Timestamp // the highest that the client knows
	afterTime   bson.Timestamp // readConcern.afterClusterTime
	atTime      bson.Timestamp // readConcern.atClusterTime

	hasReadConcern, hasWriteConcern bool
	apiVersion, apiStrict, apiGiven bool
}

// parse splits the message into the command's own fields and the general ones and checks both.
func (s *Server) parse(c *Conn, m *wire.Message) (*request, error) {
	r := &request{Server: s, conn: c, body: m.Body, sequences: m.Sequences, db: m.Database, at: s.now()}
	it := bsonx.Elements(m.Body)
	if !it.Next() {
		return nil, mongoerr.New(mongoerr.FailedToParse, "the command is empty")
	}
	r.name = intern(it.Key())
	if r.cmd = s.commands[r.name]; r.cmd == nil {
		return r, mongoerr.New(mongoerr.CommandNotFound, "no such command: '%s'", r.name)
	}
	r.args = append(make(args, 0, 12), arg{r.name, it.Value()})
	for it.Next() {
		if err := r.field(intern(it.Key()), it.Value()); err != nil {
			return r, err
		}
	}
	for _, q := range m.Sequences {
		if r.cmd.sequence != q.Name {
			return r, mongoerr.New(unknownField, "BSON field '%s.%s' is an unknown field.", r.name, q.Name)
		}
	}
	if r.db == "" {
		return r, mongoerr.New(missingField, "OP_MSG requests require a $db argument")
	}
	if err := r.required(); err != nil {
		return r, err
	}
	return r, r.checkGeneral()
}

func (r *request) required() error {
	for _, name := range r.cmd.required {
		if !r.has(name) && !(name == r.cmd.sequence && len(r.sequences) > 0) {
			return mongoerr.New(missingField, "BSON field '%s.%s' is missing but a required field", r.name, name)
		}
	}
	return nil
}

func (r *request) field(name string, v bson.RawValue) error {
	if chk, ok := r.cmd.fields[name]; ok {
		if v.Type == bson.TypeNull && !r.cmd.keepNull && !slices.Contains(r.cmd.nulls, name) {
			return nil
		}
		if r.has(name) {
			return mongoerr.New(duplicateField, "BSON field '%s.%s' is a duplicate field", r.name, name)
		}
		if err := chk.below(r.name, name, v); err != nil {
			return err
		}
		r.args = append(r.args, arg{name, v})
		return nil
	}
	if v.Type == bson.TypeEmbeddedDocument || v.Type == bson.TypeArray {
		if depth(v.Value, maxCommandDepth+1) > maxCommandDepth {
			return mongoerr.New(mongoerr.Overflow, "command field '%s' exceeds the nesting limit of %d levels", name, maxCommandDepth)
		}
	}
	known, err := r.general.field(r, name, v)
	if !known && !r.cmd.lenient {
		return mongoerr.New(unknownField, "BSON field '%s.%s' is an unknown field.", r.name, name)
	}
	return err
}

// field takes one general field; known is false for any other.
func (g *general) field(r *request, name string, v bson.RawValue) (known bool, err error) {
	if name == "comment" {
		return true, nil
	}
	if v.Type == bson.TypeNull && name != "$db" {
		_, known = generalNames[name]
		return known, nil
	}
	switch name {
	case "$db":
		r.db = string(bsonx.StringBytes(v))
		return true, isString(name, v)
	case "lsid":
		return true, g.setSession(v)
	case "txnNumber":
		n, ok := v.Int64OK()
		if !ok {
			return true, wrongType(name, v, "long")
		}
		g.txnNumber = &n
		return true, nil
	case "startTransaction":
		g.start = bsonx.Truthy(v)
		return true, isBool(name, v)
	case "autocommit":
		g.autocommit = true
		if bsonx.Truthy(v) {
			return true, mongoerr.New(mongoerr.InvalidOptions, "autocommit must be false: leave it out for a single write")
		}
		return true, isBool(name, v)
	case "apiVersion", "apiStrict", "apiDeprecationErrors":
		return true, g.setAPI(name, v)
	case "$clusterTime":
		return true, g.setClusterTime(v)
	case "readConcern":
		return true, g.setReadConcern(v)
	case "writeConcern":
		if err = g.setWriteConcern(v); g.tooMany && r.cmd.endsTransaction {
			err = nil // it is carried out, and the answer says what is missing: refusing it would leave the transaction open
		}
		return true, err
	case "maxTimeMS":
		g.maxTime, err = maxTime(name, v)
		return true, err
	}
	_, known = generalNames[name]
	return known, nil
}

// generalNames are the fields that are accepted everywhere and need nothing done, or are handled in general.field.
var generalNames = map[string]struct{}{
	"$readPreference": {}, "$clusterTime": {}, "apiVersion": {}, "apiStrict": {}, "apiDeprecationErrors": {},
	"$client": {}, "$audit": {}, "mayBypassWriteBlocking": {}, "rawData": {}, "serialization_context": {}, "expectPrefix": {},
	"lsid": {}, "txnNumber": {}, "startTransaction": {}, "autocommit": {}, "readConcern": {}, "writeConcern": {},
	"maxTimeMS": {}, "coordinator": {}, "recoveryToken": {}, "maxTimeMSOpOnly": {}, "clientOperationKey": {},
	"databaseVersion": {}, "shardVersion": {},
}

func (g *general) setSession(v bson.RawValue) error {
	if err := isDoc("lsid", v); err != nil {
		return err
	}
	id, err := sessionID("lsid", v.Value)
	g.lsid = id
	return err
}

// sessionID reads {id: UUID}; the other fields that a server's own sessions have are accepted and not used.
func sessionID(path string, doc bson.Raw) (*session.ID, error) {
	for it := bsonx.Elements(doc); it.Next(); {
		switch string(it.Key()) {
		case "id", "uid", "txnNumber", "txnUUID":
		default:
			return nil, mongoerr.New(unknownField, "BSON field '%s.%s' is an unknown field.", path, it.Key())
		}
	}
	v := bsonx.Lookup(doc, "id")
	if bsonx.IsNullish(v) {
		return nil, mongoerr.New(missingField, "BSON field '%s.id' is missing but a required field", path)
	}
	if v.Type != bson.TypeBinary {
		return nil, wrongType(path+".id", v, "binData")
	}
	subtype, data := v.Binary()
	if subtype != bson.TypeBinaryUUID {
		return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field '%s.id' is the wrong binData type, expected type 'UUID'", path)
	}
	if len(data) != 16 {
		return nil, mongoerr.New(207, "uuid must be a 16-byte binary field with UUID (4) subtype")
	}
	return (*session.ID)(data), nil // the message is not changed
}

// maxTime reads a time limit in milliseconds; 0 means none.
func maxTime(name string, v bson.RawValue) (time.Duration, error) {
	if err := isNumber(name, v); err != nil {
		return 0, err
	}
	f, _ := bsonx.FloatOf(v)
	if f != math.Trunc(f) || math.IsNaN(f) || math.Abs(f) > math.MaxInt64 {
		return 0, mongoerr.New(mongoerr.FailedToParse, "%s has non-integral value", name)
	}
	if f < 0 || f > math.MaxInt32 {
		return 0, mongoerr.New(mongoerr.BadValue, "%v value for %s is out of range [0, 2147483647]", f, name)
	}
	return time.Duration(f) * time.Millisecond, nil
}

// maxCommandDepth is how deep a field of a command may nest.
const maxCommandDepth = 200

// namespace returns the collection that the command's first field names.
func (r *request) namespace() (engine.Namespace, error) {
	v := r.get(r.name)
	if v.Type != bson.TypeString {
		return engine.Namespace{}, mongoerr.New(mongoerr.InvalidNamespace, "collection name has invalid type %s", bsonx.TypeName(v.Type))
	}
	ns := engine.Namespace{DB: r.db, Name: v.StringValue()}
	return ns, checkNamespace(ns)
}

// maxNamespace is the length in bytes that db.collection may have.
const maxNamespace = 255

func checkNamespace(ns engine.Namespace) error {
	if err := checkDatabase(ns.DB); err != nil {
		return err
	}
	switch {
	case ns.Name == "", strings.HasPrefix(ns.Name, "."), strings.ContainsRune(ns.Name, 0):
		return mongoerr.New(mongoerr.InvalidNamespace, "Invalid namespace specified '%s'", ns)
	case strings.Contains(ns.Name, "$") && !strings.HasPrefix(ns.Name, "$cmd."):
		return mongoerr.New(mongoerr.InvalidNamespace, "Invalid collection name: %s", ns.Name)
	case len(ns.DB)+1+len(ns.Name) > maxNamespace:
		return mongoerr.New(mongoerr.InvalidNamespace, "Fully qualified namespace is too long: %d bytes, the limit is 255", len(ns.String()))
	}
	return nil
}

func checkDatabase(db string) error {
	if db == "" || len(db) > 63 || strings.ContainsAny(db, "/\\. \"$\x00") && db != "$external" {
		return mongoerr.New(mongoerr.InvalidNamespace, "Invalid database name: '%s'", db)
	}
	return nil
}

// documents returns the documents of the command's sequence field, however they were sent.
func (r *request) documents(name string) []bson.Raw {
	for _, q := range r.sequences {
		if q.Name == name {
			return q.Docs
		}
	}
	return r.docs(name)
}

// env returns a fresh environment and scope with the command's "let" variables.
func (r *request) env() (*expr.Env, *expr.Scope, error) {
	env, scope := &expr.Env{Now: r.at}, noVariables
	var err error
	for it := bsonx.Elements(r.doc("let")); it.Next(); {
		var e expr.Expr
		if e, err = expr.Compile(it.Value(), scope); err != nil {
			return nil, nil, err
		}
		v, err := e.Eval(env, nil)
		if err != nil {
			return nil, nil, err
		}
		child, slot := scope.Define(string(it.Key()))
		scope = child
		env.Set(slot, v)
	}
	return env, scope, err
}

var noVariables = expr.NewScope()

// durable waits until what the transaction shows can be told to a reader with majority guarantees.
func (r *request) durable(ctx context.Context, t *engine.Tx) error {
	return r.durableUpTo(ctx, t.Seq())
}

// durableUpTo is durable for what the commits up to seq show.
func (r *request) durableUpTo(ctx context.Context, seq uint64) error {
	if r.readConcern == "majority" || r.readConcern == "snapshot" || r.readConcern == "linearizable" || r.session != nil && r.tx != nil && r.session.DurableReads() {
		return r.engine.WaitDurable(ctx, seq)
	}
	return nil
}
