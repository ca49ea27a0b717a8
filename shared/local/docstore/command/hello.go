package command

import (
	"context"
	"math"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/session"
	"github.com/strata-crm/strata/shared/local/docstore/wire"
)

// Limits announced in hello. Version is the MongoDB release whose behaviour the store follows.
const (
	maxDocument   = 16 << 20
	maxWriteBatch = 100000
	maxWire       = 21
	setName       = "strata"
	version       = "7.0.0"
)

func handshakeCommands() map[string]*command {
	hello := &command{run: hello, open: true, lenient: true, inTransaction: false}
	return map[string]*command{
		"hello": hello, "isMaster": hello, "ismaster": hello,
		"ping":             {run: empty, open: true, lenient: true},
		"buildInfo":        {run: buildInfo, open: true, lenient: true},
		"buildinfo":        {run: buildInfo, open: true, lenient: true},
		"saslStart":        {run: saslStart, open: true, lenient: true},
		"saslContinue":     {run: saslContinue, open: true, lenient: true},
		"connectionStatus": {run: connectionStatus, open: true, lenient: true},
		"whatsmyuri":       {run: empty, open: true, lenient: true},
	}
}

func empty(context.Context, *request) (*bsonx.DocBuilder, error) { return bsonx.NewDoc(16), nil }

// hello answers as the primary of a replica set of one, whose only host is the address that the client dialled: drivers
// drop servers under any other name. topologyVersion is left out, so that they poll and do not stream.
func hello(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	out := bsonx.NewDoc(512)
	if app, ok := bsonx.LookupPath(r.body, "client.application.name").StringValueOK(); ok {
		r.conn.AppName = app
	}
	if bsonx.Truthy(orNull(bsonx.Lookup(r.body, "helloOk"))) {
		out.Append("helloOk", bsonx.Bool(true))
	}
	primary := "isWritablePrimary"
	if r.name != "hello" {
		primary = "ismaster"
	}
	out.Append(primary, bsonx.Bool(true)).Append("secondary", bsonx.Bool(false)).
		Append("setName", bsonx.String(setName)).Append("setVersion", bsonx.Int32(1)).
		Append("hosts", bsonx.ArrayOf(bsonx.String(r.conn.Address))).
		Append("me", bsonx.String(r.conn.Address)).Append("primary", bsonx.String(r.conn.Address)).
		Append("minWireVersion", bsonx.Int32(0)).Append("maxWireVersion", bsonx.Int32(maxWire)).
		Append("logicalSessionTimeoutMinutes", bsonx.Int32(int32(session.Timeout.Minutes()))).
		Append("maxBsonObjectSize", bsonx.Int32(maxDocument)).Append("maxMessageSizeBytes", bsonx.Int32(wire.MaxMessageSize)).
		Append("maxWriteBatchSize", bsonx.Int32(maxWriteBatch)).Append("localTime", bsonx.Time(r.at)).
		Append("connectionId", bsonx.Int32(int32(r.conn.ID&math.MaxInt32))).Append("readOnly", bsonx.Bool(false))
	if user := bsonx.StringBytes(bsonx.Lookup(r.body, "saslSupportedMechs")); user != nil && r.credential != nil {
		out.Append("saslSupportedMechs", bsonx.ArrayOf(bsonx.String(mechanism)))
	}
	return out, r.speculate(out)
}

func buildInfo(context.Context, *request) (*bsonx.DocBuilder, error) {
	return bsonx.NewDoc(256).Append("version", bsonx.String(version)).
		Append("gitVersion", bsonx.String("strata")).Append("modules", bsonx.ArrayOf()).
		Append("versionArray", bsonx.ArrayOf(bsonx.Int32(7), bsonx.Int32(0), bsonx.Int32(0), bsonx.Int32(0))).
		Append("bits", bsonx.Int32(64)).Append("debug", bsonx.Bool(false)).
		Append("maxBsonObjectSize", bsonx.Int32(maxDocument)).Append("storageEngines", bsonx.ArrayOf(bsonx.String("pebble"))), nil
}

func connectionStatus(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	users := bsonx.NewArray(32)
	if r.credential != nil && r.conn.Authenticated {
		users.Append(bsonx.NewDoc(32).Append("user", bsonx.String(r.credential.Username)).Append("db", bsonx.String("admin")).Value())
	}
	info := bsonx.NewDoc(64).Append("authenticatedUsers", users.Value()).Append("authenticatedUserRoles", bsonx.ArrayOf())
	return bsonx.NewDoc(128).Append("authInfo", info.Value()), nil
}
