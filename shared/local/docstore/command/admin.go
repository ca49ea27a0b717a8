package command

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

func adminCommands() map[string]*command {
	noSearch := &command{run: refuseSearch, lenient: true}
	return map[string]*command{
		"getParameter":        {run: getParameter, adminOnly: true, lenient: true},
		"serverStatus":        {run: serverStatus, lenient: true},
		"validate":            {run: validate, fields: fields{"full": isFlag, "repair": isFlag, "metadata": isFlag, "checkBSONConformance": isFlag, "background": isFlag}},
		"dbStats":             {run: dbStats, fields: fields{"scale": isNumber, "freeStorage": isNumber}},
		"collStats":           {run: collStats, fields: fields{"scale": isNumber}},
		"createSearchIndexes": noSearch, "updateSearchIndex": noSearch, "dropSearchIndex": noSearch,
		"getLog":         {run: getLog, adminOnly: true, lenient: true},
		"hostInfo":       {run: empty, adminOnly: true, lenient: true},
		"getCmdLineOpts": {run: empty, adminOnly: true, lenient: true},
	}
}

func refuseSearch(context.Context, *request) (*bsonx.DocBuilder, error) {
	return nil, mongoerr.New(mongoerr.SearchNotEnabled, mongoerr.NoSearch)
}

func getParameter(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	all := []arg{
		{"enableTestCommands", bsonx.Int32(0)}, {"logicalSessionRefreshMillis", bsonx.Int32(300000)},
		{"featureCompatibilityVersion", bsonx.NewDoc(32).Append("version", bsonx.String(version[:3])).Value()},
		{"transactionLifetimeLimitSeconds", bsonx.Int32(60)}, {"localLogicalSessionTimeoutMinutes", bsonx.Int32(30)},
		{"authenticationMechanisms", bsonx.ArrayOf(bsonx.String(mechanism))}, {"requireApiVersion", bsonx.Bool(false)},
	}
	if r.fail != nil {
		all[0].value = bsonx.Int32(1)
	}
	v := r.get(r.name)
	everything := v.Type == bson.TypeString && v.StringValue() == "*" || v.Type == bson.TypeEmbeddedDocument && bsonx.Truthy(bsonx.Lookup(v.Value, "allParameters"))
	out, found := bsonx.NewDoc(256), false
	for _, p := range all {
		if everything || !bsonx.IsMissing(bsonx.Lookup(r.body, p.name)) {
			out.Append(p.name, p.value)
			found = true
		}
	}
	if !found {
		return nil, mongoerr.New(mongoerr.InvalidOptions, "no option found to get")
	}
	return out, nil
}

func serverStatus(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	return bsonx.NewDoc(256).Append("host", bsonx.String(r.conn.Address)).Append("version", bsonx.String(version)).
		Append("process", bsonx.String("strata-docstore")).Append("localTime", bsonx.Time(r.at)).
		Append("connections", bsonx.NewDoc(32).Append("totalCreated", bsonx.Int64(r.conns.Load())).Value()).
		Append("metrics", bsonx.NewDoc(64).Append("cursor", bsonx.NewDoc(32).Append("open",
			bsonx.NewDoc(32).Append("total", bsonx.Int64(int64(r.cursors.Len()))).Value()).Value()).Value()).
		Append("storageEngine", bsonx.NewDoc(64).Append("name", bsonx.String("pebble")).Append("persistent", bsonx.Bool(true)).
			Append("supportsCommittedReads", bsonx.Bool(true)).Append("supportsSnapshotReadConcern", bsonx.Bool(true)).Value()), nil
}

func validate(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	ns, err := r.namespace()
	if err != nil {
		return nil, err
	}
	check, err := r.engine.Validate(ns)
	if errors.Is(err, engine.ErrNotFound) {
		return nil, mongoerr.New(mongoerr.NamespaceNotFound, "Collection '%s' does not exist to validate.", ns)
	}
	if err != nil {
		return nil, err
	}
	keys, problems := bsonx.NewDoc(128), bsonx.NewArray(16)
	for name, n := range check.Keys {
		keys.Append(name, bsonx.Int64(int64(n)))
	}
	for _, p := range check.Problems {
		problems.Append(bsonx.String(p))
	}
	return bsonx.NewDoc(256).Append("ns", bsonx.String(ns.String())).Append("nrecords", bsonx.Int64(int64(check.Documents))).
		Append("nIndexes", bsonx.Int32(int32(len(check.Keys)))).Append("keysPerIndex", keys.Value()).
		Append("valid", bsonx.Bool(len(check.Problems) == 0)).Append("warnings", bsonx.ArrayOf()).Append("errors", problems.Value()), nil
}

func dbStats(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	if err := checkDatabase(r.db); err != nil {
		return nil, err
	}
	var collections, indexes, objects int64
	for _, c := range r.engine.Collections(r.db) {
		n, _, err := r.engine.Count(c)
		if err != nil {
			return nil, err
		}
		collections, indexes, objects = collections+1, indexes+int64(len(c.Indexes))+1, objects+n
	}
	return bsonx.NewDoc(128).Append("db", bsonx.String(r.db)).Append("collections", bsonx.Int64(collections)).
		Append("objects", bsonx.Int64(objects)).Append("indexes", bsonx.Int64(indexes)), nil
}

func collStats(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	ns, err := r.namespace()
	if err != nil {
		return nil, err
	}
	out := bsonx.NewDoc(128).Append("ns", bsonx.String(ns.String()))
	c := r.engine.Collection(ns)
	if c == nil {
		return out.Append("count", bsonx.Int32(0)).Append("nindexes", bsonx.Int32(0)), nil
	}
	n, _, err := r.engine.Count(c)
	return out.Append("count", bsonx.Int(n)).Append("nindexes", bsonx.Int32(int32(len(c.Indexes)+1))), err
}

func getLog(context.Context, *request) (*bsonx.DocBuilder, error) {
	return bsonx.NewDoc(64).Append("totalLinesWritten", bsonx.Int32(0)).Append("log", bsonx.ArrayOf()), nil
}
